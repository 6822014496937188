"""The ledger of runs: what each command did to an output folder, append-only, a folder of immutable files.

A command that may publish writes ``work/history/<id>.begun.json`` before it does anything, and ``<id>.ended.json`` at
its end, however it ends; ``<id>.notified.json`` where somebody was told of it. Each is created once. A run that was
killed has no end, and is told as such.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from jpasbatch.algorithms import algorithm_numbers, load_algorithms
from jpasbatch.compute.interruption import stop_requested
from jpasbatch.compute.losses import Losses
from jpasbatch.errors import INTERRUPTED, InputError, JpasbatchError, TryAgainError, state_of
from jpasbatch.log_lines import belongs_to
from jpasbatch.regular_files import read_text
from jpasbatch.stages.run.causes import causes, computed_tasks
from jpasbatch.stages.run.changes import compare_files
from jpasbatch.stages.run.kept_log import kept_log
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import create_once, sha256_file
from jpasbatch.storage.stores.ledger import without_undefined
from jpasbatch.version import __version__

log = logging.getLogger(__name__)

HISTORY = "work/history"
BEGUN, ENDED, NOTIFIED = "begun", "ended", "notified"
UNFINISHED = "killed or running"
PUBLICATION = "publication"
"""Key of the results that says what became of a version, where that is decided after all stages: no stage."""
INTERNAL_ERROR = 1

KEPT = (
    "partitions",
    "recomputed",
    "new_partitions",
    "touched",
    "changed",
    "rows_in",
    "rows_out",
    "quarantined",
    "reasons",
)
"""What the ledger keeps of the record of a stage."""

Record = dict[str, Any]


@dataclass
class RunOfStages:
    """A run that is on its way.

    Attributes
    ----------
    workspace : Workspace
    name : str
        Of its files.
    stages : dict
        What became of each stage so far.
    told : dict
        What the ledger holds of it so far.
    running : str, optional
        The stage that runs now.
    losses : list of Losses
        Workers that each of its clusters lost.
    """

    workspace: Workspace
    name: str
    stages: dict[str, Record]
    told: Record = field(default_factory=dict)
    running: str | None = None
    losses: list[Losses] = field(default_factory=list)

    def start(self, stage: str) -> None:
        """Take note that a stage runs now."""
        self.running = stage
        belongs_to(self.name, stage)

    def add(self, stage: str, before: Mapping[str, Any] | None, record: Mapping[str, Any]) -> None:
        """Take what a stage recorded.

        Parameters
        ----------
        stage : str
        before, record : mapping
            Its record before the run, if any, and now.
        """
        told: Record = {key: record[key] for key in KEPT if record.get(key) is not None}
        told["ran"] = before is None or any(before[key] != record[key] for key in ("fingerprint", "finished"))
        if told["ran"]:
            computed = computed_tasks(self.workspace.measured.get(stage, {}))
            damaged = self.workspace.damaged.get(stage, 0)
            told |= causes(stage, before, record, computed, self.stages, damaged)
        else:  # what the record says of its own run is no news
            told.pop("touched", None)
        if "inputs" in record:
            told["inputs"] = compare_files((before or {}).get("inputs", {}), record["inputs"])._asdict()
        if stage == "summarise":
            told |= headline_counts(record)
            told["lists"] = _lists(self.workspace.folder)
            told["targets"] = record.get("targets", {})
        self.stages[stage] = told
        self.running = None
        belongs_to(self.name)


def headline_counts(record: Mapping[str, Any]) -> Record:
    """Return the number of counted objects, and their density per deg2 with its 68 % interval."""
    counts = record.get("counts") or {}
    number = counts.get("summed_probability")
    if not isinstance(number, Mapping):
        return {}
    told = {key: number.get(key) for key in ("number", "per_deg2")}
    return {"counts": told | {f"per_deg2_{end}": number.get(end) for end in ("lower", "upper")}}


def _lists(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each current target list."""
    found = sorted((folder / "targets").glob("*.fits"))
    return {path.name: sha256_file(path) for path in found if path.is_file()}


