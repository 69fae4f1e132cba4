"""Files that somebody else named: regular ones of a bounded size are read, all others are a sentence, and at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import BitlensError, ConfigError, printable, shown
from harness.regular_files import kind_of, open_regular, read_regular, read_text


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """What may stand under the name of a picture, by what the sentence calls it."""
    places = {name: tmp_path / f"{number}.png" for number, name in enumerate(("a pipe", "a folder", "a socket"))}
    os.mkfifo(places["a pipe"])
    places["a folder"].mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(places["a socket"]))
    ring = tmp_path / "ring.png"
    ring.symlink_to(ring)
    yield {**places, "a device": Path("/dev/zero"), "links in a ring": ring, "nothing": tmp_path / "none.png"}
    listener.close()


def test_anything_but_a_regular_file_is_refused_without_waiting(strange: dict[str, Path]) -> None:
    for kind, path in strange.items():
        assert kind_of(path) == kind
        with pytest.raises(ConfigError, match=r"^image: "):
            open_regular(path, where="image", at_most=10)
        link = path.parent / "link.png"
        if kind in ("a pipe", "a folder", "a socket"):
            link.unlink(missing_ok=True)
            link.symlink_to(path)
            with pytest.raises(ConfigError, match=f"expected a regular file, got {kind}"):
                open_regular(link, where="image", at_most=10)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "x/" * 3000])
def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path: Path, name: str) -> None:
    assert kind_of(tmp_path / name) == "nothing"
    with pytest.raises(ConfigError, match=r"^image: "):
        open_regular(tmp_path / name, where="image", at_most=10)


def test_a_file_of_the_greatest_size_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert read_regular(path, where="image", at_most=10) == b"x" * 10
    with pytest.raises(ConfigError, match="MiB at most"):
        read_regular(path, where="image", at_most=9)


def test_a_file_that_says_it_is_empty_is_still_bounded() -> None:
    with pytest.raises(ConfigError, match="MiB at most, got more"):
        read_regular(Path("/proc/self/status"), where="image", at_most=9)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a\nb\ncaf\xe9\n", r"line 3 is not UTF-8 text \(byte 0xE9\)"),
        ("a\nb".encode("utf-16"), "UTF-16"),
        (b"\xff\xd8\xff\xe0", "line 1 is not UTF-8"),
        (b"a\nb\0c", "line 2: expected text, got a NUL byte"),
    ],
)
def test_text_that_is_none_is_named_with_its_line(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        read_text(tmp_path / "file", where="image", at_most=100)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffpath".encode())
    assert read_text(tmp_path / "file", where="image", at_most=100) == "path"


# -------------------------------------------------------------------------------------------- what a sentence may hold
def test_no_sentence_holds_what_a_terminal_obeys_or_no_encoding_takes() -> None:
    name = os.fsdecode(b"caf\xe9\x1b]0;owned\x07.png")
    sentence = str(BitlensError(f"{name} \u202e is wrong", hint=name))
    assert sentence == ("caf\\xe9\\x1b]0;owned\\x07.png \\u202e is wrong\n  try: caf\\xe9\\x1b]0;owned\\x07.png")
    assert sentence.encode()
    assert printable("Größe\t日本\n") == "Größe\t日本\n"


def test_a_value_is_shown_short_whatever_it_is() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    for value in ("x" * 10**6, 16**5000, nested, [1] * 10**6):
        assert len(shown(value)) < 100
    assert shown("moon") == '"moon"'
