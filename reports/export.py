"""Figures for papers: every chart of a run as SVG and PNG, with the data behind it as CSV, and the grids of maps."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from harness.store import StoreReader, read_store
from harness.store.atomic_files import remove_parts, write_atomically
from harness.store.blobs import Seen
from harness.store.folder import check_writable, output_errors_explained
from reports.data.files import csv_text
from reports.data.view import RunView
from reports.drawing import charts
from reports.drawing.colours import DIVERGING, SEQUENTIAL
from reports.sections.grids import grids
from reports.sections.looks import look_of
from reports.sections.records import Records
from reports.sections.run_data import RunData
from reports.sections.run_reader import read_run
from reports.sections.section_table import SECTIONS

LONGEST_NAME = 60  # letters; file systems count bytes, and a letter may be four
GRID_IMAGES = 8  # rows of a grid: what fits a page of a paper


def write_figures(run_folder: Path, *, seen: Seen | None = None) -> list[Path]:
    """Write `figures/<name>.svg`, `.png` and `.csv` into the run's folder. Returns all paths.

    What depends on a damaged result is left out. seen  blobs that were intact when they were last read.
    """
    folder = run_folder / "figures"
    check_writable(folder)
    contents = read_store(run_folder, _figures, seen=seen)
    remove_parts(folder)
    with output_errors_explained(f'figures in "{folder}"'):
        return [write_atomically(folder / name, content) for name, content in contents.items()]


def _figures(store: StoreReader) -> dict[str, str | bytes]:
    """The content of every figure's files by name."""
    run = read_run(store)
    look = look_of(run)
    contents: dict[str, str | bytes] = {}
    for name, kind, records in _charts(run):
        contents[f"{name}.svg"] = charts.svg(kind, records, look)
        contents[f"{name}.png"] = charts.png(kind, records, look)
        contents[f"{name}.csv"] = csv_text(pd.DataFrame(records))
    for method, columns, images in _grids(run.view):
        for suffix, content in _grid_pictures(columns, images).items():
            contents[f"grid-{_file_name(method)}.{suffix}"] = content
    return contents


def _charts(run: RunData) -> Iterator[tuple[str, str, Records]]:
    """Name, kind and records of every chart that has something to show; one per device, metric or both."""
    yield from _split("thread_scaling", _timed_rows(run), "device")
    for section in SECTIONS:
        for kind, chart in section.charts(run).items():
            yield from _split(kind, chart.records, *chart.split_by)


def _timed_rows(run: RunData) -> Records:
    """The rows with a latency and a number of threads, without what belongs to other charts."""
    timed = [row for row in run.rows if row["p50_ms"] is not None and row["num_threads"]]
    return [{name: value for name, value in row.items() if name != "scores"} for row in timed]


def _split(kind: str, records: Records, *fields: str) -> Iterator[tuple[str, str, Records]]:
    groups: dict[tuple[str, ...], Records] = {}
    for record in records:
        groups.setdefault(tuple(str(record[field]) for field in fields), []).append(record)
    for names, group in groups.items():
        yield _file_name("-".join([kind, *names])), kind, group


def _file_name(text: str) -> str:
    """The text as a file name; a long one is cut and identified by a hash of the whole."""
    name = re.sub(r"[^\w.=]+", "-", text).strip("-.") or "figure"
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-{sha256(text.encode()).hexdigest()[:8]}"


def _grids(view: RunView) -> Iterator[tuple[str, dict[str, Any], Records]]:
    shown = grids(view, most=GRID_IMAGES)
    for method, columns in shown["methods"].items():
        yield method, columns, shown["images"]


def _grid_pictures(columns: dict[str, Any], images: Records) -> dict[str, bytes]:
    """The paper's grid as SVG and PNG: an image column, then one column per model."""
    from matplotlib.figure import Figure  # no pyplot: it would look for a display

    figure = Figure(figsize=(1.15 * (len(columns) + 1), 1.3 * len(images)), dpi=200, layout="compressed")
    axes = figure.subplots(len(images), len(columns) + 1, squeeze=False)
    for line, image in zip(axes, images):
        _show(line[0], image["source"], title=image["label"])
        for cell, column in zip(line[1:], columns.values()):
            shown = column["maps"].get(image["key"])
            if shown is None:
                cell.set_axis_off()
            else:
                _show(cell, shown["source"], title="correct" if shown["correct"] else "", signed=shown["signed"])
    for cell, name in zip(axes[-1], ["image", *columns]):
        cell.text(0.5, -0.06, name, fontsize=6, ha="center", va="top", transform=cell.transAxes, parse_math=False)
    return {suffix: _saved(figure, suffix) for suffix in ("svg", "png")}


def _show(axis: Any, source: str, *, title: str, signed: bool | None = None) -> None:
    """`signed` is None for a colour image, else which colour map its grey values stand for."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))
    colours = {} if signed is None else {"cmap": DIVERGING if signed else SEQUENTIAL, "vmin": 0, "vmax": 255}
    axis.imshow(picture.convert("RGB" if signed is None else "L"), **colours)
    axis.set_title(title, fontsize=6, pad=2, parse_math=False)
    axis.set_axis_off()


def _saved(figure: Any, suffix: str) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    metadata = {"Date": None} if suffix == "svg" else {"Software": None}  # the same bytes every time
    with rc_context({"svg.hashsalt": "bitlens"}):  # names of parts of an SVG are random otherwise
        figure.savefig(buffer, format=suffix, metadata=metadata)
    return buffer.getvalue()
