"""A job has a deadline and a memory limit, and both hold inside native code that never comes back to Python."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from converters import schema
from device.perturbation import pack
from harness.devices.client import hello, measure, predict
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError, AgentLost, DeadlinePassed, LackOfMemory
from harness.devices.transport.session import Session
from tests.harness.devices.devices_under_test import FLOAT, IMAGES, RECORD

# A runtime whose functions call the C library with the interpreter's lock held: nothing of Python runs meanwhile.
RUNTIME = """
import ctypes, os
import numpy as np
HOW = os.environ["HOW"]
def stuck(here):
    if HOW == here:
        ctypes.PyDLL(None).sleep(1000)
    if HOW == "abort in " + here:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\\n")
        os.abort()
class Graph:
    def NumNodes(self): return 0
class Interpreter:
    _interpreter = Graph()
    def __init__(self, **how): stuck("load")
    def allocate_tensors(self): pass
    def _get_ops_details(self): return []
    def get_input_details(self):
        shape = np.array([1, 8, 8, 3])
        return [dict(name="x", index=0, shape=shape, shape_signature=shape, dtype=np.float32, quantization=(0.0, 0))]
    def get_output_details(self):
        return [dict(name="y", index=1, shape=np.array([1, 5]), dtype=np.float32, quantization=(0.0, 0))]
    def set_tensor(self, index, array): pass
    def invoke(self): stuck("invoke")
    def get_tensor(self, index): return np.zeros((1, 5), np.float32)
"""


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalDevice:
    package = tmp_path / "site" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(RUNTIME)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return LocalDevice(name="this-host", cache=str(tmp_path / "cache"))


PREDICT: dict[str, Any] = {"images": pack(IMAGES[:1])}
VERBS: dict[str, dict[str, Any]] = {
    "predict": PREDICT,
    "measure": {"protocol": {"min_seconds": 0.0}},
    "energy": {"idle_s": 0.0, "busy_s": 0.1, "seed": 0},
}


def put(session: Session) -> dict[str, Any]:
    sha256 = hashlib.sha256(FLOAT.read_bytes()).hexdigest()
    session.put(sha256, FLOAT, deadline_s=60)
    record = {key: value for key, value in RECORD.items() if key != "resize"}
    return {"sha256": sha256, "runtime": "ai-edge-litert", "num_threads": 1, "preprocessing": record}


def start(session: Session, verb: str, deadline_s: float) -> None:
    """Ask without waiting for the answer, as a host that has gone away."""
    arguments = put(session)
    if verb == "load":
        session.send({"id": 9, "verb": "load", "deadline_s": deadline_s, "arguments": arguments}, verb)
        return
    if verb == "profile":
        del arguments["preprocessing"]
        ask = {**arguments, "runs": 1}
        session.send({"id": 9, "verb": "profile", "deadline_s": deadline_s, "arguments": ask}, verb)
        return
    session.request("load", deadline_s=60, **arguments)
    session.send({"id": 9, "verb": verb, "deadline_s": deadline_s, "arguments": VERBS[verb]}, verb)


@pytest.mark.parametrize(
    ("verb", "hangs_in"), [("load", "load"), ("predict", "invoke"), ("measure", "invoke"), ("profile", "invoke")]
)
def test_the_agents_watchdog_ends_a_hang_in_native_code(
    stuck: LocalDevice, monkeypatch: pytest.MonkeyPatch, verb: str, hangs_in: str
) -> None:
    monkeypatch.setenv("HOW", hangs_in)
    with stuck.open() as session:
        start(session, verb, deadline_s=-1.5)  # half a second, with the agent's grace
        with pytest.raises(AgentLost, match=r"(?s)Timeout.*interpreter\.py.* in stuck"):
            session.receive(verb, time.monotonic() + 60, 60)


@pytest.mark.parametrize("verb", ["load", "predict", "measure", "profile"])
def test_the_hosts_own_deadline_ends_an_agent_whose_watchdog_waits_longer(
    stuck: LocalDevice, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("HOW", "load" if verb == "load" else "invoke")
    with stuck.open() as session:
        start(session, verb, deadline_s=3600)
        with pytest.raises(DeadlinePassed, match=f"no answer to {verb} within 0.5 s; the agent was stopped"):
            session.receive(verb, time.monotonic() + 0.5, 0.5)
    monkeypatch.setenv("HOW", "")
    assert hello(stuck)["protocol"] == 1


def test_native_code_that_gives_up_for_lack_of_memory_says_how_much_it_had(
    stuck: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOW", "abort in load")
    device = LocalDevice(name="pi4", cache=stuck.cache, memory_mib=700)
    with pytest.raises(LackOfMemory, match='device "pi4": load needed more than the 700 MiB that a job may') as caught:
        predict(device, FLOAT, IMAGES[:1], preprocessing=RECORD, runtime="ai-edge-litert")
    assert "memory_mib in its row sets another limit" in str(caught.value)
    assert "signal 6" in str(caught.value)


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    """An artifact whose input alone has 2.3 GB."""
    model = schema.read(FLOAT.read_bytes())
    model.subgraphs[0].tensors[int(model.subgraphs[0].inputs[0])].shape = [1, 14000, 14000, 3]
    path = tmp_path / "greedy.tflite"
    path.write_bytes(schema.write(model))
    return path


@pytest.mark.parametrize("runtime", ["tflite-runtime", "ai-edge-litert"])
def test_an_artifact_that_asks_for_more_than_the_limit_is_a_reasoned_failure(
    local: LocalDevice, greedy: Path, runtime: str
) -> None:
    device = LocalDevice(name="this-host", cache=local.cache, memory_mib=512)
    if not any(row["name"] == runtime and row["usable"] for row in hello(device)["runtimes"]):
        pytest.skip(f"needs {runtime}")
    with pytest.raises((AgentError, AgentLost)) as caught:
        measure(device, greedy, preprocessing=None, runtime=runtime)
    assert "512 MiB that a job may have" in str(caught.value) or "delegate failed" in str(caught.value)
    assert len(predict(device, FLOAT, IMAGES[:1], preprocessing=RECORD, runtime=runtime).scores) == 1


def test_many_threads_and_a_large_file_fit_into_a_modest_limit(local: LocalDevice) -> None:
    device = LocalDevice(name="this-host", cache=local.cache, memory_mib=512)
    assert len(predict(device, FLOAT, IMAGES, preprocessing=RECORD, num_threads=16).scores) == len(IMAGES)


def test_the_default_limit_is_known_to_the_session(local: LocalDevice) -> None:
    with local.open() as session:
        assert session.memory_limit_bytes is not None
        assert session.memory_limit_bytes >= 512 << 20


def test_a_failure_without_a_message_says_where_it_was(stuck: LocalDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOW", "")
    package = next(Path(stuck.cache).parent.glob("site/ai_edge_litert"))
    (package / "interpreter.py").write_text("def Interpreter(**how): raise ValueError")
    with pytest.raises(AgentError, match="load failed: ValueError: no reason was given, in Interpreter"):
        predict(stuck, FLOAT, IMAGES[:1], preprocessing=RECORD, runtime="ai-edge-litert")
