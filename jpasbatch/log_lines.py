"""Lines of the log: text for people, with dates where no person looks on; or one JSON object each, for programs.

What a line belongs to, its run and stage, is said once by those who know, and stands in every JSON line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

Form = Literal["text", "json"]

SHORT_TIME, DATE_AND_TIME = "%H:%M:%S", "%Y-%m-%d %H:%M:%S%z"

DASK_LOGGING = {
    "VERSION": "1",
    "DISABLE_EXISTING_LOGGERS": "False",
    "FORMATTERS": "{'json': {'()': 'jpasbatch.log_lines.JsonLines'}}",
    "HANDLERS": "{'stderr': {'class': 'logging.StreamHandler', 'formatter': 'json'}}",
}
"""Variables by which Dask's own log, in the driver and in workers on this machine, is JSON lines as well."""


@dataclass
class _Context:
    """What lines belong to, and their form: the log is one of the whole process."""

    form: Form = "text"
    run: str | None = None
    stage: str | None = None


_context = _Context()


def belongs_to(run: str | None = None, stage: str | None = None) -> None:
    """Say to which run and stage the lines from now on belong."""
    _context.run, _context.stage = run, stage


def draws_bars() -> bool:
    """Return whether progress may be drawn: somebody looks on, and no program reads the lines."""
    return sys.stderr.isatty() and _context.form == "text"


class JsonLines(logging.Formatter):
    """Makes a JSON object of each record: time (UTC), level, logger, run, stage, message, and exception if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **_of_context(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


def _of_context() -> dict[str, str | None]:
    return {one.name: getattr(_context, one.name) for one in fields(_context) if one.name != "form"}


def formatter(terminal: bool = False) -> logging.Formatter:
    """Return what makes lines of records in the form that was chosen."""
    if _context.form == "json":
        return JsonLines()
    return logging.Formatter("%(asctime)s %(message)s", SHORT_TIME if terminal else DATE_AND_TIME)


def start_log(form: Form, verbose: bool) -> None:
    """Let this process write its log to standard error.

    Parameters
    ----------
    form : {"text", "json"}
    verbose : bool
        Whether details are told, and those of Dask.
    """
    _context.form = form
    belongs_to()
    # TensorFlow prints to standard error while it is imported; its messages are for its developers
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    level = "info" if verbose else "error"
    if form == "json":
        loggers = {"distributed": {"level": level.upper(), "handlers": ["stderr"], "propagate": False}}
        for name, value in {**DASK_LOGGING, "LOGGERS": repr(loggers)}.items():
            os.environ.setdefault(f"DASK_LOGGING__{name}", value)
        sys.excepthook = _log_uncaught
    else:
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", level)
    logging.captureWarnings(form == "json")
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(sys.stderr.isatty()))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    logging.getLogger("py.warnings").setLevel(logging.WARNING)
    logging.getLogger("jpasbatch").setLevel(logging.DEBUG if verbose else logging.INFO)


def say(message: str) -> None:
    """Say what ended a command: in a line of its own, without a time where a person reads it."""
    if _context.form == "json":
        logging.getLogger("jpasbatch").error("%s", message)
    else:
        print(f"jpasbatch: {message}", file=sys.stderr)


def urgent_line(message: str) -> bytes:
    """Return a line that a handler of signals may write as it is, whatever else is being written."""
    if _context.form == "json":
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {"time": time, "level": "WARNING", "logger": "jpasbatch", **_of_context(), "message": message}
        return json.dumps(told).encode() + b"\n"
    return f"jpasbatch: {message}\n".encode()


def _log_uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    logging.getLogger("jpasbatch").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, where))
