"""A finished job that has gates from now on, and other versions of it without another run."""

from pathlib import Path

import pytest

from jpasbatch.stages.run.workspace import Workspace
from tests.stages.tiny_run import workspace_of


@pytest.fixture
def gated(finished_copy: Path) -> Workspace:
    """Return a finished job that has gates from now on."""
    job = finished_copy / "tiny.toml"
    job.write_text(f"{job.read_text()}\n[gates]\ncounts = 0.2\n")
    return workspace_of(finished_copy)
