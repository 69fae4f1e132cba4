"""The inner tensors of a flatbuffer: which of them are maps, and the same file cut off where one can be read.

Interpreters keep no inner tensors, so that a file is cut off behind the operator that makes one: its output is then the
file's. Names and shapes are those of the file; what is a layer's last convolution, or last activation, means the same
as for a Keras model, of which the converter has fused norms and activations into the convolutions before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from converters.schema import DAMAGE, builtin_name, read, type_name
from device.flatbuffer import prefix
from harness.errors import printable
from harness.saliency.engine.activation_maps import passed_by_all
from harness.saliency.engine.graph import Graph, Step
from harness.saliency.engine.layers import LayerInfo

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "LceBconv2d")
POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "MEAN", "SUM", "REDUCE_MAX", "LceBMaxPool2d")
MOVES = (  # they make no map of their own
    *("PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "SLICE", "STRIDED_SLICE"),
    *("SPLIT", "SPLIT_V", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"),
    *("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "CAST", "QUANTIZE", "DEQUANTIZE", "LceQuantize", "LceDequantize"),
)
AFTER_A_HEAD = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
HEADS = {  # the operator that makes outputs of a kind of logits
    "probabilities": "SOFTMAX",
    "probability": "LOGISTIC",
    "independent-probabilities": "LOGISTIC",
}
READABLE = ("FLOAT32", "FLOAT16")  # integers are, too, where they have a scale; LCE's packed bits have none


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What one operator writes first."""

    operator: str
    name: str
    inputs: tuple[int, ...]
    tensor: int
    shape: tuple[int, ...]
    is_readable: bool
    scale_of_logits: float


class FlatbufferLayers:
    """The layers of one file's main graph. A file that is damaged has none."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @cached_property
    def candidates(self) -> tuple[LayerInfo, ...]:
        """What a class activation map can be taken from: maps larger than 1x1."""
        passed, maps = self._passed, self._maps
        convolutions = [i for i, made in enumerate(maps) if made.operator in CONVOLUTIONS]
        behind = [made for made in maps[convolutions[-1] if convolutions else 0 :] if made.name in passed]
        own = [made for made in behind if made.operator not in (*POOLS, *MOVES)] or behind
        last = own[-1].name if own and not self._mixes_tokens_after(own[-1]) else None
        convolution = behind[0].name if convolutions and behind else None
        return tuple(
            LayerInfo(
                name=made.name,
                kind=made.operator,
                height=made.shape[1],
                width=made.shape[2],
                channels=made.shape[3],
                convolution=made.operator in CONVOLUTIONS,
                bypassed=made.name not in passed,
                default=made.name == last,
                last_convolution=made.name == convolution,
            )
            for made in maps
        )

    def cut_behind(self, layer: str) -> bytes:
        """The file whose output is this layer."""
        return prefix(self._content, 1 + next(i for i, made in enumerate(self._all) if made.name == layer))

    def cut_before_head(self, kind: str) -> bytes | None:
        """The file whose output is the logits; None where they stand nowhere in it.

        kind  of the outputs, as in `harness.outputs`.
        """
        made_by = {made.tensor: i for i, made in enumerate(self._all)}
        tensor = self._output
        while tensor in made_by and self._all[made_by[tensor]].operator in AFTER_A_HEAD:
            tensor = self._all[made_by[tensor]].inputs[0]
        head = self._all[made_by[tensor]] if tensor in made_by else None
        if head is None or head.operator != HEADS.get(kind) or head.scale_of_logits != 1:
            return None
        logits = made_by.get(head.inputs[0])
        return None if logits is None else prefix(self._content, logits + 1)

    @cached_property
    def _maps(self) -> list[_Made]:
        return [
            made
            for made in self._all
            if len(made.shape) == 4 and min(made.shape) > 0 and made.shape[1:3] != (1, 1) and made.is_readable
        ]

    def _mixes_tokens_after(self, chosen: _Made) -> bool:
        """Whether attention follows, which multiplies tokens by tokens: the map says next to nothing then."""
        return any(made.operator == "BATCH_MATMUL" for made in self._all[self._all.index(chosen) :])

    @cached_property
    def _passed(self) -> set[str]:
        """Names of what lies on every path from the input to the output."""
        steps = tuple(
            Step(
                name=made.name,
                layer=None,
                call=_no_call,
                args=(),
                kwargs={},
                inputs=made.inputs,
                outputs=(made.tensor,),
                shape=made.shape,
            )
            for made in self._all
        )
        return passed_by_all(Graph(steps=steps, input=self._input, output=self._output))

    @cached_property
    def _model(self) -> Any:
        return read(self._content)

    @cached_property
    def _input(self) -> int:
        return int(self._model.subgraphs[0].inputs[0])

    @cached_property
    def _output(self) -> int:
        return int(self._model.subgraphs[0].outputs[0])

    @cached_property
    def _all(self) -> list[_Made]:
        try:
            made = list(_operators(self._model))
        except DAMAGE:
            return []
        names = [one.name for one in made]
        return [
            replace(one, name=f"{one.name}#{i}") if not one.name or names.count(one.name) > 1 else one
            for i, one in enumerate(made)
        ]


def _operators(model: Any) -> Iterator[_Made]:
    graph = model.subgraphs[0]
    for operator in graph.operators or []:
        code = model.operatorCodes[operator.opcodeIndex]
        output = graph.tensors[operator.outputs[0]]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        yield _Made(
            operator=code.customCode.decode(errors="replace") if code.customCode else builtin_name(number),
            name=printable((output.name or b"").decode(errors="replace")),
            inputs=() if operator.inputs is None else tuple(map(int, operator.inputs)),
            tensor=int(operator.outputs[0]),
            shape=() if output.shape is None else tuple(map(int, output.shape)),
            is_readable=type_name(output.type) in READABLE or _has_scale(output),
            scale_of_logits=float(getattr(operator.builtinOptions, "beta", 1.0)),
        )


def _has_scale(tensor: Any) -> bool:
    quantization = tensor.quantization
    return quantization is not None and quantization.scale is not None and len(quantization.scale) == 1


def _no_call(*_: Any) -> Any:
    raise AssertionError("a flatbuffer's operators are not replayed")
