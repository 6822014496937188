"""The tiny run that the tests of the stages share, as the run that nothing disturbed."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def undisturbed(snapshots: Path) -> Path:
    """Return the output folder of a run that nothing disturbed."""
    return snapshots / "finished"
