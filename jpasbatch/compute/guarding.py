"""What a task does when something goes wrong: its exception is a value, and some of these end the whole run."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from jpasbatch.errors import InputError, TryAgainError, disk_is_full, no_space, too_many_open


def guard(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """Call a function on a worker and return its exception as a value.

    Returns
    -------
    (str, object)
        ``("done", result)``, ``("refused", message)``, ``("full", message)`` when a disk is, ``("again", (message,
        state))`` when nothing is wrong with the task (a store does not answer), or ``("failed", message with the last
        lines)``.
    """
    try:
        return "done", function(*arguments)
    except InputError as error:
        return "refused", str(error)
    except TryAgainError as error:
        return "again", (str(error), error.state)
    except (KeyboardInterrupt, SystemExit):
        raise
    except OSError as error:
        if too_many_open(error):
            advice = "allow more open files (ulimit -n) and run the same command again"
            return "again", (f"{error}; {advice}", "TOO_MANY_FILES")
        return ("full", str(error)) if disk_is_full(error) else _failure(error)
    except BaseException as error:  # a Rust panic is a BaseException and does not pickle
        return _failure(error)


def _failure(error: BaseException) -> tuple[str, str]:
    return "failed", f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}"


def stop_run(status: str, result: Any) -> None:
    """End the run where no task can go on, and nothing is wrong with the one that found out.

    Parameters are what `guard` returned.

    Raises
    ------
    TryAgainError
    """
    if status == "full":
        raise no_space(result)
    if status == "again":
        raise TryAgainError(*result)
