"""Readers see one version as a whole, whatever is published meanwhile."""

import os
from pathlib import Path

import pytest

from tests.crash.reading import FEWEST_VERSIONS, read

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize(
    "opens", [400, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_no_error_and_no_mixture_under_constant_publication(opens, tmp_path):
    found = read(tmp_path / "sky", opens)
    assert (found["errors"], found["mixed"]) == (0, 0)
    assert found["opens"] >= opens
    assert found["versions seen"] >= FEWEST_VERSIONS


@pytest.mark.slow
def test_versions_that_are_written_in_place_are_caught(tmp_path):
    found = read(tmp_path / "sky", 200, in_place=True)
    assert found["errors"] + found["mixed"] > 0
