"""The ledger of runs: what each command did to an output folder, append-only, a folder of immutable files.

A command that may publish writes ``work/history/<id>.begun.json`` before it does anything, and ``<id>.ended.json`` at
its end, however it ends. Each is created once. A run that was killed has no end, and is told as such.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from jpasbatch.algorithms import algorithm_numbers, load_algorithms
from jpasbatch.compute.interruption import stop_requested
from jpasbatch.errors import InputError, JpasbatchError, TryAgainError
from jpasbatch.regular_files import read_text
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import create_once, sha256_file
from jpasbatch.storage.stores.ledger import without_undefined
from jpasbatch.version import __version__

log = logging.getLogger(__name__)

HISTORY = "work/history"
BEGUN, ENDED = "begun", "ended"
UNFINISHED = "killed or running"
INTERNAL_ERROR = 1

KEPT = (
    "partitions",
    "recomputed",
    "new_partitions",
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
    running : str, optional
        The stage that runs now.
    """

    workspace: Workspace
    name: str
    stages: dict[str, Record]
    running: str | None = None

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
        if "inputs" in record:
            told["inputs"] = _changed_inputs((before or {}).get("inputs", {}), record["inputs"])
        if stage == "summarise":
            told |= _headline(record)
            told["lists"] = _lists(self.workspace.folder)
        self.stages[stage] = told
        self.running = None


def _changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    both = before.keys() & now.keys()
    return {
        "added": sorted(now.keys() - before.keys()),
        "changed": sorted(name for name in both if before[name] != now[name]),
        "removed": sorted(before.keys() - now.keys()),
    }


def _headline(record: Mapping[str, Any]) -> Record:
    """Return the counted objects, and their number per deg2 with its 68 % interval, which is one of densities."""
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


def _user() -> str:
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
            "user": _user(),
            "host": socket.gethostname(),
            "version": __version__,
            "algorithms": algorithm_numbers(*load_algorithms()),
        },
    )
    try:
        yield run
    except BaseException as error:
        try:
            _end(run, begun, error)
        except OSError as refused:  # what stopped the run is what its user must hear of
            log.warning("the end of this run is missing in the history (%s)", refused.strerror)
        raise
    _end(run, begun, None)


def _end(run: RunOfStages, begun: float, error: BaseException | None) -> None:
    """Write how a run ended: of an error its kind and stage alone, for messages name paths and objects."""
    ended: Record = {
        "exit_code": _exit_code(error),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
        "results": run.stages,
    }
    if error is not None:
        ended |= {"error": type(error).__name__, "stopped_in": run.running}
    _write(run, ENDED, ended)


def _exit_code(error: BaseException | None) -> int:
    """Return the exit code that the command line gives a run that ended so."""
    if error is None:
        return 0
    if isinstance(error, JpasbatchError):
        return error.exit_code
    stopped = isinstance(error, OSError | KeyboardInterrupt) or stop_requested()
    return TryAgainError.exit_code if stopped else INTERNAL_ERROR


def _write(run: RunOfStages, part: str, content: Record) -> None:
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
        end = path.with_name(path.name.replace(f".{BEGUN}.", f".{ENDED}."))
        content = _read(path)
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
