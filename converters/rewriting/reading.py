"""A flatbuffer as a `Model`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from converters.rewriting.graph import Graph, Model, Operator, Signature, Tensor
from converters.schema import NotAnArtifact, builtin_name, custom_options, read, type_name

LARGEST = 2**31 - 1  # bytes: offsets are signed 32-bit numbers
_MULTIPLIES = re.compile(
    r"(Quant)?(Conv[123]D|MatMul|depthwise|conv2d_transpose)\d*"
)  # operations, numbered when repeated


def read_model(content: bytes) -> Model:
    """Raises NotAnArtifact for other bytes, and for files over 2 GB, whose constants lie behind the flatbuffer."""
    if len(content) > LARGEST:
        raise NotAnArtifact(f"it has {len(content):,} bytes, and a flatbuffer has at most {LARGEST:,}")
    written = read(content)
    if any(buffer.offset > 1 for buffer in written.buffers):
        raise NotAnArtifact("its constants lie behind the flatbuffer, as in files over 2 GB")
    tensors = [[_tensor(written, tensor) for tensor in graph.tensors] for graph in written.subgraphs]
    graphs = [_graph(written, graph, own) for graph, own in zip(written.subgraphs, tensors)]
    signatures = [
        Signature(
            key=signature.signatureKey,
            graph=signature.subgraphIndex,
            inputs=[(end.name, tensors[signature.subgraphIndex][end.tensorIndex]) for end in _some(signature.inputs)],
            outputs=[(end.name, tensors[signature.subgraphIndex][end.tensorIndex]) for end in _some(signature.outputs)],
        )
        for signature in _some(written.signatureDefs)
    ]
    return Model(graphs=graphs, signatures=signatures)


def _tensor(model: Any, written: Any) -> Tensor:
    data = model.buffers[written.buffer].data
    return Tensor(
        name=layer_of((written.name or b"").decode()),
        shape=tuple(int(size) for size in _some(written.shape)),
        type=type_name(written.type),
        data=np.asarray(data, np.uint8) if data is not None and len(data) else None,
        quantization=written.quantization,
        written=written,
    )


def layer_of(name: str) -> str:
    """ "net/norm/FusedBatchNormV3;net/block/conv/Conv2D1" -> "block/conv": the layer whose work the tensor is.

    Of what was fused it is the layer that multiplies. The model's own name and the operation's are left out: they
    depend on TensorFlow's version and on what was built before.
    """
    parts = [part.split("/") for part in name.split(";")]
    scoped = [part for part in parts if len(part) > 1] or parts
    multiplying = [part for part in scoped if _MULTIPLIES.fullmatch(part[-1])]
    chosen = (multiplying or scoped)[-1]
    return "/".join(chosen[1:-1] or chosen)


def _graph(model: Any, written: Any, tensors: list[Tensor]) -> Graph:
    return Graph(
        name=(written.name or b"").partition(b"/")[2] or written.name or b"",  # without the model's own name
        operators=[_operator(model, operator, tensors) for operator in _some(written.operators)],
        inputs=[tensors[index] for index in _some(written.inputs)],
        outputs=[tensors[index] for index in _some(written.outputs)],
    )


def _operator(model: Any, written: Any, tensors: list[Tensor]) -> Operator:
    code = model.operatorCodes[written.opcodeIndex]
    custom = code.customCode is not None
    # `deprecatedBuiltinCode` is one byte wide and all that files older than schema 3a have
    name = code.customCode.decode() if custom else builtin_name(max(code.builtinCode, code.deprecatedBuiltinCode))
    return Operator(
        name=name,
        inputs=[_optional(tensors, index) for index in _some(written.inputs)],
        outputs=[tensors[index] for index in _some(written.outputs)],
        options=custom_options(written) if custom else written.builtinOptions,
        version=code.version,
        custom=custom,
        written=written,
    )


def _optional(tensors: list[Tensor], index: int) -> Tensor | None:
    return tensors[index] if index >= 0 else None


def _some(vector: Any) -> Any:
    """The schema's objects have None for an empty vector."""
    return [] if vector is None else vector
