"""A worker is given more as long as what it has is short, and one unit at a time after a worker was lost."""

from __future__ import annotations

from typing import Any

import pytest

from harness.execution.task import Task, TaskResult
from harness.execution.worker_ledger import AHEAD_SECONDS, ATTEMPTS, DEPTH, WorkerLedger
from tests.harness.execution.simulated import unit

ONE, TWO = "tcp://one:1", "tcp://two:2"


@pytest.fixture
def ledger() -> WorkerLedger:
    """Two workers who know how long units of the model "a" take: hardly any time."""
    ledger = WorkerLedger()
    ledger.update([ONE, TWO])
    give(ledger, ONE, "a")
    finish(ledger, "a", seconds=0.0)
    return ledger


def give(ledger: WorkerLedger, address: str, model: str, **more: Any) -> str:
    one = unit(model, **more)
    ledger.assign(Task(key=one.key, unit=one, function=""), address, future=object())
    return one.key


def finish(ledger: WorkerLedger, model: str, *, seconds: float, **more: Any) -> None:
    one = unit(model, **more)
    ledger.release(one.key)
    ledger.is_done(one.key, TaskResult(unit=one, seconds=seconds))


def test_first_unit_of_its_sort_may_take_long_so_its_worker_wants_no_other(ledger: WorkerLedger) -> None:
    give(ledger, ONE, "never seen")
    assert ledger.idle() == {TWO: ""}


def test_worker_with_short_units_wants_more_up_to_a_number(ledger: WorkerLedger) -> None:
    ledger.update([ONE])
    for number in range(DEPTH):
        assert ledger.idle() == {ONE: "a"}
        give(ledger, ONE, "a", number=number)
    assert ledger.idle() == {}


def test_worker_with_much_to_do_wants_no_more(ledger: WorkerLedger) -> None:
    ledger.update([ONE])
    give(ledger, ONE, "a")
    finish(ledger, "a", seconds=AHEAD_SECONDS)
    give(ledger, ONE, "a")
    assert ledger.idle() == {}


def test_those_who_have_fewest_are_served_first(ledger: WorkerLedger) -> None:
    give(ledger, ONE, "a", number=1)
    assert ledger.idle() == {TWO: ""}
    give(ledger, TWO, "a", number=2)
    assert ledger.idle() == {ONE: "a", TWO: "a"}


def test_after_a_loss_units_are_handed_out_singly_until_it_is_known_whose_fault_it_was(ledger: WorkerLedger) -> None:
    suspect = give(ledger, ONE, "a", number=1)
    ledger.update([TWO])
    assert [orphan.task.key for orphan in ledger.orphans()] == [suspect]
    ledger.release(suspect)
    assert not ledger.must_give_up(suspect)
    give(ledger, TWO, "a", number=1)
    assert ledger.idle() == {}
    finish(ledger, "a", number=1, seconds=0.0)
    give(ledger, TWO, "a", number=2)
    assert ledger.idle() == {TWO: "a"}


def test_unit_is_given_up_after_so_many_losses_and_others_go_on(ledger: WorkerLedger) -> None:
    losses = [ledger.must_give_up("a key") for _ in range(ATTEMPTS)]
    assert losses == [False] * (ATTEMPTS - 1) + [True]
    give(ledger, ONE, "a")
    give(ledger, TWO, "a", number=1)
    assert ledger.idle() == {ONE: "a", TWO: "a"}


def test_worker_that_is_leaving_finishes_what_it_has_and_gets_nothing_more(ledger: WorkerLedger) -> None:
    give(ledger, ONE, "a", number=1)
    ledger.mark_leaving(ONE)
    assert not ledger.may_restart(ONE)
    give(ledger, TWO, "a", number=2)
    assert ledger.idle() == {TWO: "a"}
    finish(ledger, "a", number=1, seconds=0.0)
    assert ledger.may_restart(ONE)
    assert not ledger.may_restart(TWO)


def test_new_worker_at_the_address_of_a_lost_one_has_nothing_of_it_in_hand(ledger: WorkerLedger) -> None:
    on_its_way = give(ledger, ONE, "a", number=1)
    ledger.update([TWO])
    ledger.update([ONE, TWO])
    assert ledger.release(on_its_way).key == on_its_way
    assert ledger.idle() == {ONE: "", TWO: ""}


def test_models_that_others_hold(ledger: WorkerLedger) -> None:
    give(ledger, TWO, "b")
    assert (ledger.models_elsewhere(ONE), ledger.models_elsewhere(TWO)) == ({"b"}, {"a"})
