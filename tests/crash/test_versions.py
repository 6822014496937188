"""A crash at steps of a publication of versions: everything public is of the old version, or of the new one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.versions import WAYS

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_crash_at_steps_of_a_publication(snapshots, tmp_path, capsys):
    module = ("-W", "ignore", "-m", "tests.crash.versions")
    command = [sys.executable, *module, str(snapshots), str(tmp_path), "--every", "5"]
    found = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    crashes = [json.loads(line) for line in found.stdout.decode().splitlines() if line.startswith("{")]
    with capsys.disabled():
        print(f"\n{len(crashes)} crashes")
    assert {one["way"] for one in crashes} == set(WAYS), found.stderr.decode()[-2000:]
    assert [one for one in crashes if one["problems"]] == []
    names = " ".join(one["name"] for one in crashes)
    for step in ("place_tree", "keep_version", "point_at", "note"):
        assert step in names
    assert found.returncode == 0
