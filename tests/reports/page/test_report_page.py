"""The page as text: what it says of finished, unfinished and hostile runs; a browser opens it in another file."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.store import Store
from reports.page.heading import period
from reports.page.page import render
from reports.sections.run_reader import read_run
from reports.write import write_report
from tests.reports.example_runs import twins_run
from tests.reports.synthetic_runs import HOST, METHODS, TWINS, RunBuilder, model

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    '"quoted", with, commas',
    "=cmd()",
    "网络 ☃ и",
    "x" * 200,
)


def data_of(page: str) -> Any:
    script = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert script
    return json.loads(script.group(1))


def sections_of(page: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', page)


@pytest.fixture(scope="module")
def page(twins_store: Store) -> str:
    return render(read_run(twins_store))


def test_a_report_is_the_same_every_time(twins_store: Store, page: str) -> None:
    assert render(read_run(twins_store)) == page


def test_the_page_asks_no_server_for_anything(page: str) -> None:
    without_library = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(?:src|href|action)=\"(?!#|data:|\w+\.csv\"|blobs/[0-9a-f]{64}\")", without_library)
    assert "@import" not in without_library
    assert "url(http" not in without_library


def test_the_recommendation_names_the_best_choices_of_each_device(page: str) -> None:
    recommendation = page[page.index('id="recommendation"') : page.index('id="tradeoff"')]
    assert "3 of 8 deployments are worth considering" in recommendation
    assert "fastest" in recommendation
    assert "best explained" in recommendation
    assert "</span> 2.27 times the latency (2.00 to 2.56), no clear difference in accuracy" in recommendation
    assert "<dt>median latency</dt><dd>0.851 ms<small>0.757 to 0.964</small>" in recommendation
    assert "No latency: the device is emulated, and emulated time is not a latency." in recommendation


def test_binarized_models_are_said_to_have_a_pseudo_gradient(page: str) -> None:
    assert "For planted-binary this is a <b>pseudo-gradient</b>, with gradient, smoothgrad" in page
    assert "For planted-float" not in page


def test_charts_and_table_hold_the_same_rows(page: str, table: pd.DataFrame) -> None:
    rows = data_of(page)["rows"]
    assert len(rows) == len(table) == page.count('<tr data-row="')
    assert [row["top1"] for row in rows] == [None if pd.isna(v) else v for v in table["top1"]]


def test_each_reason_is_said_once_and_rows_refer_to_it(page: str) -> None:
    table = page[page.index('id="comparison-table"') : page.index('id="latency"')]
    assert table.count("temperature rose by 9 °C during the measurement") == 1
    assert '<li id="note-2" value="2">temperature rose by 9 °C during the measurement <span' in table
    assert table.count('href="#note-2"') == 2


def test_emulated_rows_have_no_time_anywhere(page: str) -> None:
    data = data_of(page)
    emulated = [row for row in data["rows"] if row["emulated"]]
    assert emulated
    assert {(row["p50_ms"], row["invalid_ms"], row["load_ns"]) for row in emulated} == {(None, None, None)}
    assert "qemu-a72" not in {record["device"] for record in data["sources"]["latency_distribution"]}


def test_an_invalid_time_is_shown_as_invalid_and_takes_no_part_in_the_recommendation(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion, images = run.conversion(TWINS[0], "fp32"), run.images(purpose="accuracy")
    run.accuracy(TWINS[0], "fp32", images, top1=0.9, conversion=conversion)
    run.latency(TWINS[0], "fp32", conversion, verdict="invalid", verdict_reason="the clock was throttled")
    with Store(run.build()) as store:
        page = render(read_run(store))
    assert "do not use: " in page[page.index('id="comparison-table"') : page.index('id="data"')]
    assert "The latency is invalid: the clock was throttled." in page
    assert "the clock was throttled" in page


def test_deleted_maps_are_missed_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    shown = run.images()
    kept, lost = (run.saliency(record, METHODS[0], shown) for record in TWINS)
    with Store(run.build()) as store:
        store.blob_path(store.unit(lost.key).result["blob"]).unlink()
        page = render(read_run(store))
        assert store.unit(kept.key).status == "done"
    assert re.search("gradient of planted-binary: its file blobs/[0-9a-f]{64} is missing", page)
    assert "12 of 12 images are on this page" in page


def test_an_empty_run_has_an_honest_page(tmp_path: Path) -> None:
    with Store(RunBuilder(tmp_path).build()) as store:
        page = render(read_run(store))
    assert "This run is empty" in page
    assert sections_of(page) == ["tradeoff"]


def test_a_half_finished_run_says_so_and_shows_what_is_done(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion)
    run.latency(TWINS[0], "fp32", conversion, threads=2, outcome="planned")
    run.saliency(TWINS[0], METHODS[0], run.images(), outcome="planned")
    with Store(run.build()) as store:
        page = render(read_run(store))
    assert "This run is not finished:" in page
    assert "2 of 5 units of work have not run yet" in page
    assert "No saliency map is done in this run" in page
    assert "explanations" not in sections_of(page)


def test_a_run_that_failed_wholly_names_every_reason(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    run.latency(TWINS[0], "fp32", run.conversion(TWINS[0], "fp32", reason="it has a <b>NaN</b>"), outcome="planned")
    run.saliency(TWINS[0], METHODS[0], run.images(), outcome="no gradient reached the input")
    with Store(run.build()) as store:
        page = render(read_run(store))
    assert "2 units of work failed" in page
    assert "it has a &lt;b&gt;NaN&lt;/b&gt;" in page
    assert "no gradient reached the input" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_and_not_executed(tmp_path: Path, name: str) -> None:
    run, record, device = RunBuilder(tmp_path), model(name, "binarized"), {**HOST, "name": name}
    conversion, images, shown = run.conversion(record, "fp32"), run.images(purpose="accuracy"), run.images()
    run.accuracy(record, "fp32", images, top1=0.9, conversion=conversion, device=device)
    run.latency(record, "fp32", conversion, device=device, verdict="suspect", verdict_reason=name)
    run.quality(run.saliency(record, METHODS[0], shown), shown, "insertion_auc", mean=0.5)
    table, page, *_ = write_report(run.build(experiment_name=name, experiment=name, command=name))
    text = page.read_text()
    assert text.count("<script") == 4  # data, pictures, charts, ours: none of the names'
    assert "<img src=x" not in text
    assert name in html.unescape(text) or json.dumps(name)[1:-1] in text
    assert data_of(text)["rows"][0]["model"] == name
    stored = pd.read_csv(table)["model"].iloc[0]
    assert stored == (f"'{name}" if name.startswith("=") else name)


def test_importing_reports_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, reports; print(sorted({'pandas', 'altair', 'matplotlib', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_twins_run_is_deterministic(tmp_path: Path) -> None:
    first, second = (twins_run(tmp_path / name) for name in ("a", "b"))
    assert write_report(first)[0].read_text() == write_report(second)[0].read_text()


def test_the_top_says_when_and_on_which_machines_it_was_measured(page: str) -> None:
    top = page[page.index("<header") : page.index("</header>")]
    assert re.search(r"<span>\d{4}-\d\d-\d\d \d\d:\d\d( to (\d{4}-\d\d-\d\d )?\d\d:\d\d)? UTC</span>", top)
    assert re.search(r"<h3>pi4 <small>[^<]+</small></h3>", page)
    assert re.search(r"<h3>qemu-a72 <small>[^<]+, emulated</small></h3>", page)


def test_a_time_is_printed_once_where_a_run_took_less_than_a_minute() -> None:
    noon = datetime(2026, 11, 27, 12, 58, 10)
    assert period(noon, noon.replace(second=50)) == "2026-11-27 12:58 UTC"
    assert period(noon, noon.replace(hour=13)) == "2026-11-27 12:58 to 13:58 UTC"
    assert period(noon, noon.replace(day=28)) == "2026-11-27 12:58 to 2026-11-28 12:58 UTC"


def test_the_page_names_the_files_beside_it(twins_folder: Path) -> None:
    written = write_report(twins_folder)
    text = written.page.read_text()
    linked = re.findall(r'<a href="([^"#]+\.csv)">', text)
    assert linked == 2 * ["comparison.csv", "quality.csv", "latency_samples.csv", "devices.csv"]  # above and below
    assert all((twins_folder / name).is_file() for name in linked)


def test_artifacts_are_linked_where_they_are_there_and_never_from_a_served_page(
    twins_folder: Path, twins_store: Store, page: str
) -> None:
    linked = set(re.findall(r'<a (?:class="file" )?href="(blobs/[0-9a-f]{64})"', page))
    assert linked
    assert all((twins_folder / path).is_file() for path in linked)
    assert 'download="planted-binary-lce.tflite"' in page
    assert "blobs/" not in re.sub(r"<script.*?</script>", "", render(read_run(twins_store), live="1"), flags=re.S)
