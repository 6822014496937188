"""One tiny run through the real stages, and copies of it to change."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_drawing(blank_figures: None) -> None:
    """Draw in what the tests share alone: fixtures of a wider scope are made before this one."""


@pytest.fixture(scope="session")
def finished(snapshots: Path) -> Path:
    """Return the output folder of a finished job; tests must not change it."""
    return snapshots / "finished"


@pytest.fixture
def finished_copy(snapshots: Path, tmp_path: Path) -> Path:
    """Return a finished output folder that the test may change."""
    return Path(shutil.copytree(snapshots / "finished", tmp_path / "run"))
