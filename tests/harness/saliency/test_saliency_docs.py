"""The examples of docs/saliency.md run and print what they say, and its tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.saliency import METHODS, Parameter

PAGE = Path("docs/saliency.md")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "(4, 32, 32)"
    assert lines[1] == "stage2_3_add True"
    assert lines[2] == "(4, 32, 32)"


@pytest.mark.parametrize("name", METHODS)
def test_the_table_of_methods_has_paper_signedness_and_cost(name: str) -> None:
    [row] = re.findall(rf"^\| `{name}` \|(.*)\|$", PAGE.read_text(), flags=re.M)
    source, signed, passes, _ = (cell.strip() for cell in row.split("|"))
    spec = METHODS[name]
    assert source.endswith(spec.paper)
    assert signed == ("yes" if spec.signed else "no")
    assert passes == f"{spec.forward_passes}, {spec.backward_passes}"


def test_the_table_of_parameters_is_that_of_the_code() -> None:
    parameters = {parameter for spec in METHODS.values() for parameter in spec.parameters}
    assert len({parameter.name for parameter in parameters}) == len(parameters), "a name means one thing"
    page = PAGE.read_text()
    for parameter in parameters:
        assert row_of(parameter) in page


def row_of(parameter: Parameter) -> str:
    default = str(parameter.default).lower() if isinstance(parameter.default, bool) else parameter.default
    free_text = isinstance(parameter.default, str) and not parameter.choices
    valid = "text" if free_text else parameter.expected()
    return f"| `{parameter.name}` | {default} | {valid} | {parameter.unit} |"
