"""Reads a pickle of numbers, texts and arrays as data.

Python's own unpickler imports and calls what a file names, and allocates as much as a file says. Here opcodes,
as `pickletools` reads them, build dicts, lists, tuples, numbers, texts and arrays of bytes; any other opcode or name is
refused. Python 2 and 3 may have written the file, in protocols 0 to 4.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from io import BytesIO

MOST_OPERATIONS = 1_000_000  # a batch of CIFAR-10 has some 40,000

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NAMES = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",  # of NumPy 2
    "_codecs encode": "encode",  # how Python 3 writes bytes in protocol 2
}


@dataclass(slots=True)
class PickledArray:
    """An array of bytes (uint8) in C order: its values are as many as the product of its shape once they were read."""

    shape: tuple[int, ...] = ()
    values: bytes = b""


@dataclass(frozen=True, slots=True)
class _Name:
    means: str


@dataclass(frozen=True, slots=True)
class _Dtype:
    code: str


def read_pickle(content: bytes) -> object:
    """What a pickle holds: dicts, lists, tuples, int, bool, None, str (also for Python 2's str), bytes, PickledArray.

    Raises ValueError for anything else.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(BytesIO(content))):
            if count == MOST_OPERATIONS:
                raise ValueError(f"a pickle of more than {MOST_OPERATIONS:,} operations")
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a pickle that contradicts itself ({type(error).__name__})") from error


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self._marks: list[list[object]] = []  # the stacks below each open mark
        self._memo: dict[int, object] = {}

    def step(self, name: str, argument: object) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(self._last(_TUPLES[name]))]
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"a pickle of more than numbers, texts and arrays: {name}")

    def _last(self, count: int) -> list[object]:
        if len(self.stack) < count:
            raise IndexError
        return self.stack[-count:]

    def _since_mark(self) -> list[object]:
        items, self.stack = self.stack, self._marks.pop()
        return items

    def _mark(self, _: object) -> None:
        self._marks.append(self.stack)
        self.stack = []

    def _empty_list(self, _: object) -> None:
        self.stack.append([])

    def _empty_dict(self, _: object) -> None:
        self.stack.append({})

    def _empty_tuple(self, _: object) -> None:
        self.stack.append(())

    def _tuple(self, _: object) -> None:
        items = self._since_mark()
        self.stack.append(tuple(items))

    def _list(self, _: object) -> None:
        items = self._since_mark()
        self.stack.append(items)

    def _dict(self, _: object) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._set(items)

    def _append(self, _: object) -> None:
        item = self.stack.pop()
        self._extend([item])

    def _appends(self, _: object) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(items)

    def _setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _: object) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, bytes)):  # the hash of a deep tuple would take the whole stack of C
                raise ValueError(f"a pickle with a key of type {type(key).__name__}, expected text")
            target[key.decode("latin-1") if isinstance(key, bytes) else key] = value

    def _put(self, place: object) -> None:
        self._memo[int(str(place))] = self.stack[-1]

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _get(self, place: object) -> None:
        self.stack.append(self._memo[int(str(place))])

    def _global(self, name: object) -> None:
        if name not in _NAMES:
            raise ValueError(
                f"a pickle that names {str(name).replace(' ', '.')}, which is neither number, text nor array"
            )
        self.stack.append(_Name(_NAMES[str(name)]))

    def _stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._global(f"{module if isinstance(module, str) else ''} {name if isinstance(name, str) else ''}")

    def _reduce(self, _: object) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise TypeError
        first = arguments[0]
        if name.means == "reconstruct" and first == _Name("ndarray"):
            self.stack.append(PickledArray())
        elif name.means == "dtype" and isinstance(first, str):
            self.stack.append(_Dtype(first))
        elif name.means == "encode" and isinstance(first, str):
            self.stack.append(first.encode("latin-1"))
        else:
            raise TypeError

    def _build(self, _: object) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, PickledArray):
            _fill(target, state)
        elif not isinstance(target, _Dtype):  # the state of a type of one byte says nothing
            raise TypeError


_STEPS = {
    "MARK": _Machine._mark,
    "EMPTY_LIST": _Machine._empty_list,
    "EMPTY_DICT": _Machine._empty_dict,
    "EMPTY_TUPLE": _Machine._empty_tuple,
    "LIST": _Machine._list,
    "DICT": _Machine._dict,
    "TUPLE": _Machine._tuple,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._setitem,
    "SETITEMS": _Machine._setitems,
    "MEMOIZE": _Machine._memoize,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine._get),
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}


def _fill(array: PickledArray, state: object) -> None:
    """Shape and values as NumPy writes them: a version, the shape, the type, whether columns come first, the bytes."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise TypeError
    _, shape, dtype, by_columns, values = state
    if dtype != _Dtype("u1"):
        raise ValueError("a pickle of an array that is not uint8")
    values = values.encode("latin-1") if isinstance(values, str) else values
    sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not sizes or not isinstance(values, bytes) or by_columns is not False:
        raise TypeError
    array.shape, array.values = shape, values
