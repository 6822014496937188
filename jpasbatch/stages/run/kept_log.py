"""The log of each run, kept in ``work/logs/``: its file has the name that the history gives the run.

It holds what standard error had, and the message that ended the run, which may name objects and paths of the machine:
the history beside it holds neither.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jpasbatch.log_lines import formatter

log = logging.getLogger(__name__)

LOGS = "work/logs"
KEPT = 100
"""The newest runs whose logs are kept."""


class _LogFile(logging.FileHandler):
    """A log file. The run goes on without it when it cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name is the library's
        logging.getLogger("jpasbatch").removeHandler(self)
        log.warning("the log of this run cannot be written any more; it goes on without")


@contextmanager
def kept_log(folder: Path, run: str) -> Iterator[None]:
    """Keep what is logged within the block, and the error that ends it, in a file; remove the oldest of these.

    Parameters
    ----------
    folder : Path
        The output folder.
    run : str
        Name of the run.
    """
    handler = _open(folder / LOGS, f"{run}.log")
    if handler is None:
        yield
        return
    logger = logging.getLogger("jpasbatch")
    logger.addHandler(handler)
    try:
        yield
    except BaseException as error:
        given = (type(error), error, error.__traceback__)
        if handler in logger.handlers:
            message = ("%s: %s", (type(error).__name__, error))
            handler.handle(logger.makeRecord(__name__, logging.ERROR, __file__, 0, *message, given))
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()


def _open(folder: Path, name: str) -> logging.Handler | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.log"))[: -KEPT + 1]:
            for one in (path, *folder.glob(f"{path.stem}-*.html")):  # and its performance reports
                one.unlink(missing_ok=True)
        handler = _LogFile(folder / name, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        log.warning("no log of this run is kept (%s)", error.strerror)
        return None
    handler.setFormatter(formatter())
    return handler
