"""The resolution of overlapping tiles dies at each of its steps: the next run leaves the same bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = {"write_keys", "link_zone", "_settle_open", "write_single"}
"""Functions that write tables: all of them are hit."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
def test_a_crash_at_each_step_of_the_resolution(tmp_path, power):
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.crash.overlap_steps", str(tmp_path)]
        + ["--power"] * power,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    crashes = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    assert found.returncode == 0, found.stderr[-2000:]
    assert [one for one in crashes if one["problems"]] == []
    hit = " ".join(one["step"] for one in crashes)
    assert [name for name in sorted(STAGES) if name not in hit] == []
