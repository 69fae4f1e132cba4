"""The emulated board's folder is ours before anything is made, started or removed in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device import files
from harness.devices.emulated import EmulatedDevice, board_folder, own_board_folder
from harness.devices.setup import emulated_root
from harness.errors import DeviceError
from tests.device.test_own_files import mode
from tests.harness.devices.devices_under_test import FLOAT, IMAGES, RECORD, emulated_device


def plant_board(cache: Path) -> None:
    (cache / "aarch64-bookworm" / "root").mkdir(parents=True)
    (cache / "aarch64-bookworm" / "root" / "thesis.txt").write_text("years of work")


@pytest.mark.parametrize("marked", [False, True])
def test_remove_acts_only_where_the_cache_is_ours(tmp_path: Path, marked: bool) -> None:
    cache = tmp_path / "mine"
    plant_board(cache)
    device = EmulatedDevice(name="cortex-a72", cache=str(cache))
    said: list[str] = []
    if marked:
        (cache / files.MARKER).touch()
        emulated_root.remove(device, say=said.append)
        assert not cache.exists()
        emulated_root.remove(device, say=said.append)
        assert said[-1] == "cortex-a72: nothing to remove"
    else:
        with pytest.raises(DeviceError, match=r"was not made by bitlens .* left as it is"):
            emulated_root.remove(device, say=said.append)
        assert (cache / "aarch64-bookworm/root/thesis.txt").read_text() == "years of work"


def test_a_board_that_is_a_link_is_neither_made_nor_removed(tmp_path: Path) -> None:
    plant_board(tmp_path / "elsewhere")
    cache = Path(files.claim_cache(str(tmp_path / "cache")))
    (cache / "aarch64-bookworm").symlink_to(tmp_path / "elsewhere/aarch64-bookworm")
    with pytest.raises(DeviceError, match="is a symbolic link"):
        emulated_root.remove(EmulatedDevice(name="cortex-a72", cache=str(cache)), say=print)
    assert (tmp_path / "elsewhere/aarch64-bookworm/root/thesis.txt").exists()


def test_its_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = own_board_folder(str(tmp_path / "cache"))
    assert folder == board_folder(str(tmp_path / "cache"))
    assert mode(folder) == mode(folder.parent) == 0o700


def test_a_part_gets_its_name_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(part: Path) -> None:
        part.mkdir()
        raise KeyboardInterrupt("the power failed")

    synced: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        emulated_root._make_beside(tmp_path / "root", cut)
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(os, "sync", lambda: synced.append((tmp_path / "root").exists()))
    emulated_root._make_beside(tmp_path / "root", lambda part: part.mkdir())
    assert synced == [False]
    assert os.listdir(tmp_path) == ["root"]


@pytest.mark.slow
def test_an_emulated_job_that_asks_for_more_than_the_limit_ends_and_the_next_one_runs(tmp_path: Path) -> None:
    from converters import schema
    from harness.devices.client import predict
    from harness.devices.transport.faults import AgentError, AgentLost

    device = EmulatedDevice(name="cortex-a72", cpu=emulated_device().cpu, memory_mib=512)
    model = schema.read(FLOAT.read_bytes())
    model.subgraphs[0].tensors[int(model.subgraphs[0].inputs[0])].shape = [1, 14000, 14000, 3]
    (tmp_path / "greedy.tflite").write_bytes(schema.write(model))
    with pytest.raises((AgentError, AgentLost), match="memory_mib"):
        predict(device, tmp_path / "greedy.tflite", IMAGES[:1], preprocessing=RECORD, runtime="tflite-runtime")
    assert len(predict(device, FLOAT, IMAGES[:1], preprocessing=RECORD).scores) == 1
