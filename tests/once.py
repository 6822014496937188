"""What is made once in a test run, however many processes run the tests (pytest-xdist)."""

import fcntl
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first process to ask makes, while the others wait.

    Parameters
    ----------
    folder : Path
        In the folder that all processes share (the fixture ``shared_folder``); tests must not change what is in it.
    make : callable
        Fills the folder, which is new and empty. When it fails, the next process to ask tries again.
    """
    done = folder.with_name(f"{folder.name}.done")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
