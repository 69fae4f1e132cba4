"""What is read off a unit: the model and device that it needs, whether it must be alone, and how a person calls it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.stages.unit_spec import board_of, describe, model_of, needs_quiet, uses_this_machine
from harness.store import Unit

HOST = {"name": "this-host", "kind": "local"}
BOARD = {"name": "pi4", "kind": "ssh", "host": "pi"}
EMULATED = {"name": "cortex-a72", "kind": "emulated"}


def unit(kind: str, **more: Any) -> Unit:
    return Unit(kind=kind, spec={"model": {"name": "twin"}, **more})


@pytest.mark.parametrize(
    ("device", "takes_cores", "alone"), [(HOST, True, True), (BOARD, False, False), (EMULATED, True, False)]
)
def test_only_what_is_timed_on_this_very_machine_must_be_alone(
    device: dict[str, Any], takes_cores: bool, alone: bool
) -> None:
    timed = unit("latency", device=device)
    assert (uses_this_machine(timed), needs_quiet(timed)) == (takes_cores, alone)
    assert not needs_quiet(unit("accuracy", device=device))


def test_a_unit_that_an_artifact_judges_is_done_where_the_artifact_is() -> None:
    judged = unit("quality", judge={"format": "int8", "device": BOARD, "runtime": "auto"})
    assert board_of(judged) == "pi4"
    assert board_of(unit("quality", judge="float")) is None


def test_images_need_no_model() -> None:
    assert model_of(Unit(kind="images", spec={"count": 8})) == ""
    assert model_of(unit("accuracy")) == "twin"


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (Unit(kind="images", spec={"count": 8, "dataset": "planted", "split": "test"}), "8 of planted test"),
        (unit("latency", format="lce", device=HOST, num_threads=2), "twin lce on this-host 2 threads"),
        (unit("latency", format="lce", device=HOST, num_threads=1, sustained_s=90.0),
         "twin lce on this-host sustained 1 thread"),
        (unit("saliency", method="occlusion", parameters={"window": 0.5}), "twin occlusion window=0.5"),
        (unit("quality", method="gradient", metric="road", judge={"format": "int8", "device": BOARD}),
         "twin gradient road by int8 on pi4"),
    ],
)  # fmt: skip
def test_a_unit_in_a_few_words(unit: Unit, words: str) -> None:
    assert describe(unit) == words
