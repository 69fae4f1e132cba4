"""docs/csv.md, made from the tables of columns; a test compares the two.

python -m reports.tables.csv_docs > docs/csv.md
"""

from __future__ import annotations

from reports.tables.columns import HISTORY, SCHEMA, TABLES, Column

_TYPES = {"string": "text", "Int64": "whole number", "Float64": "number", "boolean": "True / False"}

_ABOUT = {
    "comparison": "One row per model × format × device × runtime × threads, and one reference row per model (format "
    "`keras`), whose accuracy is the one to keep and which has no latency. Failed and planned work is a row too.",
    "quality": "One row per image × method × metric × judge: the scores as they are, before any mean.",
    "latency_samples": "One row per run of an artifact, warm-ups included, as the device sent it. Emulated runs are "
    "left out: their time is not a latency. Invalid measurements are in it, with their validity.",
    "devices": "One row per known property of a device.",
}

_CHANGES = "\n".join(f"| {version} | {change} |" for version, change in HISTORY.items())

_HEAD = f"""# The CSV files

`bitlens run` and `bitlens report` write four CSV files into the run's folder. This page is generated from
`reports/tables/columns.py`; schema version {SCHEMA}.

* UTF-8, comma-separated, quoted where needed (RFC 4180), lines end in LF.
* An empty field means unknown or not applicable. It never stands for 0.
* The unit is in the column's name: `_ns` nanoseconds, `_nj` nanojoules, `_bytes` bytes. Fractions are 0 to 1.
* Rows have the order of the experiment: models, formats and devices as it names them, then threads and rounds.
* Column names and meanings stay as they are within a schema version; new columns may appear.
* Text that a spreadsheet would execute as a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) is
  written with a leading apostrophe.
* All intervals are 95 %: Wilson's for accuracy, order statistics for percentiles (for the p50 also between
  rounds), a bootstrap over images for scores.

```python
import pandas

table = pandas.read_csv("comparison.csv", dtype_backend="numpy_nullable")  # keeps nanoseconds whole
```
```r
table <- read.csv("comparison.csv", check.names = FALSE, na.strings = "")
```

| schema version | what changed |
|---|---|
{_CHANGES}
"""

_EXPLANATIONS = """
After these come three columns per saliency method and metric that the float model judged, with the method's parameters
in the name, so that they mean the same in every run: `insertion_auc[smoothgrad noise_level=0.2 samples=25]_mean`,
`…_low` and `…_high`. They belong to the model, so all rows of a model repeat them.
"""


def csv_markdown() -> str:
    return "\n".join([_HEAD, *(_section(name, columns) for name, columns in TABLES.items())])


def _section(name: str, columns: tuple[Column, ...]) -> str:
    lines = [f"| `{column.name}` | {_TYPES[column.dtype]} | {column.meaning} |" for column in columns]
    extra = _EXPLANATIONS if name == "comparison" else ""
    return "\n".join(
        [f"## {name}.csv", "", _ABOUT[name], "", "| column | type | meaning |", "|---|---|---|", *lines, extra]
    )


if __name__ == "__main__":
    print(csv_markdown(), end="")
