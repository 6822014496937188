"""The resolution of overlapping tiles dies at each of its steps: the next run leaves the same bytes."""

import pytest

from tests.crash.crashes import crashes

STAGES = {"write_keys", "link_zone", "_settle_open", "write_single"}
"""Functions that write tables: all of them are hit."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
def test_a_crash_at_each_step_of_the_resolution(tmp_path, power):
    found = crashes("overlap_steps", str(tmp_path), *["--power"] * power, code=0)
    assert [one for one in found if one["problems"]] == []
    hit = " ".join(one["step"] for one in found)
    assert [name for name in sorted(STAGES) if name not in hit] == []
