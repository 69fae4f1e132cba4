"""Runs made of invented but realistic units, as the contracts of the store describe them; nothing is measured here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.store import Outcome, Prediction, Score, Store, Unit

HOST = {"name": "this-host", "kind": "local"}
BOARD = {"name": "pi4", "kind": "ssh", "address": "pi@pi4.local"}
EMULATED = {"name": "qemu-a72", "kind": "emulated"}

METHODS = (
    {"method": "gradient", "parameters": {}},
    {"method": "smoothgrad", "parameters": {"noise_level": 0.02, "samples": 25}},
    {"method": "smoothgrad", "parameters": {"noise_level": 0.2, "samples": 25}},
    {"method": "gradcam", "parameters": {"layer": None, "relu": True}},
)
METRICS = {"insertion_auc": "higher", "deletion_auc": "lower", "mass_in_object": "higher", "sparseness": "higher"}


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

    def add(self, kind: str, spec: dict[str, Any], outcome: Outcome | str | None) -> Unit:
        """Plan a unit. A string is the reason of its failure, None leaves it planned."""
        unit = Unit(kind=kind, spec=spec)
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
        count = self.image_count if purpose == "saliency" else self.accuracy_images
        keys = [f"test/{i:06d}" for i in range(count)]
        pixels, masks = _pictures(self.rng, count, self.size) if purpose == "saliency" else (None, None)
        names = ["disc", "ring", "crescent", "square", "bar", "triangle", "star", "cross", "arrow", "heart"]
        result = {
            "blob": self.store.save_array(pixels) if pixels is not None else None,
            "images": keys,
            "labels": [i % 10 for i in range(count)],
            "class_names": names,
            "masks_blob": self.store.save_array(masks) if masks is not None else None,
        }
        spec = {"dataset": "planted", "split": "test", "count": count, "seed": 0, "purpose": purpose, "size": self.size}
        return self.add("images", spec, Outcome(result=result))

    def conversion(self, model: dict[str, Any], format: str, *, reason: str = "", mark: str = "") -> Unit:
        shrink = {"fp32": 1.0, "fp16": 0.5, "dynamic": 0.27, "int8": 0.27, "lce": 0.09, "lce-int8": 0.06}[format]
        size = int(2_400_000 * shrink) + int(self.rng.integers(2000))
        blob = hashlib.sha256(f"{model['name']} {format}".encode()).hexdigest()
        result = {"blob": blob, "flatbuffer_bytes": size, "latency_only": bool(mark), "mark": mark}
        versions = {"tensorflow": "2.15.1"}
        spec = {"model": model, "format": format, "options": {}, "calibration": None, "versions": versions}
        return self.add("conversion", spec, reason or Outcome(result=result))

    def fidelity(self, conversion: Unit, images: Unit, runtime: str, *, agreement: float = 0.995) -> Unit:
        suspect = agreement < 0.9
        result = {
            "top1_agreement": agreement,
            "max_abs_score_difference": 0.03,
            "mean_abs_score_difference": 0.002,
            "rank_correlation": 0.99,
            "images": 100,
            "status": "suspect" if suspect else "ok",
            "reason": "top-1 agreement is below 0.9" if suspect else "",
        }
        spec = {"conversion": conversion.key, "images": images.key, "runtime": runtime}
        return self.add("fidelity", spec, Outcome(result=result))

    def accuracy(
        self,
        model: dict[str, Any],
        format: str,
        images: Unit,
        *,
        share: float,
        conversion: Unit | None = None,
        device: dict[str, Any] | None = HOST,
        runtime: str = "tflite-runtime",
        done: bool = True,
    ) -> Unit:
        predictions = []
        for i in range(self.accuracy_images):
            hit = i < round(share * self.accuracy_images)
            order = [0, 1, 2, 3, 4] if hit else [1, 2, 3, 4, 5] if i % 7 == 0 else [1, 0, 2, 3, 4]
            ranked = tuple((i + step) % 10 for step in order)
            predictions.append(
                Prediction(image=f"test/{i:06d}", label=i % 10, ranked=ranked, scores=(0.7, 0.1, 0.08, 0.07, 0.05))
            )
        spec = {
            "model": model,
            "format": format,
            "conversion": conversion.key if conversion else None,
            "device": device,
            "runtime": runtime,
            "images": images.key,
        }
        result = {"runtime": runtime, "runtime_version": "2.14.0", "images": self.accuracy_images}
        return self.add("accuracy", spec, Outcome(result=result, predictions=predictions) if done else None)

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
        mode: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Unit:
        protocol = {"num_runs": samples, "warmup_runs": 10, **({"mode": mode} if mode else {})}
        spec = {
            "model": model,
            "format": format,
            "conversion": conversion.key,
            "device": device,
            "runtime": runtime,
            "num_threads": threads,
            "protocol": protocol,
            "round": round,
        }
        if outcome != "done":
            return self.add("latency", spec, None if outcome == "planned" else outcome)
        drift = 1 + 0.02 * self.rng.normal()
        draw = self.rng.lognormal(0.0, 0.04, samples) + (self.rng.random(samples) < 0.03) * 0.3
        result = {
            "samples_ns": [int(p50_ms * 1e6 * drift * x) for x in draw],
            "warmup_ns": [int(p50_ms * 1e6 * (1.6 - 0.05 * i)) for i in range(10)],
            "load_ns": int(3e6 + p50_ms * 1e5),
            "first_run_ns": int(p50_ms * 2.4e6),
            "peak_rss_bytes": 61_000_000 + int(p50_ms * 1e6),
            "runtime": runtime,
            "runtime_version": "2.14.0",
            "delegate": "xnnpack" if format in ("fp32", "int8") else "none",
            "kernels": "optimized",
            "circumstances": {
                "before": {"governor": "performance", "temperature_c": 48.2, "throttled": False, "load_average": 0.1},
                "after": {"governor": "performance", "temperature_c": 51.7, "throttled": False, "load_average": 1.0},
            },
            "machine": {"cpu": "Cortex-A72", "cores": 4, "architecture": "aarch64", "python": "3.11.2"},
            "verdict": verdict,
            "verdict_reason": verdict_reason,
            "emulated": device["kind"] == "emulated",
            "instructions": 5_750_000 if device["kind"] == "emulated" else None,
            **(extra or {}),
        }
        return self.add("latency", spec, Outcome(result=result))

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
        glances = [{"run": 10 * i, "monotonic_ns": i * 10**9} for i in range(91)]
        ends = {"burst_ns": burst_ms * 1e6, "sustained_ns": sustained_ms * 1e6, "seconds": 90.0}
        result = {
            "samples_ns": [int(burst_ms * 1e6)] * 450 + [int(sustained_ms * 1e6)] * 450,
            "circumstances": {"before": {}, "during": glances, "after": {}},
            "sustained": ends,
            "verdict": verdict,
            "verdict_reason": "",
            "emulated": False,
        }
        spec = {"model": model, "format": format, "conversion": conversion.key, "device": HOST}
        spec |= {"runtime": "tflite-runtime", "num_threads": 1, "protocol": {}, "sustained_s": 90.0}
        return self.add("latency", spec, Outcome(result=result) if outcome == "done" else outcome)

    def saliency(self, model: dict[str, Any], method: dict[str, Any], images: Unit, *, outcome: str = "done") -> Unit:
        binarized = model["family"] == "binarized"
        spec = {"model": model, **method, "images": images.key, "seed": 0, "target": "predicted"}
        if outcome != "done":
            return self.add("saliency", spec, None if outcome == "planned" else outcome)
        noise = method["parameters"].get("noise_level", 0.0) * (4 if binarized else 1) + (0.5 if binarized else 0.2)
        attributions, blank = _attributions(self.rng, self.image_count, self.size, method["method"], noise, binarized)
        labels = [i % 10 for i in range(self.image_count)]
        share = 0.8 if binarized else 0.95
        predicted = [label if self.rng.random() < share else (label + 3) % 10 for label in labels]
        result = {
            "blob": self.store.save_array(attributions),
            "images": [f"test/{i:06d}" for i in range(self.image_count)],
            "targets": predicted,
            "predicted": predicted,
            "layer": "stage2_3" if method["method"] == "gradcam" else None,
            "pseudo_gradient": binarized,
            "blank": blank,
            "notes": [],
        }
        return self.add("saliency", spec, Outcome(result=result))

    def quality(
        self,
        saliency: Unit,
        images: Unit,
        metric: str,
        *,
        mean: float,
        judge: Any = "float",
        better: str | None = None,
        curves: list[list[float] | None] | None = None,
    ) -> Unit:
        scores = []
        for i in range(self.image_count):
            blank = i == 5 and mean < 0.5
            value = None if blank else float(np.clip(mean + 0.1 * self.rng.normal(), 0, 1))
            scores.append(Score(image=f"test/{i:06d}", value=value, reason="the map is blank" if blank else ""))
        spec = {"saliency": saliency.key, "images": images.key, "metric": metric, "parameters": {}, "judge": judge}
        result = {"better": better or METRICS.get(metric, "higher"), "unit": "1"}
        result |= {"curves": curves} if curves else {}
        return self.add("quality", spec, Outcome(result=result, scores=scores))


def twins_run(folder: Path) -> Path:
    """The twins in three formats on two devices and an emulated one, with a failed, a planned and a void row."""
    run = RunBuilder(folder)
    shown, tested = run.images(), run.images(purpose="accuracy")
    for network in TWINS:
        binarized = network["family"] == "binarized"
        share = 0.93 if binarized else 0.975
        run.accuracy(network, "keras", tested, share=share, runtime="tensorflow")
        for format in ("fp32", "lce") if binarized else ("fp32", "int8"):
            _deploy(run, network, format, tested, share - (0.02 if format == "int8" else 0.0))
        for method in METHODS:
            _explain(run, network, method, shown)
    failing = run.conversion(TWINS[1], "int8", reason="the calibration images hold a NaN")
    run.latency(TWINS[1], "int8", failing, outcome="planned")
    _judge_deployed(run, shown)
    return run.build(experiment=EXPERIMENT, command="bitlens run twins.toml", bitlens="0.1.0", experiment_name="twins")


EXPERIMENT = 'seed = 0\nmodels = ["planted-float", "planted-binary"]\nformats = ["fp32", "int8", "lce"]\n'
SPEED_MS = {"fp32": 6.0, "int8": 3.1, "lce": 1.4, "fp16": 5.5, "dynamic": 4.0, "lce-int8": 1.1}


def _deploy(run: RunBuilder, network: dict[str, Any], format: str, tested: Unit, share: float) -> None:
    conversion = run.conversion(network, format)
    runtime = "larq-compute-engine" if format == "lce" else "tflite-runtime"
    run.fidelity(conversion, tested, runtime, agreement=0.97 if format == "int8" else 1.0)
    for device, slowness in ((HOST, 1.0), (BOARD, 6.0), (EMULATED, 60.0)):
        run.accuracy(network, format, tested, share=share, conversion=conversion, device=device, runtime=runtime)
        for threads in (1, 2) if device is not EMULATED else (1,):
            for round in range(3):
                speed = SPEED_MS[format] * slowness / threads**0.7
                hot = device is BOARD and format == "fp32" and threads == 2
                run.latency(
                    network,
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


def _explain(run: RunBuilder, network: dict[str, Any], method: dict[str, Any], shown: Unit) -> None:
    attributed = run.saliency(network, method, shown)
    loss = 0.2 if network["family"] == "binarized" else 0.0
    loss += method["parameters"].get("noise_level", 0.0) * (1.0 if network["family"] == "binarized" else -0.2)
    for metric, better in METRICS.items():
        run.quality(attributed, shown, metric, mean=0.65 - loss if better == "higher" else 0.25 + loss)


def _judge_deployed(run: RunBuilder, shown: Unit) -> None:
    """Insertion judged by the deployed artifacts on the board."""
    conversions = {u.spec["format"]: u for u in run.planned if u.kind == "conversion" and u.spec["model"] == TWINS[0]}
    attributed = next(u for u in run.planned if u.kind == "saliency" and u.spec["method"] == "gradient")
    for format, conversion in conversions.items():
        judge = {"conversion": conversion.key, "device": BOARD}
        run.quality(attributed, shown, "insertion_auc", mean=0.6 if format == "int8" else 0.65, judge=judge)


def _pictures(rng: np.random.Generator, count: int, size: int) -> tuple[Any, Any]:
    """Soft gradients with one disc each, and the disc's mask."""
    y, x = np.mgrid[:size, :size] / size
    images = np.empty((count, size, size, 3), np.uint8)
    masks = np.empty((count, size, size), bool)
    for i in range(count):
        cx, cy, radius = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.28)
        masks[i] = np.hypot(x - cx, y - cy) < radius
        ground = rng.uniform(40, 160, 3) + 50 * (x[..., None] - y[..., None]) + 12 * rng.normal(size=(size, size, 1))
        images[i] = np.clip(np.where(masks[i][..., None], rng.uniform(60, 255, 3), ground), 0, 255)
    return images, masks


