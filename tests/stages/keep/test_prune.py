"""Prune: what is reached or young stays whole, whatever was published before, and a killed prune shows no half."""

import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hats.io.validation import is_valid_catalog, is_valid_collection

from jpasbatch.cli import main
from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.stages.keep.prune import prune
from jpasbatch.stages.keep.prune_command import DAY
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue import pruning
from jpasbatch.storage.catalogue.collection import (
    WRITER_LEASE,
    collection_members,
    current_extension,
    open_catalogue,
)
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.catalogue.primary import published_partitions
from jpasbatch.storage.catalogue.pruning import Retention
from jpasbatch.storage.catalogue.publication import publish_extension
from jpasbatch.storage.stores.artefacts import committee_version
from jpasbatch.storage.stores.files import Lease, sha256_file
from jpasbatch.storage.stores.ledger import Ledger
from tests.stages.tiny_run import serial, workspace_of

NOTHING = Retention(0.0)


def age(path: Path, days: float) -> None:
    """Let a file, or a folder and all in it, look as if it had not changed for some days."""
    past = time.time() - days * DAY
    for found in (path, *path.rglob("*")):
        os.utime(found, (past, past))


def publish_again(sky: Path, number: int) -> Path:
    """Publish the same predictions as another version."""
    predictions = open_catalogue(current_extension(sky, "predictions"))
    records = [
        replace(record, path=record.path and f"{predictions.path.name}/{record.path}")
        for record in published_partitions(predictions)
    ]
    rows = open_catalogue(sky).rows
    return publish_extension(sky, "predictions", records, predictions.schema, {"number": number}, rows)


