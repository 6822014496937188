"""What Slurm says of jobs: which of them wait or run."""

from __future__ import annotations

import logging
import subprocess

log = logging.getLogger(__name__)

LIVING = "PENDING,CONFIGURING,RUNNING,SUSPENDED,RESIZING,REQUEUED"
"""States of a job that may have a worker, or may get one; one that is being ended is none of them."""

SECONDS = 30
"""After which an answer of the queue is not waited for any more."""

OUT_OF_REACH = ("Unable to contact slurm controller", "Socket timed out", "Connection refused", "try again")
"""What Slurm's commands say when the queue does not answer, and a job may be right all the same."""


def living_jobs() -> set[str] | None:
    """Return the numbers of this user's jobs that wait or run; None when the queue does not answer."""
    command = ["squeue", "--me", "--noheader", "--format=%A", f"--states={LIVING}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the queue does not answer (%s); it is asked again", type(error).__name__)
        return None
    return set(found.stdout.split())


def is_out_of_reach(message: str) -> bool:
    """Return whether a command of Slurm failed because the queue does not answer."""
    return any(words.lower() in message.lower() for words in OUT_OF_REACH)
