"""The binary convolution in NumPy, by its definition: a loop over taps, then the output's arithmetic step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Conv:
    """One convolution. `inputs` and `weights` are booleans, True for -1: (N, H, W, C) and (O, KH, KW, C / groups)."""

    inputs: np.ndarray
    weights: np.ndarray
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True
    pad_value: int = 1
    activation: int = 0

    @property
    def products(self) -> int:
        return int(np.prod(self.weights.shape[1:]))

    def axis(self, axis: int) -> tuple[int, int, int]:
        """Output positions, padding before and after."""
        size, stride = self.inputs.shape[1 + axis], self.stride[axis]
        extent = (self.weights.shape[1 + axis] - 1) * self.dilation[axis] + 1
        if not self.same:
            return (size - extent) // stride + 1, 0, 0
        out = -(-size // stride)
        total = max(0, (out - 1) * stride + extent - size)
        return out, total // 2, total - total // 2

    def sums(self) -> np.ndarray:
        """The integer sums of products, (N, OH, OW, O); padding counts as `pad_value`."""
        (oh, top, bottom), (ow, left, right) = self.axis(0), self.axis(1)
        signs = np.where(self.inputs, -1, 1).astype(np.int64)
        padded = np.pad(signs, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=self.pad_value)
        filters = np.where(self.weights, -1, 1).astype(np.int64)
        out_channels, kh, kw, group_channels = filters.shape
        per_group = out_channels * group_channels // signs.shape[-1]
        total = np.zeros((signs.shape[0], oh, ow, out_channels), np.int64)
        for y in range(kh):
            for x in range(kw):
                rows = slice(y * self.dilation[0], None, self.stride[0])
                columns = slice(x * self.dilation[1], None, self.stride[1])
                window = padded[:, rows, columns][:, :oh, :ow]
                for first in range(0, out_channels, per_group):
                    group = first // per_group * group_channels
                    part = window[..., group : group + group_channels]
                    total[..., first : first + per_group] += part @ filters[first : first + per_group, y, x].T
        return total

    def border_correction(self) -> np.ndarray:
        """What +1 padding adds to the sums: zero padding takes it away again."""
        if not self.same or self.pad_value == 1:
            return np.zeros((1, 1, 1, 1), np.int64)
        padded_with_ones = Conv(inputs=self.inputs, weights=self.weights, stride=self.stride, dilation=self.dilation)
        return padded_with_ones.sums() - self.sums()

    def clamped(self) -> np.ndarray:
        k = self.products
        low, high = {0: (-k, k), 1: (0, k), 2: (-1, 1), 3: (0, min(6, k))}.get(self.activation, (-k, k))
        return np.clip(self.sums(), low, high)

    def floats(self, multiplier: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Float outputs with the original's order of roundings; zero padding without activation is corrected last."""
        correction = self.border_correction()
        post = self.same and self.pad_value == 0 and self.activation not in (1, 2, 3)
        sums = self.sums() + correction if post else self.clamped()
        value = _scaled(self.products - sums, self.products, multiplier, bias, 1.0, 0)
        if post:
            value = value + (-multiplier).astype(np.float32) * correction.astype(np.float32)
        return value.astype(np.float32)

    def int8(self, multiplier: np.ndarray, bias: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
        value = _scaled(self.products - self.clamped(), self.products, multiplier, bias, np.float32(scale), zero_point)
        inside = np.clip(value.astype(np.float64), -128, 127)
        return (np.sign(inside) * np.floor(np.abs(inside) + 0.5)).astype(np.int8)

    def bits(self, thresholds: np.ndarray) -> np.ndarray:
        """True where the output is -1."""
        return self.products - self.sums() > 2 * thresholds.astype(np.int64)


def _scaled(
    twice: np.ndarray, products: int, multiplier: np.ndarray, bias: np.ndarray, scale: float, zero: int
) -> np.ndarray:
    m, b = multiplier.astype(np.float64), bias.astype(np.float64)
    factor = (-m / np.float64(scale)).astype(np.float32)
    offset = ((b + products * m) / np.float64(scale) + zero).astype(np.float32)
    return twice.astype(np.float32) * factor + offset
