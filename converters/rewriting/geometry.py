"""Where a convolution's windows lie: TFLite's rule for SAME padding, and explicit padding that equals it."""

from __future__ import annotations

from dataclasses import dataclass

SAME, VALID = 0, 1  # the schema's numbers and LCE's


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of an image: its size, and what the convolution does along it."""

    size: int
    kernel: int
    stride: int
    dilation: int

    @property
    def outputs(self) -> int:
        """Output positions with SAME padding."""
        return -(-self.size // self.stride)

    @property
    def same_padding(self) -> tuple[int, int]:
        """How much SAME padding adds before and after: what is odd is added after."""
        extent = (self.kernel - 1) * self.dilation + 1
        total = max(0, (self.outputs - 1) * self.stride + extent - self.size)
        return total // 2, total - total // 2
