"""A connection is not taken for broken because another one is."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from tornado.iostream import SSLIOStream

from harness.execution.tls_reads import keep_errors_apart


class Socket:
    """Gives these answers to reads, one after the other."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = iter(answers)

    def recv_into(self, buffer: bytearray, count: int) -> int:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SSLIOStream]:
    monkeypatch.setattr(SSLIOStream, "read_from_fd", SSLIOStream.read_from_fd)  # put back at the end
    keep_errors_apart()

    def made(*answers: int | Exception) -> SSLIOStream:
        stream = SSLIOStream.__new__(SSLIOStream)
        stream.socket, stream._ssl_accepting = Socket(*answers), False  # type: ignore[assignment]
        return stream

    return made


def test_a_read_after_the_broken_pipe_of_another_connection_gives_what_came(
    stream: Callable[..., SSLIOStream],
) -> None:
    assert stream(BrokenPipeError(), 5).read_from_fd(bytearray(9)) == 5


def test_a_read_that_has_to_wait_still_waits(stream: Callable[..., SSLIOStream]) -> None:
    nothing_yet = ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "")
    assert stream(BrokenPipeError(), nothing_yet).read_from_fd(bytearray(9)) is None


def test_a_connection_that_is_broken_itself_is_said_to_be(stream: Callable[..., SSLIOStream]) -> None:
    with pytest.raises(BrokenPipeError):
        stream(BrokenPipeError(), BrokenPipeError()).read_from_fd(bytearray(9))
    with pytest.raises(ConnectionResetError):
        stream(ConnectionResetError()).read_from_fd(bytearray(9))
