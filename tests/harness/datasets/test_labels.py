"""labels.csv from any hand: each mistake names its line, no path leaves the folder, and what can be read is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.image_folder import ImageFolder
from harness.datasets.labels import read_labels
from harness.datasets.splits import divide
from harness.errors import ConfigError

GOOD = "path,class_index\na/1.png,0\na/2.png,1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set" / "a").mkdir(parents=True)
    for number in (1, 2, 3):
        Image.fromarray(np.full((4, 5, 3), number, np.uint8)).save(tmp_path / "set" / "a" / f"{number}.png")
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "secret.png")
    return tmp_path / "set"


def refusal(folder: Path, content: str | bytes) -> str:
    (folder / "labels.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        ImageFolder(folder)
    assert str(caught.value).startswith(f'[dataset] path: "{folder}/labels.csv"')
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------------- text
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (GOOD.encode() + b"b/\x81.png,1", "line 4: expected text in UTF-8, UTF-16 or Windows-1252 (byte 0x81)"),
        (GOOD.encode("utf-16")[:-1], "is not the UTF-16 text that its first bytes say"),
        (GOOD.encode("utf-16-le"), "line 1: expected text, got a NUL byte"),
        (GOOD.replace("2.png", "2.\0png"), "line 3: expected text, got a NUL byte"),
        (GOOD + "a" * 200_000 + ",1\n", 'line 4: expected values separated by "," (field larger than'),
        (GOOD + '"a/3.png,2\n' + GOOD, 'expected values separated by "," (unexpected end of data)'),
        (GOOD + '"a"/3.png,2\n', 'line 4: expected values separated by ","'),
        ("", "expected the columns path and class_index, got nothing"),
        ("\n\n", "expected the columns path and class_index"),
        ("path/class_index\na/1.png/0\n", 'got "path/class_index"'),
        ("path,class\na/1.png,0\n", 'got "path, class"'),
        ("path,class_index,path\n", 'line 1: expected every column once, got "path" more than once'),
        (GOOD + "a/3.png,1,2\n", "line 4: expected 2 cells, as many as columns, got 3"),
        (GOOD + "a/3.png\n", 'line 4: expected an integer class_index from 0 to 99,999, got ""'),
    ],
)
def test_what_is_no_table_names_its_line(folder: Path, content: str | bytes, sentence: str) -> None:
    assert sentence in refusal(folder, content)


def test_a_table_without_rows_holds_no_images(folder: Path) -> None:
    (folder / "labels.csv").write_text("path,class_index\n")
    with pytest.raises(ConfigError, match="holds no labelled images"):
        ImageFolder(folder)


def test_a_table_that_is_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.datasets.labels.MOST_BYTES", 20)
    (folder / "labels.csv").write_text(GOOD)
    with pytest.raises(ConfigError, match="MiB at most"):
        ImageFolder(folder)


def test_byte_order_mark_spaces_and_empty_lines_are_no_mistakes(folder: Path) -> None:
    (folder / "labels.csv").write_text("\ufeffpath, class_index\r\n\r\na/1.png, 3\r\n", encoding="utf-8")
    assert ImageFolder(folder).class_names == ("0", "1", "2", "3")


# ------------------------------------------------------------------------------------------------------------ labels
@pytest.mark.parametrize(
    "label", ["nan", "inf", "1.5", "-1", "1e3", "", "cat", "9999999999", "1000000000000", "9" * 5000, "100000", "²"]
)
def test_a_class_index_is_a_whole_number_of_a_class_that_can_be(folder: Path, label: str) -> None:
    message = refusal(folder, GOOD + f"a/3.png,{label}\n")
    assert "line 4: expected an integer class_index from 0 to 99,999, got" in message
    assert len(message) < 400


def test_two_classes_for_one_image_are_refused_and_one_twice_is_one(folder: Path) -> None:
    assert "line 4" in refusal(folder, GOOD + "a/1.png,1\n")
    assert 'is called "a/1.png" before' in refusal(folder, GOOD + "a/./1.png,0\n")
    (folder / "labels.csv").write_text(GOOD + "a/1.png,0\n")
    dataset = ImageFolder(folder)
    assert dataset.size("train") + dataset.size("test") == 2


# ------------------------------------------------------------------------------------------------------------- paths
@pytest.mark.parametrize(
    "path", ["../secret.png", "a/../../secret.png", "a/..", "/etc/passwd", "//etc/passwd", "", "."]
)
def test_a_path_cannot_leave_the_folder(folder: Path, path: str) -> None:
    message = refusal(folder, GOOD + f"{path},1\n")
    assert "line 4: expected a path inside the data set's folder" in message or "got a folder" in message


def test_an_absolute_path_to_an_image_of_the_folder_is_refused_as_well(folder: Path) -> None:
    assert "expected a path inside" in refusal(folder, GOOD + f"{folder}/a/3.png,1\n")


@pytest.mark.parametrize("path", ["a/4.png", "x" * 5000, "a", "a\\\\3.png"])
def test_what_is_no_file_is_named_with_its_line(folder: Path, path: str) -> None:
    assert "line 4: " in refusal(folder, GOOD + f"{path},1\n")


def test_backslashes_get_a_hint(folder: Path) -> None:
    assert 'as in "a/3.png"' in refusal(folder, GOOD + "a\\3.png,1\n")


@given(text=st.text(max_size=200))
def test_any_text_is_rows_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_bytes(("path,class_index\n" + text).encode())
    try:
        rows = list(read_labels(path).rows)
    except ConfigError as error:
        assert str(error).startswith("[dataset] path")  # noqa: PT017
    else:
        assert all(".." not in Path(row.name).parts and not Path(row.name).is_absolute() for row in rows)


# ------------------------------------------------------------------------------------------------------------- size
def test_a_header_of_a_million_columns_is_answered(folder: Path) -> None:  # each held against each would take hours
    assert "expected the columns path and class_index" in refusal(folder, ",".join(map(str, range(1_000_000))) + "\n")


def test_a_million_rows_are_divided_into_splits() -> None:
    splits = divide({"": [f"{number}.png" for number in range(1_000_000)]}, called={}, where="").splits
    assert len(splits["train"]) == pytest.approx(100_000, rel=0.02)
    assert len(splits["train"]) + len(splits["test"]) == 1_000_000
