"""Which versions in a store are ours, and since when readers can find them no longer."""

import os

from jpasbatch.storage.catalogue.collection import POINTER, current_extension
from jpasbatch.storage.catalogue.mirror import stored_members
from jpasbatch.storage.catalogue.replica import replicate_collection
from jpasbatch.storage.catalogue.stored_pruning import stored_versions
from jpasbatch.storage.stores.exclusion import LEFT
from jpasbatch.storage.stores.folder import FolderStore
from tests.storage.catalogue.test_publication import publish, stage


def test_the_age_of_a_version_counts_from_when_readers_could_last_find_it(sky, tmp_path):
    store = FolderStore(tmp_path / "replica")
    old = publish(sky, stage(sky, number=9), {"model": "older"}).name
    replicate_collection(sky, store)
    publish(sky, stage(sky), {"model": "newer"})
    replicate_collection(sky, store)
    for key in list(store.keys()):
        os.utime(store.path(key), (1000.0, 1000.0))
    os.utime(store.path(f"{LEFT}/{old}"), (3000.0, 3000.0))
    os.utime(store.path(POINTER), (9000.0, 9000.0))  # somebody pointed elsewhere once more
    found = {sorted(one.names)[0]: one for one in stored_versions(store, store.changes())}
    assert found.keys() >= {old, current_extension(sky, "predictions").name}
    assert found[old].changed == 3000.0
    assert found[old].names.isdisjoint(stored_members(store))
    gone = {path.as_posix() for path in found[old].paths}
    assert gone == {*store.keys(old), f"{old}.properties", f"{LEFT}/{old}"}
    assert (
        f"{old}/hats.properties" == [path.as_posix() for path in found[old].paths][-2]
    )  # what proves it goes last
    store.remove(f"{LEFT}/{old}")
    [again] = [one for one in stored_versions(store, store.changes()) if old in one.names]
    assert again.changed == 9000.0
