"""The server of runs: what it shows, and to whom it does not answer."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.store import Store
from reports.page.loopback import LOOPBACK
from reports.page.serve import RunsServer
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
