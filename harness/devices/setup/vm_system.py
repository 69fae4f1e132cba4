"""What makes a bootable board of Debian's unpacked packages: what their scripts would do, as far as a board needs it.

Everything belongs to root in the image; what belongs to the board's user is given to them each time it boots.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.devices.vm import USER

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
_IDS = 1000
_ACCOUNTS = """\
messagebus:x:997:997::/nonexistent:/usr/sbin/nologin
sshd:x:996:65534::/run/sshd:/usr/sbin/nologin
{user}:x:{ids}:{ids}::/home/{user}:/bin/bash
"""
_GROUPS = """\
systemd-journal:x:999:
messagebus:x:997:
{user}:x:{ids}:
"""
_FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 0\n",
    "etc/hostname": "board\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 board\n::1 localhost\n",
    "etc/machine-id": "00000000000000000000000000000001\n",  # each board is told another one when it boots
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    # The one network that there is; systemd-networkd would wait for udev to look at every device.
    "etc/systemd/system/board-network.service": (
        "[Unit]\nBefore=network.target ssh.service\nWants=network.target\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        "ExecStart=/usr/sbin/ip address add 10.0.2.15/24 dev eth0\n"
        "ExecStart=/usr/sbin/ip link set eth0 up\n"
        "ExecStart=/usr/sbin/ip route add default via 10.0.2.2\n"
    ),
    # Under emulation, looking at every device that a virtual board has takes longer than the rest of its start.
    "etc/systemd/system/systemd-udev-trigger.service.d/board.conf": (
        "[Service]\nExecStart=\nExecStart=-udevadm trigger --action=add --subsystem-match=block --subsystem-match=net\n"
    ),
    "etc/ssh/sshd_config.d/board.conf": "HostKey /{host_key}\nUseDNS no\nPrintMotd no\nPasswordAuthentication no\n",
    "etc/sudoers.d/board": "{user} ALL=(ALL) NOPASSWD: ALL\n",
    "etc/tmpfiles.d/board.conf": "Z /home/{user} - {user} {user} -\nz /home/{user}/.ssh 0700 {user} {user} -\n",
    # What pam-auth-update makes of the one way to log in that there is.
    "etc/pam.d/common-auth": "auth required pam_unix.so nullok\n",
    "etc/pam.d/common-account": "account required pam_unix.so\n",
    "etc/pam.d/common-password": "password required pam_unix.so obscure yescrypt\n",
    "etc/pam.d/common-session": "session required pam_unix.so\n",
    "etc/pam.d/common-session-noninteractive": "session required pam_unix.so\n",
}
_WANTED_UNITS = {"ssh.service": "/usr/lib/systemd/system", "board-network.service": "/etc/systemd/system"}
# Of no use to a board that nobody sits at and that has no internet, and each of them delays its start.
_MASKED_UNITS = (
    "systemd-logind.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "systemd-firstboot.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "man-db.timer",
)


def configure(root: Path, *, public_key: str, host_key: Path) -> None:
    """Write into the unpacked root what lets it boot, and lets the owner of the key in as USER and as root.

    host_key  the board's own private key, which this host knows it by; its public one lies beside it.
    """
    names = {"user": USER, "ids": _IDS, "host_key": HOST_KEY}
    masters = root / "usr/share/base-passwd"
    accounts = (masters / "passwd.master").read_text().replace("root:*:", "root:x:") + _ACCOUNTS.format(**names)
    _write(root, "etc/passwd", accounts.replace(":*:", ":x:"))
    _write(root, "etc/group", (masters / "group.master").read_text().replace(":*:", ":x:") + _GROUPS.format(**names))
    people = [line.split(":")[0] for line in accounts.splitlines()]
    _write(root, "etc/shadow", "".join(f"{name}:*:20000:0:99999:7:::\n" for name in people), mode=0o640)
    for name, text in _FILES.items():
        _write(root, name, text.format(**names), mode=0o440 if name.startswith("etc/sudoers") else 0o644)
    if not (root / "etc/ssh/sshd_config").exists():
        shutil.copy(root / "usr/share/openssh/sshd_config", root / "etc/ssh/sshd_config")
    for program in ("sudo", "su", "passwd"):  # which unpacking without rights takes from them
        (root / "usr/bin" / program).chmod(0o4755)
    for home in ("root", f"home/{USER}"):
        _write(root, f"{home}/.ssh/authorized_keys", public_key, mode=0o600)
        (root / home / ".ssh").chmod(0o700)
    _write(root, HOST_KEY, host_key.read_text(), mode=0o600)
    _write(root, f"{HOST_KEY}.pub", host_key.with_name(host_key.name + ".pub").read_text())
    _enable_units(root)


def _enable_units(root: Path) -> None:
    units = root / "etc/systemd/system"
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    for unit, place in _WANTED_UNITS.items():
        _link(wanted / unit, f"{place}/{unit}")
    for unit in _MASKED_UNITS:
        _link(units / unit, "/dev/null")
    _link(units / "default.target", "/usr/lib/systemd/system/multi-user.target")


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _write(root: Path, name: str, text: str, *, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_text(text)
    path.chmod(mode)
