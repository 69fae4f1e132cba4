"""Runs made of units as the stages plan them, with chosen results in records as the stages write them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.experiment.device_tables import DeviceTable
from harness.experiment.reader import read_experiment
from harness.experiment.schema import LatencyTable
from harness.experiment.selection import Named
from harness.quality.metrics.metric_table import METRICS as KNOWN_METRICS
from harness.stages import accuracy, conversion, fidelity, images, latency, quality, saliency
from harness.stages.shared import DeployedJudge
from harness.store import Outcome, Prediction, Score, Store, Unit
from tests.reports.example_model import example_model
from tests.reports.pictures import attributions, pictures
from tests.reports.ready_agent import latency_record
from tests.reports.recorded_results import RECORDED, result_of

HOST = DeviceTable(name="this-host", kind="local").spec()
BOARD = DeviceTable.model_validate({"name": "pi4", "kind": "ssh", "host": "pi@pi4.local"}).spec()
EMULATED = DeviceTable(name="qemu-a72", kind="emulated").spec()

METHODS = (
    {"method": "gradient", "parameters": {}},
    {"method": "smoothgrad", "parameters": {"noise_level": 0.02, "samples": 25}},
    {"method": "smoothgrad", "parameters": {"noise_level": 0.2, "samples": 25}},
    {"method": "gradcam", "parameters": {"layer": None, "relu": True}},
)
EXPERIMENT = read_experiment(RECORDED / "twins.toml")
CLASSES = ["disc", "ring", "crescent", "square", "bar", "triangle", "star", "cross", "arrow", "heart"]
SIZES = {"fp32": 1.0, "fp16": 0.5, "dynamic": 0.27, "int8": 0.27, "lce": 0.09, "lce-int8": 0.06}  # of 2.4 MB


def model(
    name: str, family: str, *, twin: str | None = None, weights: str = "trained", size: int = 64
) -> dict[str, Any]:
    return {
        "name": name,
        "weights_sha256": hashlib.sha256(name.encode()).hexdigest(),
        "family": family,
        "twin": twin,
        "classes": 10,
        "weights": weights,
        "preprocessing": {
            "height": size,
            "width": size,
            "resize": size,
            "channel_order": "rgb",
            "mean": [127.5] * 3,
            "scale": [1 / 127.5] * 3,
        },
    }


TWINS = (
    model("planted-float", "full-precision", twin="planted-binary"),
    model("planted-binary", "binarized", twin="planted-float"),
)


@dataclass
class RunBuilder:
    """Collects units with their outcomes; `build` plans all of them and commits those that have one."""

    folder: Path
    seed: int = 0
    image_count: int = 12
    accuracy_images: int = 200
    size: int = 64
    planned: list[Unit] = field(default_factory=list)
    outcomes: dict[str, Outcome | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.store = Store(self.folder)

    def add(self, unit: Unit, outcome: Outcome | str | None) -> Unit:
        """Plan a unit. A string is the reason of its failure, None leaves it planned."""
        if unit.key not in {u.key for u in self.planned}:
            self.planned.append(unit)
        if outcome is not None:
            self.outcomes[unit.key] = outcome
        return unit

    def build(self, **meta: str) -> Path:
        with self.store as store:
            for name, value in meta.items():
                store.set_meta(name, value)
            store.replace_plan(self.planned)
            for unit in self.planned:
                outcome = self.outcomes.get(unit.key)
                if isinstance(outcome, str):
                    store.fail(unit, outcome, seconds=0.1)
                elif outcome is not None:
                    store.commit(unit, outcome, seconds=0.1)
        return self.folder

    # ------------------------------------------------------------------------------------------ units of each kind
    def images(self, *, purpose: str = "saliency") -> Unit:
        shown = purpose == "saliency"
        count = self.image_count if shown else self.accuracy_images
        example = example_model(model("any", "full-precision", size=self.size))
        unit = images.plan(EXPERIMENT, "fingerprint", example, split="test", count=count)
        pixels, masks = pictures(self.rng, count, self.size) if shown else (None, None)
        result = result_of(
            "images",
            blob=self.store.save_array(pixels) if shown else None,
            masks_blob=self.store.save_array(masks) if shown else None,
            images=[f"test/{i:06d}" for i in range(count)],
            labels=[i % 10 for i in range(count)],
            class_names=CLASSES,
        )
        return self.add(unit, Outcome(result=result))

    def conversion(self, model: dict[str, Any], format: str, *, reason: str = "", mark: str = "") -> Unit:
        size = int(2_400_000 * SIZES[format]) + int(self.rng.integers(2000))
        blob = self.store.save_blob(f"{model['name']} {format}".encode())
        result = result_of("conversion", blob=blob, flatbuffer_bytes=size, latency_only=bool(mark), mark=mark)
        unit = conversion.plan(example_model(model), format, calibration=None)
        return self.add(unit, reason or Outcome(result=result))

    def fidelity(self, conversion: Unit, images: Unit, *, agreement: float = 0.995) -> Unit:
        suspect = agreement < 0.9
        result = result_of(
            "fidelity",
            top1_agreement=agreement,
            max_abs_score_difference=0.03,
            mean_abs_score_difference=0.002,
            rank_correlation=0.99,
            images=100,
            status="suspect" if suspect else "ok",
            reason="top-1 agreement is below 0.9" if suspect else "",
        )
        return self.add(fidelity.plan(conversion, images), Outcome(result=result))

    def accuracy(
        self,
        model: dict[str, Any],
        format: str,
        images: Unit,
        *,
        top1: float,
        conversion: Unit | None = None,
        device: dict[str, Any] | None = HOST,
        runtime: str = "tflite-runtime",
        done: bool = True,
    ) -> Unit:
        """The fraction `top1` of the images is classified correctly. The reference has no conversion."""
        if conversion is None:
            unit = accuracy.plan_reference(example_model(model), images)
        else:
            unit = accuracy.plan(conversion, images, device or HOST)
        result = result_of("accuracy", runtime=runtime, runtime_version="2.14.0", images=self.accuracy_images)
        predictions = [self._prediction(i, top1) for i in range(self.accuracy_images)]
        return self.add(unit, Outcome(result=result, predictions=predictions) if done else None)

    def _prediction(self, i: int, top1: float) -> Prediction:
        hit = i < round(top1 * self.accuracy_images)
        order = [0, 1, 2, 3, 4] if hit else [1, 2, 3, 4, 5] if i % 7 == 0 else [1, 0, 2, 3, 4]
        ranked = tuple((i + step) % 10 for step in order)
        return Prediction(image=f"test/{i:06d}", label=i % 10, ranked=ranked, scores=(0.7, 0.1, 0.08, 0.07, 0.05))

    def latency(
        self,
        model: dict[str, Any],
        format: str,
        conversion: Unit,
        *,
        p50_ms: float = 5.0,
        device: dict[str, Any] = HOST,
        runtime: str = "tflite-runtime",
        threads: int = 1,
        round: int = 0,
        samples: int = 300,
        verdict: str = "valid",
        verdict_reason: str = "",
        outcome: str = "done",
        extra: dict[str, Any] | None = None,
    ) -> Unit:
        """`extra` are fields of the record with other values."""
        unit = latency.plan(conversion, device, LatencyTable(), num_threads=threads, round_=round)
        if outcome != "done":
            return self.add(unit, None if outcome == "planned" else outcome)
        drift = 1 + 0.02 * self.rng.normal()
        draw = self.rng.lognormal(0.0, 0.04, samples) + (self.rng.random(samples) < 0.03) * 0.3
        answers = {
            "samples_ns": [int(p50_ms * 1e6 * drift * x) for x in draw],
            "warmup_ns": [int(p50_ms * 1e6 * (1.6 - 0.05 * i)) for i in range(10)],
            "load_ns": int(3e6 + p50_ms * 1e5),
            "first_run_ns": int(p50_ms * 2.4e6),
            "peak_rss_bytes": 61_000_000 + int(p50_ms * 1e6),
            "runtime": runtime,
            "runtime_version": "2.14.0",
            "delegate": "xnnpack" if format in ("fp32", "int8") else "none",
            "kernels": "optimized",
            "instructions": 5_750_000,
            **(extra or {}),
        }
        record = latency_record(unit.spec, **answers)
        if not record["emulated"]:
            record |= {"verdict": verdict, "verdict_reason": verdict_reason}
        return self.add(unit, Outcome(result=record))

    def sustained(
        self,
        model: dict[str, Any],
        format: str,
        conversion: Unit,
        *,
        burst_ms: float = 1.0,
        sustained_ms: float = 1.0,
        verdict: str = "valid",
        outcome: str = "done",
    ) -> Unit:
        """90 s on this host, ten runs a second; the speed changes in the middle."""
        unit = latency.plan_sustained(conversion, HOST, LatencyTable(sustained="90s"))
        if outcome != "done":
            return self.add(unit, outcome)
        sensors = [{"run": 10 * i, "monotonic_ns": i * 10**9} for i in range(91)]
        record = latency_record(
            unit.spec,
            samples_ns=[int(burst_ms * 1e6)] * 450 + [int(sustained_ms * 1e6)] * 450,
            circumstances={"before": {}, "during": sensors, "after": {}},
        )
        return self.add(unit, Outcome(result=record | {"verdict": verdict, "verdict_reason": ""}))

    def saliency(
        self,
        model: dict[str, Any],
        method: dict[str, Any],
        images: Unit,
        *,
        outcome: str = "done",
        by: DeployedJudge | None = None,
    ) -> Unit:
        """`by` is an artifact that explains by itself, on its device."""
        binarized = model["family"] == "binarized"
        named = Named(name=method["method"], parameters=method["parameters"])
        if by is None:
            unit = saliency.plan(example_model(model), named, images, target="predicted", seed=0)
        else:
            unit = saliency.plan_on_device(by.artifact, named, images, by.device, seed=0)
        if outcome != "done":
            return self.add(unit, None if outcome == "planned" else outcome)
        noise = named.parameters.get("noise_level", 0.0) * (4 if binarized else 1) + (0.5 if binarized else 0.2)
        values, blank = attributions(self.rng, self.image_count, self.size, named.name, noise, binarized)
        labels = [i % 10 for i in range(self.image_count)]
        correct = 0.8 if binarized else 0.95
        predicted = [label if self.rng.random() < correct else (label + 3) % 10 for label in labels]
        result = result_of(
            "saliency",
            blob=self.store.save_array(values),
            images=[f"test/{i:06d}" for i in range(self.image_count)],
            targets=predicted,
            predicted=predicted,
            layer="stage2_3" if named.name == "gradcam" else None,
            pseudo_gradient=binarized,
            blank=blank,
            notes=[],
        )
        return self.add(unit, Outcome(result=result))

    def quality(
        self,
        saliency: Unit,
        images: Unit,
        metric: str,
        *,
        mean: float,
        judge: DeployedJudge | None = None,
        curves: list[list[float] | None] | None = None,
    ) -> Unit:
        scores = []
        for i in range(self.image_count):
            blank = i == 5 and mean < 0.5
            value = None if blank else float(np.clip(mean + 0.1 * self.rng.normal(), 0, 1))
            scores.append(Score(image=f"test/{i:06d}", value=value, reason="the map is blank" if blank else ""))
        row = KNOWN_METRICS[metric]
        result = result_of("quality", better=row.better, unit=row.unit, **({"curves": curves} if curves else {}))
        unit = quality.plan(saliency, Named(name=metric, parameters={}), judge=judge)
        return self.add(unit, Outcome(result=result, scores=scores))
