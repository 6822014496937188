"""After the stages: a version that passes the gates is published, another one is held.

What is held is whole: predictions, posteriors, tallies, report and lists. Nothing that is public changes, and the
command ends with 4. The same input gives the same version again, which then is judged again and not made again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jpasbatch.stages.publish.facts import read_facts
from jpasbatch.stages.publish.gates import Facts, find
from jpasbatch.stages.run.mending import mend_public
from jpasbatch.stages.run.versions import (
    Version,
    contents_identity,
    current_version,
    held_version,
    note,
    published_records,
    read_versions,
)
from jpasbatch.stages.run.workshop import drop_version, hold_version, keep_version, publish_version
from jpasbatch.stages.run.workspace import Workspace

log = logging.getLogger(__name__)

REFUSED = {
    "discarded": "this is version {number}, which was discarded on {when} by {who}",
    "withdrawn": "this is version {number}, which was taken back on {when} by {who}",
}
"""What a version that somebody decided against is held for, until an input, an option or a model changes."""


@dataclass(frozen=True)
class Decision:
    """What became of what the stages made.

    Attributes
    ----------
    state : {"published", "unchanged", "held", "unfinished"}
        A version that was discarded or taken back is held too.
    version : Version or None
        That is public, or held.
    why : tuple of str
        What the gates found, or which stages are missing.
    """

    state: str
    version: Version | None
    why: tuple[str, ...] = ()

    def told(self) -> dict[str, Any]:
        """Return what the history and programs are told."""
        number = None if self.version is None else self.version.number
        return {"state": self.state, "version": number, "why": list(self.why)}


def publish_or_hold(workspace: Workspace, workshop: Workspace, stages: Sequence[str]) -> Decision:
    """Decide what becomes of what the workshop holds.

    Parameters
    ----------
    workspace : Workspace
        The output folder; its lease is held.
    workshop : Workspace
        Where the stages ran.
    stages : sequence of str
        That the job needs: nothing is decided before all of them are done.
    """
    records = published_records(workshop)
    if missing := [
        stage for stage in stages if stage not in records or not workshop.is_current(stage, records[stage])
    ]:
        return Decision("unfinished", current_version(workspace.folder), tuple(missing))
    identity = contents_identity(records)
    current = current_version(workspace.folder)
    if current is not None and current.identity == identity:
        _supersede(workspace, current)
        mend_public(workspace, workshop, thorough=False)
        return Decision("unchanged", current_version(workspace.folder))
    version = _known(workspace, identity) or keep_version(workspace, workshop, identity)
    _supersede(workspace, version)
    if version.state in REFUSED:
        return Decision("held", version, (refusal(version),))
    why = _objections(workspace, workshop, version, current)
    if why:
        return Decision("held", hold_version(workspace.folder, version, why), tuple(why))
    if version.state != "accepted":
        version = note(workspace.folder, version, "passed")
    return Decision("published", publish_version(workspace.folder, version))


def _known(workspace: Workspace, identity: str) -> Version | None:
    """Return the version of these contents that waits, was decided against, or was about to be published."""
    alike = [one for one in read_versions(workspace.folder) if one.identity == identity and one.is_there]
    states = ("made", "held", "passed", "accepted", *REFUSED)
    return alike[-1] if alike and alike[-1].state in states else None


def _supersede(workspace: Workspace, by: Version) -> None:
    held = held_version(workspace.folder)
    if held is not None and held.number != by.number:
        drop_version(workspace.folder, held, "superseded", by=by.number)
        log.info("version %d, which was held, is superseded by version %d", held.number, by.number)


def refusal(version: Version) -> str:
    """Return that somebody decided against a version: what, when, who and why."""
    event = version.last(version.state)
    reason = f": {event['reason']}" if event.get("reason") else ""
    return REFUSED[version.state].format(number=version.number, when=event["when"], who=event["who"]) + reason


def _objections(
    workspace: Workspace, workshop: Workspace, version: Version, current: Version | None
) -> list[str]:
    """Return why a version is not published: what the gates find, unless somebody accepted it."""
    if version.state == "accepted":  # its publication was cut off
        return []
    before: Facts | None = None
    if current is not None:
        before = read_facts(replace(workspace, folder=current.folder))
    else:
        log.info("gates: nothing is published yet that this could be compared with")
    return [str(one) for one in find(workshop.job.gates, read_facts(workshop), before)]
