"""What `bitlens doctor` says of a device, a line each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`severity` is error (nothing will run), warning (results will suffer) or ok."""

    severity: str
    what: str
    hint: str = ""
    is_unreachable: bool = False

    def as_text(self) -> str:
        return f"{self.severity:8} {self.what}" + (f"\n         try: {self.hint}" if self.hint else "")
