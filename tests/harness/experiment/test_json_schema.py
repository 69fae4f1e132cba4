"""The JSON schema for editors: it takes what the reader takes, and sees what an editor can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomllib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import ConfigError
from harness.experiment.json_schema import COMMENT, FILE, as_text, experiment_schema
from harness.experiment.reader import read_experiment
from harness.experiment.toml_text import as_toml

ROOT = Path(__file__).parents[3]
FILES = [*(ROOT / "examples").glob("*.toml"), *(ROOT / "harness" / "examples").glob("*.toml")]
SCHEMA = experiment_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
GOOD = 'models = ["planted-float"]\n[dataset]\nkind = "planted"\n'
DEMO = tomllib.loads((ROOT / "harness" / "examples" / "demo.toml").read_text())


def problems(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_it_is_a_schema_of_a_draft_that_editors_know() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert '"null"' not in as_text()


def test_the_command_prints_it_and_its_help_shows_the_line_that_names_it() -> None:
    printed = CliRunner().invoke(app, ["schema"])
    assert printed.output == as_text()
    shown = CliRunner().invoke(app, ["schema", "--help"]).output
    assert COMMENT in shown
    assert f"bitlens schema > {FILE}" in shown


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_examples_are_right(path: Path) -> None:
    assert problems(path.read_text()) == []


RIGHT = [
    GOOD + '[[device]]\nname = "a"\nruntime = "auto"',
    GOOD + '[[device]]\nname = "a"\nruntime = ["auto", "tensorflow"]',
    GOOD + '[[device]]\nname = "a"\nkind = "ssh"\nhost = "pi@pi"\nwait_s = 0.5',
    GOOD + '[accuracy]\nimages = "all"',
    GOOD + '[saliency]\nmethods = [{name = "smoothgrad", base = "gradcam", layer = "50%", noise_level = [0.1, 1]}]',
    GOOD + '[saliency]\nmethods = ["rise"]\n[quality]\nmetrics = [{name = "sparseness", methods = ["rise"]}]',
    '[[dataset]]\nkind = "planted"\n[[model]]\nname = "quicknet"\nweights = "random"',
    '[dataset]\npath = "x"\n[[model]]\npath = "mine.h5"\nclass_map = [1, 0]\n[model.preprocessing]\nmean = [1, 2.5]',
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_taken(text: str) -> None:
    assert problems(text) == []


WRONG = [
    'models = ["planted-float"]',
    GOOD.replace("kind", "knid"),
    GOOD.replace("planted-float", "planted-flaot"),
    GOOD.replace("planted", "plantd"),
    'formats = ["int9"]\n' + GOOD,
    'formats = "int8"\n' + GOOD,
    GOOD + '[device]\nname = "a"',
    GOOD + "[[latency]]\nthreads = [1]",
    GOOD + "[latency]\nthreads = 2",
    GOOD + '[latency]\nsustained = "30"',
    GOOD + "[accuracy]\nimages = 0",
    GOOD + '[accuracy]\nimages = "some"',
    GOOD + '[[device]]\nname = "a"\nkind = "ssh"',
    GOOD + '[[device]]\nname = "a"\nhost = "pi@pi"',
    GOOD + '[[device]]\nname = "a/b"',
    GOOD + '[[device]]\nkind = "local"',
    GOOD + '[[device]]\nname = "a"\nkind = "vm"\nrelease = "buster"',
    GOOD + '[saliency]\nmethods = ["smothgrad"]',
    GOOD + '[saliency]\nmethods = [{name = "smoothgrad", samples = 0}]',
    GOOD + '[saliency]\nmethods = [{name = "gradient", samples = 5}]',
    GOOD + "[saliency]\nmethods = [{samples = 5}]",
    GOOD + '[saliency]\n[quality]\nmetrics = [{name = "sparseness", steps = 5}]',
    GOOD + "[amplification]\nimages = 3",
    GOOD + '[[model]]\nname = "mine"',
    GOOD + '[[model]]\npath = "m.h5"\noutput = "logit s"',
    GOOD + '[[model]]\npath = "m.h5"\n[model.preprocessing]\nfit = "stretch"',
    GOOD + '[[runtime]]\nname = "x"\noptions = { a = [1] }',
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_seen_as_the_reader_sees_it(tmp_path: Path, text: str) -> None:
    assert problems(text)
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_experiment(path)


NUMBERS = [0, 1, 3, -1, 0.5, 1e9, True]
TEXTS = ["", "all", "planted", "gradient", "30min", "a/b"]
VALUES = st.sampled_from([*NUMBERS, *TEXTS, [], [1], ["fp32"], [[1]], {}, {"name": "rise"}])


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_never_refuses_what_the_reader_takes(tmp_path: Path, data: st.DataObject) -> None:
    table = _changed(DEMO, data)
    path = tmp_path / "experiment.toml"
    path.write_text("".join(f"{name} = {as_toml(value)}\n" for name, value in table.items()))
    try:
        read_experiment(path)
    except ConfigError:
        return
    assert list(VALIDATOR.iter_errors(tomllib.loads(path.read_text()))) == []


def _changed(table: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """The table with one value, at any depth, replaced or left out."""
    name = data.draw(st.sampled_from(sorted(table)))
    if isinstance(table[name], dict) and table[name] and data.draw(st.booleans()):
        return {**table, name: _changed(table[name], data)}
    if data.draw(st.booleans()):
        return {key: value for key, value in table.items() if key != name}
    return {**table, name: data.draw(VALUES)}
