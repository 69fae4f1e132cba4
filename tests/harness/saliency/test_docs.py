"""The examples of docs/saliency.md run, and print what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", Path("docs/saliency.md").read_text(), flags=re.S)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "(4, 32, 32)"
    assert lines[1] == "stage2_3_add True"
    assert lines[2] == "(4, 32, 32)"
