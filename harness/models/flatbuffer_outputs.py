"""What a flatbuffer gives: class scores or something else, and of which kind its last operator makes them.

Values alone do not tell: probabilities of 8 bits of a thousand classes sum to 0.6 where many are rounded to 0.
"""

from __future__ import annotations

from typing import Any

from converters.contents import Contents
from converters.schema import DAMAGE, builtin_name, read
from harness.datasets.dataset import MOST_CHANNELS

NUMBERS = ("FLOAT", "INT", "UINT")  # what the names of types begin with that hold pixels or scores
COUNTS = ("INT32", "INT64")  # what ArgMax gives; scores are quantized to at most 16 bits
KEEPS_VALUES = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
HEADS = {"SOFTMAX": "probabilities", "LOG_SOFTMAX": "log-probabilities", "LOGISTIC": "independent-probabilities"}
ONE_COLUMN = {"independent-probabilities": "probability"}


def why_no_class_scores(contents: Contents) -> str:
    """Why accuracy is not defined for a file, as a part of a sentence; "" for a classifier of single images."""
    if len(contents.inputs) != 1:
        return f"it takes {len(contents.inputs)} inputs and not one image"
    if len(contents.outputs) != 1:
        return f"it gives {len(contents.outputs)} outputs and not the scores of classes alone"
    [image], [scores] = contents.inputs, contents.outputs
    if len(image.shape) != 4 or not image.type.startswith(NUMBERS):
        return f"its input is not an image but {image.type.lower()} {image.shape}"
    if image.shape[3] > MOST_CHANNELS or image.shape[3] < 1:
        first = ": it is channels-first" if image.shape[1] in (1, 3) else ""
        return f"its input {image.shape} is no image of 1 to {MOST_CHANNELS} channels that come last{first}"
    if scores.type in COUNTS and scores.shape[-1:] == (1,):
        return f"its output {scores.type.lower()} {scores.shape} is the index of a class, not a score for each"
    if not _is_one_row(image.shape[0], scores.shape) or not scores.type.startswith(NUMBERS):
        return f"its output {scores.type.lower()} {scores.shape} is not one score for each class"
    return ""


def _is_one_row(batch: int, shape: tuple[int, ...]) -> bool:
    """(batch, classes), with any number of sides of length 1 in between."""
    return len(shape) >= 2 and shape[0] == batch and set(shape[1:-1]) <= {1} and shape[-1] > 0


def open_input(content: bytes) -> str:
    """The first input of which more than the number of images is left open, as a part of a sentence; "" for none.

    Such a file stores a side of 1 for what may be any length: to run it so means nothing.
    """
    try:
        model = read(content)
        tensors = [model.subgraphs[0].tensors[index] for index in model.subgraphs[0].inputs]
        for tensor in tensors:
            signature = [] if tensor.shapeSignature is None else [int(side) for side in tensor.shapeSignature]
            if any(side < 0 for side in signature[1:]):
                return "x".join("?" if side < 0 else str(side) for side in signature)
    except DAMAGE:
        pass
    return ""


def kind_by_head(content: bytes) -> str:
    """The kind of its outputs, as in `harness.outputs`, by the operator that makes them; "" where that says nothing."""
    try:
        return _kind_by_head(read(content))
    except DAMAGE:
        return ""


def _kind_by_head(model: Any) -> str:
    graph = model.subgraphs[0]
    made_by = {int(operator.outputs[0]): operator for operator in graph.operators or () if len(operator.outputs)}
    tensor = int(graph.outputs[0])
    columns = int(graph.tensors[tensor].shape[-1])
    while tensor in made_by and _name(model, made_by[tensor]) in KEEPS_VALUES:
        tensor = int(made_by[tensor].inputs[0])
    kind = HEADS.get(_name(model, made_by[tensor]), "") if tensor in made_by else ""
    over = int(graph.tensors[tensor].shape[-1]) if kind else 0
    if columns == 1:
        return ONE_COLUMN.get(kind, "")
    return kind if over == columns else ""


def _name(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    return builtin_name(max(code.builtinCode, code.deprecatedBuiltinCode))
