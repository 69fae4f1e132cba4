"""An experiment file is checked once, and every mistake in it is a sentence that says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment

GOOD = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
"""


def read(tmp_path: Path, text: str) -> Experiment:
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    return read_experiment(path)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[3] / "examples").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_examples_are_good_experiments(path: Path) -> None:
    assert read_experiment(path).methods


def test_smallest_experiment_gets_sensible_defaults(tmp_path: Path) -> None:
    experiment = read(tmp_path, GOOD)
    assert experiment.accuracy.images == 500
    assert experiment.latency is None
    assert [device.name for device in experiment.devices] == ["this-host"]


def test_formats_are_paired_with_the_models_that_they_fit(tmp_path: Path) -> None:
    text = GOOD.replace('["planted-float"]', '["planted-float", "planted-binary"]')
    experiment = read(tmp_path, text.replace('["fp32"]', '["fp32", "int8", "lce"]'))
    pairs = [(model.name, name) for model, name in experiment.artifacts()]
    assert pairs == [
        ("planted-float", "fp32"),
        ("planted-float", "int8"),
        ("planted-binary", "fp32"),
        ("planted-binary", "lce"),
    ]


def test_list_of_noise_levels_becomes_one_method_for_each(tmp_path: Path) -> None:
    text = GOOD + '[saliency]\nmethods = [{name = "smoothgrad", noise_level = [0.02, 0.2], samples = 5}]'
    methods = read(tmp_path, text).methods
    assert [(m.parameters["noise_level"], m.parameters["samples"]) for m in methods] == [(0.02, 5), (0.2, 5)]


def test_random_weights_of_a_catalogue_model_are_marked(tmp_path: Path) -> None:
    text = 'formats = ["fp32"]\n[[model]]\nname = "quicknet"\nweights = "random"\n[dataset]\nkind = "planted"'
    (model,) = read(tmp_path, text).models
    assert model.spec()["weights"] == "random"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            GOOD.replace("planted-float", "planted-flaot"),
            'models: expected a model of the catalogue, got "planted-flaot"',
        ),
        (GOOD.replace("planted-float", "planted-flaot"), 'try: "planted-float"'),
        (GOOD.replace("fp32", "fp23"), 'formats: expected a format, got "fp23"\n  try: "fp32"'),
        (GOOD.replace("fp32", "lce"), 'formats: "lce" fits none of the models: it is for binarized models'),
        (
            GOOD.replace('kind = "planted"', 'kind = "plantd"'),
            '[dataset] kind: expected a kind of data set, got "plantd"',
        ),
        (GOOD.replace("kind", "knid"), '[dataset] knid: no such key\n  try: "kind"'),
        (GOOD + "[accuracy]\nimages = 0", "[accuracy] images: expected a number >= 1, got 0"),
        (GOOD + '[accuracy]\nimages = "many"', '[accuracy] images: expected an integer, got "many"'),
        (GOOD + "[latency]\nthreads = [1, -3]", "[latency] threads, item 2: expected a number >= 1, got -3"),
        (GOOD + "[latency]\nthreads = []", "[latency] threads: expected at least one, got []"),
        (
            GOOD + '[latency]\nsustained = "30"',
            '[latency] sustained: expected a duration such as "30min", "15s" at least, got "30"',
        ),
        (GOOD + '[latency]\nsustained = "10s"', '"15s" at least, got "10s"'),
        (GOOD + "[latency]\nsustained = 30", "[latency] sustained: expected a text in quotes, got 30"),
        (
            GOOD + "[latency]\nthreads = [1, 4]\ncpus = [0, 1]",
            "[latency] cpus: expected different CPUs, as many as there are threads (4) or more, got [0, 1]",
        ),
        (GOOD + "[latency]\ncpus = [1, 1]", "[latency] cpus: expected different CPUs"),
        (GOOD + "[latency]\ncpus = [-1]", "[latency] cpus, item 1: expected a number >= 0, got -1"),
        (GOOD + "[latncy]\nthreads = [1]", "latncy: no such key\n  try: [latency]"),
        (
            GOOD + '[runtime]\nname = "plain"\nxnnpack = false',
            "[runtime]: expected a table in double brackets, of which there may be several\n  try: [[runtime]]",
        ),
        (
            GOOD + '[saliency]\nmethods = [{name = "smothgrad"}]',
            '[saliency] methods: expected a method, got "smothgrad"',
        ),
        (GOOD + '[saliency]\nmethods = [{name = "smoothgrad", noise = 1}]', "noise"),
        (GOOD + '[saliency]\nmethods = [{name = "smoothgrad", samples = -1}]', "samples"),
        (GOOD + '[quality]\nmetrics = ["sparseness"]', "[quality] metrics: nothing to judge"),
        (GOOD + '[[device]]\nname = "a"\nkind = "loca"', '"loca"'),
        (GOOD + '[[device]]\nname = "a"\n[[device]]\nname = "a"', '"a" more than once'),
        (GOOD.replace('models = ["planted-float"]', "models = []"), "models: expected at least one"),
        ("models = [", "not valid TOML"),
        ('formats=["fp32"]\n[[model]]\nname="mine"\n[dataset]\nkind="planted"', "expected a `path`, or a name"),
        (
            '[[model]]\nname="mine"\npath="m.h5"\nmodule="m.py"\n[dataset]\nkind="planted"',
            "expected trusted = true beside `module`",
        ),
        (
            GOOD + "[[model]]\nname = 'planted-float'",
            'models: expected models of the catalogue, got "planted-float", which a [[model]] table is about',
        ),
    ],
)
def test_mistake_is_explained_with_file_key_expected_and_got(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith("experiment.toml ") or "not valid TOML" in str(caught.value)
    assert sentence in str(caught.value)


def test_every_mistake_is_named_not_only_the_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD + "[accuracy]\nimages = 0\n[latency]\nmin_runs = 0")
    assert "[accuracy] images" in str(caught.value)
    assert "[latency] min_runs" in str(caught.value)


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found no file"):
        read_experiment(tmp_path / "nowhere.toml")
