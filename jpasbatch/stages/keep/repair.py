"""Look whether what was published is what was written, and make damaged parts again from what is whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from jpasbatch.errors import InputError
from jpasbatch.stages.run.seals import read_seals
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import POINTER, open_catalogue
from jpasbatch.storage.stores.seals import Fault

Faults = dict[str, list[Fault]]
"""What is damaged, by the stage that published it."""

RunStages = Callable[[Workspace, Sequence[str]], None]


def verify(workspace: Workspace, stages: Sequence[str], thorough: bool = True) -> Faults:
    """Return what is damaged, by stage; a look, or every byte.

    Parameters
    ----------
    workspace : Workspace
    stages : sequence of str
        Of the job, in order.
    thorough : bool
        Whether every byte is hashed; its progress is shown then.
    """
    total = sum(_sealed_bytes(workspace, stage) for stage in stages) if thorough else 0
    with _progress(total) as advance:
        found = {stage: _faults(workspace, stage, thorough, advance) for stage in stages}
    pointer = _pointer_fault(workspace) if "ingest" in stages else None
    if pointer is not None:
        found["ingest"] = [pointer, *found.get("ingest", [])]
    return {stage: faults for stage, faults in found.items() if faults}


def repair(workspace: Workspace, stages: Sequence[str], run_stages: RunStages) -> tuple[Faults, Faults]:
    """Verify all that was published, run the stages that published what is damaged, and verify again.

    Parameters
    ----------
    workspace : Workspace
    stages : sequence of str
        Of the job, in order.
    run_stages : callable
        Runs stages of a workspace.

    Returns
    -------
    (dict, dict)
        What was damaged, and what still is.
    """
    before = verify(workspace, stages)
    if not before:
        return {}, {}
    damaged_records = [stage for stage in stages if _record_fault(workspace, stage)]
    for stage in damaged_records:  # its stage finds its commits without it
        (workspace.folder / "work" / f"{stage}.json").unlink()
    pointer = workspace.sky / POINTER
    if any(fault.path == _pointer_path(workspace) for fault in before.get("ingest", [])):
        pointer.unlink(missing_ok=True)
    # what a stage publishes goes into what later ones publish: they look, and run where it changed
    first = next(number for number, stage in enumerate(stages) if stage in before)
    run_stages(replace(workspace, distrusted=dict(before)), stages[first:])
    return before, verify(workspace, stages)


def _faults(workspace: Workspace, stage: str, thorough: bool, advance: Callable[[int], None]) -> list[Fault]:
    fault = _record_fault(workspace, stage)
    return [fault] if fault is not None else workspace.faults(stage, thorough, advance)


def _record_fault(workspace: Workspace, stage: str) -> Fault | None:
    try:
        workspace.record(stage)
    except InputError:
        return Fault(f"work/{stage}.json", "holds no record that can be read")
    return None


def _pointer_path(workspace: Workspace) -> str:
    return f"{workspace.sky.name}/{POINTER}"


def _pointer_fault(workspace: Workspace) -> Fault | None:
    """Return what is wrong with the pointer of the collection, where a finished ingest should have one."""
    if _record_fault(workspace, "ingest") is not None:
        return None
    if "catalogue" not in (workspace.record("ingest") or {}):
        return None
    try:
        open_catalogue(workspace.sky)
    except InputError as error:
        return Fault(_pointer_path(workspace), f"leads to no whole catalogue ({error})")
    except (OSError, ValueError) as error:
        return Fault(_pointer_path(workspace), f"cannot be read ({error})")
    return None


def _sealed_bytes(workspace: Workspace, stage: str) -> int:
    try:
        record = workspace.record(stage)
        seals = None if record is None else read_seals(workspace.folder, stage, record)
    except InputError:
        return 0
    return sum(seal.size for seal in (seals or {}).values())


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how much was hashed, where a person looks on and it takes a while."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("verified", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    hidden = not (total and sys.stderr.isatty())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("verified", total=total)
        yield lambda size: bar.advance(task, size)


def tell(found: Faults) -> None:
    """Print what is damaged."""
    for stage, faults in found.items():
        for fault in faults:
            print(f"{stage}: damaged: {fault.path} {fault.what}")


def join_faults(one: Faults, other: Faults) -> Faults:
    """Return what is damaged here or there, each file once: the same file has a name in both."""
    return {
        stage: sorted({*one.get(stage, ()), *other.get(stage, ())}) for stage in dict.fromkeys((*one, *other))
    }


def as_plain(found: Faults) -> dict[str, list[dict[str, str]]]:
    """Return what is damaged as plain data, for machines."""
    return {stage: [fault._asdict() for fault in faults] for stage, faults in found.items()}
