"""Standard streams as a command needs them: open, and able to write every name that a file may have."""

from __future__ import annotations

import io
import os
import sys

STREAMS = {"stdin": ("r", 0), "stdout": ("w", 1), "stderr": ("w", 2)}


def settle_streams() -> None:
    """Open closed streams on the null device, and let the others write what is not UTF-8 as an escape.

    Where a stream is closed (``>&-``), the next file that is opened takes its number, and what a library prints would
    be written into that file.
    """
    for name, (mode, number) in STREAMS.items():
        try:
            os.fstat(number)
        except OSError:
            taken = os.open(os.devnull, os.O_RDWR)
            if taken != number:
                os.dup2(taken, number)
                os.close(taken)
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
