"""Certificates that cannot be used are named with the reason, before anybody is asked or connected to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dask
import pytest

from harness.errors import ConfigError
from harness.execution.certificates import LARGEST_BYTES, NO_CERTIFICATES, Certificates, checked
from tests.harness.execution.authority import DAY, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def _no_configuration() -> object:
    with dask.config.set({"distributed.comm.tls": {}}):
        yield


def test_good_ones_are_taken(authority: Authority) -> None:
    good = authority.issue("good")
    assert checked(good) == good


def test_key_may_be_in_the_file_of_the_certificate(authority: Authority) -> None:
    good = authority.issue("good")
    assert good.cert
    assert good.key
    good.cert.write_bytes(good.key.read_bytes() + good.cert.read_bytes())
    assert checked(replace(good, key=None)).key is None


def test_what_is_not_given_comes_from_the_configuration_of_dask(authority: Authority) -> None:
    good = authority.issue("good")
    configured = {"ca-file": str(good.ca_file), "client": {"cert": str(good.cert), "key": str(good.key)}}
    with dask.config.set({"distributed.comm.tls": configured}):
        assert checked(NO_CERTIFICATES) == good
        other = authority.issue("other")
        assert checked(replace(other, ca_file=None)) == other


def test_key_of_the_configuration_is_not_taken_for_another_certificate(authority: Authority) -> None:
    good, other = authority.issue("good"), authority.issue("other")
    with (
        dask.config.set({"distributed.comm.tls": {"client": {"cert": str(good.cert), "key": str(good.key)}}}),
        pytest.raises(ConfigError, match="expected a private key"),
    ):
        checked(replace(other, key=None))


def test_lack_of_any_is_said_with_the_option_and_the_name_in_the_configuration(authority: Authority) -> None:
    with pytest.raises(ConfigError, match="expected --tls-ca-file, or distributed"):
        checked(NO_CERTIFICATES)
    with pytest.raises(ConfigError, match="expected --tls-cert, or distributed"):
        checked(Certificates(ca_file=authority.ca_file))


@pytest.mark.parametrize(
    ("valid", "problem"),
    [
        ({"valid_until": -timedelta(seconds=1)}, "it expired on"),
        ({"valid_from": -3 * DAY, "valid_until": -2 * DAY}, "it expired on"),
        ({"valid_from": DAY, "valid_until": 2 * DAY}, "it is valid from"),
    ],
)
def test_dates_are_looked_at(authority: Authority, valid: dict[str, timedelta], problem: str) -> None:
    with pytest.raises(ConfigError, match=f'--tls-cert ".*mine.pem": {problem} 20'):
        checked(authority.issue("mine", **valid))


def test_key_with_a_password_is_refused_and_nobody_is_asked_for_it(authority: Authority) -> None:
    with pytest.raises(ConfigError, match=r'--tls-key ".*mine.key": the key has a password'):
        checked(authority.issue("mine", password="secret"))


def test_key_of_another_certificate_is_refused(authority: Authority) -> None:
    mine, other = authority.issue("mine"), authority.issue("other")
    with pytest.raises(ConfigError, match=r"other.key\": it is not the key of the certificate .*mine.pem"):
        checked(replace(mine, key=other.key))


def _missing(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _huge(path: Path) -> None:
    path.write_bytes(b"-" * (LARGEST_BYTES + 1))


@pytest.mark.parametrize("name", ["ca_file", "cert", "key"])
@pytest.mark.parametrize("spoil", [_missing, _folder, _pipe, _empty, _garbage, _cut_short, _huge])
def test_file_that_holds_nothing_of_use_is_named(
    authority: Authority, name: str, spoil: Callable[[Path], None]
) -> None:
    mine = authority.issue("mine")
    path = getattr(mine, name)
    spoil(path)
    with pytest.raises(ConfigError) as refusal:
        checked(mine)
    assert f'--tls-{name.replace("_", "-")} "{path}": expected a' in str(refusal.value)
