"""The server's door: who is answered, and what a client may take."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from reports.page import loopback
from reports.page.loopback import LARGEST_HEAD, LOOPBACK, MOST_AT_ONCE, Answer, LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(0, lambda path: Answer(content=f"answered {path}")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def connected(server: LoopbackServer) -> socket.socket:
    return socket.create_connection((LOOPBACK, server.server_port), timeout=60)


def ask(server: LoopbackServer, *headers: str, path: str = "/", host: str | None = None) -> str:
    """The whole answer to a request with these headers."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host or f'{LOOPBACK}:{server.server_port}'}", *headers, "", ""]
    with connected(server) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        return whole(connection)


def whole(connection: socket.socket) -> str:
    answer = b""
    try:
        while more := connection.recv(65_536):
            answer += more
    except ConnectionResetError:  # it did not read to the end what was sent
        pass
    return answer.decode()


def status(answer: str) -> int:
    return int(answer.split()[1])


def test_who_knows_the_token_is_answered_and_gets_a_cookie_that_does_as_well(server: LoopbackServer) -> None:
    first = ask(server, path=f"/?token={server.token}")
    assert status(first) == 200
    assert first.endswith("answered /")
    cookie = next(line for line in first.splitlines() if line.startswith("Set-Cookie: "))
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    pair = cookie.removeprefix("Set-Cookie: ").split(";")[0]
    assert ask(server, f"Cookie: a=b; {pair}", path="/run/x/").endswith("answered /run/x/")
    assert "Referrer-Policy: no-referrer" in first


@pytest.mark.parametrize(
    ("path", "cookie"),
    [
        ("/", ""),
        ("/run/x/version", ""),
        ("/?token=", ""),
        ("/?token=guess", ""),
        ("/?token=%ff%fe%00", ""),
        ("/?TOKEN={token}", ""),
        ("/?token={token}x", ""),
        ("/", "bitlens-{port}=guess"),
        ("/", "bitlens-1={token}"),
        ("/", "bitlens-{port}={half}"),
        ("/", ";;=;\x80"),
    ],
)
def test_who_does_not_is_told_so_in_a_sentence_without_a_cookie(server: LoopbackServer, path: str, cookie: str) -> None:
    known = {"token": server.token, "port": server.server_port, "half": server.token[:10]}
    answer = ask(server, f"Cookie: {cookie.format(**known)}", path=path.format(**known))
    assert status(answer) == 403
    assert answer.endswith("this server answers at the address that `bitlens serve` printed, with its token")
    assert "Set-Cookie" not in answer
    assert server.token not in answer


@pytest.mark.parametrize("address", ["http://[", "//[x", "http://[::1/", "http://]:1/"])
def test_what_is_no_address_gets_no_cookie_either(server: LoopbackServer, address: str) -> None:
    answer = ask(server, path=address)
    assert status(answer) in (400, 403)
    assert server.token not in answer


@pytest.mark.parametrize("header", ["Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1:1"])
def test_page_of_another_origin_is_refused_even_with_the_token(server: LoopbackServer, header: str) -> None:
    assert status(ask(server, header, path=f"/?token={server.token}")) == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:80"])
def test_another_host_s_name_is_refused_even_with_the_token(server: LoopbackServer, host: str) -> None:
    assert status(ask(server, path=f"/?token={server.token}", host=host)) == 403


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", b"POST / HTTP/1.1\r\nHost"],
)
def test_half_sent_request_is_given_up_after_its_time(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(loopback, "HEAD_SECONDS", 0.05)
    with connected(server) as connection:
        connection.sendall(sent)
        answer = whole(connection)
    assert status(answer) == 408
    assert answer.endswith("the request did not arrive in time")


def test_request_that_drips_in_is_given_up_after_its_time_too(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "HEAD_SECONDS", 0.2)
    with connected(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Drip: ")
        connection.settimeout(0.01)
        answer = b""
        for _ in range(6000):  # a minute, if it were answered byte by byte
            try:
                connection.send(b"x")
                answer += connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            if answer:
                break
    assert b" 408 " in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 10**6,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 10**6,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10**5,
    ],
)
def test_request_that_is_too_long_is_not_read_to_its_end(server: LoopbackServer, sent: bytes) -> None:
    assert len(sent) > LARGEST_HEAD
    with connected(server) as connection:
        try:
            connection.sendall(sent)
        except OSError:
            return  # it hung up meanwhile
        answer = whole(connection)
    assert answer == "" or status(answer) == 431


@pytest.mark.parametrize(
    "request_line", [b"\x00\xff\x16\x03\x01", b"GET http://[ HTTP/1.1", b"BREW / HTTP/1.1", b"GET"]
)
def test_nonsense_is_answered_or_hung_up_on_and_the_next_served(server: LoopbackServer, request_line: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        answer = whole(connection)
    assert answer == "" or "Error code: 4" in answer or "Error code: 5" in answer or status(answer) == 400
    assert status(ask(server, path=f"/?token={server.token}")) == 200


def test_over_a_thousand_half_sent_requests_take_a_bounded_number_of_threads(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "HEAD_SECONDS", 600.0)
    before, refused = threading.active_count(), 0
    held = []
    for _ in range(1100):
        connection = connected(server)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        held.append(connection)
        assert threading.active_count() <= before + MOST_AT_ONCE
        if len(held) > 200:  # those that are held; the others are told to come again
            held.remove(connection)
            refused += b"503" in connection.recv(100)
            connection.close()
    for connection in held:
        connection.close()
    assert refused == 900
    while status(answer := ask(server, path=f"/?token={server.token}")) == 503:
        continue
    assert status(answer) == 200
