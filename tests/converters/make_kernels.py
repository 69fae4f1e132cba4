"""Asks the installed runtimes which operators they have, and writes converters/inspection/kernels.json.

    python -m tests.converters.make_kernels

A runtime names an operator that it lacks when it opens a file that lists it, so that nothing need run. Every version of
every builtin operator is one small file; custom operators are asked for by the names that the runtimes' libraries hold.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from converters import schema
from device import runtimes

TABLE = Path(__file__).parents[2] / "converters" / "inspection" / "kernels.json"
RUNTIMES_ASKED = [runtime for runtime in runtimes.RUNTIMES if not runtime.takes_library]
MOST_VERSIONS = 20
LACKING = ("find op for builtin opcode", "builtin_code out of range", "unresolved custom op", "interpreter_ != nullptr")
CUSTOM = (
    "AudioSpectrogram", "Convolution2DTransposeBias", "DISPATCH_OP", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Mfcc",
    "NumericVerify", "SentencepieceOp", "TFLite_Detection_PostProcess", "edgetpu-custom-op", "odml.rms_norm",
)  # fmt: skip


def file_with(number: int, *, version: int = 1, custom: str | None = None) -> bytes:
    """A flatbuffer that lists one operator; a custom one also stands in its graph, as runtimes ask no earlier."""
    objects = schema.objects()
    model, graph, code, buffer = objects.ModelT(), objects.SubGraphT(), objects.OperatorCodeT(), objects.BufferT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
    if custom is not None:
        tensor, operator = objects.TensorT(), objects.OperatorT()
        code.customCode, tensor.shape, tensor.name = custom, [1], "x"
        operator.inputs, operator.outputs = [0], [0]
        graph.tensors, graph.operators = [tensor], [operator]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [buffer]
    return schema.write(model)


def lacks(interpreter: Any, content: bytes) -> bool:
    try:
        interpreter(model_content=content).allocate_tensors()
    except (ValueError, RuntimeError) as error:
        return any(words in str(error) for words in LACKING)
    return False


def newest_versions(interpreter: Any) -> dict[str, int]:
    """Of every builtin operator that the runtime has."""
    newest = {}
    for name, number in sorted(schema.builtin_numbers().items()):
        if name != "CUSTOM":
            had = [v for v in range(1, MOST_VERSIONS) if not lacks(interpreter, file_with(number, version=v))]
            newest |= {name: max(had)} if had else {}
    return newest


def interpreter_of(name: str) -> Any:
    """Opens a file's content; what it lacks is in the message of a ValueError or RuntimeError."""
    runtime = next(runtime for runtime in RUNTIMES_ASKED if runtime.name == name)
    if runtime.name != "larq-compute-engine":
        return importlib.import_module(runtime.module).Interpreter
    module = runtimes._extension(runtime)
    return lambda *, model_content: _Opened(module.LiteInterpreter(model_content, 1, False, False, False))


class _Opened:
    def __init__(self, interpreter: Any) -> None:
        """LCE's interpreter allocates when it is made."""

    def allocate_tensors(self) -> None:
        pass


def main() -> None:
    if len(sys.argv) > 1:
        return _one(*sys.argv[1:])
    table = {}
    for runtime in RUNTIMES_ASKED:
        table[runtime.name] = {"version": runtimes.version(runtime), **asked(runtime.name, "builtin")}
        table[runtime.name]["custom"] = [custom for custom in CUSTOM if asked(runtime.name, custom)["has"]]
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    return None


def asked(name: str, what: str) -> dict[str, Any]:
    """In a process of its own: a kernel may crash that is begun without its options, and is there all the same."""
    command = [sys.executable, "-m", "tests.converters.make_kernels", name, what]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(child.stdout) if child.returncode == 0 else {"has": child.returncode < 0}
    return {"has": False} if LACKING[2] in child.stderr else answer  # LCE's interpreter says it there alone


def _one(name: str, what: str) -> None:
    if what == "builtin":
        print(json.dumps({"builtin": newest_versions(interpreter_of(name))}))
    else:
        print(json.dumps({"has": not lacks(interpreter_of(name), file_with(32, custom=what))}))


if __name__ == "__main__":
    main()
