"""What a stage would compute, and why: found from what is on disk, before anything is computed.

A planner of a stage asks what its `run_...` asks, looks at the same commits, and writes nothing. Stages that run before
in the same command may change what it reads: their plans are handed on, with the partitions that they will leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jpasbatch.stages.run.commits import Run, look_at_commits
from jpasbatch.stages.run.partition_names import Pixel, commit_name, pixel_key
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import Catalogue, open_catalogue
from jpasbatch.storage.catalogue.primary import published_partitions

Plans = Mapping[str, "StagePlan"]
"""Plans of the stages that run before in the same command, by stage."""


@dataclass(frozen=True)
class Work:
    """Tasks of one kind that a stage would run.

    Attributes
    ----------
    title : str
        What the progress will say: the stage, a colon, and what the tasks are.
    keys : tuple of str or None
        Of the tasks to run, the bytes of what they read left out: ``4_1023`` for a partition. None where only an
        earlier stage will tell which they are.
    total : int or None
        Tasks that must be done in all, those that are done included.
    rows : int or None
        In the tasks to run, where known.
    """

    title: str
    keys: tuple[str, ...] | None
    total: int | None
    rows: int | None = None

    @property
    def tasks(self) -> int | None:
        """Number of tasks to run."""
        return None if self.keys is None else len(self.keys)


@dataclass(frozen=True)
class Outlook:
    """Partitions of a catalogue as a stage will leave it.

    Attributes
    ----------
    kept : mapping of (int, int) to (str, int)
        SHA-256 and rows of each partition whose bytes are known.
    made : mapping of (int, int) to int or None
        Rows, where known, of each partition that will be made anew.
    differs : bool
        Whether what is made surely has other bytes than what is there. A raised algorithm, say, may leave a partition
        as it is, and then nothing that follows from it is computed.
    """

    kept: Mapping[Pixel, tuple[str, int]]
    made: Mapping[Pixel, int | None]
    differs: bool = True

    @property
    def pixels(self) -> set[Pixel]:
        """All partitions."""
        return {*self.kept, *self.made}

    def names(self) -> dict[Pixel, str]:
        """Return the names of the commits of partitions whose bytes are known."""
        return {pixel: commit_name(pixel, digest) for pixel, (digest, _) in self.kept.items()}

    def rows(self, pixels: Iterable[Pixel]) -> int | None:
        """Return the rows of some partitions; None where those of one are not known."""
        counts = [self.kept[one][1] if one in self.kept else self.made[one] for one in pixels]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None


@dataclass(frozen=True)
class StagePlan:
    """What a stage would do.

    Attributes
    ----------
    stage : str
    reasons : tuple of str
        Why it would run; empty when it is up to date.
    work : tuple of Work
        In the order in which it runs.
    exact : bool
        False when this is the most that would be computed, since a stage before it may turn out to change less.
    outlook : Outlook, optional
        Partitions that it leaves, where they are known.
    """

    stage: str
    reasons: tuple[str, ...] = ()
    work: tuple[Work, ...] = ()
    exact: bool = True
    outlook: Outlook | None = None

    @property
    def runs(self) -> bool:
        """Whether it has anything to do."""
        return bool(self.reasons)


def will_run(before: Plans, *stages: str) -> list[str]:
    """Return which of some stages have work to do before this one, in the same command."""
    return [stage for stage in stages if stage in before and before[stage].runs]


def changes_catalogue(workspace: Workspace, before: Plans) -> bool:
    """Return whether ``ingest`` will change the catalogue before this stage; a renamed input file changes nothing."""
    if not will_run(before, "ingest"):
        return False
    left = before["ingest"].outlook
    if left is None or left.made:
        return True
    return left.kept != published_outlook(open_catalogue(workspace.sky)).kept


def planned_workspace(workspace: Workspace, before: Plans) -> Workspace:
    """Return a workspace that takes the records of up-to-date stages as they are."""
    from dataclasses import replace

    return replace(workspace, settled=frozenset(stage for stage, plan in before.items() if not plan.runs))


def lacking(run: Run, keys: Sequence[str]) -> list[str]:
    """Return the keys of tasks that have no commit, or one whose files are damaged."""
    whole, _ = look_at_commits(run, keys)
    return [key for key in keys if key not in whole]


def task_work(title: str, run: Run, keys: Sequence[str]) -> Work:
    """Return the work of those tasks that have no whole commit in a run."""
    return Work(title, tuple(lacking(run, keys)), len(keys))


def published_outlook(catalogue: Catalogue) -> Outlook:
    """Return the partitions of a catalogue as it is published; those without rows are left out."""
    kept = {
        record.healpix: (record.sha256, record.rows)
        for record in published_partitions(catalogue)
        if record.rows
    }
    return Outlook(kept, {})


def pixel_work(title: str, pixels: Iterable[Pixel], outlook: Outlook) -> Work:
    """Return the work of some of the partitions of an outlook."""
    chosen = sorted(pixels)
    return Work(title, tuple(map(pixel_key, chosen)), len(outlook.pixels), outlook.rows(chosen))
