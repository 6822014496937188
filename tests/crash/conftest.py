"""The tiny run that the tests of the stages share, and a folder in which infer can be killed."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def undisturbed(snapshots: Path) -> Path:
    """Return the output folder of a run that nothing disturbed."""
    return snapshots / "finished"


@pytest.fixture
def trained_copy(snapshots: Path, tmp_path: Path) -> Path:
    """Return an output folder with a catalogue and a committee, and nothing inferred yet."""
    return Path(shutil.copytree(snapshots / "trained", tmp_path / "run"))
