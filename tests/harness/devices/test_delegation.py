"""What a record keeps of delegates: counts, shares, doubts, and a sentence for what went wrong. On this host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.devices.client import measure
from harness.devices.delegation import delegation
from harness.devices.device import make_device
from harness.devices.runtime_choice import RuntimeChoice, chosen
from harness.devices.transport.faults import AgentError, AgentLost
from tests.device.delegates.conftest import additions, example  # noqa: F401  fixtures
from tests.harness.devices.devices_under_test import ARTIFACTS, SshServer, emulated_device, ssh_device

HOST = make_device({"name": "this-host", "kind": "local"})
QUICK = {"min_runs": 5, "min_seconds": 0.0, "warmup_max_runs": 10}
RAN = {"runtime": "tflite-runtime", "runtime_version": "2.14.0"}


def run(artifact: Path, *, device: Any = HOST, **said: Any) -> dict[str, Any]:
    choice = chosen(said, folder=Path("/"), where="x")
    return measure(device, artifact, preprocessing=None, protocol=QUICK, runtime=choice)


def test_a_record_says_what_the_delegate_took_and_what_it_left(example: Path, additions: Path) -> None:  # noqa: F811
    record = run(additions, name="mine", delegate=str(example))
    assert record["runtime"] == "mine"
    assert record["runtime_base"] == "ai-edge-litert"
    assert record["delegate_from"] == "this host"
    assert record["delegation"]["taken"] == {"libexample.so": 3, "XNNPACK": 2}
    assert record["delegation"]["outside"] == {}
    assert record["runtime_note"] == ""


def test_a_delegate_that_took_nothing_makes_the_latency_suspect(example: Path, additions: Path) -> None:  # noqa: F811
    record = run(additions, delegate=str(example), options={"takes": "nothing"}, xnnpack=False)
    assert record["verdict"] != "valid"
    assert record["runtime_note"] == "delegate libexample.so took 0 of 5 operators"
    if record["verdict"] == "suspect":  # another load makes it invalid, with that reason alone
        assert "delegate libexample.so took 0 of 5 operators" in record["verdict_reason"]


def test_a_delegate_that_fails_at_work_is_named(example: Path, additions: Path) -> None:  # noqa: F811
    with pytest.raises(AgentError, match=r'with runtime "npu" \(delegate libexample.so\): .*told to fail at invoke'):
        run(additions, name="npu", delegate=str(example), options={"fails_at": "invoke"})


def test_a_delegate_that_crashes_costs_that_job_alone(example: Path, additions: Path) -> None:  # noqa: F811
    with pytest.raises(AgentLost, match=r"with runtime delegate libexample.so: .*signal 6") as caught:
        run(additions, delegate=str(example), options={"crashes_at": "invoke"})
    assert caught.value.signal == 6
    assert run(additions)["samples_ns"]


def test_a_file_of_this_host_works_on_a_board(example: Path, additions: Path, ssh_server: SshServer) -> None:  # noqa: F811
    record = run(additions, device=ssh_device(ssh_server), delegate=str(example))
    assert record["delegate_from"] == "this host"
    assert record["delegation"]["taken"]["libexample.so"] == 3


@pytest.mark.slow
def test_a_delegate_for_an_emulated_board_is_sent_there(additions: Path, tmp_path: Path) -> None:  # noqa: F811
    from tests.device.delegates.conftest import build_example

    library = build_example(tmp_path / "libexample.so", "aarch64")
    record = run(additions, device=emulated_device(), delegate=str(library))
    assert record["delegation"]["taken"] == {"libexample.so": 3, "XNNPACK": 2}


@pytest.mark.slow
@pytest.mark.parametrize("base", ["ai-edge-litert", "tflite-runtime"])
def test_an_emulated_board_gives_to_xnnpack_what_the_table_says(base: str) -> None:
    from device.runtimes import RUNTIMES

    row, device = next(row for row in RUNTIMES if row.name == base), emulated_device()
    for name in ("float", "int8"):
        record = run(ARTIFACTS / f"{name}.tflite", device=device, base=base)
        assert bool(record["delegation"]["taken"]["XNNPACK"]) == (name in row.xnnpack)


# ---------------------------------------------------------------------------------- from what the agent said, no device
def of(name: str, taken: dict[str, list[int] | None] | None, **choice: Any) -> dict[str, Any]:
    return delegation(RAN, ARTIFACTS / f"{name}.tflite", taken, RuntimeChoice(**choice))


def test_shares_are_those_of_the_multiply_accumulates() -> None:
    """8x8x8 outputs of 3x3x3, 3x3x16 outputs of 3x3x8, and 16x5: 13,824 + 10,368 + 80."""
    summary = of("float", {"XNNPACK": [0, 2]})["delegation"]
    assert summary["macs_share"] == pytest.approx(13_824 / 24_272)
    assert summary["outside"] == {"CONV_2D": 1, "FULLY_CONNECTED": 1, "SOFTMAX": 1}


def test_int8_that_no_delegate_runs_is_said_beside_the_number() -> None:
    assert of("int8", {"XNNPACK": []})["runtime_note"] == "tflite-runtime 2.14.0 ran int8 without XNNPACK"
    assert of("int8", {"XNNPACK": [0, 1, 2, 3]})["runtime_note"] == ""
    assert of("int8", {"XNNPACK": []}, xnnpack=False)["runtime_note"] == ""  # as was asked for
    assert of("float", {"XNNPACK": []})["runtime_note"] == ""


def test_xnnpack_that_was_expected_and_took_nothing_is_said() -> None:
    assert "delegate XNNPACK took 0 of 5 operators" in of("float", {"XNNPACK": []}, xnnpack=True)["runtime_note"]


def test_what_a_runtime_does_not_say_is_unknown_and_not_zero() -> None:
    summary = of("int8", {"XNNPACK": None})["delegation"]
    assert (summary["taken"], summary["macs_share"], summary["outside"]) == ({"XNNPACK": None}, None, None)
    assert of("int8", None) == {"delegation": None, "options": None, "runtime_note": ""}
