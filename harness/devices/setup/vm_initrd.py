"""What a virtual machine's kernel starts with: the modules for its disk and network, and a shell that goes on.

Debian's own initramfs is made by its scripts, on the machine itself; this one is an archive that is written here.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from harness.errors import DeviceError

MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "ext4")
_INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs devtmpfs /dev
exec >/dev/console 2>&1 </dev/console
for module in {modules}; do
    /bin/busybox insmod "/modules/$module" || echo "bitlens: the kernel refused $module"
done
waited=0
until [ -b /dev/vda ] || [ "$waited" = 60 ]; do /bin/busybox sleep 1; waited=$((waited + 1)); done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root || {{
    echo "bitlens: the disk cannot be mounted"
    /bin/busybox poweroff -f
}}
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""
_CONSOLE = (5, 1)  # the kernel's first process needs this device before anything is mounted
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def initrd(root: Path, kernel: str) -> bytes:
    """The archive for this kernel of the root, to be mounted and left behind. Raises DeviceError."""
    modules = {path.name: _plain(path) for path in _in_order(root / "usr/lib/modules" / kernel)}
    archive = bytearray()
    for folder in ("bin", "dev", "modules", "root"):
        archive += _entry(folder, mode=stat.S_IFDIR | 0o755)
    archive += _entry("dev/console", mode=stat.S_IFCHR | 0o600, device=_CONSOLE)
    archive += _entry("bin/busybox", mode=stat.S_IFREG | 0o755, content=(root / "usr/bin/busybox").read_bytes())
    for name, content in modules.items():
        archive += _entry(f"modules/{name}", mode=stat.S_IFREG | 0o644, content=content)
    script = _INIT.format(modules=" ".join(modules)).encode()
    archive += _entry("init", mode=stat.S_IFREG | 0o755, content=script)
    return gzip.compress(bytes(archive + _entry("TRAILER!!!", mode=0)), compresslevel=6)


def _in_order(folder: Path) -> list[Path]:
    """The files of MODULES that are not built into the kernel, each after those that it depends on."""
    files = {_name(path): path for path in folder.rglob("*.ko*")}
    builtin = {_name(Path(line)) for line in (folder / "modules.builtin").read_text().split()}
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in ordered or name in builtin:
            return
        if name not in files:
            raise DeviceError(f"the kernel {folder.name} has no module {name}")
        found = _DEPENDS.search(_plain(files[name]))
        for other in filter(None, (found[1] if found else b"").decode().split(",")):
            add(_normal(other))
        ordered[name] = files[name]

    for name in MODULES:
        add(name)
    return list(ordered.values())


def _name(path: Path) -> str:
    return _normal(path.name.partition(".ko")[0])


def _normal(name: str) -> str:
    return name.replace("-", "_")


def _plain(path: Path) -> bytes:
    """busybox loads no compressed module."""
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def _entry(name: str, *, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One file of a cpio archive of the form "newc": thirteen numbers in eight hexadecimal digits, name, bytes."""
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + name.encode() + b"\0"
    return b"".join(_padded((head, content)))


def _padded(parts: tuple[bytes, ...]) -> Iterator[bytes]:
    for part in parts:
        yield part + bytes(-len(part) % 4)
