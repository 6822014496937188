"""Errors that a user sees as one clear message, and the exit codes they end with.

========  =====================  =====================================================
code      error                  meaning
========  =====================  =====================================================
0         (none)                 done, published
2         `InputError`           configuration or input is wrong; nothing was published
3         `GapsError`            partitions are quarantined; not published (``--allow-gaps``)
4         `HeldError`            a new version is whole, and held back: somebody must look at it
75        `TryAgainError`        interrupted, lost its cluster or store, disk full; run the same command again
========  =====================  =====================================================

An error that ends with 75 has a state that programs can go by:

====================  =========================================================================
``INTERRUPTED``       a signal asked for it
``LOCKED``            another run holds the lease
``OVERTAKEN``         another writer was first
``DISK_FULL``         or the share of it that the user has
``TOO_MANY_FILES``    are open
``SCHEDULER_LOST``    or it does not answer
``NO_WORKERS``        came in time, or are left
``QUEUE_LOST``        Slurm or Kubernetes does not answer
``STORE_LOST``        the object store does not answer
``SERVICE_LOST``      the TAP service does not answer
====================  =========================================================================

Tasks that are given up because their workers died have ``OUT_OF_MEMORY`` or ``WORKER_LOST``
(`jpasbatch.compute.losses`).
"""

from __future__ import annotations

import errno

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A disk, a share of it, or the size that one file may have."""

INTERRUPTED, DISK_FULL = "INTERRUPTED", "DISK_FULL"

TOO_MANY_OPEN = (errno.EMFILE, errno.ENFILE)


class JpasbatchError(Exception):
    """Base of the errors that end a command with a message instead of a traceback.

    They carry strings only, so that they survive pickling on the way from a worker.

    Parameters
    ----------
    message : str
    state : str
        A word for programs, such as ``DISK_FULL``; empty where the exit code says enough.
    """

    exit_code = 1

    def __init__(self, message: str = "", state: str = "") -> None:
        super().__init__(message)
        self.state = state


class InputError(JpasbatchError):
    """The configuration or an input is wrong: the message says what, where, and what to do."""

    exit_code = 2


class GapsError(JpasbatchError):
    """Some partitions could not be processed, so that nothing was published."""

    exit_code = 3


class HeldError(JpasbatchError):
    """A new version was made and kept, and not published: the message says why, and what to look at."""

    exit_code = 4


class TryAgainError(JpasbatchError):
    """The run stopped in a resumable state (lost scheduler or store, signal, lease held elsewhere, disk full)."""

    exit_code = 75


def disk_is_full(error: OSError) -> bool:
    """Return whether the system refused because a disk, or the user's share of it, is full."""
    return error.errno in NO_SPACE


def too_many_open(error: OSError) -> bool:
    """Return whether the system refused because this process, or the machine, has too many files open."""
    return error.errno in TOO_MANY_OPEN


def no_space(error: object) -> TryAgainError:
    """Return the error to raise when a disk is full: nothing is wrong with the partition that met it first."""
    return TryAgainError(
        f"the disk is full: {error}; make room and run the same command again to go on", DISK_FULL
    )


def state_of(error: BaseException) -> str:
    """Return the word for the state in which an error ends a command; empty where its kind says enough."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, OSError) and disk_is_full(error):
        return DISK_FULL
    return error.state if isinstance(error, JpasbatchError) else ""
