"""`bitlens list`: where a class activation map can be taken and where it would be blank; what methods take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.lists import METHODS, methods
from harness.cli.main import main
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.native import build


def bitlens(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """Exit code, and what was printed: results for 0, else the complaint."""
    monkeypatch.setattr("sys.argv", ["bitlens", *arguments])
    capsys.readouterr()
    try:
        main()
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    else:
        code = 0
    printed = capsys.readouterr()
    return code, printed.err if code else printed.out


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*arguments: str) -> tuple[int, str]:
        return bitlens(capsys, monkeypatch, "list", "layers", *arguments)

    return run


def model() -> Any:
    """Two convolutions on maps, one of them on a branch, and a classifier that is a convolution on one pixel."""
    import tensorflow as tf

    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    x = layers.Add(name="sum")([x, layers.Conv2D(4, 3, padding="same", name="branch")(x)])
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = layers.Conv2D(5, 1, name="classifier")(x)
    return tf.keras.Model(inputs, layers.Softmax(name="scores")(layers.Flatten(name="flat")(x)), name="small")


def test_layers_of_a_file_are_all_maps_larger_than_a_pixel_and_the_blank_one_is_explained(
    listed: Any, tmp_path: Path
) -> None:
    path = tmp_path / "small.keras"
    model().save(path)
    code, text = listed(str(path), "--json")
    assert code == 0
    rows = json.loads(text)
    assert [(row["name"], row["height"], row["width"], row["channels"]) for row in rows] == [
        ("first", 8, 6, 4),
        ("branch", 8, 6, 4),
        ("sum", 8, 6, 4),
        ("classifier", 1, 1, 5),
    ]
    assert [row["name"] for row in rows if row["default"]] == ["sum"]
    assert [row["name"] for row in rows if row["bypassed"]] == ["branch"]
    assert [row["name"] for row in rows if row["convolution"]] == ["first", "branch", "classifier"]
    assert [row["note"] for row in rows] == ["", "", "", "no candidate: a map of 1x1 is blank"]


def test_the_table_for_people_marks_the_default(listed: Any, tmp_path: Path) -> None:
    path = tmp_path / "small.keras"
    model().save(path)
    code, text = listed(str(path))
    assert code == 0
    header, *lines = text.splitlines()
    assert [line.split()[0] for line in lines] == ["first", "branch", "sum", "classifier"]
    at = header.index("default")
    assert [line[at : at + 3] == "yes" for line in lines] == [False, False, True, False]
    assert lines[-1].endswith("no candidate: a map of 1x1 is blank")


def test_mobilenets_classifier_is_explained_and_not_offered(listed: Any) -> None:
    code, text = listed("mobilenet", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(text)}
    assert rows["conv_preds"]["note"] == "no candidate: a map of 1x1 is blank"
    assert [name for name, row in rows.items() if row["default"]] == ["conv_pw_13_relu"]
    assert [name for name, row in rows.items() if row["last_convolution"]] == ["conv_pw_13"]


def test_a_listed_name_is_the_one_that_a_run_knows_whatever_was_built_before(listed: Any) -> None:
    """Keras numbers layers without a name through all models of a process."""
    from harness.models.loading import load_model
    from harness.saliency import GradientEngine

    [default] = [row["name"] for row in json.loads(listed("quicknet", "--json")[1]) if row["default"]]
    loaded = load_model(catalogue_model("quicknet", CATALOGUE["quicknet"], weights="random", seed=3))
    assert GradientEngine(loaded).layer("default") == default


def test_a_size_that_a_model_leaves_open_is_nothing_and_not_zero(listed: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [tf.keras.Input((None, 6, 3)), layers.Conv2D(4, 3, name="open"), layers.GlobalAveragePooling2D()]
    )
    model.save(tmp_path / "open.keras")
    code, text = listed(str(tmp_path / "open.keras"), "--json")
    assert code == 0
    assert [(row["name"], row["height"], row["width"]) for row in json.loads(text)] == [("open", None, 4)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["quicknett"],
            'bitlens: model: expected a name of the catalogue or a file, got "quicknett"\n'
            '  try: "quicknet"; `bitlens list models` shows all\n',
        ),
        (
            [],
            "bitlens: list layers: expected a model or a model file\n  try: bitlens list layers quicknet\n",
        ),
        (["nowhere.keras"], 'bitlens: model "nowhere" path: expected a model, found no file "nowhere.keras"\n'),
    ],
)
def test_a_model_that_does_not_exist_is_a_sentence_and_exit_code_2(
    listed: Any, arguments: list[str], complaint: str
) -> None:
    assert listed(*arguments) == (2, complaint)


def test_methods_say_signedness_cost_and_the_unit_and_range_of_every_parameter() -> None:
    rows = {row["name"]: row for row in methods()}
    assert list(rows) == list(METHODS)
    assert rows["gradient"]["signed"]
    assert not rows["vargrad"]["signed"]
    assert rows["smoothgrad"]["passes"] == "samples forward, samples backward"
    assert rows["smoothgrad"]["parameters"]["noise_level"] == {
        "default": 0.15,
        "unit": "sigma / (max - min) of each image, dimensionless",
        "valid": "a number from 0 to 10",
    }
    for name, row in rows.items():
        for parameter, facts in row["parameters"].items():
            assert facts["unit"], f"{name}: {parameter} has no unit"


def test_the_table_of_methods_shows_defaults_as_an_experiment_file_writes_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = bitlens(capsys, monkeypatch, "list", "methods")
    assert code == 0
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert "  layer=last_activation relu=true invert=false ste=own  " in lines["gradcam"]
    assert lines["gradient"].split()[1] == "yes"
    assert lines["rise"].split()[1] == "masks=1000"


def test_runtimes_with_our_operators_are_usable_where_these_can_be_had(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "source_of", lambda target: "built here when needed, by g++")
    rows = {row["name"]: row for row in listed_runtimes(capsys, monkeypatch)}
    for name in ("ai-edge-litert", "tflite-runtime"):
        if rows[name]["usable_here"]:
            assert rows[f"{name}+lce-ops"]["usable_here"]
            assert rows[f"{name}+lce-ops"]["operators"] == "built here when needed, by g++"
            assert rows[f"{name}+lce-ops"]["xnnpack"] == rows[name]["xnnpack"]


def test_runtimes_with_our_operators_say_why_these_cannot_be_had(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler(target: str) -> str:
        raise build.NoCompiler("no C++ compiler here", hint="ziglang")

    monkeypatch.setattr(build, "source_of", no_compiler)
    rows = {row["name"]: row for row in listed_runtimes(capsys, monkeypatch)}
    for name in ("ai-edge-litert", "tflite-runtime"):
        if rows[name]["usable_here"]:
            assert not rows[f"{name}+lce-ops"]["usable_here"]
            assert rows[f"{name}+lce-ops"]["reason"] == "no C++ compiler here"


def listed_runtimes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    code, printed = bitlens(capsys, monkeypatch, "list", "runtimes", "--json")
    assert code == 0
    rows: list[dict[str, Any]] = json.loads(printed)
    return rows
