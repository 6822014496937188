"""Kills, and two drivers at once, while the collection lies in an object store: the bytes are those of the disk."""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from jpasbatch import cli
from jpasbatch.storage.catalogue import stored as catalogue_stored
from jpasbatch.storage.catalogue.collection import current_extension
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store
from tests.crash.harness import PATIENCE, Harness

PARTITIONS = 8
KILLS = 8


@pytest.fixture
def location(trained_copy: Path, object_store_url: str) -> str:
    """Return where the catalogue was replicated to; the driver's folder keeps none."""
    location = f"s3://survey/{uuid4().hex}/sky"
    assert (
        cli.main(["replicate", str(trained_copy / "tiny.toml"), location, "--output", str(trained_copy)]) == 0
    )
    shutil.rmtree(trained_copy / "sky")
    return location


def keys(store: Store, folder: str, part: str = "") -> list[str]:
    return [key for key in sorted(store.keys()) if key.startswith(folder) and part in key]


def commits(store: Store) -> list[str]:
    return keys(store, ".runs/infer/", "/ledger/")


def partitions(store: Store) -> dict[str, bytes]:
    """Return the partitions of all predictions in a store, whole or not, pointed at or not."""
    return {key: store.read(key) for key in keys(store, "predictions-", "Npix=")}


def check_against(undisturbed: Path, store: Store) -> None:
    """Compare with the undisturbed run on disk; each partition has one commit."""
    version = current_extension(undisturbed / "sky", "predictions")
    wanted = {
        path.relative_to(version.parent).as_posix(): path.read_bytes() for path in version.rglob("Npix=*")
    }
    assert partitions(store) == wanted
    assert version.name in store.read("collection.properties").decode()
    assert len(commits(store)) == PARTITIONS


def at(
    harness: Harness, process, reached: Callable[[], bool], kill: Callable[..., None], *more: object
) -> None:
    assert harness.wait_for(process, reached)
    kill(process, *more)


@pytest.mark.slow
def test_kills_of_a_worker_and_the_driver_leave_no_trace(trained_copy, undisturbed, location):
    chance, store = random.Random(1), open_store(location)
    before = store.read("collection.properties")
    harness = Harness(trained_copy, "slow_infer")
    with harness.start("--cluster", str(trained_copy / "cluster.toml"), "--sky", location) as process:
        at(harness, process, lambda: len(commits(store)) >= 1, harness.kill_worker, chance)
        at(harness, process, lambda: len(commits(store)) >= 4, harness.kill_driver)
    assert harness.kills == ["worker", "driver"]
    assert partitions(store) == {}
    assert store.read("collection.properties") == before
    with stopping_before("put_metadata"):
        assert finish_here(trained_copy, location) == 75
    assert len(partitions(store)) == PARTITIONS  # and nobody points at them
    assert store.read("collection.properties") == before
    assert finish_here(trained_copy, location) == 0
    check_against(undisturbed, store)


@contextmanager
def stopping_before(step: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue_stored, step, interrupted)
        yield


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def finish_here(folder: Path, location: str) -> int:
    given = ["infer", str(folder / "tiny.toml"), "--output", str(folder), "--sky", location, "--serial"]
    return cli.main(given)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_moments(trained_copy, undisturbed, location, capsys):
    """Repeat a failure with JPASBATCH_CRASH_SEED=<the seed that was printed>."""
    seed = int(os.environ.get("JPASBATCH_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    with capsys.disabled():
        print(f"\nseed {seed}", flush=True)
    chance, store = random.Random(seed), open_store(location)
    before = store.read("collection.properties")
    harness = Harness(trained_copy, "slow_infer")
    where = (["--serial"], ["--cluster", str(trained_copy / "cluster.toml")])
    pointers = set()
    while len(harness.kills) < KILLS:
        with harness.start(*chance.choice(where), "--sky", location) as process:
            there = len(store.keys())
            harness.wait_for(process, lambda there=there: len(store.keys()) > there)
            time.sleep(chance.uniform(0, 1.5))
            chance.choice([harness.kill_driver, harness.kill_all])(process)
            if process.poll() == 0:
                break
        pointers.add(store.read("collection.properties"))
    assert harness.finish("--serial", "--sky", location) == [0]
    check_against(undisturbed, store)
    assert pointers <= {before, store.read("collection.properties")}


@pytest.mark.slow
def test_two_drivers_share_a_store_without_a_lease(trained_copy, undisturbed, location, tmp_path):
    store = open_store(location)
    folders = [trained_copy, Path(shutil.copytree(trained_copy, tmp_path / "second"))]
    harnesses = [Harness(folder, "slow_infer") for folder in folders]
    with ExitStack() as stack:
        processes = [stack.enter_context(one.start("--serial", "--sky", location)) for one in harnesses]
        codes = [process.wait(PATIENCE) for process in processes]
    assert set(codes) <= {0, 75}, [one.output for one in harnesses]
    assert 0 in codes
    assert not any("Traceback" in one.output for one in harnesses)
    check_against(undisturbed, store)
    for one in harnesses:
        assert one.finish("--serial", "--sky", location) == [0]
    check_against(undisturbed, store)
    assert len(keys(store, ".staging/")) == PARTITIONS  # the copies that came second are gone
