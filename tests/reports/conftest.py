"""One synthetic run for all tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from harness.store import Store
from reports.tables import comparison
from tests.reports.example_runs import twins_run


@pytest.fixture(scope="session")
def twins_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins_run(tmp_path_factory.mktemp("twins") / "run")


@pytest.fixture(scope="session")
def twins_store(twins_folder: Path) -> Iterator[Store]:
    with Store(twins_folder) as store:
        yield store


@pytest.fixture(scope="session")
def table(twins_store: Store) -> pd.DataFrame:
    return comparison.comparison(twins_store)
