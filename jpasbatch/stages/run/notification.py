"""Who is told how a run ended, and what: a document of plain values, in a form that has a version.

A notification that fails changes nothing: the run ended as it ended. It is said in the log, and kept in the history.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jpasbatch.errors import state_of
from jpasbatch.job.notify import Event, NotifyOptions
from jpasbatch.stages.run.delivery import DeliveryError, deliver
from jpasbatch.stages.run.history import PUBLICATION, RunOfStages, exit_code_of, record_notifications
from jpasbatch.version import __version__

log = logging.getLogger(__name__)

FORMAT, VERSION = "jpasbatch-notification", 1
HELD, AGAIN = 4, 75
COUNTED = ("partitions", "rows_in", "rows_out", "quarantined", "inputs", "because", "computed")
"""What is told of a stage, where the history has it."""

DECISIONS = ("publish", "discard")
"""Verbs by which somebody decides about a version: no stage runs, and yet something was done."""

Record = dict[str, Any]


@dataclass
class Notice:
    """What will be told of a command.

    Attributes
    ----------
    verb, job : str
        The job by its name, or by that of its file until it is read.
    run : RunOfStages, optional
        Its run, once that has begun.
    """

    verb: str
    job: str
    run: RunOfStages | None = None


def event_of(exit_code: int, computed: bool) -> Event:
    """Return how a run ended, by its exit code and whether any stage computed something."""
    if exit_code == 0:
        return "success" if computed else "unchanged"
    return {HELD: "held", AGAIN: "retry"}.get(exit_code, "failure")  # type: ignore[return-value]


def compose(notice: Notice, exit_code: int, error: BaseException | None) -> Record:
    """Return the notification of a command that ended, as JSON-able values (deploy/README.md describes them).

    It holds no message of an error, which may name objects and paths, and no path of the machine.
    """
    run: Mapping[str, Any] = {} if notice.run is None else notice.run.told
    results = run.get("results", {})
    done = notice.verb in DECISIONS or any(result.get("ran") for result in results.values())
    event = event_of(exit_code, done)
    summarised = results.get("summarise", {})
    content: Record = {
        "format": FORMAT,
        "version": VERSION,
        "event": event,
        "job": notice.job,
        "verb": notice.verb,
        "exit_code": exit_code,
        "error": None if error is None else type(error).__name__,
        "state": run.get("state_of_error") or (state_of(error) if error else "") or None,
        "stopped_in": run.get("stopped_in"),
        "run": run.get("run"),
        "begun": run.get("begun"),
        "ended": run.get("ended"),
        "seconds": run.get("seconds"),
        "host": socket.gethostname(),
        "user": run.get("user"),
        "software": f"jpasbatch {__version__}",
        "stages": {stage: _stage(result) for stage, result in results.items() if stage != PUBLICATION},
        "publication": results.get(PUBLICATION),
        "workers_lost": run.get("workers_lost", {}),
        "counts": summarised.get("counts"),
        "lists": summarised.get("lists", {}),
    }
    return content | {"text": _text(content)}


def _stage(result: Mapping[str, Any]) -> Record:
    return {"ran": result["ran"], **{key: result[key] for key in COUNTED if key in result}}


def _text(content: Mapping[str, Any]) -> str:
    """Return the notification in a line for people; chats show the key ``text``."""
    name = f"{content['job']}: {content['verb']}"
    where = f" in {content['stopped_in']}" if content["stopped_in"] else ""
    why = ", ".join(str(one) for one in (content["error"], content["state"]) if one)
    code = f"({why + ', ' if why else ''}exit code {content['exit_code']})"
    ends = {
        "success": f"finished on {content['host']}: {_done(content)}",
        "unchanged": f"found nothing to do on {content['host']}",
        "held": f"made a new version and holds it back {code}; `jpasbatch history` says what it is",
        "retry": f"stopped{where} {code}; the same command goes on where it stopped",
        "failure": f"failed{where} {code}; the log on {content['host']} says why",
    }
    return f"{name} {ends[content['event']]}"


def _done(content: Mapping[str, Any]) -> str:
    ran = [
        " ".join([stage, *(f"{number:,} {what}" for what, number in told.get("computed", {}).items())])
        for stage, told in content["stages"].items()
        if told["ran"]
    ]
    decided = content["publication"] if content["verb"] in DECISIONS else None
    ran += [f"version {decided['version']} is {decided['state']}"] if decided else []
    counts = content["counts"] or {}
    density = [counts.get(key) for key in ("per_deg2", "per_deg2_lower", "per_deg2_upper")]
    counted = [] if None in density else ["{:.1f} ({:.1f} to {:.1f}) per deg2".format(*density)]
    return "; ".join([*ran, *counted])


@contextmanager
def notified(told: Sequence[NotifyOptions], verb: str, job_file: Path) -> Iterator[Notice]:
    """Tell how the block ended. What the block raises is raised again.

    Parameters
    ----------
    told : sequence of NotifyOptions
        Who is told.
    verb : str
    job_file : Path

    Yields
    ------
    Notice
        Which the block gives the name of the job and its run, once there are such.
    """
    notice = Notice(verb, job_file.stem)
    try:
        yield notice
    except BaseException as error:
        _tell(told, notice, exit_code_of(error), error)
        raise
    _tell(told, notice, 0, None)


def _tell(told: Sequence[NotifyOptions], notice: Notice, exit_code: int, error: BaseException | None) -> None:
    if not told:
        return
    content = compose(notice, exit_code, error)
    payload = json.dumps(content, sort_keys=True).encode()
    attempts = [
        {"event": content["event"], "by": one.kind, **_attempt(one, payload)}
        for one in told
        if content["event"] in one.on
    ]
    if attempts and notice.run is not None:
        try:
            record_notifications(notice.run, attempts)
        except OSError as refused:
            log.warning("the history does not tell who was notified (%s)", refused.strerror)


def _attempt(options: NotifyOptions, payload: bytes) -> Record:
    """Try to tell somebody, and return whether that worked; it raises nothing."""
    try:
        deliver(options, payload)
    except (DeliveryError, KeyboardInterrupt) as error:
        trouble = str(error) or "interrupted"
        log.warning("nobody was notified by %s: %s", options.kind, trouble)
        return {"delivered": False, "trouble": trouble}
    return {"delivered": True}
