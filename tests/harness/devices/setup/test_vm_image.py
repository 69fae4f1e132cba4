"""Building virtual machines, as far as no package is unpacked: what is lacking, half built or named strangely."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from harness.devices import vm
from harness.devices.device import make_device
from harness.devices.setup import vm_image
from harness.devices.setup.vm_initrd import initrd
from harness.devices.vm import VmDevice
from harness.errors import ConfigError, DeviceError


def test_all_that_is_lacking_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text("")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(vm, "PLACES", "")
    packages = "qemu-system-arm mmdebstrap e2fsprogs"
    with pytest.raises(DeviceError, match=rf"needs qemu-system-aarch64, mmdebstrap, mke2fs.*\n.*install {packages}$"):
        vm_image.setup(VmDevice(name="board", release="bookworm", cache=str(tmp_path / "cache")), say=str)
    assert not (tmp_path / "cache").exists()


def test_what_was_half_built_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "bookworm"
    (tmp_path / "part-killed").mkdir()
    built: list[Path] = []

    def build(release: str, scratch: Path, say: object) -> None:
        built.append(scratch)
        if len(built) == 1:
            raise KeyboardInterrupt
        for part in vm.PARTS:
            (scratch / part).write_text(part)

    monkeypatch.setattr(vm_image, "_build", build)
    with pytest.raises(KeyboardInterrupt):
        vm_image.build("bookworm", image, say=str)
    assert os.listdir(tmp_path) == []
    for _ in range(2):
        vm_image.build("bookworm", image, say=str)
    assert len(built) == 2
    vm_image.copy(image, tmp_path / "board")
    assert sorted(os.listdir(tmp_path)) == ["board", "bookworm"]
    assert {path.name: path.read_text() for path in (tmp_path / "board").iterdir()} == {n: n for n in vm.PARTS}


@pytest.mark.parametrize("name", ["pi 4", "../../escape", "a,b", "-rf", ".hidden", "x" * 300, "käse"])
def test_any_name_has_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    device = VmDevice(name=name, release="trixie", cache=str(tmp_path))
    assert device.machine().folder.parent == tmp_path / "vm/boards"
    assert device.machine().folder.name.isalnum()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, 'release: expected "bookworm" or "trixie", releases of Debian, got nothing'),
        ({"release": "jessie"}, 'release: expected "bookworm" or "trixie", releases of Debian, got "jessie"'),
        ({"release": "trixie", "ram_mib": 64}, "ram_mib: expected an integer of 256 or more, got 64"),
        ({"release": "trixie", "host": "pi"}, 'host: kind "vm" has no such key'),
    ],
)
def test_a_row_with_something_else_is_refused(row: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_device({"name": "board", "kind": "vm", **row})
    assert words in str(caught.value)


def test_the_initrd_has_the_modules_that_the_kernel_lacks_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/modules/6.1"
    (folder / "kernel").mkdir(parents=True)
    for name, needs in {"virtio-blk": "virtio_ring", "virtio_ring": "", "virtio_net": "virtio_ring", "nfs": ""}.items():
        (folder / f"kernel/{name}.ko").write_bytes(b"\0license=GPL\0depends=" + needs.encode() + b"\0name=x\0")
    (folder / "modules.builtin").write_text("kernel/fs/ext4.ko\nkernel/virtio_pci.ko\nkernel/virtio-rng.ko\n")
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/busybox").write_bytes(b"busybox")
    (tmp_path / "initrd").write_bytes(initrd(tmp_path, "6.1"))
    entries = unpacked(tmp_path / "initrd")
    assert b"for module in virtio_ring.ko virtio-blk.ko virtio_net.ko; do" in entries["init"]
    assert entries["bin/busybox"] == b"busybox"
    assert "modules/nfs.ko" not in entries
    (folder / "modules.builtin").write_text("")
    with pytest.raises(DeviceError, match=r"the kernel 6\.1 has no module virtio_pci"):
        initrd(tmp_path, "6.1")


def unpacked(archive: Path) -> dict[str, bytes]:
    """Name and bytes of each file of a compressed newc archive, read as cpio(5) describes it."""
    content, entries, at = gzip.decompress(archive.read_bytes()), {}, 0
    while True:
        assert content[at : at + 6] == b"070701"
        fields = [int(content[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        name = content[at + 110 : at + 110 + name_size - 1].decode()
        at += (110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return entries
        entries[name] = content[at : at + size]
        at += (size + 3) // 4 * 4
