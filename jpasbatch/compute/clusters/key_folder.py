"""Keys of one run as files, for workers on other machines: readable by their owner alone, and gone after the run.

They lie in a folder that driver and workers share. The folder of a run that was killed is removed by the next one: its
keys open nothing, because the scheduler that knew them ended with it.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jpasbatch.compute.clusters.security import own_security
from jpasbatch.errors import InputError, disk_is_full, no_space

if TYPE_CHECKING:
    from distributed import Security

PREFIX = "keys-"

DAYS_OF_OTHER_HOSTS = 30
"""After which the folder of a driver on another host is removed: whether that one runs cannot be seen from here."""


def _nothing_else_left(mark: str) -> None:
    """Know of nothing but keys that a killed run leaves."""


def mark_of(security: Security) -> str:
    """Return the mark of the run whose keys these are: the last part of the name of their folder."""
    return Path(str(security.tls_ca_file)).parent.name.rpartition("-")[2]


@contextmanager
def keys_in_folder(shared: Path, clear: Callable[[str], None] = _nothing_else_left) -> Iterator[Security]:
    """Make keys and a certificate for one run, in files that exist within the block.

    Parameters
    ----------
    shared : Path
        A folder that workers see under the same path; it is made, for its owner alone, where it is missing.
    clear : callable
        Removes what else a killed run left, whose mark it is told (`mark_of`), before its keys are removed.

    Yields
    ------
    distributed.Security
        That names the files, for scheduler, workers and client.

    Raises
    ------
    InputError
        When nothing can be written there.
    TryAgainError
        When the disk is full.
    """
    folder = shared / f"{PREFIX}{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
    try:
        shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_left_over(shared, clear)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise _not_written(shared, error) from error
    try:
        yield _written(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_over(shared: Path, clear: Callable[[str], None] = _nothing_else_left) -> None:
    """Remove what runs left that were killed: of this host at once, of others after a month."""
    for folder in shared.glob(f"{PREFIX}*-*-*"):
        host, process, mark = folder.name.removeprefix(PREFIX).rsplit("-", 2)
        if host == socket.gethostname():
            over = process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc/self").exists()
        else:
            over = time.time() - folder.stat().st_mtime > DAYS_OF_OTHER_HOSTS * 86_400
        if over:
            clear(mark)
            shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path) -> Security:
    import distributed

    made: Any = own_security()
    files = {"certificate.pem": made.tls_ca_file, "key.pem": made.tls_client_key}
    try:
        for name, content in files.items():
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(content)
    except OSError as error:
        raise _not_written(folder, error) from error
    certificate, key = (str(folder / name) for name in files)
    roles = ("scheduler", "worker", "client")
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=certificate,  # it is its own authority
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )


def _not_written(folder: Path, error: OSError) -> Exception:
    if disk_is_full(error):
        return no_space(str(error))
    return InputError(
        f"shared_folder: the keys of the run cannot be written to {folder} ({error}); name a folder of yours that "
        "driver and workers share"
    )
