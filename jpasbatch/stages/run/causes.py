"""What a stage computed in a run, and why: for the history, found from its records before and after.

The reasons are those of ``--dry-run``, told in the past: both compare the parts of the stage's fingerprint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jpasbatch.stages.run.changes import recorded_reasons

Record = Mapping[str, Any]

MAKERS = {
    "infer": {"catalogue": "ingest"},
    "combine": {"predictions": "infer"},
    "correct": {"predictions": "infer"},
    "summarise": {"photometry": "ingest", "predictions": "infer", "posteriors": "correct"},
}
"""Parts of a stage's fingerprint that are versions, and the stage that makes them."""

PARTITIONS = "partitions"
"""Title of the tasks that each make one partition."""

UNFINISHED = "what it had made was missing, incomplete or not the published one"

PLACE = re.compile(r'"/(?:[^"]*/)?([^"/]*)"')
"""A path of the machine within a line: the history keeps its last part alone."""


def computed_tasks(measured: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """Return how many tasks of each kind a stage ran, by what its tasks are: ``{"partitions": 17}``.

    Parameters
    ----------
    measured : mapping
        How fast they were, by the title of the tasks (`jpasbatch.stages.run.workspace.Workspace.measured`).
    """
    return {title.partition(": ")[2]: int(speed["tasks"]) for title, speed in measured.items()}


def causes(
    stage: str,
    before: Record | None,
    record: Record,
    computed: Mapping[str, int],
    earlier: Mapping[str, Record],
    damaged: int = 0,
) -> dict[str, Any]:
    """Return what a stage that ran computed, and why.

    Parameters
    ----------
    stage : str
    before, record : mapping
        Its record before the run, if any, and now.
    computed : mapping of str to int
        What `computed_tasks` returns.
    earlier : mapping
        What the history tells of the stages that ran before in the same command.
    damaged : int
        Published files of it that were found damaged.

    Returns
    -------
    dict
        ``because``, the reasons; ``computed``; and where partitions were made, ``partitions_by_reason``: how many of
        them each reason is enough for, so that one partition may count under several.
    """
    makers = MAKERS.get(stage, {})
    whole = [f"published files that were damaged: {damaged:,}"] if damaged else []
    if before is not None or not damaged:  # of a record that was damaged nothing is known
        whole += map(without_places, recorded_reasons(before, record, apart=makers))
    brought = {} if before is None else _brought(makers, before, record, earlier)
    lines = [*whole, *brought] or [UNFINISHED]
    told: dict[str, Any] = {"because": lines, "computed": dict(computed)}
    made = _made(record, computed)
    if made is not None:
        told["partitions_by_reason"] = {
            line: made if brought.get(line) is None else min(made, brought[line] or 0) for line in lines
        }
    return told


def _brought(
    makers: Mapping[str, str], before: Record, record: Record, earlier: Mapping[str, Record]
) -> dict[str, int | None]:
    """Return a line for each version that an earlier stage made anew, with the number of partitions, where known."""
    found, now = before.get("parts"), record.get("parts", {})
    if found is None:
        return {}
    lines: dict[str, int | None] = {}
    for part, maker in makers.items():
        if found.get(part) == now.get(part):
            continue
        told = earlier.get(maker, {})
        made = _made(told, told.get("computed", {})) if told.get("ran") else None
        if made is None:
            lines[f"{maker} made what it reads"] = None
        else:
            lines[f"{maker} made {made:,} of {told['partitions']:,} partitions anew"] = made
    return lines


def _made(record: Record, computed: Mapping[str, int]) -> int | None:
    """Return how many partitions a stage made; None where it makes none, or did not count them."""
    if PARTITIONS not in record:
        return None
    for number in (record.get("recomputed"), record.get("new_partitions"), computed.get(PARTITIONS)):
        if number is not None:
            return int(number)
    return None


def without_places(line: str) -> str:
    """Return the line with every path of this machine cut to its last part."""
    return PLACE.sub(r'"\1"', line)
