"""A crash at every step, killed or without power: readers see the old version or the new, and the next run ends it."""

import pytest

from tests.crash.crashes import crashes


def test_a_crash_at_steps_of_the_protocol(snapshots, tmp_path):
    found = crashes("steps", str(snapshots), str(tmp_path), "--every", "8")
    assert len(found) >= 5
    assert [one for one in found if one["problems"]] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_crash_at_every_step(snapshots, tmp_path, capsys):
    found = crashes("steps", str(snapshots), str(tmp_path), "--all")
    with capsys.disabled():
        print(f"\n{len(found)} crashes at {len({one['name'] for one in found})} kinds of step")
    names = " ".join(one["name"] for one in found)
    for step in (
        "write_partition: write",
        "create_once: link",
        "place_version: rename",
        "swap_collection",
        "_write",
    ):
        assert step in names
    assert [one for one in found if one["problems"]] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_version_that_is_not_flushed_is_caught(snapshots, tmp_path):
    found = crashes("steps", str(snapshots), str(tmp_path), "--careless")
    seen = [one for one in found if "readers saw neither the old version nor the new one" in one["problems"]]
    assert seen
    assert {one["step"] for one in seen} == {
        one["step"] for one in found if one["name"].startswith("_write ")
    }
