"""Which layer a converter stumbled over: its errors of many lines as one sentence, and what to try.

LCE's converter lets operators pass that no runtime has (it writes them down as custom ones), so that finished artifacts
are checked as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from converters import ConversionError
from converters.schema import custom_operators

_UNKNOWN = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_RANDOM = ("Random", "Multinomial", "TruncatedNormal", "StatefulStandardNormal", "StatefulUniform", "StatelessShuffle")
_NUMBER = re.compile(r"_\d+$")
_HINT = "replace the layer with operators that TFLite has, or run that part of the model on the host"


def refusal(error: Exception, graph: Any, *, converter: str) -> ConversionError:
    """The converter's error as ours. The graph of the model's function knows which layer an operator is of."""
    if isinstance(error, OSError):
        return ConversionError(f"the model could not be written for the converter ({error.strerror or error})")
    unknown = dict.fromkeys(_UNKNOWN.findall(str(error)))
    if unknown:
        return _unknown_operators(unknown, graph, converter)
    return ConversionError(f"{converter}'s converter refused the model: {first_line(error)}")


def check_scores_are_fixed(graph: Any, model: Any) -> None:
    """Raise ConversionError when the graph of a model draws random numbers: the scores of an image are then random."""
    drawing = random_operation(graph)
    if drawing is not None:
        raise ConversionError(
            f"{_place(drawing.name, model)} draws random numbers ({drawing.op}) at inference, so the scores of an "
            "image are random",
            hint="build the model without training=True in the call of this layer, and load the same weights",
        )


def random_operation(graph: Any) -> Any | None:
    """The first node of a graph, or of the functions that it calls, whose numbers differ from one run to the next."""
    definition = graph.as_graph_def()
    parts = (definition.node, *(function.node_def for function in definition.library.function))
    return next((node for nodes in parts for node in _drawing(nodes)), None)


def _place(node: str, model: Any) -> str:
    """The innermost layer that a node is of; one that is called again has a number after its name."""
    names = {layer.name for layer in model._flatten_layers()} if hasattr(model, "_flatten_layers") else set()
    parts = [name for part in node.split("/") for name in (part, _NUMBER.sub("", part)) if name in names]
    return f'layer "{parts[-1]}"' if parts else f'the operation "{node}"'


def _drawing(nodes: Collection[Any]) -> Iterator[Any]:
    """Nodes that draw numbers. A stateless one with constants for a seed always draws the same."""
    known = {node.name: node for node in nodes}

    def is_constant(name: str) -> bool:
        node = known.get(name.split(":")[0].lstrip("^"))
        return node is not None and (node.op == "Const" or (bool(node.input) and all(map(is_constant, node.input))))

    for node in nodes:
        if any(word in node.op for word in _RANDOM) and not (
            node.op.startswith("Stateless") and is_constant(node.name)
        ):
            yield node


def check_operators(content: bytes, graph: Any, *, converter: str, brings: str) -> None:
    """Raise ConversionError when the artifact needs operators that no runtime has.

    brings  what the names of those custom operators begin with that the converter's runtime has; "" for none.
    """
    foreign = [name for name in custom_operators(content) if not (brings and name.startswith(brings))]
    if foreign:
        raise _unknown_operators([name.removeprefix("Flex") for name in foreign], graph, converter)


def operations(graph: Any) -> Iterator[Any]:
    """All nodes of a graph, also inside the functions that it calls."""
    definition = graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _unknown_operators(names: Collection[str], graph: Any, converter: str) -> ConversionError:
    layers = dict.fromkeys(_layer(node.name) for node in operations(graph) if node.op in names)
    where = f'layer "{", ".join(layers)}" uses' if layers else "the model uses"
    return ConversionError(f"{where} {', '.join(names)}, which {converter} has no operator for", hint=_HINT)


def _layer(node: str) -> str:
    """ "model/block1/strange/Digamma" -> "block1/strange": without the model's own name and the operation's."""
    parts = node.split("/")
    return "/".join(parts[1:-1] or parts)
