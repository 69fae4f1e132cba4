"""What a graph without layers does to pixels by itself before its first weights, found as it is of layers: by value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.models.exported import ExportedModel
from harness.models.own_preprocessing import Made, OwnPreprocessing, centre, compared, probes, seen

WEIGHTED = ("Conv", "MatMul", "BatchNorm", "Einsum")  # in the types of operations with weights: no preparation
_WRAPPERS = (
    "StatefulPartitionedCall",
    "PartitionedCall",
    "model",
    "functional",
    "sequential",
)  # in names of operations


def preprocessing_of_graph(model: ExportedModel) -> OwnPreprocessing:
    """Of a SavedModel, whose functions are laid out and whose weights become constants for that."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(model.signature)
    [image] = [tensor for tensor in frozen.inputs if tensor.dtype == tf.float32][:1] or [None]
    operations, first = _before_weights(frozen.graph, image)
    tensors = [operation.outputs[0] for operation in operations]
    if image is None or not tensors:
        return OwnPreprocessing()
    looked_at = frozen.prune([image], tensors)
    pixels = probes(tuple(model.input_shape))
    each = [looked_at(tf.constant(pixels[i : i + 1])) for i in range(len(pixels))]  # it may take one at a time
    values = {image.name: centre(pixels)}
    for tensor, made in zip(tensors, zip(*each)):
        if np.ndim(made[0]) in (2, 4) and len(made[0]) == 1:
            values[tensor.name] = seen(np.concatenate([np.asarray(part, np.float32) for part in made]))
    found = compared(_made(operations, image.name), values, source=image.name)
    return replace(
        found,
        scales=_layers(found.scales),
        reorders=_layers(found.reorders),
        resizes=_layers(tuple(operation.name for operation in operations if "Resize" in operation.type)),
        starts_with_batch_normalization="BatchNorm" in first,
    )


def _before_weights(graph: Any, image: Any) -> tuple[list[Any], str]:
    """The operations that make images of the image without weights, and the type of the first one after them."""
    known, beyond, operations, first = {getattr(image, "name", "")}, set[str](), [], ""
    for operation in graph.get_operations():
        sources = {tensor.name for tensor in operation.inputs}
        if operation.type == "Shape" or not sources & (known | beyond):  # a size is no pixel
            continue
        rank = operation.outputs[0].shape.rank if len(operation.outputs) == 1 else None
        if sources & beyond or any(part in operation.type for part in WEIGHTED) or rank is None or rank < 2:
            first = first or operation.type
            beyond.update(tensor.name for tensor in operation.outputs)
            continue
        known.add(operation.outputs[0].name)
        operations.append(operation)
    return operations, first


def _made(operations: list[Any], image: str) -> list[Made]:
    """Of several tensors that an operation takes, it changes the first that comes from the image."""
    known, made = {image}, []
    for operation in operations:
        source = next(tensor.name for tensor in operation.inputs if tensor.name in known)
        made.append(Made(operation.name, source, operation.outputs[0].name))
        known.add(operation.outputs[0].name)
    return made


def _layers(names: tuple[str, ...]) -> tuple[str, ...]:
    """The layers that operations came from: "StatefulPartitionedCall/model/rescaling/mul" is of "rescaling"."""
    return tuple(dict.fromkeys(map(_layer, names)))


def _layer(name: str) -> str:
    parts = [part for part in name.split("/")[:-1] if not part.startswith(_WRAPPERS)]
    return parts[0] if parts else name.rpartition("/")[2]
