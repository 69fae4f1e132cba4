"""Tables of labels from any spreadsheet: read right, or refused with the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.harness.strangers.data_sets.strange_folders import (
    RED,
    keys,
    labels_of,
    opened,
    put,
    refusal,
    said,
)

ROWS = [("cat/0.png", 0, "cat"), ("dog/0.png", 1, "dog"), ("eel/0.png", 2, "eel")]


def table(folder: Path, rows: Iterable[Iterable[object]], *, encoding: str = "utf-8", **dialect: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, **dialect)
    writer.writerows([("path", "class_index", "class_name"), *rows])
    (folder / "labels.csv").write_bytes(buffer.getvalue().encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_table_is_read_as_any_spreadsheet_writes_it(
    folder: Path, encoding: str, delimiter: str, quoting: int
) -> None:
    put(folder, *RED)
    (folder / "cat" / "0.png").rename(folder / "cat" / "früh.png")
    rows = [("cat/früh.png", 0, 'Katze, früh; "hübsch"'), *ROWS[1:]]
    table(folder, rows, encoding=encoding, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    dataset = opened(folder)
    assert dataset.class_names == ('Katze, früh; "hübsch"', "dog", "eel")
    assert {(key, label) for key, label in labels_of(dataset)} == {
        ("cat/früh.png", 0),
        ("dog/0.png", 1),
        ("eel/0.png", 2),
    }
    assert ("was read as Windows-1252" in said(dataset)) == (encoding in ("cp1252", "latin-1"))


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\npath;class_index\r\ncat/0.png;0\r\ndog/0.png;1\r\n",
        "Path , Class Index\ncat/0.png , 0\ndog/0.png, 1\n".replace("png ,", "png,"),
        "PATH;Class-Index;;\ncat/0.png;0;;\ndog/0.png;1;;\n;;;\n",
        ",path,class_index\n0,cat/0.png,0.0\n1,dog/0.png,1.0\n",
        "path;class_index\rcat/0.png;0\rdog/0.png;1\r",
        'path, class_index, class_name\ncat/0.png, 0, "cat, tabby"\ndog/0.png, 1, dog\n',
        "path|class_index\ncat/0.png|0\ndog/0.png|1",
    ],
)
def test_what_spreadsheets_add_is_no_mistake(folder: Path, text: str) -> None:
    put(folder, "cat", "dog")
    (folder / "Labels.csv").write_text(text)
    assert labels_of(opened(folder)) == {("cat/0.png", 0), ("dog/0.png", 1)}


def test_boxes_may_have_decimal_commas_between_semicolons_and_nowhere_else(folder: Path) -> None:
    put(folder, "cat")
    head, row = "path;class_index;x_min;y_min;x_max;y_max", "cat/0.png;0;1,5;0;3,0;4"
    (folder / "labels.csv").write_text(f"{head}\n{row}\n")
    dataset = opened(folder)
    split = "test" if dataset.size("test") else "train"
    mask = dataset.sample(split, 0).mask
    assert mask is not None
    assert mask.tolist() == [[False, True, True, False]] * 4
    (folder / "labels.csv").write_text(
        f"{head}\n{row}\n".replace(",", "c").replace(";", ",").replace("1c5", '"1,500"').replace("3c0", "3")
    )
    assert "line 2: expected four numbers for a box" in refusal(folder)


def test_the_row_of_the_greatest_label_is_known_for_a_check_against_the_model(folder: Path) -> None:
    put(folder, *RED)
    table(folder, [(name, index + 1, word) for name, index, word in ROWS])
    dataset = opened(folder)
    assert (dataset.label_range.least, dataset.label_range.greatest) == (1, 3)
    assert dataset.label_range.where.endswith('labels.csv" line 4')
    assert "the classes are 1 to 3, class 0 has no image: bitlens counts classes from 0" in dataset.remarks


def test_classes_counted_from_1_are_refused_with_their_row_where_a_list_says_how_many_there_are(folder: Path) -> None:
    put(folder, *RED)
    table(folder, [(name, index + 1, "") for name, index, _ in ROWS])
    (folder / "classes.txt").write_text("cat\ndog\neel\n")
    assert 'labels.csv" line 4: expected a class_index below 3' in refusal(folder)


def test_a_sample_of_imagenet_may_lack_class_0(folder: Path) -> None:
    put(folder, "cat", "dog")
    table(folder, [("cat/0.png", 281, "tabby"), ("dog/0.png", 180, "terrier")])
    dataset = opened(folder)
    assert (dataset.label_range.greatest, dataset.label_range.complete) == (281, False)
    assert "counts classes from 0" not in said(dataset)


def test_two_names_for_one_class_are_refused_and_two_classes_of_one_name_are_not(folder: Path) -> None:
    put(folder, "cat", "dog")
    table(folder, [("cat/0.png", 134, "crane"), ("dog/0.png", 517, "crane")])  # as in ImageNet
    assert opened(folder).class_names[517] == "crane"
    table(folder, [("cat/0.png", 0, "cat"), ("dog/0.png", 0, "dog")])
    assert 'line 3: class 0 is called "dog" here and "cat" before' in refusal(folder)


def test_a_column_says_which_split_a_row_belongs_to(folder: Path) -> None:
    put(folder, *RED)
    text = "path,class_index,split\ncat/0.png,0,Training\ndog/0.png,1,validation\neel/0.png,2,train\n"
    (folder / "labels.csv").write_text(text)
    dataset = opened(folder)
    assert (keys(dataset, "train"), keys(dataset, "test")) == ({"cat/0.png", "eel/0.png"}, {"dog/0.png"})
    for wrong, sentence in (("", 'line 2: expected a split, got ""'), ("fold1", 'expected a split, got "fold1"')):
        (folder / "labels.csv").write_text(text.replace("Training", wrong))
        assert sentence in refusal(folder)


@pytest.mark.parametrize("judge", ["validation", "testing"])
def test_paths_of_a_table_name_the_splits_as_folders_do(folder: Path, judge: str) -> None:
    put(folder, "train/cat", f"{judge}/cat", "more")
    rows = [("train/cat/0.png", 0, "cat"), (f"{judge}/cat/0.png", 0, "cat")]
    table(folder, rows)
    dataset = opened(folder)
    assert (keys(dataset, "train"), keys(dataset, "test")) == ({"train/cat/0.png"}, {f"{judge}/cat/0.png"})
    table(folder, rows[:1])
    assert 'the split "train" alone' in refusal(folder)
    table(folder, [*rows, ("more/0.png", 0, "cat")])
    assert 'beside "more"' in refusal(folder)


def test_a_row_that_names_no_picture_is_refused_with_its_line(folder: Path) -> None:
    put(folder, "cat")
    (folder / "cat" / "1.png").write_bytes(b"GIF89a")
    table(folder, [("cat/0.png", 0, "cat"), ("cat/1.png", 0, "cat")])
    assert 'line 3: "cat/1.png" could not be read as an image' in refusal(folder)


def test_columns_that_are_not_read_are_said(folder: Path) -> None:
    put(folder, "cat")
    (folder / "labels.csv").write_text("path,class_index,xmin,Photographer\ncat/0.png,0,1,me\n")
    assert 'columns of "labels.csv" that are not read: "xmin", "photographer"' in opened(folder).remarks
