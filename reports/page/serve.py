"""Several runs in a browser: a list of them, and each one's page, made again whenever its store has changed.

Stores are only read: nothing is created or changed in a run's folder, which may be one that cannot be written. A run
that cannot be shown is a line with its reason, and the others are shown.
"""

from __future__ import annotations

import html
import json
import os
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from harness.store import ReadOnlyStore, StoreReader, read_store
from harness.store.blobs import Seen
from harness.store.folder import DATABASE
from harness.store.opening import Stamp, stamp_of
from reports.errors import reason_of
from reports.page.loopback import LOOPBACK, Answer, LoopbackServer

if TYPE_CHECKING:
    from reports.page.history import Past


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the list says of a run; `version` changes whenever something of the run is stored."""

    title: str
    counts: dict[str, int]
    version: str


@dataclass
class _Shown:
    """What is known of a run: its facts, and of which files; its page with the version that it shows, why the last one
    could not be made, what the history says of it and when that was so, which blobs were intact, and which state of the
    database."""

    facts: _Facts | None = None
    files: tuple[Stamp, ...] = ()
    version: str = ""
    page: str = ""
    failure: str = ""
    past: Past | None = None
    past_version: str = ""
    seen: Seen = field(default_factory=dict)
    sound: Stamp | None = None


@dataclass
class RunsServer:
    """Serves every run folder inside `runs`, or `runs` itself when it is one. Use as a context manager."""

    runs: Path
    port: int = 0  # 0 takes a free one
    _shown: dict[str, _Shown] = field(default_factory=dict)
    _rendering: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> RunsServer:
        self._server = LoopbackServer(self.port, self.answer)
        self.port = self._server.server_port
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.server_close()

    @property
    def token(self) -> str:
        return self._server.token

    @property
    def address(self) -> str:
        """With the token: who knows it may read the runs."""
        return f"http://{LOOPBACK}:{self.port}/?token={self.token}"

    def serve(self) -> None:
        """Answer until interrupted, or until `stop` is called from another thread."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self._server.shutdown()

    def answer(self, path: str) -> Answer:
        """For `/`, `/run/<name>/`, `/run/<name>/version` and `/history/<experiment>/`."""
        parts = [os.fsdecode(unquote_to_bytes(part)) for part in path.strip("/").split("/")]
        try:
            if parts == [""]:
                return Answer(content=self.index(), kind="text/html")
            if len(parts) == 2 and parts[0] == "run":
                return Answer(content=self.page(parts[1]), kind="text/html")
            if len(parts) == 2 and parts[0] == "history":
                return Answer(content=self.history(parts[1]), kind="text/html")
            if len(parts) == 3 and (parts[0], parts[2]) == ("run", "version"):
                return Answer(content=self.version(parts[1]), kind="application/json")
        except _NoSuchRun:
            pass
        except Exception as error:  # one run's trouble, whatever it is, ends with its own page
            return Answer(content=reason_of(error), status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return Answer(content="no such run", status=HTTPStatus.NOT_FOUND)

    def folders(self) -> dict[str, Path]:
        """The runs by name, those that changed last first; also what cannot be read but looks like one."""
        runs = [self.runs] if _may_be_run(self.runs) else [path for path in self.runs.iterdir() if _may_be_run(path)]
        return {path.name: path for path in sorted(runs, key=_changed_at, reverse=True)}

    def page(self, name: str) -> str:
        """A run's page as it is now. Raises _NoSuchRun for an unknown name, and whatever keeps it from being made."""
        from reports.page.page import render
        from reports.sections.run_reader import read_run

        folder, shown = self._folder(name), self._shown.setdefault(name, _Shown())

        def made(store: StoreReader) -> tuple[str, str]:
            version = _version(store)
            if version == shown.version and not store.damage:
                return version, shown.page
            return ("" if store.damage else version), render(read_run(store), live=version)

        with self._rendering:
            try:
                shown.version, shown.page = read_store(folder, made, seen=shown.seen)
                shown.failure = ""
            except Exception as error:
                shown.failure = reason_of(error)
                raise
        return shown.page

    def history(self, experiment: str) -> str:
        """The runs of an experiment, those that finished last first. Raises _NoSuchRun where there is none."""
        from reports.page.history import history_page

        of_it = [name for name, title in self._titles().items() if title == experiment]
        if not of_it:
            raise _NoSuchRun(experiment)
        lines = [(_link("run", name), name, self._past(name)) for name in of_it]
        return history_page(experiment, sorted(lines, key=lambda line: line[2].finished, reverse=True))

    def _past(self, name: str) -> Past:
        """Read again when something of the run was stored; the reason in place of a verdict where it cannot be read."""
        from reports.page.history import Past, past_of

        folder, shown = self._folder(name), self._shown.setdefault(name, _Shown())
        with self._rendering:
            try:
                version = self._facts(name, folder).version
                if shown.past is None or shown.past_version != version:
                    shown.past, shown.past_version = read_store(folder, past_of, seen=shown.seen), version
                return shown.past
            except Exception as error:  # see `answer`
                return Past(verdicts=(reason_of(error),), numbers={})

    def _titles(self) -> dict[str, str]:
        """The experiments of the runs that can be read, by the names of these."""
        titles = {}
        for name, folder in self.folders().items():
            with suppress(Exception):  # the list says why
                titles[name] = self._facts(name, folder).title
        return titles

    def version(self, name: str) -> str:
        """Changes whenever something of the run is stored."""
        return self._facts(name, self._folder(name)).version

    def index(self) -> str:
        lines = "".join(self._line(name, folder) for name, folder in self.folders().items())
        several = [title for title, count in Counter(self._titles().values()).items() if count > 1]
        links = ", ".join(f'<a href="{_link("history", title)}">{_escaped(title)}</a>' for title in several)
        history = f"<p>History of experiments with several runs: {links}</p>" if links else ""
        where = _escaped(str(self.runs))
        return _INDEX.format(where=where, history=history, lines=lines or "<li>No run here yet.</li>")

    def _line(self, name: str, folder: Path) -> str:
        try:
            facts = self._facts(name, folder)
        except Exception as error:  # see `answer`
            return f"<li>{_escaped(name)} <small>{_escaped(reason_of(error))}</small></li>"
        counts, failed = facts.counts, self._shown[name].failure
        progress = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "empty"
        failure = f"<small>its page could not be made: {_escaped(failed)}</small>" if failed else ""
        finished, total = counts["done"] + counts["failed"], max(1, sum(counts.values()))
        return (
            f'<li><a href="{_link("run", name)}">{_escaped(facts.title)}</a> '
            f"<small>{_escaped(name)}: {progress}</small>{failure}"
            f'<progress max="{total}" value="{finished}"></progress></li>'
        )

    def _facts(self, name: str, folder: Path) -> _Facts:
        """Read again when a file changed: browsers ask every few seconds, and an older run is copied to be read."""
        shown, files = self._shown.setdefault(name, _Shown()), _stamps(folder)
        if shown.facts is None or shown.files != files:
            shown.facts = None
            with ReadOnlyStore(folder, sound=shown.sound) as store:
                shown.sound, shown.files = store.stamp, files
                title = store.meta("experiment_name") or name
                shown.facts = _Facts(title=title, counts=_counts(store), version=_version(store))
        return shown.facts

    def _folder(self, name: str) -> Path:
        folder = self.folders().get(name)
        if folder is None:
            raise _NoSuchRun(name)
        return folder


class _NoSuchRun(Exception):
    pass


def _link(kind: str, name: str) -> str:
    return f"/{kind}/{quote(os.fsencode(name), safe='')}/"


def _may_be_run(folder: Path) -> bool:
    """Whether there is something named like a run's database, or nobody may know whether there is."""
    try:
        os.lstat(folder / DATABASE)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _stamps(folder: Path) -> tuple[Stamp, ...]:
    """Of the database, and of the log beside it, which changes first; of those that are there."""
    stamps = []
    for name in (DATABASE, f"{DATABASE}-wal"):
        with suppress(OSError):
            stamps.append(stamp_of(folder / name))
    return tuple(stamps)


def _changed_at(folder: Path) -> int:
    return max((changed for changed, _ in _stamps(folder)), default=0)


def _version(store: StoreReader) -> str:
    return json.dumps([_counts(store), len(store.finished()), store.commits()])


def _counts(store: StoreReader) -> dict[str, int]:
    """How many units are done, failed and planned, without reading their results."""
    of_kinds = store.counts().values()
    return {status: sum(counts[status] for counts in of_kinds) for status in ("done", "failed", "planned")}


def _escaped(text: str) -> str:
    return html.escape(text.encode(errors="replace").decode())


_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>bitlens runs</title>
<style>
:root {{ color-scheme: light dark; }}
html {{ background: Canvas; color: CanvasText; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 760px; margin: 40px auto; padding: 0 20px; }}
ul {{ list-style: none; padding: 0; }} li {{ padding: 12px 0; border-top: 1px solid #8884; overflow-wrap: anywhere; }}
small {{ display: block; opacity: .7; }} progress {{ width: 100%; height: 6px; }}
a {{ color: LinkText; font-weight: 600; }}
</style></head>
<body><h1>Runs</h1><p>{where}</p>{history}<ul>{lines}</ul>
<script>history.replaceState(null, "", "/"); setTimeout(() => location.reload(), 10000);</script></body></html>
"""
