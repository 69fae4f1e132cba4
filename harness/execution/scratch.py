"""A run's temporary folder: its own alone, and gone with it; those that killed runs have left go with the next run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import ConfigError
from harness.store.folder import is_disk_full
from harness.temporary import own_folder


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, mode 0700, in the system's temporary folder. Raises ConfigError where none can be made."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(own_folder())
        except OSError as error:
            if is_disk_full(error):
                raise
            raise ConfigError(
                f"no temporary folder can be written: {error}", hint="TMPDIR=/a/folder/of/yours"
            ) from error
        try:
            yield folder
        finally:
            # Dask has put it there for modules; once it is gone, others may make a folder of that name
            sys.path[:] = [path for path in sys.path if not Path(path).is_relative_to(folder)]
