"""The table of methods can be read without TensorFlow, and every entry keeps its promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import ConfigError
from harness.maps import CHANNELS
from harness.saliency import METHODS, method_spec, parameters_of


def test_importing_the_table_imports_no_tensorflow() -> None:
    code = "import sys, harness.saliency as s; assert s.METHODS; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_loads_and_cites_its_paper(name: str) -> None:
    spec = method_spec(name)
    assert callable(spec.function())
    assert spec.paper.startswith(("arXiv:", "doi:"))
    assert spec.channels in {*CHANNELS, ""}
    with open("docs/saliency.md") as page:
        assert f"`{name}`" in page.read(), f"docs/saliency.md has no line on {name}"


@pytest.mark.parametrize("name", METHODS)
def test_every_default_is_valid(name: str) -> None:
    assert parameters_of(name, parameters_of(name, {})) == parameters_of(name, {})


def test_unknown_method_suggests_smoothgrad() -> None:
    with pytest.raises(ConfigError, match='try: "smoothgrad"'):
        method_spec("smoothgrd")


def test_unknown_parameter_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'noise_lvl: "smoothgrad" has no such parameter\n  try: "noise_level"'):
        parameters_of("smoothgrad", {"noise_lvl": 0.1})


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("smoothgrad", {"samples": 0}, "samples: expected an integer from 1 to 100000, got 0"),
        ("smoothgrad", {"samples": 2.5}, "samples: expected an integer from 1 to 100000, got 2.5"),
        ("smoothgrad", {"noise_level": -0.1}, "noise_level: expected a number from 0 to 10, got -0.1"),
        ("smoothgrad", {"noise_level": True}, "noise_level: expected a number from 0 to 10, got True"),
        ("gradcam", {"relu": 1}, "relu: expected true or false, got 1"),
        ("gradient", {"ste": "ste_sine"}, 'try: "ste_sign"'),
    ],
)
def test_a_wrong_value_says_what_was_expected(method: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parameters_of(method, given, where="experiment.toml [saliency]")
    assert message in str(error.value)
    assert "experiment.toml [saliency]" in str(error.value)


def test_a_method_over_another_takes_the_parameters_of_its_base() -> None:
    parameters = parameters_of("smoothgrad", {"base": "gradcam", "relu": False})
    assert parameters["relu"] is False
    assert parameters["layer"] == "last_activation"
    with pytest.raises(ConfigError, match="no such parameter"):
        parameters_of("smoothgrad", {"relu": False})


def test_whole_numbers_are_taken_for_real_parameters() -> None:
    assert parameters_of("smoothgrad", {"noise_level": 0})["noise_level"] == 0.0
