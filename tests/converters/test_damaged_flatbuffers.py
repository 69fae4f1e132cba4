"""`bitlens inspect` on anybody's bytes: what is inside, or one sentence; never a traceback, a hang, or all memory."""

from __future__ import annotations

import json
import math
import os
import struct
import tracemalloc
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters import bounded_schema, schema
from converters.contents import contents
from converters.schema import NotAnArtifact
from harness.cli.inspection_record import inspect_file
from harness.cli.inspection_text import as_text
from harness.errors import ConfigError
from tests.fuzz.mutated_flatbuffers import SOURCES, lengths, mutated, offsets, sound


def inspected(content: bytes, folder: Path) -> str:
    """What the command prints, as text and as JSON, or the sentence of its refusal."""
    path = folder / "some.tflite"
    path.write_bytes(content)
    try:
        record = inspect_file(path)
    except ConfigError as error:
        return str(error)
    return as_text(record) + json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_mutated_flatbuffer_is_summarised_or_refused_in_a_sentence(tmp_path: Path, count: int) -> None:
    said = [inspected(mutated(seed)[2], tmp_path) for seed in range(count)]
    refusals = [words for words in said if words.startswith("artifact: ")]
    assert all("some.tflite" in words and len(words) < 1000 for words in refusals)
    assert 0 < len(refusals) < count


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SOURCES), st.data())
def test_a_hostile_word_anywhere_in_the_structure_is_survived(source: str, data: st.DataObject) -> None:
    content = bytearray(sound(source))
    places = data.draw(st.sampled_from([offsets(sound(source)), lengths(sound(source))]))
    struct.pack_into("<I", content, data.draw(st.sampled_from(places)), data.draw(st.integers(0, 2**32 - 1)))
    with suppress(NotAnArtifact):  # and nothing else
        json.dumps(asdict(contents(bytes(content))), allow_nan=False)


def test_each_vector_that_claims_four_billion_elements_is_refused_at_once() -> None:
    for source in SOURCES:
        for at in lengths(sound(source)):
            content = bytearray(sound(source))
            struct.pack_into("<I", content, at, 2**32 - 1)
            tracemalloc.start()
            with pytest.raises(NotAnArtifact):
                contents(bytes(content))
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
            tracemalloc.stop()


def rewritten(change: Any) -> bytes:
    model = schema.read(sound("float"))
    change(model, model.subgraphs[0])
    return schema.write(model)


CHANGES: dict[str, Any] = {
    "a shape that no memory holds": lambda model, graph: setattr(graph.tensors[0], "shape", [2**31 - 1] * 12),
    "a shape of a thousand axes": lambda model, graph: setattr(graph.tensors[0], "shape", [1] * 1000),
    "a negative size": lambda model, graph: setattr(graph.tensors[0], "shape", [1, -5, 8, 3]),
    "a tensor that is not there": lambda model, graph: setattr(graph, "outputs", [10_000]),
    "an operator code that is not there": lambda model, graph: setattr(graph.operators[0], "opcodeIndex", 10_000),
    "a buffer that is not there": lambda model, graph: setattr(graph.tensors[0], "buffer", 10_000),
    "an operator without outputs": lambda model, graph: setattr(graph.operators[0], "outputs", []),
    "no graphs": lambda model, graph: setattr(model, "subgraphs", []),
    "too many activations": lambda model, graph: setattr(graph, "inputs", list(range(20_000))),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_is_sound_and_makes_no_sense_is_refused(tmp_path: Path, what: str) -> None:
    assert "some.tflite" in inspected(rewritten(CHANGES[what]), tmp_path).partition("\n")[0]
    with pytest.raises(NotAnArtifact):
        contents(rewritten(CHANGES[what]))


@pytest.mark.parametrize("scale", [math.nan, math.inf, -math.inf])
def test_a_scale_that_is_no_number_is_refused(scale: float) -> None:
    def change(model: Any, graph: Any) -> None:
        quantization = schema.objects().QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = [scale], [0]
        graph.tensors[int(graph.inputs[0])].quantization = quantization

    with pytest.raises(NotAnArtifact, match="has the scale"):
        contents(rewritten(change))


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[31mowned", "a\nb", "x" * 100_000, "\u202egnp"])
def test_names_are_bounded_and_cannot_move_a_cursor(tmp_path: Path, name: str) -> None:
    content = rewritten(lambda model, graph: setattr(graph.tensors[int(graph.inputs[0])], "name", name))
    (tensor,) = contents(content).inputs
    assert tensor.name.isprintable()
    assert len(tensor.name) <= 200
    assert "\x1b" not in inspected(content, tmp_path)


def test_one_vector_that_is_used_by_a_thousand_tables_is_not_read_a_thousand_times() -> None:
    content = bounded_schema.Content.of(bytes(1000))
    for _ in range((8 * 1000 + (1 << 20)) // 900):
        content.spend(900)
    with pytest.raises(bounded_schema.TooMuch, match="longer than the file"):
        content.spend(900)


def test_all_subgraphs_that_are_the_same_one_are_too_many_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_schema, "MOST_TABLES", 50)
    with pytest.raises(NotAnArtifact, match="it has more than 50 tables"):
        contents(sound("float"))


@pytest.mark.parametrize("what", ["a pipe", "a folder", "nothing", "empty", "8 bytes", "a huge hole", "text"])
def test_what_is_no_flatbuffer_at_all_is_one_sentence(tmp_path: Path, what: str) -> None:
    path = tmp_path / "some.tflite"
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what == "a huge hole":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif what != "nothing":
        path.write_bytes({"empty": b"", "8 bytes": b"\x18\0\0\0TFL3", "text": b"hello world" * 9}[what])
    with pytest.raises(ConfigError, match=r'^artifact: ".*some\.tflite" (is|could not be read)') as caught:
        inspect_file(path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "some.tflite").touch(mode=0o000)
    with pytest.raises(ConfigError, match=r"could not be read \(Permission denied\)"):
        inspect_file(tmp_path / "some.tflite")
