"""How often a loop runs: as Python's own ranges do, and as a runtime does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.contents import contents
from tests.flatbuffers.loop_rows import ROWS, loop

BODY = 36  # multiply-accumulates of one round: 6 x 6


@settings(max_examples=30)
@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9), st.booleans())
def test_trips_are_those_of_a_range(start: int, limit: int, step: int, as_input: bool) -> None:
    inside = contents(loop(start=start, limit=limit, step=step, limit_as_input=as_input)())
    assert inside.macs["float"] == BODY * len(range(start, limit, step))
    assert inside.macs_unknown == {}


@pytest.mark.parametrize("step", [0, -1])
def test_a_counter_that_does_not_grow_gives_no_count(step: int) -> None:
    assert contents(loop(step=step)()).macs_unknown == {"WHILE": 1}


@pytest.mark.parametrize(
    "name", ["a loop of three rounds", "a loop that never begins", "a loop whose limit is handed through"]
)
def test_a_runtime_runs_a_loop_as_often(name: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = ROWS[name].build()
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones((1, 6), np.float32))
    interpreter.invoke()
    trips = contents(content).macs["float"] // BODY
    (result,) = interpreter.get_output_details()
    assert (interpreter.get_tensor(result["index"]) == 6.0**trips).all()  # each round multiplies by 6 x 6 ones
