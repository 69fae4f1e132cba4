"""What `bitlens inspect` prints for people, of the record that it prints as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from converters.inspection.kernels import COMPILED
from harness.cli.shares import percentages
from reports.data.aligned import aligned

MOST_EXPENSIVE = 5  # operators that are named with their tensors; `--graph` lists all
MOST_CHARACTERS = 60  # of a tensor's name
MOST_LACKING = 4  # operators that are named for a runtime that has not all of them
Record = Mapping[str, Any]


def as_text(record: Record, *, in_order: bool = False) -> str:
    """A line for each fact, and for each graph what is expensive; `in_order` lists every operator instead."""
    head = "\n".join(f"{name:<12} {text}" for name, text in _facts(record))
    blocks = [_in_order(graph) if in_order else _by_type(graph) for graph in record["graphs"]]
    return "\n\n".join([head, *(block for block in blocks if block)])


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    from dask.utils import format_bytes

    yield "file", f"{record['file']}, {record['flatbuffer_bytes']:,} bytes"
    yield "sha256", record["sha256"]
    if record["description"]:
        yield "made by", record["description"]
    if record["metadata"]:
        yield "metadata", ", ".join(record["metadata"])
    yield from (("input", tensor_text(tensor)) for tensor in record["inputs"])
    yield from (("output", tensor_text(tensor)) for tensor in record["outputs"])
    yield from (("signature", _signature(signature)) for signature in record["signatures"])
    yield from (("runs on", line) for line in _runs_on(record))
    counts = ", ".join(f"{count} {name}" for name, count in record["operators"].items())
    yield "operators", f"{sum(record['operators'].values())}: {counts}" if counts else "none"
    yield "MACs", _macs(record)
    yield "parameters", f"{record['parameters']:,}"
    sizes = record["weight_bytes"].items()
    yield "weights", ", ".join(f"{format_bytes(size)} {kind}" for kind, size in sizes if size) or "none"
    arena = record["arena_bytes"]
    known = (
        f"{'0 B' if arena == 0 else format_bytes(arena)} at their peak, without kernels' scratch buffers"
        if arena is not None
        else ""
    )
    yield "activations", known or "unknown before an inference: some sizes depend on the input"


def _macs(record: Record) -> str:
    """With the shapes that it holds for where inputs have free axes, or how to have it where it cannot be told."""
    text = readable_macs(record["macs"], record["macs_unknown"]) or "none"
    free = [tensor for tensor in record["inputs"] if tensor["shape_signature"]]
    if free and record["macs_unknown"]:
        return f"{text}; for shapes of your own: --input-shape"
    if len({signature["graph"] for signature in record["signatures"]}) > 1:
        text += "; of graph 0"
    if not free or not any(record["macs"].values()):
        return text
    return f"{text}; for " + ", ".join(f"{tensor['name']} {_shape(tensor['shape'])}" for tensor in free)


def _runs_on(record: Record) -> Iterator[str]:
    able, custom = record["runtimes"], record["custom_operators"]
    lacking = {name: lacks for name, lacks in record["lacking"].items() if lacks and "+" not in name}
    if able:
        yield ", ".join(able)
        lce = any(name.startswith("Lce") for name in custom)
        for name, lacks in lacking.items():
            if not lce and name != "larq-compute-engine":
                yield f"not on {name}: it has no {_some(lacks)}"
        return
    everywhere = [one for one in next(iter(lacking.values()), []) if all(one in lacks for lacks in lacking.values())]
    anywhere = dict.fromkeys(one for lacks in lacking.values() for one in lacks)
    yield f"no runtime that bitlens knows: none has {_some(everywhere or list(anywhere))}"
    flex = [name for name in custom if name.startswith("Flex")]
    if flex:
        yield f"TensorFlow to 2.18 has {_some(flex)}; later ones are built without the Flex delegate"
    yield from (f"{COMPILED[name]} takes {name}" for name in custom if name in COMPILED)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LACKING} more" if len(names) > MOST_LACKING else ""
    return ", ".join(names[:MOST_LACKING]) + more


def _signature(signature: Record) -> str:
    inputs, outputs = (
        ", ".join(f"{name} {_kind(tensor)}" for name, tensor in signature[side].items())
        for side in ("inputs", "outputs")
    )
    return f"{signature['name']}({inputs}) -> {outputs or 'nothing'}; graph {signature['graph']}"


# ----------------------------------------------------------------------------------------------------------- graphs
def _by_type(graph: Record) -> str:
    """Types of operators, the most expensive first, and the most expensive operators by their tensors."""
    rows = graph["by_type"]
    if not rows:
        return _title(graph) + ": no operators"
    shares = _shares(rows)
    lines = [(row["operator"], str(row["count"]), _count(row["macs"]), share) for row, share in zip(rows, shares)]
    table = aligned(("operator", "count", "MACs", "share"), lines, numbers=("count", "MACs", "share"))
    return "\n".join([_title(graph), *_indented(table), *_expensive(graph)])


def _expensive(graph: Record) -> Iterator[str]:
    shares = dict(zip((row["index"] for row in graph["operators"]), _shares(graph["operators"])))
    costly = sorted((row for row in graph["operators"] if row["macs"]), key=lambda row: -row["macs"])
    if len(costly) > 1:
        yield "  most expensive"
        for row in costly[:MOST_EXPENSIVE]:
            share, names = shares[row["index"]], tensor_names(row["outputs"])
            yield f"    {_count(row['macs']):>15}  {share:>7}  {row['operator']} {names}".rstrip()


def _in_order(graph: Record) -> str:
    rows = graph["operators"]
    lines = [
        (
            str(row["index"]),
            row["operator"],
            _shape(row["shape"]),
            _count(row["macs"]),
            share,
            tensor_names(row["outputs"]),
        )
        for row, share in zip(rows, _shares(rows))
    ]
    if not lines:
        return _title(graph) + ": no operators"
    head = ("number", "operator", "shape", "MACs", "share", "writes")
    return "\n".join([_title(graph), *_indented(aligned(head, lines, numbers=("number", "MACs", "share")))])


def _title(graph: Record) -> str:
    called = f", run by {', '.join(graph['called_by'])}" if graph["called_by"] else ""
    name = f' "{graph["name"]}"' if graph["name"] else ""
    macs = readable_macs(graph["macs"], graph["macs_unknown"]) or "none"
    return f"graph {graph['index']}{name}{called}: MACs {macs}"


def _shares(rows: Sequence[Record]) -> list[str]:
    """Blank where the graph has no total, as some of its operators cannot be told."""
    if any(row["macs"] is None for row in rows):
        return [""] * len(rows)
    return percentages([row["macs"] for row in rows])


def _outputs(row: Record) -> str:
    return ", ".join(row["outputs"])


def _count(macs: int | None) -> str:
    return "unknown" if macs is None else f"{macs:,}"


def _indented(table: str) -> Iterator[str]:
    return (f"  {line}" for line in table.splitlines())


def readable_macs(macs: Mapping[str, int], unknown: Mapping[str, int] | None = None) -> str:
    """ "42.5 M binary, 1.77 M float": multiply-accumulates by kind of arithmetic, those that there are.

    With operators that cannot be told: "at least 1.77 M float, unknown for 1 WHILE".
    """
    known = ", ".join(f"{_readable(count)} {kind}" for kind, count in macs.items() if count)
    if not unknown:
        return known
    rest = "unknown for " + ", ".join(f"{count} {name}" for name, count in unknown.items())
    return f"at least {known}, {rest}" if known else rest


def _readable(count: int) -> str:
    """Whole numbers below ten thousand, else three digits with M or G."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1e9:.3g} G" if count >= 1e9 else f"{count / 1e6:.3g} M"


# ---------------------------------------------------------------------------------------------------------- tensors
def tensor_names(names: Sequence[str]) -> str:
    """Of a tensor that stands for several layers, fused, the first name; long ones are cut."""
    firsts = [name.split(";")[0] + (";…" if ";" in name else "") for name in names]
    return ", ".join(name if len(name) <= MOST_CHARACTERS else f"{name[:MOST_CHARACTERS]}…" for name in firsts)


def tensor_text(tensor: Record) -> str:
    """ "input_1 float32 ?x32x32x3": a "?" for an axis of any length."""
    scale = "" if tensor["scale"] is None else f", scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}"
    return f"{tensor['name']} {_kind(tensor)}{scale}"


def _kind(tensor: Record) -> str:
    return f"{tensor['type'].lower()} {_shape(tensor['shape_signature'] or tensor['shape'])}"


def _shape(shape: Sequence[int] | None) -> str:
    """ "?x32x3", "scalar" for no axes."""
    if shape is None:
        return ""
    return "x".join("?" if size < 0 else str(size) for size in shape) or "scalar"
