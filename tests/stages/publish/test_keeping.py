"""What prune and repair do with versions."""

import json
import os
import time
from pathlib import Path

import pytest

from jpasbatch.stages.keep.prune import prune
from jpasbatch.stages.keep.prune_command import DAY
from jpasbatch.stages.run.mending import version_faults
from jpasbatch.stages.run.versions import current_version, read_versions
from jpasbatch.stages.run.workshop import open_workshop
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import (
    current_extension,
    open_catalogue,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue.pruning import Retention
from tests.stages.publish.versions import command, decide, public

pytestmark = pytest.mark.usefixtures("unchanged_process")


def age(folder: Path, days: float) -> None:
    """Let everything have happened some days ago."""
    then = time.time() - days * DAY
    for path in (folder / "versions").glob("*.json"):
        content = json.loads(path.read_text())
        for event in content["events"]:
            event["when"] = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(then))
        path.write_text(json.dumps(content))
    for path in (folder / "sky").iterdir():
        os.utime(path, (then, then), follow_symlinks=False)


def there(workspace: Workspace) -> list[int]:
    return [one.number for one in read_versions(workspace.folder) if one.is_there]


def test_old_versions_go_and_what_is_public_or_held_stays(gated):
    decide(gated)
    for factor in (1.1, 1.05, 1.1, 2.0):
        decide(gated, factor)
    before = public(gated.folder)
    age(gated.folder, 40)
    held = Retention(30 * DAY, 1)
    planned = prune(gated, held, dry_run=True)
    assert there(gated) == [1, 2, 3, 4, 5]
    done = prune(gated, held)
    assert [one.paths for one in done.remnants] == [one.paths for one in planned.remnants]
    assert there(gated) == [3, 4, 5]
    assert len(read_versions(gated.folder)) == 5
    assert public(gated.folder) == before
    assert open_catalogue(gated.sky).rows > 0
    assert command(gated, "publish", "--version", "1") == 2
    assert command(gated, "publish", "--accept", "fine") == 0


def test_young_versions_stay(gated):
    decide(gated)
    for factor in (1.1, 1.05):
        decide(gated, factor)
    assert prune(gated, Retention(30 * DAY, 0)).remnants == []
    assert there(gated) == [1, 2, 3]


def test_catalogues_stay_as_long_as_a_version_reaches_them(gated):
    decide(gated)
    workshop = open_workshop(gated)
    extensions = read_collection(workshop.sky).all_extensions
    swap_collection(workshop.sky, all_extensions={"predictions": extensions["predictions"]})
    assert decide(gated, 1.1).state == "published"
    age(gated.folder, 40)
    assert prune(gated, Retention(30 * DAY, 1)).remnants == []
    prune(gated, Retention(30 * DAY, 0))
    assert there(gated) == [2]
    assert not list(gated.sky.glob("posteriors-*"))
    assert open_catalogue(gated.sky).rows > 0
    assert current_extension(gated.sky, "predictions").is_dir()


@pytest.mark.parametrize("pattern", ["sky/predictions-*/dataset/**/*.parquet", "counts/tiles.ecsv"])
def test_what_only_the_public_version_lost_comes_back_from_the_workshop(gated, pattern):
    decide(gated)
    before = public(gated.folder)
    lost = next(path for path in sorted(gated.folder.glob(pattern)) if path.is_file())
    data = lost.read_bytes()
    lost.unlink()
    assert command(gated, "status") == 1
    assert command(gated, "repair", "--serial") == 0
    assert public(gated.folder) == before
    lost.unlink()
    lost.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert command(gated, "status", "--verify") == 1
    assert command(gated, "repair", "--serial") == 0
    assert public(gated.folder) == before
    assert there(gated) == [1]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["report.html", "sky/predictions-*/dataset/**/*.parquet"])
def test_what_is_lost_under_every_name_is_made_again(gated, pattern):
    decide(gated)
    lost = next(path for path in sorted(gated.folder.glob(pattern)) if path.is_file())
    with lost.open("r+b") as file:
        file.write(b"?")
    assert command(gated, "repair", "--serial") == 0
    version = current_version(gated.folder)
    assert version is not None
    assert version_faults(gated, version) == {}
    assert command(gated, "status", "--verify") == 0
    assert command(gated, "update", "--serial") == 0
