"""A process that dies before the n-th change of the file system in a folder; on request as in a loss of power.

A step is a change that makes a difference after a crash: a file that is written, flushed, renamed, linked or
removed. A killed process leaves all changes before it. A loss of power leaves, at worst, files that were not flushed
empty, and undoes changes of names whose folder was not flushed; that is what `Dying` leaves then.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

NAMES = ("replace", "rename", "link", "unlink")
REAL = {name: getattr(os, name) for name in (*NAMES, "fsync", "utime")}


@dataclass(frozen=True)
class Change:
    """A change of names, and what the last of them pointed at before, if anything."""

    name: str
    paths: tuple[str, ...]
    before: Path | None

    def moved(self, source: str, target: str) -> "Change":
        """Return the change with its names in a folder that was renamed."""
        prefix = source + os.sep
        paths = (target + path[len(source) :] if path.startswith(prefix) else path for path in self.paths)
        return replace(self, paths=tuple(paths))

    def undo(self) -> None:
        """Make it not to have happened."""
        if self.name in ("replace", "rename"):
            REAL["rename"](self.paths[1], self.paths[0])
        elif self.name == "link":
            REAL["unlink"](self.paths[1])
        if self.before is not None:
            REAL["rename"](self.before, self.paths[-1])


class Dying:
    """Counts the steps of this process in a folder, and ends it at one of them.

    Parameters
    ----------
    folder : Path
    keepsakes : Path
        A folder on the same file system, for what names pointed at before they were changed.
    step : int
        The process dies before this step, counted from 0; -1: never.
    power : bool
        Whether it is a loss of power.
    """

    def __init__(self, folder: Path, keepsakes: Path, step: int, power: bool) -> None:
        self.folder, self.keepsakes, self.step, self.power = folder, keepsakes, step, power
        self.names: list[str] = []
        self.start = time.time()
        self.flushed: set[int] = set()
        self.changes: list[Change] = []

    def arm(self) -> None:
        """Watch this process from now on."""
        for name in NAMES:
            setattr(os, name, self._watched(name))
        os.fsync = self._fsync  # type: ignore[assignment]
        os.utime = self._utime  # type: ignore[assignment]
        pq.write_table = self._half_written(pq.write_table, 1)
        Path.write_bytes = self._half_written(Path.write_bytes, 0)  # type: ignore[method-assign]
        Path.write_text = self._half_written(Path.write_text, 0)  # type: ignore[method-assign]

    def _is_ours(self, path: Any) -> bool:
        return isinstance(path, str | Path) and str(path).startswith(f"{self.folder}{os.sep}")

    def _counts(self, what: str) -> bool:
        """Count a step, and return whether this is the one to die at."""
        self.names.append(f"{_caller()}: {what}")
        return len(self.names) - 1 == self.step

    def _half_written(self, function: Callable[..., Any], position: int) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            path = arguments[position]
            if not self._is_ours(path) or not self._counts("write"):
                return function(*arguments, **options)
            function(*arguments, **options)
            os.truncate(path, Path(path).stat().st_size // 2)
            return self._die()

        return write

    def _watched(self, name: str) -> Callable[..., None]:
        def change(*paths: Any, **options: Any) -> None:
            if not self._is_ours(
                paths[-1]
            ):  # or relative to a descriptor: a folder of unfinished work is removed
                REAL[name](*paths, **options)
                return
            if self._counts(name):
                self._die()
            before = self._keep(Path(paths[-1]))
            REAL[name](*paths)
            if name == "rename":  # of a folder: what changed in it has other names now
                self.changes = [change.moved(*map(str, paths)) for change in self.changes]
            self.changes.append(Change(name, tuple(map(str, paths)), before))

        return change

    def _keep(self, path: Path) -> Path | None:
        """Give what a name points at a second name, before it is changed."""
        keepsake = self.keepsakes / str(len(self.names))
        with suppress(FileNotFoundError, PermissionError):
            REAL["link"](path, keepsake)
            return keepsake
        return None

    def _fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if self._is_ours(path) and self._counts("fsync"):
            self._die()
        REAL["fsync"](descriptor)
        self.flushed.add(os.fstat(descriptor).st_ino)
        self.changes = [change for change in self.changes if Path(change.paths[-1]).parent != path]

    def _utime(self, path: Any, *times: Any, **options: Any) -> None:
        """Change a time; a file of before that is only touched has nothing to flush."""
        facts = Path(path).stat()
        REAL["utime"](path, *times, **options)
        if facts.st_mtime < self.start:
            self.flushed.add(facts.st_ino)

    def _die(self) -> None:
        if self.power:
            while self.changes:
                change = self.changes.pop()
                change.undo()
                if change.name == "rename":
                    self.changes = [earlier.moved(*reversed(change.paths)) for earlier in self.changes]
            for path in self.folder.rglob("*"):
                facts = path.stat()
                if path.is_file() and facts.st_mtime >= self.start and facts.st_ino not in self.flushed:
                    os.truncate(path, 0)
        os.kill(os.getpid(), signal.SIGKILL)


def _caller() -> str:
    """Return the function of the package that is at work, behind the one that called into `storage.files`."""
    chain: list[str] = []
    frame = sys._getframe(1)
    while frame is not None:
        module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if module.startswith("jpasbatch.") and function not in chain:
            chain.append(function)
            if module != "jpasbatch.storage.stores.files":
                break
        frame = frame.f_back
    return " > ".join(reversed(chain)) or "outside"