def check_whole(catalogue: Path) -> None:
    opened = open_catalogue(catalogue)
    assert is_valid_catalog(opened.path, strict=True)
    for record in published_partitions(opened):
        if record.rows:
            path = opened.path / record.path
            assert sha256_file(path) == record.sha256
            assert read_partition(path).num_rows == record.rows


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_nothing_of_a_finished_job_goes_and_a_rerun_does_nothing(finished_copy):
    before = names_in(finished_copy)
    done = prune(workspace_of(finished_copy), NOTHING)
    assert done.remnants == []
    assert done.bytes_before == done.bytes_after
    assert names_in(finished_copy) == before
    assert run_stage("infer", workspace_of(finished_copy), serial())["recomputed"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_after_any_history_what_is_reached_or_young_opens_whole_and_the_rest_is_gone(finished_copy, seed):
    draw = random.Random(seed)
    sky = finished_copy / "sky"
    recorded = current_extension(sky, "predictions")  # by the record of infer
    versions: dict[Path, float] = {}
    for number in draw.choices(range(4), k=6):  # some of them again
        publish_again(sky, number)
        days = draw.uniform(1, 5)
        for version in [path for path in sky.glob("predictions-*") if path.is_dir()]:
            versions[version] = (time.time() - version.stat().st_mtime) / DAY + days
            age(version, versions[version])
            age(version.with_name(f"{version.name}.properties"), versions[version])
    current = current_extension(sky, "predictions")
    limit, newest = draw.uniform(0, 20), draw.randint(0, 2)
    unreached = (path for path in versions if path not in (current, recorded))
    old = sorted(unreached, key=lambda path: versions[path])
    expected = {current, recorded, *old[:newest], *(path for path in old if versions[path] < limit)}
    prune(workspace_of(finished_copy), Retention(limit * DAY, newest))
    assert {path for path in sky.glob("predictions-*") if path.is_dir()} == expected
    assert {path.with_suffix("") for path in sky.glob("predictions-*.properties")} == expected
    assert is_valid_collection(sky, strict=True)
    for version in (sky, *expected):
        check_whole(version)
    assert all((sky / member).exists() for member in collection_members(sky))


def test_the_age_of_a_version_counts_from_when_readers_could_last_open_it(finished_copy):
    sky = finished_copy / "sky"
    first = publish_again(sky, 1)
    age(first, 100)
    age(first.with_name(f"{first.name}.properties"), 100)
    publish_again(sky, 2)
    assert prune(workspace_of(finished_copy), Retention(1 * DAY)).remnants == []
    check_whole(first)
    age(first, 2)
    age(first.with_name(f"{first.name}.properties"), 2)
    prune(workspace_of(finished_copy), Retention(1 * DAY))
    assert not first.exists()


def test_killed_in_the_middle_no_version_is_half_there_and_the_next_prune_finishes(
    finished_copy, monkeypatch
):
    sky = finished_copy / "sky"
    first = publish_again(sky, 1)
    publish_again(sky, 2)

    def killed(folder):
        next(path for path in Path(folder).rglob("*.parquet")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pruning.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(workspace_of(finished_copy), NOTHING)
    assert not first.exists()
    left = [path for path in sky.iterdir() if path.name.endswith(pruning.LEFTOVER)]
    assert len(left) == 1
    assert left[0].name.startswith(".")
    check_whole(sky)
    prune(workspace_of(finished_copy), Retention(1000 * DAY, 5))
    assert not left[0].exists()


def test_a_dry_run_changes_nothing_and_tells_what_a_prune_does(finished_copy):
    publish_again(finished_copy / "sky", 1)
    publish_again(finished_copy / "sky", 2)
    hidden = finished_copy / "targets" / ".crashed.fits.1-0123456789ab.tmp"
    hidden.write_bytes(b"half of it")
    before = names_in(finished_copy)
    told = prune(workspace_of(finished_copy), NOTHING, dry_run=True)
    assert names_in(finished_copy) == before
    done = prune(workspace_of(finished_copy), NOTHING)
    assert told == done
    assert done.bytes_after < done.bytes_before
    assert {remnant.kind for remnant in done.remnants} == {"version", "temporary"}
    assert not hidden.exists()


def test_commits_of_partitions_that_are_published_no_more_go_and_the_others_stay(finished_copy):
    workspace = workspace_of(finished_copy)
    (run,) = workspace.require("infer")["runs"]
    ledger = Ledger(finished_copy / "work" / "infer" / run / "ledger")
    staging = finished_copy / "sky" / ".staging" / run
    keys, files = ledger.keys(), names_in(staging)
    orphan = f"1_3-00-{'0' * 32}.parquet"
    for name in ("1_1-old.parquet", "1_2-young.parquet", orphan, "mine.parquet"):
        (staging / name).write_bytes(b"rows")
    for key, file in (("1_1-00", "1_1-old"), ("1_2-00", "1_2-young")):
        ledger.commit(
            key,
            {"path": f".staging/{run}/{file}.parquet", "files": {f"sky/.staging/{run}/{file}.parquet": ""}},
        )
    age(finished_copy / "work" / "infer", 50)
    age(staging, 50)
    for path in (ledger.store.path("1_2-00.json"), staging / "1_2-young.parquet"):
        os.utime(path)
    other = finished_copy / "work" / "infer" / "0123456789ab" / "ledger"  # of another committee
    other.mkdir(parents=True)
    age(other.parent, 50)
    assert [remnant.kind for remnant in prune(workspace, Retention(40 * DAY)).remnants] == [
        "staged file",
        "run",
        "commit",
    ]
    assert ledger.keys() == sorted([*keys, "1_2-00"])
    assert names_in(staging) == sorted([*files, "1_2-young.parquet", "mine.parquet"])
    assert not other.parent.exists()
    assert run_stage("infer", workspace_of(finished_copy), serial())["recomputed"] == 0


FOREIGN = "0123456789ab"
"""Ends names that look like those of our versions and runs."""

USERS_FILES = (
    "notes/.draft.tmp",
    "notes/thesis.pruned",
    f"notes/.copy.fits.1-{FOREIGN}.tmp",  # ours by its form, but in no folder of ours
    f"repeats/job/seed-1/targets/.list.fits.1-{FOREIGN}.tmp",  # of an output folder with a lease of its own
    "targets/.draft.tmp",
    "targets/.old.pruned",
    f"sky/gaia-{FOREIGN}/hats.properties",
    f"sky/gaia-{FOREIGN}.properties",
    f"sky/notes-{FOREIGN}/thoughts.txt",
    "sky/.building/mine/file",
    "sky/.staging/mine/file",
    "work/infer/mine/file",
    f"committee/mine-{FOREIGN}/manifest.json",
    f"tables-{FOREIGN}/notes.txt",
)


def test_what_a_user_put_there_stays_whatever_its_name_and_age(finished_copy):
    sky = finished_copy / "sky"
    for name in USERS_FILES:
        path = finished_copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("obs_collection=gaia\nhats_builder=hats-import v0.11.1\n")
    copied = publish_again(sky, 1)
    publish_again(sky, 2)
    for copy, original in (
        (f"backup-{FOREIGN}", copied),
        (f"photometry-{FOREIGN}", open_catalogue(sky).path),
    ):
        shutil.copytree(original, sky / copy)
    shutil.copytree(
        committee_version(finished_copy / "committee"), finished_copy / "committee" / "kept-abcdef012345"
    )
    (sky / f"{copied.name}_9arcs").mkdir()  # named as a margin of ours, and none
    (sky / f"{copied.name}_9arcs" / "mine").touch()
    age(finished_copy, 1000)
    before = set(names_in(finished_copy))
    done = prune(workspace_of(finished_copy), NOTHING)
    assert [remnant.kind for remnant in done.remnants] == ["version"]
    gone = before - set(names_in(finished_copy))
    ours = (f"sky/{copied.name}/", f"sky/{copied.name}.properties", f"sky/{copied.name}")
    assert gone
    assert all(name in ours[1:] or name.startswith(ours[0]) for name in gone)


def test_fetched_tables_that_nothing_names_go(finished_copy):
    workspace = workspace_of(finished_copy)
    for name in ("tables-aaaaaaaaaaaa", "tables-bbbbbbbbbbbb"):
        (finished_copy / name).mkdir()
        (finished_copy / name / "2241.parquet").write_bytes(b"rows")
        age(finished_copy / name, 50)
    (finished_copy / "tables").symlink_to("tables-bbbbbbbbbbbb")
    assert prune(workspace, NOTHING).remnants == []  # no record tells which are meant
    (finished_copy / "work" / "fetch").mkdir()
    workspace.finish("fetch", "0" * 64, 0.0, {"tables": "tables-bbbbbbbbbbbb"})
    assert [remnant.kind for remnant in prune(workspace, Retention(60 * DAY)).remnants] == []
    assert [remnant.kind for remnant in prune(workspace, Retention(40 * DAY)).remnants] == ["tables"]
    assert [path.name for path in sorted(finished_copy.glob("tables-*"))] == ["tables-bbbbbbbbbbbb"]


def test_a_run_or_a_writer_keeps_prune_away(finished_copy):
    for lease in (finished_copy / "work" / "lease", finished_copy / "sky" / WRITER_LEASE):
        with Lease(lease), pytest.raises(TryAgainError, match="lease"):
            prune(workspace_of(finished_copy), NOTHING)


def test_without_knowing_what_is_reached_nothing_goes(finished_copy):
    sky = finished_copy / "sky"
    publish_again(sky, 1)
    before = names_in(sky)
    current = current_extension(sky, "predictions")
    (sky / f"{current.name}.properties").write_text("damaged")
    with pytest.raises(InputError, match="Cannot read"):
        prune(workspace_of(finished_copy), NOTHING)
    (sky / "collection.properties").unlink()
    before.remove("collection.properties")
    with pytest.raises(InputError):  # there is no catalogue whose commits are of use
        prune(workspace_of(finished_copy), NOTHING)
    assert names_in(sky) == before


def test_the_command_prints_what_goes(finished_copy, tmp_path, capsys):
    first = publish_again(finished_copy / "sky", 1)
    publish_again(finished_copy / "sky", 2)
    command = ["prune", str(finished_copy / "tiny.toml"), "--output", str(finished_copy), "--keep-days", "0"]
    assert main([*command, "--keep", "0", "--dry-run"]) == 0
    assert main(command) == 0  # one old version stays by default
    assert first.is_dir()
    assert main([*command, "--keep", "0"]) == 0
    assert not first.exists()
    lines = capsys.readouterr().out.splitlines()
    assert f"sky/{first.name}" in lines[0]
    assert lines[1].startswith("would remove: version 1; ")
    assert lines[2].startswith("removed: nothing; ")
    assert lines[4].startswith("removed: version 1; ")
    assert main([*command[:2], "--output", str(tmp_path / "none")]) == 2
    assert main([*command[:-1], "-1"]) == 2
