"""What shapes a file's tensors have once its inputs have some: a runtime works them out, in a process of its own.

    python -m harness.devices.worked_out_shapes FILE < record.json

The file is run once, on random values, without delegates: some shapes are known only then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from converters.inspection.parts import File, calls
from converters.inspection.reading import read_file
from device.text import printable
from harness.devices.measured_inputs import FileInputs, InputRequest
from harness.errors import DeviceError

MOST_SECONDS = 300
MOST_CHARACTERS = 400  # of what a runtime says
Shapes = dict[int, dict[int, tuple[int, ...]]]  # by graph and tensor


def worked_out_shapes(path: Path, content: bytes, request: InputRequest) -> Shapes:
    """Shapes of all tensors of the graphs that ran for sure: a request's, and those that its loops run.

    Raises ConfigError for inputs that are not there or stay open, and DeviceError where the file does not run.
    """
    where = printable(path.name)
    record = FileInputs(content, signature=request.signature, where=where).measured(request).record
    command = [sys.executable, "-m", "harness.devices.worked_out_shapes", str(path)]
    asked = json.dumps({**record, "arrays": {}})
    try:
        child = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=MOST_SECONDS)
        answer: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{where}: its shapes were not worked out in {MOST_SECONDS} s") from error
    except (IndexError, ValueError) as error:
        raise DeviceError(f"{where}: the process that works out its shapes ended ({child.returncode})") from error
    if "error" in answer:
        raise DeviceError(f"{where}: a run that would work out its shapes failed: {answer['error']}")
    file = read_file(content)
    number = next((one.graph for one in file.signatures if one.name == request.signature), 0)
    return {
        graph: {tensor: tuple(shape) for tensor, shape in enumerate(answer["shapes"][graph]) if shape is not None}
        for graph in _that_ran(file, number)
    }


def _that_ran(file: File, number: int) -> set[int]:
    """A graph with the bodies of its loops; which branch of an IF ran, if any, is not known."""
    ran, waiting = {number}, [number]
    while waiting:
        loops = [operator for operator in file.graphs[waiting.pop()].operators if operator.name == "WHILE"]
        called = {one for operator in loops for one in calls(operator)} - ran
        ran |= called
        waiting += called
    return ran


def main() -> None:
    from device import memory

    memory.limit(None)
    try:
        answer: dict[str, Any] = {"shapes": _shapes(sys.argv[1], json.load(sys.stdin))}
    except Exception as error:  # whatever a runtime or a foreign file raises is the reason
        answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:MOST_CHARACTERS]}
    print("\n" + json.dumps(answer))


def _shapes(path: str, record: dict[str, Any]) -> list[list[list[int] | None]]:
    """By graph and tensor; None for one that has no shape, such as what was never written."""
    from ai_edge_litert import interpreter as litert

    from device.graphs import allocated
    from device.inputs import measurement_inputs
    from device.runtimes import _tensors

    interpreter = litert.Interpreter(
        model_path=path, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    graph = allocated(interpreter, record)
    details = graph.inputs()
    for tensor, value in zip(details, measurement_inputs(_tensors(details), record, count=1, seed=0)[0]):
        graph.set_tensor(tensor["index"], value)
    graph.invoke()
    inner = interpreter._interpreter
    return [
        [_shape(inner, tensor, number) for tensor in range(inner.NumTensors(number))]
        for number in range(inner.NumSubgraphs())
    ]


def _shape(interpreter: Any, tensor: int, graph: int) -> list[int] | None:
    try:
        return [int(size) for size in interpreter.TensorSize(tensor, graph)]
    except ValueError:
        return None


if __name__ == "__main__":
    main()
