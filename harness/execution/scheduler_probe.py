"""Whether a Dask scheduler answers at an address, and why not: Dask's own client may wait for ever, and says little."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any

from distributed import Security
from distributed.core import rpc

from harness.errors import ConfigError, one_line
from harness.execution.cluster_address import ClusterAddress

TIMEOUT_SECONDS = 10.0


def check_answers(address: ClusterAddress, security: Security) -> None:
    """Raises ConfigError unless a scheduler answers soon, and lets us in."""
    try:
        identity = asyncio.run(asyncio.wait_for(_identity(address, security), TIMEOUT_SECONDS))
    except Exception as error:  # whatever is there may send anything
        problem, hint = _explained(error, address)
        raise ConfigError(f"--cluster {address}: {problem}", hint=hint) from error
    if identity.get("type") != "Scheduler":
        what = str(identity.get("type", "something else")).lower()
        raise ConfigError(f"--cluster {address}: expected a Dask scheduler, got a {what}", hint="the scheduler's port")


async def _identity(address: ClusterAddress, security: Security) -> dict[str, Any]:
    async with rpc(str(address), connection_args=security.get_connection_args("client")) as scheduler:
        identity: dict[str, Any] = await scheduler.identity()
    return identity


def _explained(error: Exception, address: ClusterAddress) -> tuple[str, str]:
    """What is the matter, and what to try."""
    other = "tcp" if address.is_encrypted else "tls"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is refused: {cause.verify_message}",
                "--tls-ca-file with the authority of this cluster",
            )
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing listens there after {TIMEOUT_SECONDS:.0f} s", "dask scheduler"
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return f"no Dask scheduler answers within {TIMEOUT_SECONDS:.0f} s", f"{other}://, or another port"
    if any(isinstance(cause, OSError) for cause in causes):
        refuses = "refuses our certificate, or does not speak TLS" if address.is_encrypted else "may speak TLS only"
        return f"it hangs up: it {refuses}", f"{other}://" if not address.is_encrypted else "--tls-cert of this cluster"
    # with TLS, its certificate was good: only what came through it was not
    hint = "another port" if address.is_encrypted else f"{other}://, or another port"
    return f"no Dask scheduler answers there ({one_line(error)})", hint


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
