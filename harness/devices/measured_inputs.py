"""What a file is measured on when nobody says what its inputs mean: their shapes, ranges and values, checked.

A file leaves open what a person must say: a shape, one of several signatures, a text. What may be assumed is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from converters.inspection.lookups import rows_looked_up
from converters.inspection.parts import File, Signature, Tensor
from converters.inspection.reading import read_file
from device.inputs import unique
from device.perturbation import pack
from harness.errors import ConfigError, nearest, quoted

TEXT = "string"
MOST_SHOWN = 4  # inputs in a sentence
_RANDOM = ("bool", "complex64", "complex128", *(f"float{bits}" for bits in (16, 32, 64)))
_RANDOM += tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_NUMPY = {name.upper(): name for name in (*_RANDOM, TEXT)}
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequest:
    """What a person says of inputs, by name; "" is the one input of a file.

    ranges  (low, high): low or more, below high.
    """

    signature: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return {*self.shapes, *self.ranges, *self.arrays}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredInputs:
    """`record` is what the agent takes (device/inputs.py), `said` what people read."""

    record: dict[str, Any]
    said: list[str]


class FileInputs:
    """The inputs of one flatbuffer, those of the signature that a request chooses."""

    def __init__(self, content: bytes, *, signature: str | None, where: str) -> None:
        """`where` is how sentences begin. Raises NotAnArtifact, and ConfigError for a signature that is not there or
        has to be chosen."""
        file = read_file(content)
        self._where, self._signature = where, _signature(file, signature, where)
        self._inputs = _inputs(file, self._signature, where)
        several = self._signature is not None and len(file.signatures) > 1
        self._signature_said = [f'signature "{self._signature.name}"'] if self._signature and several else []
        self.names = {name for one in self._inputs for name in one.names}

    def measured(self, request: InputRequest, *, elsewhere: Collection[str] = ()) -> MeasuredInputs:
        """Shapes, ranges and values for every input. Raises ConfigError.

        elsewhere  names of inputs of other files, of which the request may speak as well.
        """
        self._check_names(request, elsewhere)
        arrays = [_fitting(one, array) for one, array in self._each(request.arrays)]
        shapes = self._shapes([shape for _, shape in self._each(request.shapes)], arrays)
        ranges = [_bounds(one, pair, array) for (one, pair), array in zip(self._each(request.ranges), arrays)]
        chosen = list(zip(self._inputs, shapes, ranges, arrays))
        other_graph = self._signature is not None and self._signature.graph > 0
        return MeasuredInputs(
            record={
                "signature": self._signature.name if self._signature is not None and other_graph else None,
                "names": [one.key for one in self._inputs],
                "shapes": {
                    one.key: list(shape) for one, shape, _, _ in chosen if one.open_axes or not one.tensor.shape
                },
                "ranges": {one.key: list(pair) for one, _, pair, array in chosen if pair and array is None},
                "arrays": {one.key: pack(array) for one, _, _, array in chosen if array is not None},
            },
            said=[*self._signature_said, *(_said(*each, assumed=_is_assumed(each[0], request)) for each in chosen)],
        )

    def _each(self, said: Mapping[str, Value]) -> list[tuple[_Input, Value | None]]:
        """Every input, and what is said of it by any of its names."""
        return [(one, next((said[name] for name in (*one.names, "") if name in said), None)) for one in self._inputs]

    def _check_names(self, request: InputRequest, elsewhere: Collection[str]) -> None:
        known = "; ".join(map(str, self._inputs[:MOST_SHOWN]))
        if "" in request.names and len(self._inputs) != 1:
            problem = f"{self._where}: expected the name of one of its {len(self._inputs)} inputs, got none: {known}"
            option = "--input-shape" if "" in request.shapes else "--input-range"
            raise ConfigError(problem, hint=f"{option} {self._inputs[0].names[0] if self._inputs else 'x'}=…")
        for name in sorted(request.names - self.names - set(elsewhere) - {""}):
            raise ConfigError(
                f'{self._where}: it has no input "{name}"; it has {known}', hint=nearest(name, self.names)
            )

    def _shapes(
        self, wanted: Sequence[tuple[int, ...] | None], arrays: Sequence[NDArray[Any] | None]
    ) -> list[tuple[int, ...]]:
        """The shape of each input, by what is asked for and by the arrays. A batch of 1 is assumed where a file leaves
        nothing but its batch open."""
        given = [_given(one, shape, array) for one, shape, array in zip(self._inputs, wanted, arrays)]
        left_open = [one for one, shape in zip(self._inputs, given) if one.open_axes and shape is None]
        batches = {shape[0] for one, shape in zip(self._inputs, given) if shape and 0 in one.open_axes}
        if not all(one.has_open_batch for one in left_open) or (left_open and batches - {1}):
            said = " and ".join(f"the shape of {one}" for one in left_open)
            hint = " ".join(f"--input-shape {one.names[0]}={one.example}" for one in left_open[:MOST_SHOWN])
            raise ConfigError(f"{self._where}: it leaves {said} open, so there is no one shape to time", hint=hint)
        sizes = [shape or one.tensor.shape for one, shape in zip(self._inputs, given)]
        return [(1, *size[1:]) if one in left_open else size for one, size in zip(self._inputs, sizes)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """One input: by which name the agent knows it, and by which a person may call it, the best one first.

    where  how sentences of it begin.   rows  of the smallest table that it is looked up in, None for no such table.
    """

    where: str
    key: str
    names: tuple[str, ...]
    tensor: Tensor
    rows: int | None

    @property
    def open_axes(self) -> tuple[int, ...]:
        return tuple(axis for axis, size in enumerate(self.tensor.shape) if axis in self.tensor.free_axes or size < 1)

    @property
    def has_open_batch(self) -> bool:
        """Whether nothing but the first of several axes is open; the one axis of a list may be anything."""
        return self.open_axes == (0,) and len(self.tensor.shape) > 1

    @property
    def type(self) -> str:
        """By NumPy's name, or the file's where NumPy has none."""
        return _NUMPY.get(self.tensor.type, self.tensor.type.lower())

    @property
    def is_whole(self) -> bool:
        return self.type.removeprefix("u").startswith("int")

    @property
    def example(self) -> str:
        """A shape that it might have."""
        side = 224 if len(self.tensor.shape) == 4 else 128
        sizes = [(side if axis else 1) if axis in self.open_axes else n for axis, n in enumerate(self.tensor.shape)]
        return "x".join(map(str, sizes if len(sizes) > 1 else [16_000]))

    def __str__(self) -> str:
        sizes = ["?" if axis in self.open_axes else str(size) for axis, size in enumerate(self.tensor.shape)]
        return f'"{self.names[0]}" {self.type} {"x".join(sizes) or "scalar"}'


def _signature(file: File, name: str | None, where: str) -> Signature | None:
    """The signature that is meant, None where a file has none. Raises ConfigError."""
    known = {signature.name: signature for signature in file.signatures}
    if name is not None:
        if not known:
            raise ConfigError(f'{where}: it has no signatures, got --signature "{name}"', hint="without --signature")
        if name not in known:
            problem = f'{where}: it has no signature "{name}"; it has {quoted(known, most=10)}'
            raise ConfigError(problem, hint=f"--signature {nearest(name, known)}")
        return known[name]
    if len(known) > 1:
        problem = f"{where}: it has {len(known)} signatures, and one is timed: {quoted(known, most=10)}"
        raise ConfigError(problem, hint=f'--signature "{next(iter(known))}"')
    return next(iter(known.values()), None)


def _inputs(file: File, signature: Signature | None, where: str) -> list[_Input]:
    graph = file.graphs[signature.graph if signature else 0]
    rows = rows_looked_up(graph)
    better = {tensor.index: name for name, tensor in signature.inputs.items()} if signature else {}
    if signature is not None and signature.graph > 0:
        tensors = list(signature.inputs.values())
        keys = list(signature.inputs)
    else:
        tensors = list(graph.inputs)
        keys = unique([tensor.name for tensor in tensors])
    return [
        _Input(
            where=where,
            key=key,
            names=tuple(dict.fromkeys(name for name in (better.get(tensor.index), key, tensor.name) if name)),
            tensor=tensor,
            rows=rows.get(tensor.index),
        )
        for key, tensor in zip(keys, tensors)
    ]


def _given(one: _Input, wanted: tuple[int, ...] | None, array: NDArray[Any] | None) -> tuple[int, ...] | None:
    """The shape that is asked for, where it is one that the input can have. Raises ConfigError."""
    if wanted is not None and array is not None and wanted != array.shape:
        raise ConfigError(f"{one.where}: input {one}: asked for {_by(wanted)}, and its array is {_by(array.shape)}")
    shape = wanted if array is None else array.shape
    if shape is None:
        return None
    sizes, free = one.tensor.shape, one.open_axes
    fits = len(shape) == len(sizes) and all(n == m or axis in free for axis, (n, m) in enumerate(zip(shape, sizes)))
    if not fits or not all(shape):
        raise ConfigError(f"{one.where}: input {one}: no shape of it is {_by(shape)}")
    return shape


def _fitting(one: _Input, array: NDArray[Any] | None) -> NDArray[Any] | None:
    """The array in the type of the input. Raises ConfigError where that would change a value."""
    if array is None:
        if one.type not in _RANDOM:
            takes = "texts" if one.type == TEXT else f"values of the type {one.type}"
            problem = f'{one.where}: input "{one.names[0]}" takes {takes}, which cannot be drawn at random'
            raise ConfigError(problem, hint=f"--input x.npz with an array {one.names[0]}" if one.type == TEXT else "")
        return None
    if one.type == TEXT and array.dtype.kind in "SU":
        return np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array
    wanted = np.dtype(one.type) if one.type in _RANDOM else None
    if wanted is None or not _holds(wanted, array):
        problem = f"{one.where}: input {one}: expected an array of {one.type}, got {array.dtype}"
        outside = _outside(wanted, array)
        raise ConfigError(f"{problem}{outside}", hint="" if outside else f'np.savez with array.astype("{one.type}")')
    return array.astype(wanted)


def _holds(wanted: np.dtype[Any], array: NDArray[Any]) -> bool:
    """Whether a type takes the values: floats of any width, and integers that it has."""
    if wanted.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(wanted)
        return bool(array.size == 0 or (limits.min <= int(array.min()) and int(array.max()) <= limits.max))
    return wanted.kind == array.dtype.kind


def _outside(wanted: np.dtype[Any] | None, array: NDArray[Any]) -> str:
    is_whole = wanted is not None and wanted.kind in "iu" and array.dtype.kind in "iu"
    return f" of {array.min()} to {array.max()}" if is_whole else ""


def _bounds(one: _Input, pair: tuple[float, float] | None, array: NDArray[Any] | None) -> tuple[float, float] | None:
    """The range of an input's random values, as asked for or as its tables say. Raises ConfigError."""
    if pair is None:
        return (0, one.rows) if one.rows and one.is_whole else None
    said = f"{one.where}: input {one}: the range {_number(pair[0])}:{_number(pair[1])}"
    if array is not None:
        raise ConfigError(f"{said} applies to random values, and this input has an array", hint="one of both")
    if not one.is_whole and not one.type.startswith("float"):
        raise ConfigError(f"{said} does not apply to {one.type}", hint="--input x.npz")
    if one.is_whole:
        limits = np.iinfo(one.type)
        if not all(float(end).is_integer() for end in pair):
            raise ConfigError(f"{said}: expected whole numbers")
        if pair[0] < limits.min or pair[1] > limits.max + 1:
            raise ConfigError(f"{said} does not fit {one.type}: {limits.min}:{limits.max + 1} is all that it holds")
        return int(pair[0]), int(pair[1])
    return pair


def _is_assumed(one: _Input, request: InputRequest) -> bool:
    """Whether nobody said what an open batch is."""
    return bool(one.open_axes) and not {*one.names, ""} & {*request.shapes, *request.arrays}


def _said(
    one: _Input,
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None,
    array: NDArray[Any] | None,
    *,
    assumed: bool,
) -> str:
    """ "ids int32 1x128, random 0 to 999": what a person reads of one input."""
    text = f"{one.names[0]} {one.type} {_by(shape)}{', a batch of 1 assumed' if assumed else ''}"
    if array is not None:
        return f"{text}, from the file"
    if bounds and one.is_whole:
        return f"{text}, random {bounds[0]} to {int(bounds[1]) - 1}{', its table' if bounds == (0, one.rows) else ''}"
    if bounds:
        return f"{text}, random {_number(bounds[0])} to {_number(bounds[1])}"
    is_index = one.is_whole and not one.tensor.scales and np.dtype(one.type).itemsize > 1
    return f"{text}, random{' 0 and 1' if is_index else ''}"


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) and not value.is_integer() else f"{int(value)}"
