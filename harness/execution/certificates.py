"""The certificates with which a run shows a Dask scheduler who it is, and knows it: checked before any is used.

OpenSSL's own words name neither the file nor the cause, and it asks at the terminal for the password of a key.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LARGEST_BYTES = 1 << 20  # the certificates of all authorities that Debian knows have 0.2 MB
OPTIONS = {"ca_file": "--tls-ca-file", "cert": "--tls-cert", "key": "--tls-key"}
IN_CONFIGURATION = {"ca_file": "ca-file", "cert": "client.cert", "key": "client.key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Paths of PEM files, as `dask worker` takes them; what is None comes from Dask's configuration.

    ca_file  who signs the certificates of this cluster.
    cert     ours, signed by that. It may hold the key as well.
    """

    ca_file: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __bool__(self) -> bool:
        return any((self.ca_file, self.cert, self.key))


NO_CERTIFICATES = Certificates()


def checked(certificates: Certificates) -> Certificates:
    """The same with what Dask's configuration adds. Raises ConfigError for what a TLS connection cannot use."""
    complete = _completed(certificates)
    ca_file, cert, key = complete.ca_file, complete.cert, complete.key
    if ca_file is None or cert is None:
        lacking = "ca_file" if ca_file is None else "cert"
        raise ConfigError(
            f"--cluster tls://: expected {OPTIONS[lacking]}, or distributed.comm.tls.{IN_CONFIGURATION[lacking]} in "
            "Dask's configuration",
            hint="the files that `dask worker` was started with",
        )
    for name, path in (("ca_file", ca_file), ("cert", cert)):
        _check_dates(name, path, _certificates_in(name, path))
    _check_key(cert, key or cert, "key" if key else "cert")
    try:
        ssl.create_default_context(cafile=str(ca_file)).load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise _refusal("cert", cert, f"OpenSSL refuses it ({error})") from error
    return complete


def _completed(given: Certificates) -> Certificates:
    import dask

    def found(name: str) -> Path | None:
        configured = dask.config.get(f"distributed.comm.tls.{IN_CONFIGURATION[name]}", None)
        return getattr(given, name) or (Path(configured) if configured else None)

    # a key in Dask's configuration belongs to the certificate there, not to one that was given without
    key = given.key if given.cert else found("key")
    return Certificates(ca_file=found("ca_file"), cert=found("cert"), key=key)


def _certificates_in(name: str, path: Path) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    certificates: list[Certificate] = _parsed(name, path, load_pem_x509_certificates, "a certificate (PEM)")
    return certificates


def _check_dates(name: str, path: Path, certificates: list[Certificate]) -> None:
    """Of ours the first counts, the others belong to its chain; of authorities any one may sign."""
    now = datetime.now(timezone.utc)
    of_interest = certificates[:1] if name == "cert" else certificates
    if all(each.not_valid_after_utc < now for each in of_interest):
        raise _refusal(name, path, f"it expired on {of_interest[0].not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if all(each.not_valid_before_utc > now for each in of_interest):
        raise _refusal(name, path, f"it is valid from {of_interest[0].not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def _check_key(cert: Path, path: Path, name: str) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _parsed(name, path, lambda content: load_pem_private_key(content, password=None), "a private key (PEM)")
    if key.public_key() != _certificates_in("cert", cert)[0].public_key():
        raise _refusal(name, path, f"it is not the key of the certificate {cert}")


def _parsed(name: str, path: Path, parse: Callable[[bytes], Any], what: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        if not path.is_file():  # a folder, or a pipe that nobody writes to
            raise _refusal(
                name, path, f"expected a file with {what}, got {'none' if path.exists() else 'nothing there'}"
            )
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _refusal(name, path, f"it cannot be read ({error.strerror})") from error
    if len(content) > LARGEST_BYTES:
        raise _refusal(name, path, f"expected {what}, got more than {LARGEST_BYTES} bytes")
    try:
        return parse(content)
    except TypeError as error:  # what cryptography says of a key with a password
        raise _refusal(name, path, "the key has a password, which Dask cannot ask for") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        hint = "--tls-key" if name == "cert" and "key" in what else ""
        raise _refusal(name, path, f"expected {what}, got something else", hint=hint) from error


def _refusal(name: str, path: Path, problem: str, *, hint: str = "") -> ConfigError:
    return ConfigError(f'{OPTIONS[name]} "{path}": {problem}', hint=hint)
