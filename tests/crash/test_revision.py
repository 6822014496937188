"""An update dies at steps of its protocol, when files went and changed: readers see the old version or the new one."""

import shutil

import pytest

from tests.crash.crashes import crashes
from tests.stages.ingest.test_revision import ingest, pool, write_tile

__all__ = ["pool"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
def test_a_crash_at_steps_of_an_update(pool, tmp_path, power):
    sky = tmp_path / "sky"
    shutil.copytree(pool / "1", sky)
    write_tile(sky / "tiles", 1, 210.0, rows=10, first=5)
    ingest(sky)  # which supersedes ten rows: they come back
    for name in ("1-2100-5.fits", "4.fits"):
        (sky / "tiles" / name).unlink()
    shutil.copy2(pool / "made-2" / "3.fits", sky / "tiles" / "3.fits")
    found = crashes("revision_steps", str(tmp_path), "--every", "9", *["--power"] * power, code=0)
    assert len(found) >= 10
    assert [one for one in found if one["problems"]] == []
