"""Delegates, which take operators over from a runtime's own kernels: loading them, and which operators they took."""

from __future__ import annotations

import os
import platform
import re
from typing import Any

_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}  # e_machine of an ELF file

_LAST_FLEX = (2, 18)  # of TensorFlow: its later libraries have no TF_AcquireFlexDelegate, which the interpreter calls


class DelegateError(RuntimeError):
    """A delegate that does not work here, with the reason."""


def has_flex(version: str) -> bool:
    """Whether that TensorFlow's interpreter can run TensorFlow's own operators, as far as its version tells."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is None or tuple(map(int, numbers.groups())) <= _LAST_FLEX


def check_flex(runtime: str, version: str, operators: list[str], options: dict[str, Any]) -> None:
    """Raises DelegateError. A delegate that was asked for may be the one that is missing."""
    flex = [name for name in operators if name.startswith("Flex")]
    if flex and runtime == "tensorflow" and "delegate" not in options and not has_flex(version):
        raise DelegateError(f"TensorFlow {version} has no Flex delegate, and 2.18 was the last: {', '.join(flex)}")


def machine_of(library: str) -> str:
    """Which machine a shared library is for, as platform.machine() calls it; empty where the file is no library."""
    if not os.path.isfile(library):
        return ""
    with open(library, "rb") as file:
        head = file.read(20)
    number = int.from_bytes(head[18:], "little")
    return _MACHINES.get(number, f"machine {number}") if len(head) == 20 and head[:4] == b"\x7fELF" else ""


def opened(module: Any, library: str, options: dict[str, str], *, name: str) -> Any:
    """The delegate in a library. Raises DelegateError."""
    built_for = machine_of(library) if "/" in library else ""  # glibc says of another machine's: no such file
    if built_for not in ("", platform.machine()):
        raise DelegateError(f'delegate "{name}" is built for {built_for}, and this machine is {platform.machine()}')
    try:
        return module.load_delegate(library, options)
    except AttributeError as error:
        raise DelegateError(f'delegate "{name}" is a library without tflite_plugin_create_delegate') from error
    except OSError as error:
        raise DelegateError(f'delegate "{name}" cannot be loaded: {error}') from error
    except ValueError as error:
        reason = str(error).partition("\n")[2].strip() or "without a reason"
        raise DelegateError(f'delegate "{name}" refused to start: {reason}') from error


class Delegation:
    """What delegates take of an interpreter's main graph. TFLite keeps the operators of the file and adds nodes, called
    DELEGATE, that run instead of some of them; they come in the order in which delegates were applied."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter, self._ends = interpreter, [interpreter._interpreter.NumNodes()]
        self._names: list[str] = []

    def apply(self, name: str, delegate: Any) -> None:
        """As the interpreter's constructor would. Raises DelegateError."""
        self._interpreter._delegates = [*(self._interpreter._delegates or []), delegate]  # must not end before it
        try:
            self._interpreter._interpreter.ModifyGraphWithDelegate(delegate._get_native_delegate_pointer())
        except RuntimeError as error:
            said = str(error).partition("Restored original")[0].strip() or "without a reason"
            raise DelegateError(f'delegate "{name}" failed: {said}') from error
        self.applied(name)

    def applied(self, name: str) -> None:
        """All nodes that are new belong to this delegate."""
        self._names.append(name)
        self._ends.append(self._interpreter._interpreter.NumNodes())

    def taken(self, *, whole: bool) -> dict[str, list[int] | None]:
        """The operators of the main graph, by their number, that run inside of each delegate.

        whole  whether that is the graph which runs; of another the interpreter does not say it, which is None.
        """
        ends = zip(self._names, self._ends, self._ends[1:])
        return {name: self._replaced(range(*piece)) if whole or piece[0] == piece[1] else None for name, *piece in ends}

    def _replaced(self, pieces: range) -> list[int]:
        """Those that make the outputs of these nodes out of their inputs."""
        graph, own = self._interpreter._interpreter, range(self._ends[0])
        reads = [[int(t) for t in graph.NodeInputs(n)] for n in own]
        maker = {int(t): n for n in own for t in graph.NodeOutputs(n)}
        replaced: set[int] = set()
        for piece in pieces:
            outside, results = set(graph.NodeInputs(piece)), set(graph.NodeOutputs(piece))
            mine, wanted = set[int](), list(results)
            while wanted:
                node = maker.get(wanted.pop())
                known = mine if node is None else mine | {node}
                if not wanted:  # what makes nothing that is read is where a tensor is that nobody outside can see
                    known = known.union(
                        n for n in own if any(maker.get(t) in known and t not in results for t in reads[n])
                    )
                wanted += [t for n in known - mine for t in reads[n] if t not in outside]
                mine = known
            replaced |= mine
        return sorted(replaced)
