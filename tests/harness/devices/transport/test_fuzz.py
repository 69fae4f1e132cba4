"""Hostile artifacts: mutated flatbuffers cost at most their own job. Never the host, never the next job."""

from __future__ import annotations

import collections
import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from harness.devices.client import predict
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError, AgentLost, DeadlinePassed
from harness.devices.transport.session import Session
from tests.harness.devices.devices_under_test import ARTIFACTS, RECORD

IMAGES = np.load(ARTIFACTS / "float.npz")["images"][:1]
SOURCES = ("float", "int8", "lce")
RUNTIMES = ("auto", "tflite-runtime")
DEADLINE_S = 3.0


def mutated(content: bytes, seed: int) -> bytes:
    """The content with a few bytes or words changed, or its end cut off; always the same for the same seed."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    for _ in range(random.integers(1, 9)):
        at = int(random.integers(0, len(changed) - 4))
        if random.random() < 0.5:
            changed[at] = int(random.integers(0, 256))
        else:
            words = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, int(random.integers(0, len(content))))
            changed[at : at + 4] = int(random.choice(words)).to_bytes(4, "little")
    return bytes(changed[: random.integers(8, len(changed))] if random.random() < 0.1 else changed)


class Fuzzed:
    """An agent for one hostile artifact after the other; a fresh one whenever one is lost."""

    def __init__(self, device: LocalDevice) -> None:
        self._device, self._stack = device, ExitStack()
        self._session: Session | None = None

    def outcome(self, artifact: Path, sha256: str, runtime: str) -> str:
        try:
            self._ask(artifact, sha256, runtime)
        except AgentError as error:
            return "error" if error.remote_traceback.startswith("Traceback") else "error without traceback"
        except (AgentLost, DeadlinePassed) as error:
            self.close()
            return type(error).__name__
        return "scores"

    def close(self) -> None:
        self._session = None
        self._stack.close()

    def _ask(self, artifact: Path, sha256: str, runtime: str) -> None:
        if self._session is None:
            self._session = self._stack.enter_context(self._device.open())
        session = self._session
        session.put(sha256, artifact, deadline_s=DEADLINE_S)
        record = {key: value for key, value in RECORD.items() if key != "resize"}
        arguments = {"sha256": sha256, "runtime": runtime, "num_threads": 1, "preprocessing": record}
        session.request("load", deadline_s=DEADLINE_S, **arguments)
        session.request("predict", deadline_s=DEADLINE_S, images=IMAGES.tobytes(), shape=list(IMAGES.shape))


@pytest.fixture
def frugal(tmp_path: Path) -> LocalDevice:
    """This host with 4 GB of address space: a hostile file that asks for more must not take the machine down."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -v 4000000 -c 0\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return LocalDevice(name="this-host", python=str(python), cache=str(tmp_path / "cache"))


def hostile(count: int, folder: Path) -> Iterator[tuple[Path, str, str]]:
    for seed in range(count):
        content = mutated((ARTIFACTS / f"{SOURCES[seed % 3]}.tflite").read_bytes(), seed)
        path = folder / "hostile.tflite"
        path.write_bytes(content)
        runtime = "auto" if SOURCES[seed % 3] == "lce" else RUNTIMES[seed // 3 % 2]
        yield path, hashlib.sha256(content).hexdigest(), runtime


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_mutated_flatbuffer_ends_in_a_result_or_a_clean_error(
    frugal: LocalDevice, tmp_path: Path, count: int
) -> None:
    fuzzed = Fuzzed(frugal)
    outcomes = collections.Counter(fuzzed.outcome(*job) for job in hostile(count, tmp_path))
    fuzzed.close()
    print(dict(outcomes))
    assert sum(outcomes.values()) == count
    assert outcomes["error"] > 0
    assert set(outcomes) <= {"scores", "error", "AgentLost", "DeadlinePassed"}
    assert len(predict(frugal, ARTIFACTS / "float.tflite", IMAGES, preprocessing=RECORD).scores) == 1
