"""A cluster that speaks TLS does the units of who has its certificates; everybody else hears why it does not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import dask
import pytest
from distributed import Client, Security

from harness.errors import ConfigError
from harness.execution import scheduler_probe
from harness.execution.certificates import IN_CONFIGURATION, NO_CERTIFICATES, Certificates
from harness.execution.cluster_address import parse_address
from harness.execution.dask_cluster import connect
from harness.execution.scheduler_probe import check_answers
from harness.execution.sizing import WorkerConfig
from harness.stages.stage_table import STAGES
from tests.harness.execution.authority import Authority, options, security
from tests.harness.execution.loopback import ROOT, DaskOnLoopback, dask_on_loopback
from tests.harness.execution.simulated import STAGE, chains, do
from tests.same_store import assert_same_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Certificates:
    return Authority(folder).issue("cluster")


@pytest.fixture(scope="module")
def secure(folder: Path, certificates: Certificates) -> Iterator[DaskOnLoopback]:
    with dask_on_loopback(folder, certificates=certificates) as dask:
        yield dask


def test_cluster_with_certificates_does_the_units(
    secure: DaskOnLoopback,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(STAGES, "simulated", STAGE)
    do(tmp_path / "alone", chains(10, seconds=0.0), WorkerConfig(workers=0))
    do(tmp_path / "run", chains(10, seconds=0.0), WorkerConfig(cluster=secure.address, certificates=certificates))
    assert_same_store(tmp_path / "alone", tmp_path / "run")
    assert "warning" not in capsys.readouterr().err


def refusal(address: str, certificates: Certificates = NO_CERTIFICATES) -> str:
    with pytest.raises(ConfigError) as refused:
        connect(parse_address(address), "a run", certificates=certificates)
    return str(refused.value)


def test_certificate_of_another_authority_is_refused_by_the_cluster(
    secure: DaskOnLoopback, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("mine")
    assert "it refuses our certificate" in refusal(secure.address, replace(stranger, ca_file=certificates.ca_file))


def test_cluster_of_another_authority_is_refused(secure: DaskOnLoopback, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").issue("mine")
    assert "its certificate is refused: self-signed certificate" in refusal(secure.address, stranger)


def test_cluster_that_wants_tls_says_so_to_who_does_not_speak_it(secure: DaskOnLoopback) -> None:
    assert "it may speak TLS only\n  try: tls://" in refusal(secure.address.replace("tls://", "tcp://"))


def test_worker_is_not_taken_for_a_scheduler(secure: DaskOnLoopback, certificates: Certificates) -> None:
    with Client(secure.address, security=security(certificates), set_as_default=False) as client:
        worker, *_ = client.scheduler_info()["workers"]
    assert "expected a Dask scheduler, got a worker" in refusal(worker, certificates)


@contextmanager
def server(says: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of something that is no Dask: it says this to everybody, and waits."""
    open_ones = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    connection = tls.wrap_socket(connection, server_side=True) if tls else connection
                except OSError:
                    return
                open_ones.append(connection)
                connection.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n" * 9, b"\xff" * 99, b"\x08" + b"\0" * 7 + b"\x01" * 8])
def test_what_is_no_scheduler_is_refused_in_time(
    scheme: str, says: bytes, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_probe, "TIMEOUT_SECONDS", 1.0)
    with server(says) as port:
        said = refusal(f"{scheme}://127.0.0.1:{port}", certificates if scheme == "tls" else NO_CERTIFICATES)
    assert f"--cluster {scheme}://127.0.0.1:{port}: " in said
    assert "\n  try: " in said


def test_what_speaks_tls_and_is_no_scheduler_is_not_said_to_lack_tls(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificates.cert), certificates.key)
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9, context) as port:
        said = refusal(f"tls://127.0.0.1:{port}", certificates)
    assert "no Dask scheduler answers there" in said
    assert "\n  try: another port" in said


def test_encryption_that_the_configuration_of_dask_requires_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="encryption required by Dask configuration"):
        check_answers(parse_address("tcp://127.0.0.1:1"), Security(require_encryption=True))


def test_files_in_the_configuration_of_dask_do_not_matter_without_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_probe, "TIMEOUT_SECONDS", 1.0)
    files = {f"distributed.comm.tls.{name}": str(tmp_path / "missing.pem") for name in IN_CONFIGURATION.values()}
    with (
        dask.config.set(files),
        server(b"") as port,
    ):
        assert "no Dask scheduler answers within" in refusal(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cluster", "ucx://h:1"], "expected an address with tls:// or tcp://"),
        (["--cluster", "tls://h"], "expected tls://host:port"),
        (["--tls-cert", "cert.pem"], "expected --cluster tls://host:port as well"),
    ],
)
def test_command_refuses_a_cluster_in_one_sentence(tmp_path: Path, arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "harness.cli.main", "run", str(tmp_path / "e.toml"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, expected in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_unencrypted_cluster_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(STAGES, "simulated", STAGE)
    with dask_on_loopback(tmp_path) as dask:
        do(tmp_path / "run", chains(5, seconds=0.0), WorkerConfig(cluster=dask.address))
    assert capsys.readouterr().err.count("is neither encrypted nor protected: every user of this machine") == 1


def test_options_of_dask_are_those_of_the_run(certificates: Certificates) -> None:
    given = [word for word in options(certificates) if word.startswith("--")]
    helped = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "run", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"COLUMNS": "200"},
        check=True,
    )
    assert all(option in helped.stdout for option in given)
