"""What the latency stage measures a flatbuffer on of which nobody knows how images become its input."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.stages import latency
from harness.store import Unit
from tests.harness.strangers.timed_files import ROWS, write


def measured(artifact: str, monkeypatch: pytest.MonkeyPatch, preprocessing: dict[str, Any] | None = None) -> Any:
    """What the stage asks the device for."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(latency, "measure", lambda device, artifact, **how: asked.update(how) or {})
    monkeypatch.setattr(latency, "device_of", lambda spec: None)
    spec = {
        "model": {"name": "mine", "preprocessing": preprocessing or {}},
        "device": {"name": "this-host", "kind": "local", "runtime": "auto"},
        "runtime": "auto",
        "num_threads": 1,
        "protocol": {},
    }
    context: Any = SimpleNamespace(artifact=lambda key: Path(artifact))
    latency.perform(Unit(kind="latency", spec=spec, needs={"conversion": "key"}), context, lambda fraction: None)
    return asked["inputs"]


def test_an_embedding_gets_the_rows_of_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured(write(tmp_path, "embedding")[0], monkeypatch)["ranges"] == {"ids": [0, ROWS]}


def test_what_a_file_leaves_open_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, sentence in (
        ("two-open", 'the shape of "ids" int64'),
        ("signatures", "it has 2 signatures"),
        ("text", "texts"),
    ):
        with pytest.raises(ConfigError, match=f'model "mine": .*{sentence}'):
            measured(write(tmp_path, name)[0], monkeypatch)


def test_images_that_are_prepared_need_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured(write(tmp_path, "open-size")[0], monkeypatch, {"height": 8}) is None