def user_name() -> str:
    """Return who runs this; a container may run under a number that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second since Python 3.13
        return f"uid {os.getuid()}"


@contextmanager
def recorded_run(workspace: Workspace, verb: str, stages: Sequence[str]) -> Iterator[RunOfStages]:
    """Record a run in the ledger: that it began, and how it ended.

    Parameters
    ----------
    workspace : Workspace
        Whose lease is held.
    verb : str
    stages : sequence of str
        That it is to run.
    """
    now = datetime.now(UTC)
    run = RunOfStages(workspace, f"{now:%Y%m%dT%H%M%S.%f}-{uuid4().hex[:8]}", {})
    begun = time.monotonic()
    _write(
        run,
        BEGUN,
        {
            "run": run.name,
            "verb": verb,
            "begun": now.isoformat(timespec="seconds"),
            "job": workspace.job.name,
            "stages": list(stages),
            "user": user_name(),
            "host": socket.gethostname(),
            "version": __version__,
            "algorithms": algorithm_numbers(*load_algorithms()),
        },
    )
    belongs_to(run.name)
    try:
        with kept_log(workspace.folder, run.name):
            yield run
    except BaseException as error:
        try:
            _end(run, begun, error)
        except OSError as refused:  # what stopped the run is what its user must hear of
            log.warning("the end of this run is missing in the history (%s)", refused.strerror)
        raise
    _end(run, begun, None)


def _end(run: RunOfStages, begun: float, error: BaseException | None) -> None:
    """Write how a run ended. Of an error it writes only kind and stage: messages name paths and objects."""
    ended: Record = {
        "exit_code": exit_code_of(error),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
        "results": run.stages,
    }
    if error is not None:
        ended |= {"error": type(error).__name__, "stopped_in": run.running}
        state = INTERRUPTED if stop_requested() else state_of(error)
        ended |= {"state_of_error": state} if state else {}
    if lost := sum((one.counts for one in run.losses), Counter()):
        ended["workers_lost"] = dict(sorted(lost.items()))
    _write(run, ENDED, ended)


def exit_code_of(error: BaseException | None) -> int:
    """Return the exit code that the command line gives a run that ended so."""
    if error is None:
        return 0
    if isinstance(error, JpasbatchError):
        return error.exit_code
    stopped = isinstance(error, OSError | KeyboardInterrupt) or stop_requested()
    return TryAgainError.exit_code if stopped else INTERNAL_ERROR


def record_notifications(run: RunOfStages, attempts: Sequence[Record]) -> None:
    """Record who was told of a run, and who should have been."""
    _write(run, NOTIFIED, {"notifications": list(attempts)})


def _write(run: RunOfStages, part: str, content: Record) -> None:
    run.told |= content
    folder = run.workspace.folder / HISTORY
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(without_undefined(content), indent=1, sort_keys=True) + "\n"
    create_once(folder / f"{run.name}.{part}.json", text.encode())


def read_history(folder: Path) -> list[Record]:
    """Return all runs of an output folder, the oldest first.

    A run without an end has the ``state`` that it was killed, or still runs; all others ``ended``.

    Raises
    ------
    InputError
        When a file of the ledger is damaged.
    """
    runs = []
    for path in sorted((folder / HISTORY).glob(f"*.{BEGUN}.json")):
        end, notified = (path.with_name(path.name.replace(BEGUN, part)) for part in (ENDED, NOTIFIED))
        content = _read(path) | (_read(notified) if notified.is_file() else {})
        runs.append(content | ({"state": ENDED, **_read(end)} if end.is_file() else {"state": UNFINISHED}))
    return runs


def _read(path: Path) -> Record:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError, OSError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path}: this part of the history is damaged; restore it from a copy, or remove it")
    return content
