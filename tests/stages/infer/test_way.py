"""The way of one partition on a worker, from its photometry to its committed record: which files it passes."""

import re
import sys
from pathlib import Path

import pytest

import jpasbatch
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.run import commits
from tests.stages.tiny_run import serial, workspace_of

PACKAGE = Path(jpasbatch.__file__).parent
DESIGN = Path(__file__).parents[3] / "docs" / "design.md"

WAY = {
    "stages/run/commits.py",
    "stages/infer/partition.py",
    "photometry/survey.py",
    "storage/stores/opening.py",
    "storage/stores/folder.py",
    "storage/stores/files.py",
    "storage/stores/ledger.py",
    "storage/catalogue/partitions.py",
    "photometry/table.py",
    "photometry/photometry.py",
    "photometry/reported.py",
    "photometry/features/fluxes.py",
    "learning/committee.py",
    "learning/inference.py",
    "learning/judgement.py",
    "learning/calibration.py",
    "learning/decision.py",
    "learning/novelty/ordinary.py",
    "learning/novelty/spectra.py",
    "products/record.py",
}
"""Files of which a function is entered for a partition that is not the first of its process."""


@pytest.fixture
def ways(trained_copy, monkeypatch) -> list[set[str]]:
    """Return the files that each partition passes."""
    found: list[set[str]] = []
    commit_task = commits.commit_task

    def traced(*arguments):
        entered: set[str] = set()

        def enter(frame, event, _):
            if event == "call" and frame.f_code.co_name != "<module>":
                entered.add(frame.f_code.co_filename)

        before = sys.getprofile()
        sys.setprofile(enter)
        try:
            return commit_task(*arguments)
        finally:
            sys.setprofile(before)
            paths = [Path(name) for name in entered]
            found.append(
                {one.relative_to(PACKAGE).as_posix() for one in paths if one.is_relative_to(PACKAGE)}
            )

    monkeypatch.setattr(commits, "commit_task", traced)
    workspace = workspace_of(trained_copy)
    with workspace.prepare():
        run_stage("infer", workspace, serial())
    return found


def test_a_partition_passes_these_files_and_no_more(ways):
    """Who makes the way longer says so here and in docs/design.md, or brings together what belongs together."""
    assert len(ways) >= 2
    assert ways[-1] <= WAY
    told = re.search(r"These are (\d+) files on a worker", DESIGN.read_text(encoding="utf-8"))
    assert told is not None
    assert int(told[1]) == len(WAY)
