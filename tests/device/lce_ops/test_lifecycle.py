"""Interpreters and delegates come and go in any order, and share what they may."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from .conftest import Operators, invoke
from .random_graphs import random_graph


@pytest.mark.parametrize("num_threads", [None, 1, 2, 64])
def test_any_number_of_threads_gives_the_same_results(operators: Operators, num_threads: int | None) -> None:
    model, inputs = random_graph(1)
    expected = operators.run(model, inputs)
    for got, want in zip(invoke(operators.interpreter(model, num_threads=num_threads), inputs), expected):
        np.testing.assert_array_equal(got, want)


def test_results_follow_the_inputs(operators: Operators) -> None:
    model, (first,) = random_graph(3)
    interpreter = operators.interpreter(model)
    for inputs in (first, -first, first * 3):
        for got, want in zip(invoke(interpreter, [inputs]), operators.run(model, [inputs], fuse=0)):
            np.testing.assert_array_equal(got, want)


def test_allocating_twice_changes_nothing(operators: Operators) -> None:
    model, inputs = random_graph(4)
    interpreter = operators.interpreter(model)
    before = invoke(interpreter, inputs)
    interpreter.allocate_tensors()
    for got, want in zip(invoke(interpreter, inputs), before):
        np.testing.assert_array_equal(got, want)


def test_one_delegate_serves_several_interpreters(operators: Operators) -> None:
    delegate = operators.delegate()
    graphs = [random_graph(seed) for seed in range(5)]
    interpreters = [operators.interpreter(model, delegate=delegate) for model, _ in graphs]
    for interpreter, (model, inputs) in zip(interpreters, graphs):
        for got, want in zip(invoke(interpreter, inputs), operators.run(model, inputs)):
            np.testing.assert_array_equal(got, want)


def test_interpreters_of_one_delegate_run_at_the_same_time(operators: Operators) -> None:
    delegate = operators.delegate()
    model, inputs = random_graph(6)
    expected = operators.run(model, inputs)
    wrong: list[int] = []

    def work() -> None:
        interpreter = operators.interpreter(model, delegate=delegate, num_threads=2)
        for _ in range(50):
            got = invoke(interpreter, inputs)
            wrong.extend(1 for g, e in zip(got, expected) if not np.array_equal(g, e))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("delegate_first", [True, False])
def test_interpreter_and_delegate_die_in_any_order(operators: Operators, delegate_first: bool) -> None:
    for seed in range(5):
        model, inputs = random_graph(seed)
        delegate = operators.delegate(num_threads=2)
        interpreter = operators.interpreter(model, delegate=delegate)
        invoke(interpreter, inputs)
        if delegate_first:
            del delegate, interpreter
        else:
            del interpreter, delegate
        gc.collect()
