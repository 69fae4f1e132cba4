"""What `--cluster` takes, and what is said of a scheduler that lets everybody in."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.options import worker_config_of
from harness.errors import ConfigError
from harness.execution.certificates import Certificates
from harness.execution.cluster_address import parse_address, warning_of


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("tls://host:8786", "tls://host:8786"),
        ("tcp://10.1.2.3:1", "tcp://10.1.2.3:1"),
        ("host-1.example:8786", "tcp://host-1.example:8786"),
        ("tls://[::1]:65535", "tls://[::1]:65535"),
        ("[fe80::1%eth0]:8786", "tcp://[fe80::1%eth0]:8786"),
        ("TLS://Host:8786", "tls://Host:8786"),
    ],
)
def test_address_is_a_scheme_a_host_and_a_port(given: str, meant: str) -> None:
    assert str(parse_address(given)) == meant


@pytest.mark.parametrize(
    "text",
    ["ucx://h:1", "ws://h:1", "wss://h:1", "inproc://10.0.0.1/7/1", "http://h:8787", "tls+tcp://h:1", "://h:1"],
)
def test_other_schemes_are_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match="expected an address with tls:// or tcp://, got"):
        parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "tcp://host",
        "tcp://",
        "tcp://:1",
        "tls://::1:8786",
        "tls://[::1]",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:x",
        "tcp://h:٣",
        "tcp://h:1/status",
        "tcp://me@h:1",
        "tcp://a b:1",
        "tcp:/h:1",
        "tcp://h:1\n",
        "h:-1",
    ],
)
def test_what_lacks_a_host_or_a_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected t(ls|cp)://host:port, got"):
        parse_address(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_scheduler_of_this_machine_without_tls_is_open_to_its_users(host: str) -> None:
    assert "every user of this machine can run code" in warning_of(parse_address(f"tcp://{host}:1"))


@pytest.mark.parametrize("host", ["10.0.0.1", "192.0.2.7", "0.0.0.0", "[2001:db8::1]", "[::]"])
def test_scheduler_elsewhere_without_tls_is_open_to_everybody(host: str) -> None:
    assert "anyone who can reach that port can run code" in warning_of(parse_address(f"tcp://{host}:1"))


def test_name_with_an_address_beyond_this_machine_is_not_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("127.0.0.1", 1)), (2, 1, 6, "", ("192.0.2.7", 1))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    assert "anyone" in warning_of(parse_address("tcp://mixed:1"))


@pytest.mark.parametrize("host", ["localhost", "192.0.2.7", "no-such-host.invalid"])
def test_nothing_is_said_of_tls(host: str) -> None:
    assert warning_of(parse_address(f"tls://{host}:1")) == ""


def test_host_without_an_address_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r'the host "no-such-host.invalid" has no address'):
        warning_of(parse_address("tcp://no-such-host.invalid:1"))


@pytest.mark.parametrize("cluster", [None, "tcp://host:1", "host:1"])
def test_certificates_are_refused_without_tls(cluster: str | None) -> None:
    with pytest.raises(ConfigError, match="--tls-key: expected --cluster tls://host:port as well"):
        worker_config_of(cluster=cluster, certificates=Certificates(cert=Path("cert.pem")))


def test_options_reach_the_run() -> None:
    config = worker_config_of(cluster="tls://host:1")
    assert (config.cluster, bool(config.certificates)) == ("tls://host:1", False)
