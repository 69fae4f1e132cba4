"""Keeps the TLS connections of a run apart from each other's errors, which Python mixes up (cpython#148594).

OpenSSL notes errors for each thread, and Python may leave one there that a connection to a dead worker made. The reads
of this thread that would have to wait take it for their own: healthy connections to workers, and to the scheduler, then
seem to be broken. Seen with OpenSSL 3.5, which Debian 13 has.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from tornado.iostream import SSLIOStream

_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_read = SSLIOStream.read_from_fd


def _read_again(stream: SSLIOStream, buffer: bytearray | memoryview) -> int | None:
    try:
        return _read(stream, buffer)
    except BrokenPipeError:  # only a write can break a pipe, so this is what another connection left
        _forget_errors()
        return _read(stream, buffer)


def _forget_errors() -> None:
    """Have Python empty OpenSSL's notes for this thread, as it does after it was asked for a cipher that is none."""
    with suppress(ssl.SSLError):
        _context.set_ciphers("none of them")


def keep_errors_apart() -> None:
    """For all TLS connections of this process, from now on. No setting of Dask's or Tornado's does it."""
    SSLIOStream.read_from_fd = _read_again  # type: ignore[assignment,method-assign]
