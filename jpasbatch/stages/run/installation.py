"""The installed code, byte for byte: driver and workers must run the same."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jpasbatch import version
from jpasbatch.errors import InputError


@functools.cache
def installation_hash() -> str:
    """Return the SHA-256 of the package as it is installed here: its version, and the bytes of all of its files.

    It tells two installations apart. Whether results are up to date is told by `jpasbatch.algorithms`.
    """
    package = Path(version.__file__).parent
    digest = hashlib.sha256(f"jpasbatch {version.__version__}\n".encode())
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for path in sorted(files):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def call_with_same_code(installed: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a stage's function on a worker, unless the worker runs other code than the driver.

    Raises
    ------
    InputError
        When it does: its results would be recorded as those of the driver's code.
    """
    if installation_hash() != installed:
        raise InputError(
            "this worker runs another version of jpasbatch than the driver; install the same on both"
        )
    return function(*arguments)
