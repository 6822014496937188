"""What the stage ``mock`` records of its results, beside the facts of all other stages (`.stage_facts`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jpasbatch.stages.run.stage_facts import StageFacts


@dataclass(frozen=True, kw_only=True)
class MockFacts(StageFacts):
    """What ``mock`` records of any kind of mock.

    Attributes
    ----------
    kind : str
        Of the mock.
    rows : dict of str to int
        By part: ``survey``, ``training``, ``validation``, or by set.
    """

    stage: ClassVar[str] = "mock"
    kind: str = ""
    rows: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class MockTables(MockFacts):
    """What ``mock`` records where the mock is written as survey tables.

    Attributes
    ----------
    tables : tuple of str
    folder : str
        That holds a folder for each part.
    """

    tables: tuple[str, ...]
    folder: str


@dataclass(frozen=True)
class MockSet:
    """One set of a mock from a template pack.

    Attributes
    ----------
    path, catalogue : str
        Its collection, and the name of the version there.
    folder : str
        Of the run that made it.
    rows, partitions, recomputed : int
        The last are the partitions that this run made.
    area_deg2 : float
    """

    path: str
    catalogue: str
    folder: str
    rows: int
    partitions: int
    recomputed: int
    area_deg2: float


@dataclass(frozen=True, kw_only=True)
class MockSets(MockFacts):
    """What ``mock`` records where the mock is made by partition.

    Attributes
    ----------
    sets : dict of str to MockSet
    catalogue : str
        The set that ``ingest`` takes where the job names none.
    parents : dict of str to dict
        How many there are, by class, kind and split.
    lacking : tuple of str
        What the pack lacks.
    realism : str
        Page of the realism report.
    """

    sets: dict[str, MockSet]
    catalogue: str
    parents: dict[str, dict[str, dict[str, int]]]
    lacking: tuple[str, ...]
    realism: str
