"""The server of runs: what it shows, and to whom it does not answer."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.store import Store, Unit
from reports.page.loopback import LOOPBACK
from reports.page.serve import RunsServer
from tests.reports.recorded_results import RECORDED
from tests.reports.synthetic_runs import TWINS, RunBuilder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunsServer]:
    run = RunBuilder(tmp_path / "runs" / "a <b> & ü")
    run.latency(TWINS[0], "fp32", run.conversion(TWINS[0], "fp32"))
    run.build(experiment_name="first <run>")
    (tmp_path / "secret").write_text("not for others")
    with RunsServer(tmp_path / "runs") as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        server.stop()
        thread.join()


def get(server: RunsServer, path: str, *, host: str | None = None) -> tuple[int, str, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=60)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"{LOOPBACK}:{server.port}")
    connection.putheader("Cookie", f"other=1; bitlens-{server.port}={server.token}")
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer


def test_the_list_names_runs_escaped_with_their_progress(server: RunsServer) -> None:
    status, text, answer = get(server, "/")
    assert status == 200
    assert "first &lt;run&gt;" in text
    assert "a &lt;b&gt; &amp; ü: 2 done" in text
    assert "default-src 'none'" in str(answer.getheader("Content-Security-Policy"))


def test_a_run_is_shown_and_rendered_once_per_change(server: RunsServer) -> None:
    path = "/run/a%20%3Cb%3E%20%26%20%C3%BC/"
    status, text, _ = get(server, path)
    assert status == 200
    assert "This run has new results" in text
    assert server.page("a <b> & ü") is server.page("a <b> & ü")
    assert get(server, f"{path}version")[0] == 200


def test_a_run_that_cannot_be_read_says_why_beside_the_others(server: RunsServer) -> None:
    with Store(RunBuilder(server.runs / "newer").build()) as store:
        store.set_meta("schema", "99")
    _, text, _ = get(server, "/")
    assert "first &lt;run&gt;" in text
    assert "newer bitlens: expected schema" in text
    status, text, _ = get(server, "/run/newer/")
    assert status == 500
    assert "newer bitlens: expected schema" in text


@pytest.mark.parametrize(
    "path", ["/run/../secret/", "/run/..%2Fsecret/", "/run/nope/", "/secret", "/run//", "/etc/passwd"]
)
def test_nothing_but_runs_is_served(server: RunsServer, path: str) -> None:
    status, text, _ = get(server, path)
    assert (status, text) == (404, "no such run")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1"])
def test_a_page_elsewhere_cannot_read_the_runs_through_the_browser(server: RunsServer, host: str) -> None:
    assert get(server, "/", host=host)[0] == 403


def test_only_the_loopback_address_is_bound(server: RunsServer) -> None:
    with pytest.raises(ConnectionRefusedError):  # an address of this machine, as those that others reach it by
        http.client.HTTPConnection("127.0.0.2", server.port, timeout=60).connect()


def test_one_run_can_be_served_alone(tmp_path: Path) -> None:
    RunBuilder(tmp_path / "alone").build()
    assert list(RunsServer(tmp_path / "alone").folders()) == ["alone"]


# ------------------------------------------------------------------------------------- bad runs beside a good one
def broken(folder: Path) -> None:
    """A run whose page cannot be made: its plan speaks of a unit as no stage plans it."""
    with Store(folder) as store:
        store.replace_plan([Unit(kind="saliency", spec={"model": {"name": "a"}}, needs={})])


BAD: dict[str, Callable[[Path], object]] = {
    "garbage": lambda folder: (folder / "store.sqlite").write_bytes(b"power was cut here" * 300),
    "empty": lambda folder: (folder / "store.sqlite").write_bytes(b""),
    "a folder": lambda folder: ((folder / "store.sqlite").unlink(), (folder / "store.sqlite").mkdir()),
    "a pipe": lambda folder: ((folder / "store.sqlite").unlink(), os.mkfifo(folder / "store.sqlite")),
    "a link to itself": lambda folder: (
        (folder / "store.sqlite").unlink(),
        (folder / "store.sqlite").symlink_to("store.sqlite"),
    ),
    "cut in half": lambda folder: os.truncate(folder / "store.sqlite", 8192),
}


@pytest.mark.parametrize("how", BAD)
def test_one_bad_run_is_a_line_with_its_reason_and_the_others_are_served(server: RunsServer, how: str) -> None:
    bad = RunBuilder(server.runs / "bad").build()
    BAD[how](bad)
    status, text, _ = get(server, "/")
    assert status == 200
    assert "first &lt;run&gt;" in text
    assert "<li>bad <small>run folder" in text
    status, text, _ = get(server, "/run/bad/")
    assert status == 500
    assert "its store.sqlite" in text
    assert get(server, "/run/a%20%3Cb%3E%20%26%20%C3%BC/")[0] == 200


def test_run_whose_page_cannot_be_made_says_why_in_the_list(server: RunsServer) -> None:
    broken(RunBuilder(server.runs / "broken").build())
    assert get(server, "/run/broken/")[0] == 500
    assert "its page could not be made: " in get(server, "/")[1]


def test_run_whose_name_is_not_utf_8_is_served(server: RunsServer) -> None:
    os.rename(RunBuilder(server.runs / "plain").build(), os.fsencode(server.runs) + b"/caf\xe9")
    assert "/run/caf%E9/" in get(server, "/")[1]
    assert get(server, "/run/caf%E9/")[0] == 200


@pytest.mark.parametrize("schema", ["schema1", "schema2"])
def test_serving_creates_and_changes_no_file_of_a_run(tmp_path: Path, schema: str) -> None:
    """Also of an older version: a copy is migrated."""
    shutil.copytree(RECORDED / schema, tmp_path / "runs" / "old")
    before = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    with RunsServer(tmp_path / "runs") as server:
        assert "old: 173 done" in server.index()
        assert "Some files of this run are damaged." in server.page("old")  # most of its blobs are not recorded
    assert {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()} == before


def test_page_of_a_damaged_run_says_so_until_the_run_is_whole_again(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path / "mine")
    run.conversion(TWINS[0], "fp32")
    run.build()
    [blob] = (tmp_path / "mine" / "blobs").iterdir()
    content = blob.read_bytes()
    with RunsServer(tmp_path) as server:
        for damaged, now in ((b"short", True), (content, False), (content + b"x", True), (content, False)):
            blob.write_bytes(damaged)
            assert ("Some files of this run are damaged." in server.page("mine")) == now


def _history(folder: Path, *, title: str = "study <1>") -> Path:
    """Three runs of one experiment, the second on a board as well, and one of another experiment."""
    for number, p50_ms in enumerate((5.0, 4.0, 3.0)):
        run = RunBuilder(folder / f"run {number}", seed=number)
        conversion = run.conversion(TWINS[0], "fp32")
        run.latency(TWINS[0], "fp32", conversion, p50_ms=p50_ms)
        run.build(experiment_name=title, bitlens=f"0.{number}.0")
    RunBuilder(folder / "other").build(experiment_name="other")
    return folder


def test_the_history_of_an_experiment_has_a_line_for_each_of_its_runs(tmp_path: Path) -> None:
    with RunsServer(_history(tmp_path)) as server:
        index = server.answer("/").content
        assert index.count("/history/study%20%3C1%3E/") == 1
        assert "/history/other/" not in index  # it has one run
        page = server.answer("/history/study%20%3C1%3E/").content
    assert "study &lt;1&gt;" in page
    lines = page.split("<tbody>")[1].split("<tr>")[1:]
    assert [line.split('href="')[1].split('"')[0] for line in lines] == [f"/run/run%20{n}/" for n in (2, 1, 0)]
    for line, version, p50_ms in zip(lines, ("0.2.0", "0.1.0", "0.0.0"), (3.0, 4.0, 5.0), strict=True):
        assert f"<td>{version}</td>" in line
        assert [float(text) for text in re.findall(r"<td>([\d.]+) ms</td>", line)] == [pytest.approx(p50_ms, rel=0.1)]
        assert "this-host: " in line


def test_a_run_of_the_history_that_cannot_be_read_any_more_is_a_line_with_its_reason(tmp_path: Path) -> None:
    with RunsServer(_history(tmp_path, title="study")) as server:
        assert server.answer("/history/study/").status == 200
        (tmp_path / "run 1" / "store.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
        page = server.answer("/history/study/").content
    assert page.split("<tbody>")[1].count("<tr>") == 2  # its name is not known any more; the list says why


@pytest.mark.parametrize("path", ["/history/", "/history/nope/", "/history/../secret/", "/history/first%20%3Crun%3E/x"])
def test_no_history_but_that_of_an_experiment_here_is_served(server: RunsServer, path: str) -> None:
    assert get(server, path)[:2] == (404, "no such run")


def test_the_history_is_as_guarded_as_all_else_and_changes_no_file(server: RunsServer) -> None:
    before = {path: path.stat().st_mtime_ns for path in server.runs.rglob("*")}
    path = "/history/first%20%3Crun%3E/"
    status, text, answer = get(server, path)
    assert status == 200
    assert "<script" not in text
    assert "default-src 'none'" in str(answer.getheader("Content-Security-Policy"))
    assert get(server, path, host="elsewhere")[0] == 403
    assert {path: path.stat().st_mtime_ns for path in server.runs.rglob("*")} == before
