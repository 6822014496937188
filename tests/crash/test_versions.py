"""A crash at steps of a publication of versions: everything public is of the old version, or of the new one."""

import pytest

from tests.crash.crashes import crashes
from tests.crash.versions import WAYS


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_crash_at_steps_of_a_publication(snapshots, tmp_path, capsys):
    found = crashes("versions", str(snapshots), str(tmp_path), "--every", "5")
    with capsys.disabled():
        print(f"\n{len(found)} crashes")
    assert {one["way"] for one in found} == set(WAYS)
    assert [one for one in found if one["problems"]] == []
    names = " ".join(one["name"] for one in found)
    for step in ("link_file", "_fill", "point_at", "note"):
        assert step in names
