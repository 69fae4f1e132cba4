"""Whole runs: the twins in a few formats on three devices, and a large one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.stages.shared import DeployedJudge
from harness.store import Unit
from tests.reports.synthetic_runs import BOARD, EMULATED, HOST, METHODS, TWINS, RunBuilder, model


def twins_run(folder: Path) -> Path:
    """The twins in three formats on two devices and an emulated one, with a failed, a planned and an invalid row."""
    run = RunBuilder(folder)
    shown, tested = run.images(), run.images(purpose="accuracy")
    for twin in TWINS:
        binarized = twin["family"] == "binarized"
        top1 = 0.93 if binarized else 0.975
        run.accuracy(twin, "keras", tested, top1=top1, runtime="tensorflow")
        for format in ("fp32", "lce") if binarized else ("fp32", "int8"):
            _deploy(run, twin, format, tested, top1 - (0.02 if format == "int8" else 0.0))
        for method in METHODS:
            _explain(run, twin, method, shown)
    failing = run.conversion(TWINS[1], "int8", reason="the calibration images hold a NaN")
    run.latency(TWINS[1], "int8", failing, outcome="planned")
    _judge_deployed(run, shown)
    return run.build(experiment=EXPERIMENT, command="bitlens run twins.toml", bitlens="0.1.0", experiment_name="twins")


METRICS = {"insertion_auc": "higher", "deletion_auc": "lower", "mass_in_object": "higher", "sparseness": "higher"}
EXPERIMENT = 'seed = 0\nmodels = ["planted-float", "planted-binary"]\nformats = ["fp32", "int8", "lce"]\n'
SPEED_MS = {"fp32": 6.0, "int8": 3.1, "lce": 1.4, "fp16": 5.5, "dynamic": 4.0, "lce-int8": 1.1}


def _deploy(run: RunBuilder, model: dict[str, Any], format: str, tested: Unit, top1: float) -> None:
    conversion = run.conversion(model, format)
    runtime = "larq-compute-engine" if format == "lce" else "tflite-runtime"
    run.fidelity(conversion, tested, agreement=0.97 if format == "int8" else 1.0)
    for device, slowness in ((HOST, 1.0), (BOARD, 6.0), (EMULATED, 60.0)):
        run.accuracy(model, format, tested, top1=top1, conversion=conversion, device=device, runtime=runtime)
        for threads in (1, 2) if device is not EMULATED else (1,):
            for round in range(3):
                speed = SPEED_MS[format] * slowness / threads**0.7
                hot = device is BOARD and format == "fp32" and threads == 2
                run.latency(
                    model,
                    format,
                    conversion,
                    p50_ms=speed,
                    device=device,
                    runtime=runtime,
                    threads=threads,
                    round=round,
                    verdict="suspect" if hot else "valid",
                    verdict_reason="temperature rose by 9 °C during the measurement" if hot else "",
                )


def _explain(run: RunBuilder, model: dict[str, Any], method: dict[str, Any], shown: Unit) -> None:
    attributed = run.saliency(model, method, shown)
    loss = 0.2 if model["family"] == "binarized" else 0.0
    loss += method["parameters"].get("noise_level", 0.0) * (1.0 if model["family"] == "binarized" else -0.2)
    for metric, better in METRICS.items():
        run.quality(attributed, shown, metric, mean=0.65 - loss if better == "higher" else 0.25 + loss)


def _judge_deployed(run: RunBuilder, shown: Unit) -> None:
    """Insertion judged by the deployed artifacts on the board."""
    conversions = {u.spec["format"]: u for u in run.planned if u.kind == "conversion" and u.spec["model"] == TWINS[0]}
    attributed = next(u for u in run.planned if u.kind == "saliency" and u.spec["method"] == "gradient")
    for format, conversion in conversions.items():
        judge = DeployedJudge(artifact=conversion, device=BOARD)
        run.quality(attributed, shown, "insertion_auc", mean=0.6 if format == "int8" else 0.65, judge=judge)


def large_run(folder: Path, *, models: int = 10, images: int = 100, formats: Sequence[str] = tuple(SPEED_MS)) -> Path:
    """10 models × 6 formats × 3 devices × 100 images."""
    run = RunBuilder(folder, image_count=images, size=96)
    shown, tested = run.images(), run.images(purpose="accuracy")
    for n in range(models):
        explained = model(f"model-{n}", "binarized" if n % 2 else "full-precision", size=96)
        run.accuracy(explained, "keras", tested, top1=0.7 + 0.02 * n, runtime="tensorflow")
        for format in formats:
            conversion = run.conversion(explained, format)
            for device, slowness in ((HOST, 1.0), (BOARD, 6.0), ({**BOARD, "name": "zero2"}, 15.0)):
                run.accuracy(explained, format, tested, top1=0.69 + 0.02 * n, conversion=conversion, device=device)
                speed = SPEED_MS[format] * slowness * (1 + n / 5)
                run.latency(explained, format, conversion, p50_ms=speed, device=device)
        for method in (METHODS[0], METHODS[1], METHODS[3]):
            _explain(run, explained, method, shown)
    return run.build(experiment=EXPERIMENT, command="bitlens run large.toml")
