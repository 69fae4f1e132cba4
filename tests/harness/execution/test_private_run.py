"""Nobody but the run itself reaches its scheduler, nannies and workers, whoever tries, at whichever port."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from distributed import Client, Security

from tests.harness.execution.loopback import read_until
from tests.harness.execution.simulated import start
from tests.harness.execution.test_dask_cluster import started

PORTS = 5  # of the scheduler, two nannies and two workers
WAIT_SECONDS = 10.0
ALERT = b"\x15\x03"  # the first bytes of a TLS record of that type
HOSTS = ["127.0.0.1", "localhost", "evil.example", "", "*", "127.0.0.1:8787"]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """A run at work, with two workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        process = start(tmp_path_factory.mktemp("run"), 10_000, seconds=0.2)
    read_until(process, "simulating ")
    yield process
    process.kill()
    process.communicate()


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    top = psutil.Process(process.pid)
    return [top, *top.children(recursive=True)]


@pytest.fixture(scope="module")
def listening(running: subprocess.Popen[str]) -> list[tuple[str, int]]:
    """Every address at which a process of the run listens."""
    connections = [each for process in tree(running) for each in process.net_connections()]
    return [tuple(each.laddr) for each in connections if each.status == psutil.CONN_LISTEN]


def test_run_listens_on_the_loopback_address_only_once_for_each_part_of_it(listening: list[tuple[str, int]]) -> None:
    assert len(listening) == PORTS
    assert {host for host, _ in listening} == {"127.0.0.1"}


def answer(address: tuple[str, int], say: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """All that comes back until the other side hangs up."""
    with socket.create_connection(address, timeout=WAIT_SECONDS) as plain:
        received = b""
        try:
            connection = tls.wrap_socket(plain) if tls else plain
            connection.sendall(say)
            if not tls:
                connection.shutdown(socket.SHUT_WR)
            while some := connection.recv(1 << 16):
                received += some
        except TimeoutError:  # it neither answered nor hung up
            raise
        except OSError:  # how most of them hang up
            pass
        return received


def is_refusal(received: bytes) -> bool:
    """Whether nothing came back but, at most, the alert with which TLS hangs up."""
    return not received or received.startswith(ALERT)


def stranger() -> ssl.SSLContext:
    """Whoever speaks TLS, trusts everybody, and has no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def impostor() -> ssl.SSLContext:
    """The same, with a certificate that looks like the run's."""
    arguments = Security.temporary().get_connection_args("worker")
    context: ssl.SSLContext = arguments["ssl_context"]
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("tls", [None, stranger, impostor], ids=["plain", "stranger", "impostor"])
def test_no_port_answers_http(
    listening: list[tuple[str, int]], host: str, tls: Callable[[], ssl.SSLContext] | None
) -> None:
    request = f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    for address in listening:
        assert is_refusal(answer(address, request, tls=tls() if tls else None))


@pytest.mark.parametrize("say", [b"", b"\0" * 64, b"\x08" + b"\0" * 7 + b"pickle?!", b"GET / HTTP/0.9\n"])
def test_no_port_says_anything_to_who_has_no_certificate(listening: list[tuple[str, int]], say: bytes) -> None:
    for address in listening:
        assert is_refusal(answer(address, say))


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_no_port_lets_in_a_dask_client(listening: list[tuple[str, int]], scheme: str) -> None:
    security = Security.temporary() if scheme == "tls" else None
    for host, port in listening:
        with pytest.raises(OSError):  # noqa: PT011  # whichever way the connection breaks
            Client(f"{scheme}://{host}:{port}", security=security, timeout=WAIT_SECONDS, set_as_default=False)


def test_key_is_in_no_file_argument_or_variable(running: subprocess.Popen[str], temporary: Path) -> None:
    for process in tree(running):
        assert "PRIVATE KEY" not in " ".join([*process.cmdline(), *process.environ().values()])
    for path in temporary.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes()
        elif path.is_dir() and path.parent == temporary:
            assert path.stat().st_mode & 0o077 == 0


def test_run_goes_on_after_all_that(running: subprocess.Popen[str]) -> None:
    read_until(running, "simulating ")
    assert running.poll() is None


def test_run_without_workers_opens_no_port() -> None:
    def ports() -> set[int]:
        connections = psutil.Process().net_connections()
        return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}

    before = ports()
    with started(0) as cluster:
        assert cluster.client.submit(len, "abc").result() == 3
        assert ports() == before
