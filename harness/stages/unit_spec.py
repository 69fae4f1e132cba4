"""What the spec of a unit says about it: the model and device that it needs, and how a person calls it."""

from __future__ import annotations

from typing import Any

from harness.devices.device import kind_of
from harness.devices.runtime_choice import AUTO
from harness.saliency.methods.method_table import METHODS, parameters_of
from harness.store.units import StoredUnit, Unit


def model_of(unit: Unit) -> str:
    """The model that a process must load to do the unit; "" for none."""
    model = unit.spec.get("model")
    return model["name"] if isinstance(model, dict) else ""


def device_of(unit: Unit) -> dict[str, Any] | None:
    """The device that does the unit or judges in it; None for what any worker can do."""
    judge = unit.spec.get("judge")
    device = unit.spec.get("device") or (judge.get("device") if isinstance(judge, dict) else None)
    return device if isinstance(device, dict) else None


def board_of(unit: Unit) -> str | None:
    device = device_of(unit)
    return device["name"] if device else None


def uses_this_machine(unit: Unit) -> bool:
    """Whether doing it takes this machine's cores: all but what a board of its own does."""
    device = device_of(unit)
    return device is None or kind_of(device).on_this_machine


def needs_quiet(unit: Unit) -> bool:
    """Whether the unit times something on this very machine, so that nothing else may run on it meanwhile."""
    device = device_of(unit)
    if unit.kind != "latency" or device is None:
        return False
    return kind_of(device).on_this_machine and not kind_of(device).is_emulated


def describe(unit: Unit | StoredUnit) -> str:
    """A unit in a few words, such as "planted-binary lce on this-host, 2 threads"."""
    spec = unit.spec
    if unit.kind == "images":
        return f"{spec['count']} of {spec['dataset']} {spec['split']}"
    words = [spec["model"]["name"], spec.get("format"), spec.get("method"), *_chosen(spec)]
    words += [spec.get("metric"), spec.get("check")]
    if isinstance(spec.get("judge"), dict):
        words.append(f"by {spec['judge']['format']} on {spec['judge']['device']['name']}")
    words += [f"in {spec['precision']}"] if "precision" in spec else []
    if spec.get("device"):
        words.append(f"on {spec['device']['name']}")
        words += [f"with {runtime}" for runtime in (spec["device"].get("runtime", AUTO),) if runtime != AUTO]
    if "sustained_s" in spec:
        words.append("sustained")
    if "num_threads" in spec:
        words.append(f"{spec['num_threads']} thread{'s' * (spec['num_threads'] > 1)}")
    return " ".join(word for word in words if word)


def _chosen(spec: dict[str, Any]) -> list[str]:
    """The parameters of a saliency method that are not its defaults."""
    if spec.get("method") not in METHODS or "metric" in spec:
        return []
    defaults = parameters_of(spec["method"], {})
    return [f"{name}={value}" for name, value in spec["parameters"].items() if defaults.get(name) != value]
