"""What a board sends, before anybody believes it: text is made fit to be shown, and a reply has the form of one."""

from __future__ import annotations

from typing import Any

from device.text import printable

MOST_NESTED = 32
_PARTS = {"progress": dict, "error": dict, "result": dict}
_ERROR_WORDS = ("kind", "message", "traceback")


class BadReply(ValueError):
    """The other side does not speak our protocol; the message says what came."""


def cleaned(value: Any, *, depth: int = 0) -> Any:
    """The same plain value with every text in it printable, names of fields included; bytes stay as they are.

    Raises BadReply for values nested deeper than any of ours.
    """
    if depth > MOST_NESTED:
        raise BadReply("values nested too deeply")
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {cleaned(key, depth=depth + 1): cleaned(item, depth=depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(cleaned(item, depth=depth + 1) for item in value)
    return value


def parsed(message: Any) -> tuple[str, dict[str, Any]]:
    """("progress", "error" or "result", its content) of a reply to a request. Raises BadReply."""
    if isinstance(message, dict):
        for part, form in _PARTS.items():
            content = message.get(part)
            if isinstance(content, form) and (part != "error" or all(content.get(w) is not None for w in _ERROR_WORDS)):
                return part, content
    raise BadReply(f"expected progress, a result or an error, got {repr(message)[:100]}")
