"""What Slurm says of jobs: which of them wait or run; and an end of those that nobody waits for."""

from __future__ import annotations

import logging
import subprocess

log = logging.getLogger(__name__)

LIVING = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "RESIZING", "REQUEUED")
"""States of a job that may have a worker, or may get one; one that is being ended is none of them."""

SECONDS = 30
"""After which an answer of the queue is not waited for any more."""

OUT_OF_REACH = ("Unable to contact slurm controller", "Socket timed out", "Connection refused", "try again")
"""What Slurm's commands say when the queue does not answer, and a job may be right all the same."""


def queued_jobs() -> dict[str, str] | None:
    """Return the states of this user's jobs by their numbers, in Slurm's words; None when the queue does not answer.

    Jobs that ended are among them for some minutes (Slurm's ``MinJobAge``).
    """
    command = ["squeue", "--me", "--noheader", "--format=%A %T", "--states=all"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the queue does not answer (%s); it is asked again", type(error).__name__)
        return None
    pairs = (line.split() for line in found.stdout.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def cancel_named(name: str) -> None:
    """Cancel this user's jobs of a name, and say so; where the queue does not answer, they are named."""
    asked = ["squeue", "--me", "--noheader", "--format=%A", f"--name={name}"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=True)
        if numbers := found.stdout.split():
            subprocess.run(["scancel", *numbers], capture_output=True, timeout=SECONDS, check=True)
            log.warning("jobs of a run that was killed are cancelled: %s", ", ".join(numbers))
    except (OSError, subprocess.SubprocessError) as error:
        log.warning(
            "a run was killed, and the queue does not answer (%s): see whether there are jobs of it, by "
            "`squeue --me --name=%s`; those that start end by themselves",
            type(error).__name__,
            name,
        )


def is_out_of_reach(message: str) -> bool:
    """Return whether a command of Slurm failed because the queue does not answer."""
    return any(words.lower() in message.lower() for words in OUT_OF_REACH)
