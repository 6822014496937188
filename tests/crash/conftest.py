"""The tiny run that the tests of the stages share, and a folder in which infer can be killed."""

import shutil
from pathlib import Path

import pytest

from tests.stages.tiny_run import tiny_run


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that holds the snapshots ``trained`` and ``finished``; tests must not change it."""
    return tiny_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def undisturbed(snapshots: Path) -> Path:
    """Return the output folder of a run that nothing disturbed."""
    return snapshots / "finished"


@pytest.fixture
def trained_copy(snapshots: Path, tmp_path: Path) -> Path:
    """Return an output folder with a catalogue and a committee, and nothing inferred yet."""
    return Path(shutil.copytree(snapshots / "trained", tmp_path / "run"))
