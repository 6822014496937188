"""Two updates at once, one of them killed at a random moment: one publication each, nothing lost or doubled."""

import pytest

from tests.crash.crashes import crashes

RUNS = 4  # twenty in docs/results/crashes.md


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_updates_at_once_of_which_one_is_killed(snapshots, tmp_path, capsys):
    found = crashes("updates", str(snapshots), str(tmp_path), "--runs", str(RUNS), "--seed", "1")
    with capsys.disabled():
        print(f"\n{[(one['killed'], one['codes']) for one in found]}")
    assert sum(one["killed"] != "neither" for one in found) == RUNS
    assert [one for one in found if one["problems"]] == []
