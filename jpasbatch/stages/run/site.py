"""Where the collection of a job lies with what its workers read and write: the output folder, or an object store.

Layout in a store, below the location that ``--sky`` names::

    collection.properties, photometry-<fp>/, predictions-<fp>/ ...   the collection, as on disk
    committee/<name>-<sha>/        manifest.json and committee.onnx, for the workers
    .staging/<fp>/                 predictions that are committed, or about to be
    .runs/<stage>/<fp>/            ledger of a run, rejected rows, tallies, parts of target lists

The rest stays in the output folder, which then is the driver's alone: records of stages, reports, quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import run_on_disk
from jpasbatch.stages.run.workspace import SHORT, Workspace
from jpasbatch.storage.catalogue.collection import STAGING, Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.mirror import fetch_collection
from jpasbatch.storage.catalogue.partition_facts import Partition
from jpasbatch.storage.catalogue.partitions import partition_file
from jpasbatch.storage.catalogue.publication import publish_extension
from jpasbatch.storage.catalogue.stored import publish_stored_extension
from jpasbatch.storage.stores.artefacts import copy_committee
from jpasbatch.storage.stores.folder import FolderStore
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.objects import ObjectStore
from jpasbatch.storage.stores.store import Store

RUNS = ".runs"
COMMITTEES = "committee"


@dataclass(frozen=True)
class Site:
    """Where a job's collection and the files of its workers lie.

    Attributes
    ----------
    workspace : Workspace
    store : Store
        Of all keys: the output folder, or the location that ``--sky`` names.
    sky : str
        Key of the collection; empty when it is the root of the store.
    folder : Path
        What opens as the collection: itself, or what was fetched of it.
    """

    workspace: Workspace
    store: Store
    sky: str
    folder: Path

    @property
    def identity(self) -> dict[str, str]:
        """What a stage adds to its fingerprint: nothing on disk, the location of a store."""
        return {"sky": str(self.store)} if self.workspace.location else {}

    def key(self, *parts: str) -> str:
        """Return the key of something in the collection."""
        return "/".join(part for part in (self.sky, *parts) if part)

    def check(self) -> None:
        """Refuse a store that cannot hold a run, before anything is written there."""
        self.store.check_conditions()

    def run(self, stage: str, identity: str) -> Run:
        """Return one run of a stage, by its fingerprint; on disk its folder is created."""
        if self.workspace.location:
            self.workspace.used.setdefault(stage, set()).add(identity[:SHORT])
            return Run(str(self.store), f"{RUNS}/{stage}/{identity[:SHORT]}")
        return run_on_disk(self.workspace, stage, identity)

    def staging_key(self, identity: str) -> str:
        """Return the folder of staged partitions of one run."""
        return self.key(STAGING, identity[:SHORT])

    def committee(self, version: Path) -> str:
        """Return the location from which workers load a committee that the driver has in a folder."""
        if not self.workspace.location:
            return str(version)
        place = self.store.within(f"{COMMITTEES}/{version.name}")
        copy_committee(version, place)
        return str(place)

    def is_whole(self, catalogue: Catalogue) -> bool:
        """Return whether all partitions of a version are there, by name."""
        version = self.key(catalogue.path.name)
        there = self.store.keys(version)
        return all(f"{version}/{partition_file(*pixel).as_posix()}" in there for pixel in catalogue.pixels)

    def is_published(self, name: str, place: str) -> bool:
        """Return whether the collection points at this version of an extension, and it has all of its files.

        Parameters
        ----------
        name : str
            Of the extension.
        place : str
            What the record of a stage says of the version (`place`).
        """
        try:
            version = current_extension(self.folder, name)
            return self.place(version.name) == place and self.is_whole(open_catalogue(version))
        except InputError:
            return False

    def publish(
        self,
        name: str,
        partitions: Sequence[Partition],
        schema: pa.Schema,
        provenance: Mapping[str, Any],
        expected_rows: int,
    ) -> str:
        """Publish an extension of the collection and return the name of its version.

        See `jpasbatch.storage.catalogue.publication.publish_extension`.
        """
        given = (name, partitions, schema, provenance, expected_rows)
        if self.workspace.location:
            return publish_stored_extension(self.store, self.folder, *given)
        return publish_extension(self.folder, *given).name

    def place(self, version: str) -> str:
        """Return where a version is, as the record of a stage says it."""
        return f"{self.store}/{version}" if self.workspace.location else self.key(version)


def open_site(workspace: Workspace) -> Site:
    """Return where the job's collection is; the metadata of one in a store is fetched.

    Raises
    ------
    InputError
        When it is in a store and not there, or the store refuses us.
    TryAgainError
        When the store does not answer.
    """
    if workspace.location is None:
        return Site(workspace, FolderStore(workspace.folder), workspace.sky.name, workspace.sky)
    store = ObjectStore(workspace.location)
    folder = workspace.folder / "work" / "mirror" / fingerprint(location=str(store))[:SHORT]
    fetch_collection(store, folder)
    return Site(workspace, store, "", folder)
