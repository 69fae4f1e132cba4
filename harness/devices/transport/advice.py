"""What a board's own words mean for whoever reads them: systems say "no usable temporary directory" of a full disk."""

from __future__ import annotations

_DISK = "make room there: df -h ~ /tmp"
_READ_ONLY = "repair it, or replace the card: a worn one becomes read-only"
_MEANINGS = (  # (words of Python or the system, what they mean, what to do)
    ("No space left on device", "disk full: ", _DISK),
    ("Disk quota exceeded", "disk full, up to this user's quota: ", _DISK),
    ("No usable temporary directory", "disk full, or read-only: ", _DISK),
    ("Read-only file system", "its file system is read-only: ", _READ_ONLY),
    ("Input/output error", "its disk does not work: ", _READ_ONLY),
)


def explained(words: str, *, or_hint: str = "") -> tuple[str, str]:
    """(what the words mean, as the beginning of a sentence; what to try). `or_hint` where they speak for themselves."""
    return next(((meaning, hint) for known, meaning, hint in _MEANINGS if known in words), ("", or_hint))
