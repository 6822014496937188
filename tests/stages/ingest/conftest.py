"""A job that was run on two tiles, and copies of it that may grow."""

import subprocess
from pathlib import Path

import pytest

from jpasbatch.storage.stores.artefacts import committee_version
from tests.blank_figures import leave_figures_blank
from tests.stages.ingest.test_arrivals import JOB, update, write_tile


@pytest.fixture(scope="session")
def grown_from(tmp_path_factory, finished) -> Path:
    """Return the folder of a job that was run on two tiles, far apart; tests must not change it."""
    folder = tmp_path_factory.mktemp("growing") / "run"
    write_tile(folder / "tiles", 1, 180.0, bad=3)
    write_tile(folder / "tiles", 2, 200.0)
    (folder / "job.toml").write_text(JOB.format(committee=committee_version(finished / "committee")))
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_blank(patch)
        update(folder)
    return folder


@pytest.fixture
def growing(grown_from, tmp_path) -> Path:
    """Return a copy of it that the test may change."""
    subprocess.run(["cp", "-a", grown_from, tmp_path / "copy"], check=True)  # keeps hard links
    update(tmp_path / "copy")  # which records where it lies now, and does nothing else
    return tmp_path / "copy"
