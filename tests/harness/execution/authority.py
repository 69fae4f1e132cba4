"""Certificates as an administrator makes them for a Dask cluster: an authority's own, and those that it signs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import Security

from harness.execution.certificates import Certificates

DAY = timedelta(days=1)


class Authority:
    """Signs certificates and writes them into a folder, all as PEM files: `<name>.pem` and `<name>.key`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name = folder, _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca_file = folder / f"{name}.pem"
        self.ca_file.write_bytes(_pem(self._signed(self._name, self._key.public_key(), is_authority=True)))

    def issue(
        self, name: str, *, valid_from: timedelta = -DAY, valid_until: timedelta = DAY, password: str = ""
    ) -> Certificates:
        """One that is valid between these moments, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert, path = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert.write_bytes(
            _pem(self._signed(_named(name), key.public_key(), valid_from=valid_from, valid_until=valid_until))
        )
        encryption = serialization.BestAvailableEncryption(password.encode()) if password else None
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                encryption or serialization.NoEncryption(),
            )
        )
        return Certificates(ca_file=self.ca_file, cert=cert, key=path)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        valid_from: timedelta = -DAY,
        valid_until: timedelta = DAY,
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + valid_from)
            .not_valid_after(now + valid_until)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def options(certificates: Certificates) -> list[str]:
    """As `dask scheduler` and `dask worker` take them, and `bitlens run`."""
    return [
        *("--tls-ca-file", str(certificates.ca_file)),
        *("--tls-cert", str(certificates.cert)),
        *("--tls-key", str(certificates.key)),
    ]


def security(certificates: Certificates) -> Security | None:
    """The same for a client of Dask's."""
    if not certificates:
        return None
    return Security(
        require_encryption=True,
        tls_ca_file=str(certificates.ca_file),
        tls_client_cert=str(certificates.cert),
        tls_client_key=str(certificates.key),
    )
