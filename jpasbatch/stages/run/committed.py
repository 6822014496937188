"""The one commit protocol: tasks that are run once, and whose work counts only when it is committed.

The driver trusts the commits in storage alone. Before it builds on what an earlier run left, it looks at the files
again: a commit whose files are missing or damaged is forgotten, and its task runs again.
`jpasbatch.stages.run.commits` is the worker's half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Outcome, Task
from jpasbatch.errors import InputError
from jpasbatch.facts import FactsT, problem
from jpasbatch.stages.run import commits as worker
from jpasbatch.stages.run.commits import Made, Run, whole_commits
from jpasbatch.stages.run.mapping import TROUBLES_TOLD, run_each, trouble_error
from jpasbatch.stages.run.workspace import SHORT, Workspace

BATCHES_OF_WORKER = 8
"""As many batches as each worker has at least: all of them end at about the same time, and progress shows."""


def run_on_disk(workspace: Workspace, stage: str, identity: str) -> Run:
    """Return one run of a stage, by its fingerprint, and create its folder below the output folder."""
    folder = workspace.run_folder(stage, identity)
    return Run(str(workspace.folder), folder.relative_to(workspace.folder).as_posix())


def planned_run(workspace: Workspace, stage: str, identity: str) -> Run:
    """Return one run of a stage as `run_on_disk` does, and create nothing."""
    return Run(str(workspace.folder), f"work/{stage}/{identity[:SHORT]}")


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
    title : str
        What the progress said.
    speed : dict of str to float
        How fast the tasks were that were run now: ``tasks`` and ``rows`` in ``seconds``, with so many ``workers``.
    """

    run: Run
    keys: tuple[str, ...]
    computed: int
    failed: frozenset[str]
    refused: bool
    troubles: tuple[Outcome, ...]
    title: str
    speed: dict[str, float]

    def measure(self, workspace: Workspace, stage: str) -> None:
        """Keep the speed of the tasks for the record of a stage, if any task ran."""
        if self.computed:
            workspace.measured.setdefault(stage, {})[self.title] = self.speed

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the commit of each task that has one, in the order of the keys.

        Raises
        ------
        InputError
            When a record is damaged.
        """
        return self.run.ledger.records(self.keys)

    def facts_of(self, kind: type[FactsT]) -> dict[str, FactsT]:
        """Return what the commit of each task that has one says, in the order of the keys.

        Raises
        ------
        InputError
            When a record is damaged, or holds other facts.
        """
        return {key: self._commit_of(kind, key, record).facts for key, record in self.records().items()}

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

    def whole_of(self, kind: type[FactsT], what: str) -> dict[str, Commit[FactsT]]:
        """Return the commit of every task, with its facts as an object of a kind.

        Raises
        ------
        InputError, GapsError
            As `whole`; and when a commit holds other facts.
        """
        return {key: self._commit_of(kind, key, record) for key, record in self.whole(what).items()}

    def _commit_of(self, kind: type[FactsT], key: str, record: Mapping[str, Any]) -> Commit[FactsT]:
        try:
            return Commit(record["rows"], record["files"], kind.from_record(record))
        except ValueError as error:
            raise InputError(
                f"{self.run.path}/ledger/{key}.json holds no commit of this version ({problem(error)}); delete that "
                "file and run the same command again"
            ) from None


@dataclass(frozen=True)
class Commit(Generic[FactsT]):
    """The commit of a task.

    Attributes
    ----------
    rows : int
    files : dict of str to str
        Stamps of what it wrote, by key.
    facts : Facts
        What its function told.
    """

    rows: int
    files: dict[str, str]
    facts: FactsT


def committed(
    run: Run,
    title: str,
    function: Callable[..., Made],
    tasks: Mapping[str, tuple[Any, ...]],
    executor: Executor,
    *,
    shared: tuple[Any, ...] = (),
    resources: dict[str, float] | None = None,
    topic: str | None = None,
    together: int = 1,
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
    topic : str, optional
        On which tasks tell how far they are; see `jpasbatch.stages.run.mapping.run_each`.
    together : int
        How many tasks a worker is given at once, at most: for many that are short. Each has its own commit.

    Raises
    ------
    InputError
        When the record of an earlier commit is damaged.
    """
    ledger = run.ledger
    done = whole_commits(run, tasks)
    todo = [key for key in tasks if key not in done]
    meter = Meter(title, len(tasks), earlier=len(tasks) - len(todo))
    batches = _batches(todo, executor, together)
    if batches:
        work = (
            Task(key, (run, function, shared, {one: tasks[one] for one in batch}))
            for key, batch in batches.items()
        )
        todo = _run_together(meter, run, work, batches, executor)
    work = (Task(key, (run, function, key, (*shared, *tasks[key]))) for key in todo)
    troubles: list[Outcome] = []
    failed: set[str] = set()
    refused = False
    each = run_each(meter, worker.commit_task, work, executor, resources, topic) if todo else ()
    for outcome in each:
        if outcome.status != "done":
            ledger.quarantine(outcome.key, {"status": outcome.status, "reason": str(outcome.result)})
            failed.add(outcome.key)
            refused |= outcome.status == "refused"
            if len(troubles) < TROUBLES_TOLD:
                troubles.append(outcome)
    computed = meter.done - meter.earlier
    speed = {"tasks": computed, "rows": meter.rows, "seconds": meter.seconds, "workers": meter.workers}
    return Commits(run, tuple(tasks), computed, frozenset(failed), refused, tuple(troubles), title, speed)


def _batches(keys: Sequence[str], executor: Executor, together: int) -> dict[str, Sequence[str]]:
    """Divide the keys of tasks into batches, each by a key of its own; none where there are few for each worker."""
    workers = executor.count_workers() if executor.client is not None else 0
    size = min(together, len(keys) // (BATCHES_OF_WORKER * workers)) if workers else 1
    if size <= 1:
        return {}
    parts = [keys[start : start + size] for start in range(0, len(keys), size)]
    return {f"{part[0]}_and_{len(part) - 1}": part for part in parts}


def _run_together(
    meter: Meter, run: Run, work: Iterable[Task], batches: Mapping[str, Sequence[str]], executor: Executor
) -> list[str]:
    """Run batches of tasks; return the keys that have no commit after it: each is to run by itself, and be judged."""
    left: list[str] = []
    for outcome in run_each(meter, worker.commit_tasks, work, executor):
        if outcome.status != "done":
            meter.forgive(outcome.status)
            left += batches[outcome.key]
    made = run.ledger.records(left)
    for record in made.values():
        meter.succeed(record)
    return [key for key in left if key not in made]
