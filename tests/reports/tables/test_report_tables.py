"""The tables of a synthetic run, checked against numbers that the fixture decides."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.store import Store
from reports.data.stats import percentile, wilson
from reports.tables import comparison, device_facts
from reports.tables.columns import COMPARISON
from reports.tables.scores import quality
from tests.reports.synthetic_runs import BOARD, EMULATED, HOST, TWINS, RunBuilder


def only(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    rows = table[pd.concat([table[name] == value for name, value in wanted.items()], axis=1).all(axis=1)]
    assert len(rows) == 1, rows
    return rows.iloc[0]


def one_row(tmp_path: Path, *, samples: int = 300, **options: Any) -> pd.Series:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion, samples=samples, **options)
    with Store(run.build()) as store:
        return comparison.comparison(store).iloc[0]


def test_there_is_one_row_per_deployment_and_no_other(table: pd.DataFrame) -> None:
    identity = ["model", "format", "device", "runtime", "num_threads", "mode"]
    assert not table.duplicated(identity).any()
    # 2 references, 4 artifacts × (2 devices × 2 thread counts + 1 emulated), 1 failed conversion
    assert len(table) == 2 + 4 * 5 + 1


def test_accuracy_carries_its_wilson_interval(table: pd.DataFrame) -> None:
    row, expected = only(table, model="planted-binary", format="keras"), wilson(186, 200)
    assert expected is not None
    assert (row.top1, row.top1_low, row.top1_high) == (expected.value, expected.low, expected.high)
    assert row.accuracy_images == 200


def test_the_reference_has_an_accuracy_and_no_latency(table: pd.DataFrame) -> None:
    references = table[table["format"] == "keras"]
    assert list(references["model"]) == ["planted-float", "planted-binary"]
    assert references["top1"].notna().all()
    assert references[[name for name in table if name.endswith("_ns")]].isna().all(axis=None)


def test_rounds_are_pooled_and_the_worst_validity_counts(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion, samples=20)
    run.latency(TWINS[0], "fp32", conversion, samples=20, round=1, verdict="suspect", verdict_reason="it was warm")
    with Store(run.build()) as store:
        row = comparison.comparison(store).iloc[0]
    assert (row.latency_samples, row.latency_rounds, row.warmup_runs) == (40, 2, 20)
    assert (row.verdict, row.verdict_reason) == ("suspect", "it was warm")
    assert pd.notna(row.latency_p90_ns)
    assert pd.isna(row.latency_p99_ns)


def test_a_long_measurement_has_columns_of_its_own_in_the_row_of_its_rounds(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion, samples=20)
    run.sustained(TWINS[0], "fp32", conversion, burst_ms=10.0, sustained_ms=20.0, verdict="suspect")
    with Store(run.build()) as store:
        table, samples = comparison.comparison(store), comparison.latency_samples(store)
    added = ["burst_ns", "sustained_ns", "sustained_seconds"]
    assert table[added].to_dict("records") == [dict(zip(added, (10_000_000, 20_000_000, 90)))]
    without = one_row(tmp_path / "without", samples=20)
    pd.testing.assert_series_equal(table.iloc[0].drop(added), without.drop(added))
    assert samples[samples["phase"] == "timed"].groupby("mode").size().to_dict() == {"burst": 20, "sustained": 900}


def test_energy_is_the_median_of_the_rounds_that_could_estimate_it(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    for round, joules in enumerate((0.001, 0.004, 0.002)):
        extra = {"energy": {"joules_per_inference": joules, "source": "INA219", "estimate": True}}
        run.latency(TWINS[0], "fp32", conversion, round=round, extra=extra)
    run.latency(TWINS[0], "fp32", conversion, round=3, extra={"energy": None})
    with Store(run.build()) as store:
        assert comparison.comparison(store).iloc[0].energy_nj == 2_000_000
    assert pd.isna(one_row(tmp_path / "without").energy_nj)


def test_a_long_measurement_that_failed_is_the_rows_reason(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion)
    run.sustained(TWINS[0], "fp32", conversion, outcome="the board was gone")
    with Store(run.build()) as store:
        row = comparison.comparison(store).iloc[0]
    assert (row.status, row.reason) == ("failed", "sustained latency: the board was gone")
    assert pd.notna(row.latency_p50_ns)
    assert pd.isna(row.sustained_ns)


def test_p99_is_blank_below_299_samples(tmp_path: Path) -> None:
    assert pd.isna(one_row(tmp_path / "few", samples=298).latency_p99_ns)
    assert pd.notna(one_row(tmp_path / "enough", samples=299).latency_p99_ns)


def test_an_invalid_measurement_shows_no_time_but_its_reason(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion, verdict="invalid", verdict_reason="the clock was throttled")
    with Store(run.build()) as store:
        row, samples = comparison.comparison(store).iloc[0], comparison.latency_samples(store)
    assert pd.isna(row.latency_p50_ns)
    assert pd.isna(row.load_ns)
    assert (row.verdict, row.verdict_reason) == ("invalid", "the clock was throttled")
    assert set(samples["verdict"]) == {"invalid"}


def test_a_folder_of_the_previous_version_has_the_times_that_it_had(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[2] / "recorded" / "schema1"
    with closing(sqlite3.connect(f"{(recorded / 'store.sqlite').as_uri()}?immutable=1", uri=True)) as database:
        stored = database.execute("SELECT spec, result FROM unit WHERE kind = 'latency'").fetchall()
    samples: dict[tuple[Any, ...], list[int]] = {}
    for spec, result in ((json.loads(spec), json.loads(result)) for spec, result in stored):
        row = (spec["model"]["name"], spec["format"], spec["num_threads"])
        samples.setdefault(row, []).extend(result["samples_ns"])
    with Store(Path(shutil.copytree(recorded, tmp_path / "run"))) as store:
        table = comparison.comparison(store)
    timed = table[table["num_threads"].notna()].set_index(["model", "format", "num_threads"])
    assert timed["latency_p50_ns"].to_dict() == {row: percentile(values, 50) for row, values in samples.items()}
    assert set(table["status"]) == {"done"}


def test_emulated_time_is_never_latency(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    run.latency(TWINS[0], "fp32", run.conversion(TWINS[0], "fp32"), device=EMULATED)
    with Store(run.build()) as store:
        row, samples = comparison.comparison(store).iloc[0], comparison.latency_samples(store)
    assert row.emulated
    assert pd.isna(row.latency_p50_ns)
    assert row.instructions == 5_750_000
    assert samples.empty


def test_a_failed_conversion_fails_its_rows_with_its_reason(table: pd.DataFrame) -> None:
    row = only(table, model="planted-binary", format="int8")
    assert row.status == "failed"
    assert "the calibration images hold a NaN" in row.reason


def test_planned_work_is_a_row(tmp_path: Path) -> None:
    row = one_row(tmp_path, outcome="planned")
    assert (row.status, row.reason) == ("planned", "latency round 0: not done yet")


def test_one_failed_round_marks_the_row_and_keeps_the_others(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion)
    run.latency(TWINS[0], "fp32", conversion, round=1, outcome="the board rebooted")
    with Store(run.build()) as store:
        row = comparison.comparison(store).iloc[0]
    assert row.status == "failed"
    assert row.reason == "latency round 1: the board rebooted"
    assert pd.notna(row.latency_p50_ns)


def test_random_weights_have_no_accuracy(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    model = {**TWINS[0], "weights": "random"}
    conversion = run.conversion(model, "fp32", mark="latency only: random weights")
    run.latency(model, "fp32", conversion)
    run.accuracy(model, "fp32", run.images(purpose="accuracy"), top1=0.1, conversion=conversion)
    with Store(run.build()) as store:
        row = comparison.comparison(store).iloc[0]
    assert pd.isna(row.top1)
    assert row["mark"] == "latency only: random weights"


def test_accuracy_of_one_device_is_not_that_of_another(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion, images = run.conversion(TWINS[0], "fp32"), run.images(purpose="accuracy")
    for device, top1 in ((HOST, 0.9), (BOARD, 0.5)):
        run.accuracy(TWINS[0], "fp32", images, top1=top1, conversion=conversion, device=device)
        run.latency(TWINS[0], "fp32", conversion, device=device)
    with Store(run.build()) as store:
        table = comparison.comparison(store)
    assert dict(zip(table["device"], table["top1"])) == {"this-host": 0.9, "pi4": 0.5}


def test_explanation_columns_name_metric_method_and_parameters(table: pd.DataFrame) -> None:
    column = "insertion_auc[smoothgrad noise_level=0.2 samples=25]_mean"
    by_model = table.groupby("model")[column].unique()
    assert {len(values) for values in by_model} == {1}
    assert by_model["planted-float"][0] > by_model["planted-binary"][0]


def test_an_undefined_score_is_left_out_of_the_mean_and_kept_with_its_reason(twins_store: Store) -> None:
    scores = quality(twins_store)
    undefined = scores[scores["value"].isna()]
    assert len(undefined) > 0
    assert set(undefined["reason"]) == {"the map is blank"}


def test_scores_name_their_judge(twins_store: Store) -> None:
    scores = quality(twins_store)
    assert set(scores["judge"]) == {"float", "fp32", "int8"}
    assert set(scores.loc[scores["judge"] != "float", "judge_device"]) == {"pi4"}


def test_samples_are_the_raw_ones(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    unit = run.latency(TWINS[0], "fp32", run.conversion(TWINS[0], "fp32"), samples=7)
    with Store(run.build()) as store:
        table, raw = comparison.latency_samples(store), store.unit(unit.key).result
    assert list(table.loc[table["phase"] == "timed", "latency_ns"]) == raw["samples_ns"]
    assert list(table.loc[table["phase"] == "warmup", "latency_ns"]) == raw["warmup_ns"]


def test_devices_give_ranges_of_numbers_and_no_counters(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    for number, celsius in enumerate((41.5, 60.0)):
        after = {"temperatures_c": {"soc": celsius}, "governors": ["ondemand"], "monotonic_ns": 10**12 + number}
        conditions = {"before": {}, "during": [{"run": 0, "monotonic_ns": 5}], "after": after}
        run.latency(TWINS[0], "fp32", conversion, round=number, extra={"circumstances": conditions})
    with Store(run.build()) as store:
        facts = device_facts.devices(store).set_index("property")["value"]
    assert facts["after.temperatures_c.soc"] == "41.5 to 60.0"
    assert facts["after.governors"] == '["ondemand"]'
    assert int(facts["machine.cpus"]) > 0
    assert not [name for name in facts.index if "monotonic" in name or "during" in name]


@pytest.mark.parametrize("make", [comparison.comparison, quality, comparison.latency_samples, device_facts.devices])
def test_an_empty_run_gives_empty_tables_with_all_columns(tmp_path: Path, make: Any) -> None:
    with Store(RunBuilder(tmp_path).build()) as store:
        table = make(store)
    assert table.empty
    assert len(table.columns) > 4


def test_every_fixed_column_is_described_and_no_other_exists(table: pd.DataFrame) -> None:
    assert [name for name in table if "[" not in name] == [column.name for column in COMPARISON]
