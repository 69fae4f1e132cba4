"""Writing a first experiment file, and the JSON schema beside it; nothing of somebody else's is replaced unasked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ConfigError
from harness.experiment.json_schema import FILE, TITLE, as_text
from harness.store.atomic_files import write_together
from harness.store.folder import output_errors_explained

MOST_BYTES = 1 << 20  # of a schema of ours


def check_free(path: Path, *, force: bool) -> None:
    """Raises ConfigError for a file that would be replaced, before anything is looked at."""
    if path.suffix != ".toml":
        raise ConfigError(f'--out: expected a name that ends in .toml, got "{path}"')
    schema = path.parent / FILE
    taken = path if os.path.lexists(path) else schema if os.path.lexists(schema) and not _is_ours(schema) else None
    if taken is not None and (not force or taken.is_dir()):
        raise ConfigError(f'"{taken}" is there already', hint="--force replaces it, --out writes another file")


@contextmanager
def written(path: Path, text: str) -> Iterator[Path]:
    """The file under another name, to be looked at; it gets its own, and the schema beside it, if all was well."""
    draft = path.with_name(f".{path.stem}.draft.toml")
    with output_errors_explained(f'--out "{path}"'):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
    try:
        yield draft
        with output_errors_explained(f'--out "{path}"'):
            write_together({path: text, path.parent / FILE: as_text()})
    finally:
        draft.unlink(missing_ok=True)


def _is_ours(schema: Path) -> bool:
    """Whether a file is a schema that an earlier call wrote."""
    try:
        if not schema.is_file() or schema.stat().st_size > MOST_BYTES:
            return False
        return bool(json.loads(schema.read_text(encoding="utf-8")).get("title") == TITLE)
    except (OSError, ValueError, AttributeError):
        return False
