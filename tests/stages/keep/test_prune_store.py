"""Pruning in an object store: what the pointer reaches stays whole, and so does what does not prove to be ours."""

import shutil
import time
from uuid import uuid4

import pytest

from jpasbatch import cli
from jpasbatch.errors import TryAgainError
from jpasbatch.stages.keep import prune_store as module
from jpasbatch.stages.keep.prune_store import prune_store
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.storage.catalogue.mirror import stored_members
from jpasbatch.storage.catalogue.pruning import Retention
from jpasbatch.storage.stores.exclusion import publishing
from jpasbatch.storage.stores.opening import open_store
from tests.stages.foretold import change_text
from tests.stages.tiny_run import serial

NOT_OURS = {
    "gaia-0123456789ab/hats.properties": b"hats_builder=somebody\nobs_collection=gaia-0123456789ab\n",
    "gaia-0123456789ab/dataset/Norder=0/Dir=0/Npix=0.parquet": b"PAR1",
    "predictions-0123456789ab/notes.txt": b"by hand",
    ".runs/infer/0123456789ab/ledger/5_1.json": b'{"record":{"files":{"collection.properties":""}},"sha256":"0"}',
    ".staging/0123456789ab/5_1-0123456789abcdef0123456789abcdef.parquet": b"PAR1",
    "table.parquet": b"PAR1",
}


def put_copy(store, version: str, copy: str) -> None:
    """Put a copy of a version under another name: it says that it is another one."""
    for key in store.keys(version):
        store.copy(key, copy + key.removeprefix(version))


@pytest.fixture
def stored(trained_copy, object_store_url):
    """Return a workspace with two versions of predictions in a store, the name of the first, and how to infer again."""
    location = f"s3://survey/{uuid4().hex}/sky"
    job = trained_copy / "tiny.toml"
    assert cli.main(["replicate", str(job), location, "--output", str(trained_copy)]) == 0
    shutil.rmtree(trained_copy / "sky")

    def infer() -> dict:
        workspace = open_workspace(job, trained_copy, None, sky=location)
        with workspace.prepare():
            return run_stage("infer", workspace, serial())

    first = infer()["predictions"].rpartition("/")[2]
    change_text(job, "[counts]", '[inference]\nruntime = "onnxruntime"\n\n[counts]')
    assert infer()["recomputed"]
    time.sleep(1.1)  # a store tells times in whole seconds
    return open_workspace(job, trained_copy, None, sky=location), first, infer


def test_only_what_is_ours_and_unreached_goes(stored, capsys):
    workspace, first, infer = stored
    store = open_store(workspace.location)
    put_copy(store, first, "predictions-ba9876543210")
    store.put(f"{first}/dataset/notes.txt", b"somebody's")
    for key, data in NOT_OURS.items():
        store.put(key, data)
    time.sleep(1.1)
    before = store.keys()
    foreign = {*NOT_OURS, f"{first}/dataset/notes.txt"} | store.keys("predictions-ba9876543210").keys()
    reached = {key for member in stored_members(store) for key in store.keys(member)}
    assert prune_store(workspace, Retention(3600.0)).remnants == []
    given = ["prune", str(workspace.folder / "tiny.toml"), "--output", str(workspace.folder)]
    options = ["--sky", workspace.location, "--keep-days", "0", "--keep", "0"]
    assert cli.main([*given, *options, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert store.keys() == before
    assert first in said
    assert "version 1" in said
    assert cli.main([*given, *options]) == 0
    assert (
        capsys.readouterr().out.replace("removed", "would remove", 1).replace("after", "would remain") == said
    )
    after = store.keys()
    assert reached | foreign <= after.keys()
    assert store.keys(first).keys() == {f"{first}/dataset/notes.txt"}
    assert f"{first}.properties" not in after
    runs = {key.split("/")[2] for key in after if key.startswith(".runs/infer/")} - {"0123456789ab"}
    assert runs == set(workspace.record("infer")["runs"])
    assert infer()["recomputed"] == 0
    assert not [key for key in after if key.startswith((".pruning", ".publishing"))]


@pytest.mark.slow
def test_a_killed_prune_is_finished_by_the_next_one(stored, monkeypatch):
    workspace, first, _ = stored
    store = open_store(workspace.location)
    planned = prune_store(workspace, Retention(0.0), dry_run=True)
    removed = []
    real = type(store).remove

    def remove(self, key):
        if len(removed) >= 4 and not key.startswith(".pruning"):
            raise KeyboardInterrupt
        removed.append(key)
        real(self, key)

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "remove", remove)
        with pytest.raises(KeyboardInterrupt):
            prune_store(workspace, Retention(0.0))
    prune_store(workspace, Retention(0.0))
    gone = {path.as_posix() for remnant in planned.remnants for path in remnant.paths}
    assert gone.isdisjoint(store.keys())
    assert store.keys(first) == {}


@pytest.mark.slow
def test_nothing_goes_while_somebody_publishes_or_points_elsewhere(stored, monkeypatch):
    workspace, _, _ = stored
    store = open_store(workspace.location)
    before = store.keys()
    with publishing(store), pytest.raises(TryAgainError, match="others publish there"):
        prune_store(workspace, Retention(0.0))
    told = [{"photometry-1"}, {"photometry-2"}]
    monkeypatch.setattr(module, "stored_members", lambda _: told.pop())
    with pytest.raises(TryAgainError, match="replaced by another writer"):
        prune_store(workspace, Retention(0.0))
    assert store.keys() == before
