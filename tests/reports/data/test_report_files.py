"""CSV as documented."""

from __future__ import annotations

import pandas as pd

from reports.data.files import csv_text


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
