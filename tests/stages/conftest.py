"""One tiny run through the real stages, and copies of it to change."""

import shutil
from pathlib import Path

import pytest

from tests.stages.tiny_run import tiny_run


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that holds the snapshots ``trained`` and ``finished``; tests must not change it."""
    return tiny_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def finished(snapshots: Path) -> Path:
    """Return the output folder of a finished job; tests must not change it."""
    return snapshots / "finished"


@pytest.fixture
def trained_copy(snapshots: Path, tmp_path: Path) -> Path:
    """Return an output folder with a catalogue and a committee, and nothing inferred yet."""
    return Path(shutil.copytree(snapshots / "trained", tmp_path / "run"))


@pytest.fixture
def finished_copy(snapshots: Path, tmp_path: Path) -> Path:
    """Return a finished output folder that the test may change."""
    return Path(shutil.copytree(snapshots / "finished", tmp_path / "run"))
