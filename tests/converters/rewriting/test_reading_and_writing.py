"""Flatbuffers that are read and written: nothing is lost, and the bytes depend on the graph alone."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import schema
from converters.contents import contents
from converters.rewriting import reading
from converters.rewriting.constants import value
from converters.rewriting.graph import Graph, Model, Operator, Signature, constant
from converters.rewriting.reading import layer_of, read_model
from converters.rewriting.to_lce import TO_LCE, rewritten
from converters.rewriting.writing import write_model
from converters.schema import NotAnArtifact
from tests.converters.rewriting.graphs import activation

ARTIFACTS = Path(__file__).parents[2] / "device" / "artifacts"
NAMES = sorted(path.name for path in ARTIFACTS.glob("*.tflite"))


def stored(name: str) -> bytes:
    return (ARTIFACTS / name).read_bytes()


def small_graph() -> Graph:
    image, result = activation(1, 2, name="image"), activation(1, 2, name="result")
    double = constant(np.float32([2, 2]))
    return Graph(b"main", [Operator("MUL", [image, double], [result])], [image], [result])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_and_written_says_the_same(name: str) -> None:
    before, after = contents(stored(name)), contents(write_model(read_model(stored(name))))
    for fact in ("operators", "macs", "parameters", "weight_bytes", "arena_bytes"):
        assert getattr(after, fact) == getattr(before, fact)
    ends = [(tensor.shape, tensor.type, tensor.scale) for tensor in (*before.inputs, *before.outputs)]
    assert [(tensor.shape, tensor.type, tensor.scale) for tensor in (*after.inputs, *after.outputs)] == ends


@pytest.mark.parametrize("name", ["float.tflite", "int8.tflite"])
def test_what_is_read_and_written_computes_the_same(name: str) -> None:
    pytest.importorskip("ai_edge_litert")
    rewritten = write_model(read_model(stored(name)))
    np.testing.assert_array_equal(computed(rewritten), computed(stored(name)))


def computed(content: bytes) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    numbers = np.random.default_rng(0).uniform(-100, 100, source["shape"]).astype(source["dtype"])
    interpreter.set_tensor(source["index"], numbers)
    interpreter.invoke()
    scores: np.ndarray = interpreter.get_tensor(result["index"])
    return scores


@pytest.mark.parametrize("name", NAMES)
def test_writing_again_changes_no_byte(name: str) -> None:
    once = write_model(read_model(stored(name)))
    assert write_model(read_model(once)) == once


@pytest.mark.parametrize("name", NAMES)
def test_constants_begin_at_multiples_of_16_bytes(name: str) -> None:
    content = write_model(read_model(stored(name)))
    for graph in read_model(content).graphs:
        for operator in graph.operators:
            for tensor in operator.inputs:
                if tensor is not None and tensor.data is not None:
                    place = tensor.data.__array_interface__["data"][0]
                    whole = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
                    assert (place - whole) % 16 == 0


def test_equal_constants_are_stored_once() -> None:
    image, result = activation(1, 2), activation(1, 2)
    between = activation(1, 2)
    steps = [
        Operator("MUL", [image, constant(np.float32([2, 2]))], [between]),
        Operator("ADD", [between, constant(np.float32([2, 2]))], [result]),
    ]
    content = write_model(Model([Graph(b"main", steps, [image], [result])], []))
    assert len(schema.read(content).buffers) == 2  # the empty one, and this


def test_order_of_tensors_and_names_of_constants_do_not_matter() -> None:
    first, second = (read_model(stored("float.tflite")) for _ in range(2))
    for operator in second.graphs[0].operators:
        for tensor in operator.inputs:
            if tensor is not None and tensor.data is not None:
                tensor.name = "another"
    assert write_model(second) == write_model(first)


def test_file_says_nothing_of_the_converter_s_version() -> None:
    content = rewritten(stored("float.tflite"), TO_LCE)
    assert schema.read(content).metadata is None
    assert b"MLIR" not in content


def test_signatures_name_the_same_tensors() -> None:
    graph = small_graph()
    signature = Signature(b"serving_default", 0, [(b"pixels", graph.inputs[0])], [(b"scores", graph.outputs[0])])
    model = read_model(write_model(Model([graph], [signature])))
    (read,) = model.signatures
    assert (read.key, read.graph) == (b"serving_default", 0)
    assert read.inputs == [(b"pixels", model.graphs[0].inputs[0])]
    assert read.outputs == [(b"scores", model.graphs[0].outputs[0])]


def test_all_graphs_are_written_in_their_order() -> None:
    graphs = [small_graph(), small_graph()]
    graphs[1].name = b"body"
    graphs[1].operators[0].name = "ADD"
    model = read_model(write_model(Model(graphs, [])))
    assert [graph.name for graph in model.graphs] == [b"main", b"body"]
    assert [graph.operators[0].name for graph in model.graphs] == ["MUL", "ADD"]
    assert value(model.graphs[1].operators[0].inputs[1]).tolist() == [2, 2]  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("content", [b"", b"a zip file", b"\0\0\0\0TFL3" + bytes(40)])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(NotAnArtifact):
        read_model(content)


def test_file_over_two_gigabytes_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1000)
    with pytest.raises(NotAnArtifact, match="bytes, and a flatbuffer has at most 1,000"):
        read_model(stored("float.tflite"))


def test_constants_behind_the_flatbuffer_are_refused() -> None:
    written: Any = schema.read(stored("float.tflite"))
    del written.buffers[1:]
    written.buffers[0].offset = 4096
    with pytest.raises(NotAnArtifact, match="its constants lie behind the flatbuffer"):
        read_model(unaligned(written))


def unaligned(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_root_offset_is_where_flatbuffers_puts_it() -> None:
    content = write_model(Model([small_graph()], []))
    assert struct.unpack_from("<I", content)[0] < len(content)
    assert content[4:8] == b"TFL3"


# --------------------------------------------------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("net/stage1/norm/FusedBatchNormV32", "stage1/norm"),
        ("net/relu/Relu;net/norm/FusedBatchNormV3;net/block/conv/Conv2D1", "block/conv"),
        ("net/dense/MatMul;net/norm/batchnorm/mul_1;net/norm/batchnorm/add_1", "dense"),
        ("net/norm/FusedBatchNormV3;QuantConv2D", "norm"),
        ("image", "image"),
        ("Identity", "Identity"),
        ("", ""),
    ],
)
def test_tensors_are_named_by_their_layer(name: str, layer: str) -> None:
    assert layer_of(name) == layer
