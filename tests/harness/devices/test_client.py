"""What the jobs promise beyond what the device suite shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.perturbation import perturbed
from harness.devices import in_flight
from harness.devices.client import measure, perturb, predict
from harness.devices.device import make_device
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError
from harness.devices.transport.session import Session
from tests.harness.devices.devices_under_test import ARTIFACTS, FLOAT, IMAGES, QUICK, RECORD, emulated_device

HOST = make_device({"name": "this-host", "kind": "local"})


def test_batches_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predict(HOST, FLOAT, IMAGES, preprocessing=RECORD).scores
    monkeypatch.setattr(in_flight, "PIECE_BYTES", 3 * IMAGES[0].nbytes)
    assert np.array_equal(predict(HOST, FLOAT, IMAGES, preprocessing=RECORD).scores, whole)


def test_a_last_batch_that_is_not_full_gives_scores_for_its_images_only() -> None:
    result = predict(HOST, ARTIFACTS / "batch4.tflite", IMAGES[:6], preprocessing=RECORD)
    np.testing.assert_allclose(result.scores, np.load(ARTIFACTS / "batch4.npz")["scores"][:6], atol=1e-5)


def test_no_images_give_no_scores() -> None:
    assert predict(HOST, FLOAT, IMAGES[:0], preprocessing=RECORD).scores.shape == (0, 5)


def test_a_perturbation_plan_gives_the_scores_of_images_made_on_the_host() -> None:
    random = np.random.default_rng(0)
    start, grey = IMAGES[:3], np.full((1, 1, 1, 3), 128, np.uint8)
    ranks = np.stack([random.permutation(64).reshape(8, 8) for _ in start])
    steps = [0, 1, 30, 64]
    scores = perturb(HOST, FLOAT, start=start, end=grey, ranks=ranks, steps=steps, preprocessing=RECORD)
    assert scores.shape == (3, 4, 5)
    for index in range(3):
        made = perturbed(start[index], grey[0], ranks[index], steps)
        assert np.array_equal(scores[index], predict(HOST, FLOAT, made, preprocessing=RECORD).scores)


def test_an_end_image_for_every_image_stays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "PIECE_BYTES", 2 * IMAGES[0].nbytes)
    start, end = IMAGES[:5], IMAGES[5:10]
    ranks = np.tile(np.arange(64).reshape(8, 8), (5, 1, 1))
    scores = perturb(HOST, FLOAT, start=start, end=end, ranks=ranks, steps=[64], preprocessing=RECORD)
    assert np.array_equal(scores[:, 0], predict(HOST, FLOAT, end, preprocessing=RECORD).scores)


def test_both_ways_of_a_map_keep_their_scores_and_cross_the_wire_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "PIECE_BYTES", 1500)  # three rows, so that one map fits with both of its ways
    images, grey = IMAGES[:3], np.full_like(IMAGES[:3], 128)
    ranks = np.stack([np.random.default_rng(seed).permutation(64).reshape(8, 8) for seed in range(3)])
    sent: list[dict[str, Any]] = []
    ask = Session.ask

    def noted(session: Session, verb: str, **arguments: Any) -> Any:
        sent.extend([arguments] * (verb == "perturb"))
        return ask(session, verb, **arguments)

    monkeypatch.setattr(Session, "ask", noted)
    how: dict[str, Any] = {"steps": [0, 20, 64], "preprocessing": RECORD}
    start, end = np.concatenate([images, grey]), np.concatenate([grey, images])
    scores = perturb(HOST, FLOAT, start=start, end=end, ranks=np.tile(ranks, (2, 1, 1)), **how)
    assert [len(request["images"]["content"]) for request in sent] == [2 * images[0].nbytes] * 3
    assert [len(request["ranks"]["content"]) for request in sent] == [64] * 3
    assert np.array_equal(scores[:3], perturb(HOST, FLOAT, start=images, end=grey, ranks=ranks, **how))
    assert np.array_equal(scores[3:], perturb(HOST, FLOAT, start=grey, end=images, ranks=ranks, **how))


def test_images_of_another_size_are_one_error_however_many_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "PIECE_BYTES", 1)
    with pytest.raises(AgentError, match="images: expected uint8 of shape"):
        predict(HOST, FLOAT, IMAGES[:, :4], preprocessing=RECORD)


def test_progress_reports_the_stages_in_order() -> None:
    reports: list[dict[str, Any]] = []
    measure(HOST, FLOAT, preprocessing=RECORD, protocol=QUICK, on_progress=reports.append)
    stages = [report["stage"] for report in reports if report["stage"] not in ("put", "waiting")]
    assert stages[0] == "warm-up"
    assert stages[-1] == "timing"


def test_a_record_is_plain_json_and_keeps_its_protocol() -> None:
    record = measure(HOST, FLOAT, preprocessing=RECORD, protocol={**QUICK, "cpus": [0]})
    assert json.loads(json.dumps(record)) == record
    assert record["protocol"]["cpus"] == [0]
    assert record["protocol"]["warmup_window"] == 5


@pytest.mark.slow
def test_instructions_are_repeatable_within_one_percent() -> None:
    device = emulated_device()
    counts = [measure(device, FLOAT, preprocessing=RECORD)["instructions"] for _ in range(3)]
    assert max(counts) <= 1.01 * min(counts)


@pytest.mark.slow
def test_energy_is_estimated_after_the_round_where_there_is_a_sensor(tmp_path: Path) -> None:
    """A Raspberry Pi's command that reports 1 W when first asked and 3 W from then on."""
    command = tmp_path / "vcgencmd"
    amperes = "$(test -e busy && echo 3 || echo 1)"
    command.write_text(f'#!/bin/sh\ncd {tmp_path}; echo "5V_A current(0)={amperes}A 5V_V volt(1)=1.0V"; touch busy\n')
    command.chmod(0o755)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPATH={tmp_path}:$PATH exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    board = LocalDevice(name="pi5", python=str(python))
    record = measure(board, FLOAT, preprocessing=RECORD, protocol={**QUICK, "energy": True})
    assert record["samples_ns"]
    assert record["energy"]["source"].startswith("Raspberry Pi")
    assert record["energy"]["idle_w"] <= record["energy"]["busy_w"] == 3.0
