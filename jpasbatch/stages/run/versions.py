"""Versions of all that a job publishes, for jobs with gates: each a folder, and one link says which is public.

Layout of the output folder of such a job::

    work/workshop/            an output folder of its own, in which all stages run; nobody else looks there
    versions/<n>/             what version n publishes: products, records, seals, and the pointer of its collection
    versions/<n>.json         what became of it, and why: the register
    versions/current          link to the version that is public; moving it publishes everything at once
    versions/held             link to the version that waits, if one does
    report.html, counts, ...  links through versions/current
    sky/                      the catalogues of all versions; collection.properties is a link through versions/current

Files have several names and are stored once: they are replaced and never written to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.stages.run.history import user_name
from jpasbatch.stages.run.workspace import READS, Workspace
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.links import leads_to

VERSIONS = "versions"
CURRENT = f"{VERSIONS}/current"
HELD = f"{VERSIONS}/held"
WORKSHOP = "work/workshop"

WAITING = ("held", "accepted")
"""States of a version that is to be published, or not, by somebody's word."""

NAMED = ("catalogue", "predictions", "posteriors")
"""Keys of records that say more of the contents than the fingerprint: gaps that were allowed, say."""


@dataclass(frozen=True)
class Version:
    """One version and what became of it.

    Attributes
    ----------
    number : int
    identity : str
        Fingerprint of its contents.
    folder : Path
    events : tuple of dict
        ``what`` happened ("made", "held", "passed", "accepted", "published", "withdrawn", "discarded", "superseded"),
        ``when``, ``who``, and more.
    current : bool
        Whether it is public.
    """

    number: int
    identity: str
    folder: Path
    events: tuple[dict[str, Any], ...]
    current: bool = False

    @property
    def state(self) -> str:
        """What happened to it last; "published" for the one that is public, whatever was written down."""
        return "published" if self.current else self.events[-1]["what"]

    @property
    def is_there(self) -> bool:
        """Whether its files are there; `prune` removes those of old versions."""
        return self.folder.is_dir()

    def last(self, what: str) -> dict[str, Any]:
        """Return the last event of a kind; empty when there was none."""
        return next((event for event in reversed(self.events) if event["what"] == what), {})


def has_versions(workspace: Workspace) -> bool:
    """Return whether an output folder publishes by versions: its job has gates, or had some before."""
    return workspace.job.gates.are_set or (workspace.folder / VERSIONS).is_dir()


def in_workshop(workspace: Workspace) -> Workspace:
    """Return where the stages of a job run: the workshop that `open_workshop` made, else the output folder."""
    place = workspace.folder / WORKSHOP
    return replace(workspace, folder=place) if place.is_dir() else workspace


def read_versions(folder: Path) -> list[Version]:
    """Return all versions that an output folder ever had, the oldest first.

    Raises
    ------
    InputError
        When an entry of the register is damaged.
    """
    current = current_number(folder)
    found = []
    for path in (folder / VERSIONS).glob("*.json"):
        try:
            content = json.loads(path.read_bytes())
            number, identity, events = int(path.stem), str(content["identity"]), tuple(content["events"])
            if not events or not all("what" in event for event in events):
                raise ValueError("it holds no events")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: this part of the register of versions is damaged ({error}); restore it from a copy"
            ) from None
        found.append(Version(number, identity, path.with_suffix(""), events, number == current))
    return sorted(found, key=lambda version: version.number)


def current_number(folder: Path) -> int | None:
    """Return the number of the version that is public, or None."""
    number = leads_to(folder / CURRENT)
    return None if number is None else int(number)


def held_version(folder: Path) -> Version | None:
    """Return the version that waits, or None; one whose publication was cut off waits too."""
    return next((one for one in reversed(read_versions(folder)) if one.state in WAITING), None)


def current_version(folder: Path) -> Version | None:
    """Return the version that is public, or None."""
    return next((one for one in read_versions(folder) if one.current), None)


def contents_identity(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the fingerprint of what the stages of these records published; the same whenever it was made."""
    parts = {
        stage: [record["fingerprint"], *(record.get(key) for key in NAMED)]
        for stage, record in records.items()
        if stage != "inspect"  # it looks at what the others made, for a gate
    }
    return fingerprint(**parts)


def note(folder: Path, version: Version, what: str, **more: Any) -> Version:
    """Write down what became of a version, and return it."""
    event = {
        "what": what,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "who": user_name(),
        **more,
    }
    events = (*version.events, event)
    content = {"version": version.number, "identity": version.identity, "events": list(events)}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / VERSIONS / f"{version.number}.json", text.encode())
    return replace(version, events=events)


def published_records(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the records of all stages that finished, by name."""
    records = {stage: workspace.record(stage) for stage in READS}
    return {stage: record for stage, record in records.items() if record is not None}
