"""The one commit protocol: tasks that are run once, and whose work counts only when it is committed.

A worker writes whole files and says what it made (`Made`). Its commit is a record in the ledger of the run, created
once: of two copies of a task one counts, and the other's own files are deleted. The driver trusts the commits in
storage alone. Before it builds on what an earlier run left, it looks at the files again: a commit whose files are
missing or damaged is forgotten, and its task runs again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jpasbatch.compute.clusters.cluster import Executor
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Outcome, Task
from jpasbatch.stages.run.mapping import TROUBLES_TOLD, run_each, trouble_error
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.ledger import Ledger, without_undefined
from jpasbatch.storage.stores.store import Store, open_store

log = logging.getLogger(__name__)


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


def run_on_disk(workspace: Workspace, stage: str, identity: str) -> Run:
    """Return one run of a stage, by its fingerprint, and create its folder below the output folder."""
    folder = workspace.run_folder(stage, identity)
    return Run(str(workspace.folder), folder.relative_to(workspace.folder).as_posix())


@dataclass(frozen=True)
class Made:
    """What a task made.

    Attributes
    ----------
    rows : int
        For the progress, and for the record of the commit.
    facts : mapping
        What the record says besides; JSON-able.
    files : sequence of str or Path
        Keys or paths of files that every copy of the task writes alike, under the same name.
    own : mapping of str or Path to str
        Files under a name that no other copy of the task has, with their stamps (see `Store.stamps`).
    spent : sequence of Path
        Files on disk that are needed until the commit, and deleted after it.
    told : mapping
        What goes back to the driver beside the rows; small.
    """

    rows: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str | Path] = ()
    own: Mapping[str, str] | Mapping[Path, str] = field(default_factory=dict)
    spent: Sequence[Path] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Commits:
    """What came of the tasks of a run.

    Attributes
    ----------
    run : Run
    keys : tuple of str
        Of all tasks, those that an earlier run did included.
    computed : int
        Tasks that were run now and succeeded.
    failed : frozenset of str
        Keys of tasks that did not succeed.
    refused : bool
        Whether the input of one of these was refused.
    troubles : tuple of Outcome
        The first of these.
    """

    run: Run
    keys: tuple[str, ...]
    computed: int
    failed: frozenset[str]
    refused: bool
    troubles: tuple[Outcome, ...]

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the commit of each task that has one, in the order of the keys.

        Raises
        ------
        InputError
            When a record is damaged.
        """
        return self.run.ledger.records(self.keys)

    def whole(self, what: str) -> dict[str, dict[str, Any]]:
        """Return the commit of every task, for a stage that can have no gaps.

        Parameters
        ----------
        what : str
            What the tasks are of, for the message: "input files".

        Raises
        ------
        InputError, GapsError
            When a task did not succeed: see `jpasbatch.stages.run.mapping.trouble_error`.
        """
        if self.failed:
            raise trouble_error(self.troubles, len(self.failed), self.refused, what)
        return self.records()


def committed(
    run: Run,
    title: str,
    function: Callable[..., Made],
    tasks: Mapping[str, tuple[Any, ...]],
    executor: Executor,
    *,
    shared: tuple[Any, ...] = (),
    resources: dict[str, float] | None = None,
) -> Commits:
    """Run those tasks that have no commit yet, and commit what they make.

    Parameters
    ----------
    run : Run
    title : str
        What the progress says: the stage, a colon, and what its tasks are.
    function : callable
        Runs on a worker, with the shared arguments and those of the task; returns what it made.
    tasks : mapping of str to tuple
        Arguments of each task by its key; the key names its commit.
    executor : Executor
    shared : tuple
        First arguments of every task.
    resources : dict, optional
        What a worker must have.

    Raises
    ------
    InputError
        When the record of an earlier commit is damaged.
    """
    ledger = run.ledger
    done = whole_commits(run, tasks)
    todo = [key for key in tasks if key not in done]
    meter = Meter(title, len(tasks), earlier=len(tasks) - len(todo))
    work = (Task(key, (run, function, key, (*shared, *tasks[key]))) for key in todo)
    troubles: list[Outcome] = []
    failed: set[str] = set()
    refused = False
    for outcome in run_each(meter, commit_task, work, executor, resources):
        if outcome.status != "done":
            ledger.quarantine(outcome.key, {"status": outcome.status, "reason": str(outcome.result)})
            failed.add(outcome.key)
            refused |= outcome.status == "refused"
            if len(troubles) < TROUBLES_TOLD:
                troubles.append(outcome)
    computed = meter.done - meter.earlier
    return Commits(run, tuple(tasks), computed, frozenset(failed), refused, tuple(troubles))


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
    own = {run.key(file): stamp for file, stamp in made.own.items()}
    files = {**store.stamps(run.key(file) for file in made.files), **own}
    record = without_undefined({"rows": made.rows, **made.facts, "files": files})
    if not run.ledger.commit(key, record):
        # the same task ran twice and the other copy was first: its files are those that count
        for file in own:
            store.remove(file)
    for path in made.spent:
        path.unlink(missing_ok=True)
    return {"rows": made.rows, **made.told}


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
    store, ledger = run.store, run.ledger
    records = ledger.records(keys)
    found = store.stamps([file for record in records.values() for file in record["files"]])
    whole = set()
    for key, record in records.items():
        damaged = [file for file, stamp in record["files"].items() if found.get(file) != stamp]
        if damaged:
            log.warning("%s: %s/%s is missing or damaged; it is computed again", key, store, damaged[0])
            ledger.forget(key)
        else:
            whole.add(key)
    return whole
