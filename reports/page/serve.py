"""Several runs in a browser: a list of them, and each one's page, made again whenever its store has changed.

Only this machine can ask: the server listens on the loopback address and answers no request that names another host,
so that a web page elsewhere cannot read the runs through the user's browser.
"""

from __future__ import annotations

import html
import json
import os
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from harness.store import Store, UnreadableStore

LOOPBACK = "127.0.0.1"
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # the chart library compiles its expressions, hence unsafe-eval


@dataclass
class RunsServer:
    """Serves every run folder inside `runs`, or `runs` itself when it is one. Use as a context manager."""

    runs: Path
    port: int = 0  # 0 takes a free one
    _pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    _rendering: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> RunsServer:
        self._server = ThreadingHTTPServer((LOOPBACK, self.port), _handler(self))
        self.port = self._server.server_address[1]
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"

    def serve(self) -> None:
        """Answer until interrupted, or until `stop` is called from another thread."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self._server.shutdown()

    def folders(self) -> dict[str, Path]:
        """The runs by name, those that changed last first."""
        runs = [self.runs] if _is_run(self.runs) else [path for path in self.runs.iterdir() if _is_run(path)]
        return {path.name: path for path in sorted(runs, key=_changed_at, reverse=True)}

    def page(self, name: str) -> str:
        """A run's page as it is now. Raises KeyError for an unknown name."""
        from reports.page.page import render

        folder = self.folders()[name]
        with self._rendering, Store(folder) as store:
            version = self.version(name)
            if self._pages.get(name, ("", ""))[0] != version:
                self._pages[name] = (version, render(store, live=version))
            return self._pages[name][1]

    def version(self, name: str) -> str:
        """Changes whenever a unit of the run is stored."""
        with Store(self.folders()[name]) as store:
            return json.dumps([_counts(store), len(store.finished())])

    def index(self) -> str:
        lines = "".join(_index_line(name, path) for name, path in self.folders().items())
        return _INDEX.format(where=html.escape(str(self.runs)), lines=lines or "<li>No run here yet.</li>")


def _is_run(folder: Path) -> bool:
    return (folder / "store.sqlite").is_file()


def _changed_at(folder: Path) -> float:
    """The log beside the database changes first."""
    return max(os.stat(path).st_mtime for path in folder.glob("store.sqlite*"))


def _index_line(name: str, folder: Path) -> str:
    try:
        with Store(folder) as store:
            counts = _counts(store)
            title = store.meta("experiment_name") or name
    except UnreadableStore as error:
        return f"<li>{html.escape(name)} <small>{html.escape(str(error))}</small></li>"
    progress = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "empty"
    return (
        f'<li><a href="/run/{quote(name, safe="")}/">{html.escape(title)}</a> '
        f"<small>{html.escape(name)}: {progress}</small>"
        f'<progress max="{max(1, sum(counts.values()))}" value="{counts["done"] + counts["failed"]}"></progress></li>'
    )


def _counts(store: Store) -> dict[str, int]:
    """How many units are done, failed and planned, without reading their results."""
    of_kinds = store.counts().values()
    return {status: sum(counts[status] for counts in of_kinds) for status in ("done", "failed", "planned")}


def _handler(runs: RunsServer) -> type[BaseHTTPRequestHandler]:
    """The request handler's class, bound to its server's runs, as http.server wants it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host") not in (f"{LOOPBACK}:{runs.port}", f"localhost:{runs.port}"):
                return self._answer(HTTPStatus.FORBIDDEN, "this server answers its own machine only", "text/plain")
            try:
                content, kind = _content(runs, urlsplit(self.path).path)
            except KeyError:
                return self._answer(HTTPStatus.NOT_FOUND, "no such run", "text/plain")
            except UnreadableStore as error:
                return self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), "text/plain")
            return self._answer(HTTPStatus.OK, content, kind)

        def _answer(self, status: HTTPStatus, content: str, kind: str) -> None:
            body = content.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests of one's own browser are not worth a line."""

    return Handler


def _content(runs: RunsServer, path: str) -> tuple[str, str]:
    """The answer and its type for `/`, `/run/<name>/` and `/run/<name>/version`. Raises KeyError otherwise."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts == [""]:
        return runs.index(), "text/html"
    if len(parts) == 2 and parts[0] == "run":
        return runs.page(parts[1]), "text/html"
    if len(parts) == 3 and (parts[0], parts[2]) == ("run", "version"):
        return runs.version(parts[1]), "application/json"
    raise KeyError(path)


_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>bitlens runs</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 760px; margin: 40px auto; padding: 0 20px; }}
ul {{ list-style: none; padding: 0; }} li {{ padding: 12px 0; border-top: 1px solid #8884; overflow-wrap: anywhere; }}
small {{ display: block; opacity: .7; }} progress {{ width: 100%; height: 6px; }}
a {{ color: LinkText; font-weight: 600; }}
</style></head>
<body><h1>Runs</h1><p>{where}</p><ul>{lines}</ul>
<script>setTimeout(() => location.reload(), 10000);</script></body></html>
"""
