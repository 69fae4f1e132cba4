"""The page of runs that really ran, as the stages of this and of the previous version wrote them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.store import Store
from reports.page.page import render
from reports.sections.run_reader import read_run
from reports.sections.section_table import SECTIONS
from tests.reports.recorded_results import RECORDED, recorded_units

RUNS = sorted(path.name for path in RECORDED.glob("schema*"))


@pytest.fixture(scope="module", params=RUNS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = Path(shutil.copytree(RECORDED / request.param, tmp_path_factory.mktemp("recorded") / "run"))
    with Store(folder) as store:
        return render(read_run(store))


def test_every_section_has_its_heading_and_is_in_the_contents(page: str) -> None:
    shown = [section for section in SECTIONS if section.anchor != "published"]  # nobody published planted models
    assert re.findall(r'<li><a href="#(\w+)">([^<]+)</a>', page) == [(s.anchor, s.contents) for s in shown]
    assert re.findall(r'<h2 id="(\w+)-title">([^<]+)</h2>', page) == [(s.anchor, s.title) for s in shown]


def test_all_that_was_asked_for_is_shown(page: str) -> None:
    for what in (
        "Deployment gap",
        "Curves of the float and the deployed judge",
        "Sanity checks and controls",
        "The paper's claims",
        "occlusion by int8 on this-host",
        "2 of 2 images are on this page",
        "Conditions and validity of every measurement (8)",
    ):
        assert what in page
    assert "still planned" not in page


def test_maps_that_were_removed_are_named(page: str) -> None:
    assert re.search(r"gradient of planted-float: its file blobs/[0-9a-f]{64} is missing", page)
    assert "Some files of this run are damaged." in page


def test_every_kind_of_unit_is_recorded_and_done() -> None:
    from harness.stages.stage_table import STAGES

    assert {unit.kind for unit in recorded_units()} == set(STAGES)
    assert {unit.status for unit in recorded_units()} == {"done"}
