"""What a broken archive raises becomes one sentence, whichever library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ConfigError, one_line


@contextmanager
def reading_archive(path: Path, *, where: str, kind: str, broken: tuple[type[Exception], ...]) -> Iterator[None]:
    """One of `broken` inside of the `with` is a ConfigError that begins with `where` and says what was expected."""
    try:
        yield
    except broken as error:
        raise ConfigError(f'{where}: expected {kind}, "{path}" is not one ({one_line(error)})') from error
