"""The address of a Dask scheduler that others started, as `--cluster` takes it, and who else reaches what is there."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from harness.errors import ConfigError

SCHEMES = ("tls", "tcp")
_EXAMPLE = "tls://host:8786"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAddress:
    """A scheduler's; `host` is a name or an address, an IPv6 one without brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_encrypted(self) -> bool:
        return self.scheme == "tls"

    def is_loopback(self) -> bool:
        """Whether only this machine can be meant. Raises ConfigError where the host has no address."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConfigError(f'--cluster {self}: the host "{self.host}" has no address ({error})') from error
        return all(_is_loopback(str(address[0])) for *_, address in found)


def parse_address(text: str) -> ClusterAddress:
    """ "tls://[::1]:8786" -> its parts; tcp is meant where no scheme stands. Raises ConfigError for anything else."""
    scheme, separator, place = text.rpartition("://")
    scheme = scheme.lower() if separator else "tcp"
    if scheme not in SCHEMES:
        raise ConfigError(f'--cluster: expected an address with tls:// or tcp://, got "{text}"', hint=_EXAMPLE)
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>[\w.-]+)):(?P<port>[0-9]{1,5})", place)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        raise ConfigError(f'--cluster: expected {scheme}://host:port, got "{text}"', hint=_EXAMPLE)
    return ClusterAddress(scheme=scheme, host=match["v6"] or match["name"], port=int(match["port"]))


def warning_of(address: ClusterAddress) -> str:
    """What it means to speak to this scheduler without TLS; "" with it."""
    if address.is_encrypted:
        return ""
    who = "every user of this machine" if address.is_loopback() else "anyone who can reach that port"
    return (
        f"warning: {address} is neither encrypted nor protected: {who} can run code as the user of its workers, and "
        "read and change what they send; tls:// keeps others out (docs/scaling.md)"
    )


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
