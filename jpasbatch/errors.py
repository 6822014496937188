"""Errors that a user sees as one clear message, and the exit codes they end with.

========  =====================  =====================================================
code      error                  meaning
========  =====================  =====================================================
0         (none)                 done, published
2         `InputError`           configuration or input is wrong; nothing was published
3         `GapsError`            partitions are quarantined; not published (``--allow-gaps``)
75        `TryAgainError`        interrupted or lost its cluster; run the same command again
========  =====================  =====================================================
"""


class JpasbatchError(Exception):
    """Base of the errors that end a command with a message instead of a traceback.

    They carry one string only, so that they survive pickling on the way from a worker.
    """

    exit_code = 1


class InputError(JpasbatchError):
    """The configuration or an input is wrong: the message says what, where, and what to do."""

    exit_code = 2


class GapsError(JpasbatchError):
    """Some partitions could not be processed, so that nothing was published."""

    exit_code = 3


class TryAgainError(JpasbatchError):
    """The run stopped in a resumable state (lost scheduler, signal, lease held elsewhere)."""

    exit_code = 75