def _attributions(
    rng: np.random.Generator, count: int, size: int, method: str, noise: float, binarized: bool
) -> tuple[Any, list[bool]]:
    blank = [method == "gradcam" and binarized and i == 5 for i in range(count)]
    if method == "gradcam":
        y, x = np.mgrid[:8, :8] / 8
        maps = [np.exp(-(((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.05)) + 0.1 * rng.random((8, 8)) for _ in range(count)]
        return np.stack([m * (not b) for m, b in zip(maps, blank)]).astype(np.float32), blank
    y, x = np.mgrid[:size, :size] / size
    shape = np.exp(-(((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.06))[None, ..., None]
    values = shape * rng.normal(size=(count, size, size, 3)) + noise * 0.5 * rng.normal(size=(count, size, size, 3))
    return values.astype(np.float32), blank


def large_run(folder: Path, *, networks: int = 10, images: int = 100, formats: Sequence[str] = tuple(SPEED_MS)) -> Path:
    """10 networks × 6 formats × 3 devices × 100 images."""
    run = RunBuilder(folder, image_count=images, size=96)
    shown, tested = run.images(), run.images(purpose="accuracy")
    for n in range(networks):
        network = model(f"network-{n}", "binarized" if n % 2 else "full-precision", size=96)
        run.accuracy(network, "keras", tested, share=0.7 + 0.02 * n, runtime="tensorflow")
        for format in formats:
            conversion = run.conversion(network, format)
            for device, slowness in ((HOST, 1.0), (BOARD, 6.0), ({**BOARD, "name": "zero2"}, 15.0)):
                run.accuracy(network, format, tested, share=0.69 + 0.02 * n, conversion=conversion, device=device)
                speed = SPEED_MS[format] * slowness * (1 + n / 5)
                run.latency(network, format, conversion, p50_ms=speed, device=device)
        for method in (METHODS[0], METHODS[1], METHODS[3]):
            _explain(run, network, method, shown)
    return run.build(experiment=EXPERIMENT, command="bitlens run large.toml")


def keys(units: Iterable[Unit]) -> list[str]:
    return [unit.key for unit in units]
