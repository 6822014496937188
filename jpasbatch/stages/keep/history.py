"""``jpasbatch history``: the runs of a job, and what changed between two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.stages.run.history import ENDED, Record, read_history
from jpasbatch.stages.run.workspace import Workspace

UNTOLD = "not told: an older version recorded this run"

DOINGS = ("ran", "because", "computed", "partitions_by_reason")
"""What a stage did in a run, and no property of what it made."""


def show_history(workspace: Workspace, last: int | None, as_json: bool, why: bool = False) -> int:
    """Print the runs of a job, the newest last, and if asked for why they computed what; return the exit code 0."""
    runs = read_history(workspace.folder)
    chosen = runs if last is None else runs[-last:] if last else []
    if as_json:
        print(json.dumps(chosen, sort_keys=True))
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{workspace.job.name} in {workspace.folder}", box=box.SIMPLE, title_justify="left")
    for column in (
        *("#", "begun", "verb", "by", "exit code", "files", "recomputed", "rows", "quarantined", "per deg²"),
    ):
        table.add_column(column, justify="left" if column in ("begun", "verb", "by") else "right")
    first = len(runs) - len(chosen) + 1
    for number, run in enumerate(chosen, start=first):
        table.add_row(str(number), *_row(run))
    Console().print(table)
    for number, run in enumerate(chosen, start=first):
        for line in _why(run) if why else ():
            print(f"{number}: {line}")
    return 0


def _why(run: Record) -> Iterator[str]:
    """Yield a line for each reason for which a run computed something."""
    told = False
    results, order = run.get("results", {}), run.get("stages", [])
    for stage, result in sorted(results.items(), key=lambda one: [*order, one[0]].index(one[0])):
        if not result.get("ran"):
            continue
        told = True
        computed = ", ".join(f"{what} {number:,}" for what, number in result.get("computed", {}).items())
        partitions = result.get("partitions_by_reason", {})
        yield f"{stage}: {computed or 'ran'}"
        for reason in result.get("because", [UNTOLD]):
            made = f" ({partitions[reason]:,} partitions)" if reason in partitions else ""
            yield f"  {reason}{made}"
    if not told:
        yield "nothing was computed"
    if lost := run.get("workers_lost"):
        yield "workers lost: " + ", ".join(f"{state} {number:,}" for state, number in lost.items())
    for one in run.get("notifications", []):
        came = "told" if one["delivered"] else f"nobody was told, {one['trouble']}"
        yield f"{one['event']}, by {one['by']}: {came}"


def _row(run: Record) -> list[str]:
    results = run.get("results", {})
    infer, ingest, counted = results.get("infer", {}), results.get("ingest", {}), _counts(run)
    code = str(run["exit_code"]) if run["state"] == ENDED else run["state"]
    if run.get("stopped_in"):
        code += f" ({', '.join(filter(None, (run['stopped_in'], run.get('state_of_error'))))})"
    if version := results.get("publication", {}).get("version"):
        code += f" (version {version} {results['publication']['state']})"
    told = (infer.get("recomputed"), infer.get("rows_out"), ingest.get("quarantined"))
    cells = ["" if one is None else f"{one:,}" for one in told]
    return [
        run["begun"][:16].replace("T", " "),
        run["verb"],
        f"{run['user']}@{run['host']}",
        code,
        _files(ingest.get("inputs", {})),
        *cells,
        _density(counted),
    ]


def _files(inputs: Record) -> str:
    """Return how many input files came, changed and went: ``+2 ~1 -1``."""
    signs = {"added": "+", "changed": "~", "removed": "-"}
    return " ".join(f"{sign}{len(inputs[kind])}" for kind, sign in signs.items() if inputs.get(kind))


def _density(counted: Record) -> str:
    """Return a density with its interval; nothing where the area is not known."""
    known = [counted.get(key) for key in ("per_deg2", "per_deg2_lower", "per_deg2_upper")]
    if any(one is None for one in known):
        return ""
    return "{:.1f} ({:.1f} to {:.1f})".format(*known)


def _counts(run: Record) -> Record:
    return run.get("results", {}).get("summarise", {}).get("counts", {})


def diff_history(workspace: Workspace, one: int, other: int, as_json: bool) -> int:
    """Print what changed between two runs, by their numbers; return the exit code 0.

    Raises
    ------
    InputError
        When there is no such run.
    """
    runs = read_history(workspace.folder)
    first, second = (_numbered(runs, number) for number in (one, other))
    changes = dict(_changes(first, second))
    if as_json:
        print(json.dumps(changes, sort_keys=True))
        return 0
    print(f"run {one} ({first['begun']}) to run {other} ({second['begun']})")
    for what, (before, now) in changes.items():
        print(f"  {what}: {_short(before)} -> {_short(now)}")
    if not changes:
        print("  nothing that the history keeps is another")
    return 0


def _numbered(runs: Sequence[Record], number: int) -> Record:
    if not 1 <= number <= len(runs):
        raise InputError(
            f"history: there is no run {number}; there are {len(runs)}, counted from 1, the oldest"
        )
    return runs[number - 1]


def _changes(one: Record, other: Record) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield what two runs differ in: version, algorithms, and what each stage tells."""
    for key in ("version", "exit_code"):
        if one.get(key) != other.get(key):
            yield key, (one.get(key), other.get(key))
    yield from _differing("algorithm", one.get("algorithms", {}), other.get("algorithms", {}))
    before, now = one.get("results", {}), other.get("results", {})
    for stage in dict.fromkeys((*before, *now)):
        told = [
            {key: value for key, value in results.get(stage, {}).items() if key not in DOINGS}
            for results in (before, now)
        ]
        yield from _differing(stage, *told)


def _differing(where: str, one: Record, other: Record) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in dict.fromkeys((*one, *other)):
        if one.get(key) != other.get(key):
            yield f"{where} {key}", (one.get(key), other.get(key))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return (
            ", ".join(f"{key} {_short(item)}" for key, item in value.items() if item not in (None, [], {}))
            or "none"
        )
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return (
            f"{len(value)} ({', '.join(map(str, value[:3]))}{', ...' if len(value) > 3 else ''})"
            if value
            else "none"
        )
    return str(value)[:60]
