"""A kind of device is one row of KINDS: whoever works with devices knows a new one by its row alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.devices.client import measure
from harness.devices.device import KINDS, DeviceKind, make_device
from harness.devices.doctor import examine
from harness.devices.local import LocalDevice
from harness.devices.operator_costs import profile
from harness.devices.row import KEYS, DeviceKey
from harness.devices.transport.faults import AgentError
from harness.errors import DeviceError
from harness.experiment.reader import read_experiment
from harness.stages.unit_spec import needs_quiet, uses_this_machine
from harness.store.units import Unit
from tests.harness.devices.devices_under_test import EXAMPLES, FLOAT, QUICK, RECORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(LocalDevice):
    """A place that nobody has thought of yet: this host's interpreter, which has to be prepared first."""

    kind: str = field(default="container", init=False)
    image: str


def prepare(device: Container, *, python: str, say: Callable[[str], None] = print) -> None:
    Path(device.image).write_text(f"built on {python}")
    say(f"{device.name}: built")


def drop(device: Container, *, python: str) -> None:
    Path(device.image).unlink()
    print(f"{device.name}: dropped")


def is_prepared(device: Container) -> bool:
    return Path(device.image).exists()


IMAGE = DeviceKey(
    is_right=lambda value: isinstance(value, str),
    expected="the path of an image",
    says="What it runs.",
    example="board.image",
    form={"type": "string"},
)


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The row of a device of the new kind, in the user's table."""
    here = __name__
    new = DeviceKind(
        load=f"{here}:Container",
        setup=f"{here}:prepare",
        remove=f"{here}:drop",
        is_set_up=f"{here}:is_prepared",
        on_this_machine=True,
    )
    monkeypatch.setitem(KINDS, "container", new)
    monkeypatch.setitem(KEYS, "image", IMAGE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    table = tmp_path / "bitlens" / "devices.toml"
    table.parent.mkdir()
    table.write_text(f'[[device]]\nname = "box"\nkind = "container"\nimage = "{tmp_path / "image"}"\n')
    return {"name": "box", "kind": "container", "image": str(tmp_path / "image")}


def bitlens(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_kind_passes_the_device_suite() -> None:
    assert set(EXAMPLES) == set(KINDS)


def test_it_is_listed_prepared_examined_and_removed(row: dict[str, str]) -> None:
    assert re.search(
        rf"box +container +image {re.escape(row['image'])} +not asked", bitlens("device", "list", "--no-probe")
    )
    before = bitlens("doctor", "box")
    assert 'warning  device "box" has not been set up\n         try: bitlens device setup box' in before
    assert bitlens("device", "setup", "box", "--python", "python3.12") == "box: built\n"
    assert Path(row["image"]).read_text() == "built on python3.12"
    after = bitlens("doctor", "box")
    assert "has not been set up" not in after
    assert "runtime ai-edge-litert" in after
    assert bitlens("device", "remove", "box") == "box: dropped\n"


def test_it_is_benchmarked(row: dict[str, str]) -> None:
    text = bitlens("bench", str(FLOAT), "--device", "box", "--rounds", "1", "--seconds", "0")
    assert "p50" in text
    assert "validity" in text


def test_a_benchmark_that_fails_ends_with_one(row: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no flatbuffer")
    result = CliRunner().invoke(app, ["bench", str(broken), "--device", "box", "--rounds", "1", "--seconds", "0"])
    assert result.exit_code == 1
    assert "failed" in result.stdout


def test_a_device_of_it_runs_experiments(row: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text('models = ["planted-float"]\ndevices = ["box"]\n[dataset]\nkind = "planted"\n')
    (device,) = read_experiment(file).devices
    assert device.address() == row
    assert isinstance(make_device(device.address()), Container)


@pytest.mark.parametrize(
    ("facts", "uses", "quiet"),
    [
        ({"on_this_machine": True}, True, True),
        ({"on_this_machine": True, "is_emulated": True}, True, False),
        ({"on_this_machine": False}, False, False),
    ],
)
def test_its_row_decides_what_else_may_run_meanwhile(
    row: dict[str, str], monkeypatch: pytest.MonkeyPatch, facts: dict[str, bool], uses: bool, quiet: bool
) -> None:
    monkeypatch.setitem(KINDS, "container", replace(KINDS["container"], **facts))
    unit = Unit(kind="latency", spec={"device": row})
    assert (uses_this_machine(unit), needs_quiet(unit)) == (uses, quiet)


def test_where_its_row_says_emulated_it_counts_and_times_nothing(
    row: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "container", replace(KINDS["container"], is_emulated=True))
    device = make_device(row)
    with pytest.raises(AgentError, match="instructions are counted on an emulated device only"):
        measure(device, FLOAT, preprocessing=RECORD, protocol=QUICK)
    with pytest.raises(DeviceError, match='device "box": emulated, so an operator has no time'):
        profile(device, FLOAT)
    assert "emulated: gives instructions, never a latency" in [finding.what for finding in examine(device)]
