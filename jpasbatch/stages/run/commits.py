"""The worker's half of the commit protocol: what a task made, and the record that makes it count.

A worker writes whole files and says what it made (`Made`). Its commit is a record in the ledger of the run, created
once: of two copies of a task one counts, and the other's own files are deleted. `jpasbatch.stages.run.committed` is the
driver's half. A worker imports this module and not that one: it needs neither jobs nor clusters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jpasbatch.facts import Facts
from jpasbatch.storage.stores.ledger import Ledger, without_undefined
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Short tasks that a worker runs at the same time, where it is given several."""


@dataclass(frozen=True)
class Run:
    """Where the tasks of one run of a stage commit what they made.

    Attributes
    ----------
    place : str
        Location of the store that all keys belong to: the output folder, or one of objects.
    folder : str
        Key of the run's folder there.
    """

    place: str
    folder: str

    @property
    def store(self) -> Store:
        """The store that all keys belong to."""
        return open_store(self.place)

    @property
    def inside(self) -> Store:
        """The store of the keys below the run's folder."""
        return self.store.within(self.folder)

    @property
    def ledger(self) -> Ledger:
        """The commits of the run."""
        return Ledger(self.inside.within("ledger"))

    def commits(self) -> dict[str, dict[str, Any]]:
        """Return the record of every commit by its key, sorted by key."""
        return self.ledger.records(self.ledger.keys())

    @property
    def path(self) -> Path:
        """The folder of a run on disk."""
        return Path(self.place) / self.folder

    def key(self, file: str | Path) -> str:
        """Return the key of a file: itself, or where the path of a file on disk lies in the store."""
        if isinstance(file, str):
            return file
        return file.resolve().relative_to(Path(self.place).resolve()).as_posix()


@dataclass(frozen=True)
class Made:
    """What a task made.

    Attributes
    ----------
    rows : int
        For the progress, and for the record of the commit.
    facts : Facts or mapping
        What the record says besides.
    files : sequence of str or Path
        Keys or paths of files that every copy of the task writes alike, under the same name.
    own : mapping of str to str
        Keys of files whose name no other copy of the task has, with their stamps (see `Store.stamps`).
    spent : sequence of Path
        Files on disk that are needed until the commit, and deleted after it.
    told : mapping
        What goes back to the driver beside the rows; small.
    """

    rows: int
    facts: Facts | Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str | Path] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    spent: Sequence[Path] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


def commit_task(
    run: Run, function: Callable[..., Made], key: str, arguments: tuple[Any, ...]
) -> dict[str, Any]:
    """Run one task on a worker and commit what it made.

    Returns
    -------
    dict
        ``rows``, and what the function wants to be told.
    """
    made, store = function(*arguments), run.store
    files = {**store.stamps(run.key(file) for file in made.files), **made.own}
    facts = made.facts.to_record() if isinstance(made.facts, Facts) else made.facts
    record = without_undefined({"rows": made.rows, **facts, "files": files})
    if not run.ledger.commit(key, record):
        # the same task ran twice and the other copy was first: its files are those that count
        for file in made.own:
            store.remove(file)
    for path in made.spent:
        path.unlink(missing_ok=True)
    return {"rows": made.rows, **made.told}


def commit_tasks(
    run: Run, function: Callable[..., Made], shared: tuple[Any, ...], tasks: Mapping[str, tuple[Any, ...]]
) -> dict[str, int]:
    """Run some short tasks on a worker and commit what each of them made.

    `AT_ONCE` of them run at a time, in threads: while one waits for the disk, another computes.

    Parameters
    ----------
    run : Run
    function : callable
    shared : tuple
        First arguments of every task.
    tasks : mapping of str to tuple
        Its other arguments, by its key.

    Returns
    -------
    dict
        ``rows`` of all of them, and how many ``tasks`` there were.
    """

    def commit(key: str) -> int:
        return int(commit_task(run, function, key, (*shared, *tasks[key]))["rows"])

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="task") as pool:
        return {"rows": sum(pool.map(commit, tasks)), "tasks": len(tasks)}


def whole_commits(run: Run, keys: Iterable[str]) -> set[str]:
    """Return the keys of commits whose files are what was committed, and forget the other commits.

    Parameters
    ----------
    run : Run
    keys : iterable of str
        Commits to look at.

    Raises
    ------
    InputError
        When a record itself is damaged.
    """
    records, damaged = look_at_commits(run, keys)
    for key, file in damaged.items():
        log.warning("%s: %s/%s is missing or damaged; it is computed again", key, run.store, file)
        run.ledger.forget(key)
    return set(records)


def look_at_commits(run: Run, keys: Iterable[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Look at commits and at their files, and change nothing.

    Parameters
    ----------
    run : Run
    keys : iterable of str
        Commits to look at.

    Returns
    -------
    dict of str to dict
        Records of the commits whose files are what was committed.
    dict of str to str
        Of every other commit, a file that is missing or damaged.

    Raises
    ------
    InputError
        When a record itself is damaged.
    """
    records = run.ledger.records(keys)
    found = run.store.stamps([file for record in records.values() for file in record["files"]])
    damaged = {
        key: file
        for key, record in records.items()
        for file, stamp in reversed(record["files"].items())
        if found.get(file) != stamp
    }
    return {key: record for key, record in records.items() if key not in damaged}, damaged
