"""The agent in a device's cache is checked before it executes: nothing that is altered, added or cut off runs."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from device import files
from harness.devices.client import hello, predict
from harness.devices.local import LocalDevice
from harness.devices.transport.bootstrap import agent_archive, archive_importer
from harness.devices.transport.faults import AgentError
from tests.device.test_own_files import mode
from tests.harness.devices.devices_under_test import FLOAT, IMAGES, RECORD

PLANTED = "import pathlib; pathlib.Path({witness!r}).touch(); raise SystemError('planted code ran')"


def agent_file(local: LocalDevice) -> Path:
    (path,) = Path(local.cache, "agent").glob("*.zip")
    return path


def altered(path: Path) -> None:
    """One byte in the middle of an otherwise sound zip."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def another_zip(path: Path) -> None:
    """A sound zip with other code in it."""
    witness = str(path.parents[2] / "witness")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("device/__init__.py", "")
        archive.writestr("device/agent.py", PLANTED.format(witness=witness))


def a_link_to_another(path: Path) -> None:
    another_zip(path)
    path.rename(path.with_name("other"))
    path.symlink_to(path.with_name("other"))


def a_folder(path: Path) -> None:
    path.unlink()
    (path / "device").mkdir(parents=True)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut to nothing": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[:9000]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "altered": altered,
    "another zip": another_zip,
    "a link to another": a_link_to_another,
    "a folder": a_folder,
    "open to others": lambda path: path.chmod(0o666),
    "removed": lambda path: path.unlink(),
    "half renamed": lambda path: path.rename(path.with_name("part-17")),
    "everything removed": lambda path: files.discard(str(path.parent)),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_an_agent_that_is_not_what_was_sent_is_sent_again_and_never_executed(local: LocalDevice, how: str) -> None:
    assert hello(local)["protocol"] == 1
    path = agent_file(local)
    DAMAGE[how](path)
    assert hello(local)["protocol"] == 1
    assert not Path(local.cache).with_name("witness").exists()
    assert files.read_whole(str(path), agent_archive()[0]) == agent_archive()[1]
    assert mode(path) == 0o600


@pytest.mark.parametrize("name", ["numpy.py", "statistics.py", "device/__init__.py", "__pycache__/agent.pyc"])
def test_what_somebody_adds_beside_the_agent_is_not_imported(local: LocalDevice, name: str) -> None:
    hello(local)
    witness = Path(local.cache).with_name("witness")
    planted = agent_file(local).parent / name
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(PLANTED.format(witness=str(witness)))
    assert len(predict(local, FLOAT, IMAGES[:1], preprocessing=RECORD).scores) == 1
    assert not witness.exists()


def test_a_session_writes_no_bytecode(local: LocalDevice) -> None:
    predict(local, FLOAT, IMAGES[:1], preprocessing=RECORD)
    assert not list(Path(local.cache).rglob("*.pyc"))
    assert {path.name for path in Path(local.cache).iterdir()} == {files.MARKER, "agent", "artifacts"}
    assert {mode(path) for path in Path(local.cache).rglob("*")} == {0o600, 0o700}


def test_a_cache_that_is_somebody_s_own_folder_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "artifacts").mkdir(parents=True)
    (mine / "artifacts" / ("0" * 64)).write_text("kept")
    with pytest.raises(AgentError, match=r"mine was not made by bitlens .* give the device another folder"):
        hello(LocalDevice(name="this-host", cache=str(mine)))
    assert [path.name for path in mine.rglob("*")] == ["artifacts", "0" * 64]


def test_the_agent_is_imported_from_memory_with_its_source_for_tracebacks() -> None:
    importer = archive_importer(agent_archive()[1])
    spec = importer.find_spec("device.files")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.MARKER == files.MARKER
    assert module is not sys.modules["device.files"]
    assert module.__spec__.origin == "bitlens/device/files.py"
    assert importer.find_spec("numpy") is None
    assert importer.get_source("device.files") == Path(files.__file__).read_text()
    assert importer.find_spec("device").submodule_search_locations is not None
