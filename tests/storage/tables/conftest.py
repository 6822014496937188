"""One good table of each form, with and without checksums."""

import warnings
from pathlib import Path

import pytest

from benchmarks.fuzz import good_tables
from jpasbatch.photometry.survey import Survey


@pytest.fixture(scope="session")
def good(tmp_path_factory) -> dict[str, tuple[Path, Survey]]:
    """Return tables and their surveys by name; tests must not change them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy doubts a unit that CEFCA writes
        return good_tables(tmp_path_factory.mktemp("good"))
