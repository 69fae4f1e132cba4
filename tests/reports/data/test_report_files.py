"""Writing files: CSV as documented, and never half a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from reports.data.files import csv_text, write_atomically


def test_csv_text_is_as_documented() -> None:
    table = pd.DataFrame(
        {
            "model": pd.array(['a, "b"', "=1+1", None, "line\nbreak"], "string"),
            "latency_p50_ns": pd.array([1, None, -3, 4], "Int64"),
            "top1": pd.array([0.1, None, 1.0, 0.25], "Float64"),
            "emulated": pd.array([True, False, None, True], "boolean"),
        }
    )
    assert csv_text(table) == (
        "model,latency_p50_ns,top1,emulated\n"
        '"a, ""b""",1,0.1,True\n'
        "'=1+1,,,False\n"
        ",-3,1.0,\n"
        '"line\nbreak",4,0.25,True\n'
    )


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "page.html", "old")

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
