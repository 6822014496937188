"""Records of stages as typed objects: `jpasbatch.stages.run.workspace` reads and writes their JSON.

Who reads a record of another stage, or writes its own, does it here, and gets fields with types. What goes over all
keys of any record (the history, provenance, `prune`) takes the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from jpasbatch.errors import InputError
from jpasbatch.facts import problem
from jpasbatch.stages.run.changes import named_parts
from jpasbatch.stages.run.stage_facts import StageFacts
from jpasbatch.stages.run.workspace import Workspace

StageFactsT = TypeVar("StageFactsT", bound=StageFacts)
StageFactsCo = TypeVar("StageFactsCo", bound=StageFacts, covariant=True)


@dataclass(frozen=True)
class StageRecord(Generic[StageFactsCo]):
    """What a stage recorded when it last finished.

    Attributes
    ----------
    facts : StageFacts
        What the stage tells of its results.
    fingerprint : str
        Of all that decides these.
    seconds : float
        That the stage took.
    content : mapping
        The whole record as JSON: besides these, what all stages record alike.
    """

    facts: StageFactsCo
    fingerprint: str
    seconds: float
    content: Mapping[str, Any]


def _record_of(
    kind: type[StageFactsT], workspace: Workspace, content: Mapping[str, Any]
) -> StageRecord[StageFactsT]:
    try:
        facts = kind.from_record(content)
        return StageRecord(facts, str(content["fingerprint"]), float(content["seconds"]), content)
    except (ValueError, TypeError) as error:
        path = workspace.folder / "work" / f"{kind.stage}.json"
        found = problem(error) if isinstance(error, ValueError) else str(error)
        raise InputError(
            f"{path}: the record of stage '{kind.stage}' is damaged ({found}); delete that file and run the stage again"
        ) from None


def recorded(workspace: Workspace, kind: type[StageFactsT]) -> StageRecord[StageFactsT] | None:
    """Return what a stage recorded when it last finished, or None.

    Raises
    ------
    InputError
        When the record is damaged.
    """
    content = workspace.record(kind.stage)
    return None if content is None else _record_of(kind, workspace, content)


def required(workspace: Workspace, kind: type[StageFactsT]) -> StageRecord[StageFactsT]:
    """Return the record of a stage that must have run before, with the job file as it is.

    Raises
    ------
    InputError
        When it has not, or its record is damaged.
    """
    return _record_of(kind, workspace, workspace.require(kind.stage))


def unchanged(
    workspace: Workspace, kind: type[StageFactsT], identity: str, parts: Mapping[str, Any] | None = None
) -> StageRecord[StageFactsT] | None:
    """Return the record of a stage when it already finished for this fingerprint, or None.

    See `jpasbatch.stages.run.workspace.Workspace.unchanged`.
    """
    content = workspace.unchanged(kind.stage, identity, parts)
    return None if content is None else _record_of(kind, workspace, content)


def standing(workspace: Workspace, kind: type[StageFactsT], identity: str) -> StageRecord[StageFactsT] | None:
    """Return what `unchanged` returns, and write nothing; planners call it."""
    record = recorded(workspace, kind)
    same = record is not None and record.fingerprint == identity
    return record if same and not workspace.faults(kind.stage) else None


def finish(
    workspace: Workspace,
    facts: StageFactsT,
    identity: str,
    seconds: float,
    parts: Mapping[str, Any] | None = None,
    algorithms: Mapping[str, int] | None = None,
) -> StageRecord[StageFactsT]:
    """Record that a stage finished; the last thing that it does.

    Parameters
    ----------
    workspace : Workspace
    facts : StageFacts
        What it tells of its results.
    identity : str
        Fingerprint of all that decides these.
    seconds : float
        That it took.
    parts : mapping, optional
        All that decides them, by name, so that it can be told what changed.
    algorithms : mapping of str to int, optional
        Numbers of the algorithms that made them, where a user is told when they are raised.
    """
    told = facts.to_record() | ({} if parts is None else named_parts(parts))
    told |= {} if algorithms is None else {"algorithms": dict(algorithms)}
    content = workspace.finish(facts.stage, identity, seconds, told)
    return _record_of(type(facts), workspace, content)  # as the next run will read it


def retold(record: StageRecord[StageFactsT], **changes: Any) -> StageRecord[StageFactsT]:
    """Return a record with other facts, and leave the file as it is: for a run that computed nothing."""
    facts = replace(record.facts, **changes)
    return replace(record, facts=facts, content={**record.content, **facts.to_record()})
