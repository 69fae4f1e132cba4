"""An HTTP server for one person on this machine.

It listens on the loopback address. It answers whoever knows the token of the address that was printed, or has the
cookie that came with the first answer: so no other user of the machine, and no page elsewhere through this user's
browser. What a client may take is bounded: bytes and seconds of a request, and how many are answered at a time.
"""

from __future__ import annotations

import hmac
import io
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"
LARGEST_HEAD = 16_384  # bytes of a request line with all headers; browsers send about one thousand
HEAD_SECONDS = 5.0  # for all of them together
ANSWER_SECONDS = 60.0  # to take the answer
MOST_AT_ONCE = 32  # requests: browsers send six
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # the chart library compiles its expressions, hence unsafe-eval
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain\r\n\r\nbusy: try again\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    content: str
    kind: str = "text/plain"
    status: HTTPStatus = HTTPStatus.OK


class LoopbackServer(ThreadingHTTPServer):
    """`answer` is asked with the path of a request."""

    daemon_threads = True

    def __init__(self, port: int, answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self.token = secrets.token_urlsafe(24)
        self._free = threading.Semaphore(MOST_AT_ONCE)
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def cookie(self) -> str:
        """Its name: cookies are sent to every port of a host, and two servers must not take each other's."""
        return f"bitlens-{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            with suppress(OSError):
                request.settimeout(0)
                request.sendall(BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not worth a line; what goes wrong with an answer is in the answer."""


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    server_version, sys_version = "bitlens", ""
    requestline, command, request_version = "", "", "HTTP/1.0"  # until one was read

    def handle(self) -> None:
        """One request for each connection, read as a whole before anything is made of it."""
        self.close_connection = True
        head, refusal = _read_head(self.connection)
        self.connection.settimeout(ANSWER_SECONDS)
        if refusal is not None:
            self._send(refusal)
        else:
            self.rfile = io.BytesIO(head)
            self.handle_one_request()

    def do_GET(self) -> None:
        try:
            url = urlsplit(self.path)
        except ValueError:
            self._send(Answer(content="this is not an address", status=HTTPStatus.BAD_REQUEST))
        else:
            refusal = self._refused(url.query)
            self._send(refusal or self.server.answer(url.path), with_cookie=refusal is None)

    def _refused(self, query: str) -> Answer | None:
        """Why a request is not answered, if it is not."""
        own = [f"{name}:{self.server.server_port}" for name in (LOOPBACK, "localhost")]
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in own or origin not in (None, *(f"http://{host}" for host in own)):
            return Answer(content="this server answers its own machine only", status=HTTPStatus.FORBIDDEN)
        if self._is_token(parse_qs(query).get("token", [""])[0]) or self._is_token(self._cookie()):
            return None
        what = "this server answers at the address that `bitlens serve` printed, with its token"
        return Answer(content=what, status=HTTPStatus.FORBIDDEN)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(errors="replace"), self.server.token.encode())

    def _cookie(self) -> str:
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == self.server.cookie), "")

    def _send(self, answer: Answer, *, with_cookie: bool = False) -> None:
        """The cookie is the token: it goes with answers to who has shown that he knows it, and with no others."""
        body = answer.content.encode(errors="replace")
        self.send_response(answer.status)
        self.send_header("Content-Type", f"{answer.kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if with_cookie:
            cookie = f"{self.server.cookie}={self.server.token}; Path=/; HttpOnly; SameSite=Strict"
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests of one's own browser are not worth a line, and the token belongs into no log."""


def _read_head(connection: socket.socket) -> tuple[bytes, Answer | None]:
    """The request line and the headers; or why they are not read to their end."""
    deadline, head = time.monotonic() + HEAD_SECONDS, b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        try:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            more = connection.recv(4096)
        except TimeoutError:
            return b"", Answer(content="the request did not arrive in time", status=HTTPStatus.REQUEST_TIMEOUT)
        head += more
        if len(head) > LARGEST_HEAD:
            what = f"a request is at most {LARGEST_HEAD} bytes long"
            return b"", Answer(content=what, status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not more:
            break
    return head, None
