"""Whether files are still what was written: size, time and SHA-256 of each, kept when they were finished.

A look is cheap: whether a file is there, of its size, and untouched since; where only its time is another one, as
after a copy or a restore, its bytes are hashed, so that a copy is no alarm. To verify is to hash every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jpasbatch.storage.stores.files import sha256_file

THREADS = 4
"""Files that are hashed at once: hashing leaves the interpreter's lock."""


class Seal(NamedTuple):
    """What a file was when it was finished: bytes, nanoseconds of its last change, SHA-256."""

    size: int
    changed: int
    sha256: str


class Fault(NamedTuple):
    """A file that is not what was written, by its path below the sealed folder, and what is wrong with it."""

    path: str
    what: str


def seal_files(root: Path, places: Iterable[str], known: Mapping[str, str]) -> dict[str, Seal]:
    """Return the seals of files, by path relative to a folder.

    Parameters
    ----------
    root : Path
    places : iterable of str
        Files, and folders whose files are all sealed, relative to the root; hidden ones and what is not there are left
        out.
    known : mapping of str to str
        SHA-256 of files that were hashed when they were written.
    """
    found = {}
    for place in places:
        for path in _files(root / place):
            name = path.relative_to(root).as_posix()
            status = path.stat()
            digest = known.get(name) or sha256_file(path)
            found[name] = Seal(status.st_size, status.st_mtime_ns, digest)
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = path.rglob("*") if path.is_dir() else ()
    return sorted(
        one
        for one in inside
        if one.is_file() and not any(part.startswith(".") for part in one.relative_to(path).parts)
    )


def find_faults(
    root: Path, seals: Mapping[str, Seal], thorough: bool, on_file: Callable[[int], None] | None = None
) -> list[Fault]:
    """Return the files that are not what was sealed, in the order of their paths.

    Parameters
    ----------
    root : Path
    seals : mapping of str to Seal
    thorough : bool
        Whether every byte is hashed, or only what a look makes doubtful.
    on_file : callable, optional
        Called with the size of each file that was looked at.
    """

    def fault(item: tuple[str, Seal]) -> Fault | None:
        found = _fault(root, *item, thorough)
        if on_file is not None:
            on_file(item[1].size)
        return found

    with ThreadPoolExecutor(THREADS if thorough else 1) as pool:
        return [one for one in pool.map(fault, sorted(seals.items())) if one is not None]


def _fault(root: Path, name: str, seal: Seal, thorough: bool) -> Fault | None:
    path = root / name
    try:
        status = path.stat()
        if not path.is_file():
            return Fault(name, "is no file any more")
        if status.st_size != seal.size:
            return Fault(name, f"has {status.st_size} bytes; {seal.size} were written")
        doubtful = thorough or status.st_mtime_ns != seal.changed
        if doubtful and sha256_file(path) != seal.sha256:
            return Fault(name, "holds other bytes than were written (SHA-256 differs)")
    except FileNotFoundError:
        return Fault(name, "is missing")
    except OSError as error:
        return Fault(name, f"cannot be read ({error.strerror})")
    return None
