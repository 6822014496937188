"""What ``ingest`` and ``foreign`` record of their results, beside the facts of all other stages (`.stage_facts`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from jpasbatch.facts import LEFT_OUT
from jpasbatch.stages.run.stage_facts import StageFacts


@dataclass(frozen=True)
class Source:
    """What the record of ``ingest`` says of one input file.

    Attributes
    ----------
    path : str
        Of the input file, as the quarantine names it.
    arrived : int
        By which ingest it came, counted from 0: of rows with the same id the latest counts.
    table, sha256 : str
        Of its rows: where it lies, relative to the output folder, and its hash.
    rows : int
        In the file, rejected ones included.
    values : dict of str to int
        Values (an object in a band) that were doubted or completed, by what was done.
    notes : tuple of str
    """

    path: str
    arrived: int
    table: str
    sha256: str
    rows: int
    values: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class WholeRows:
    """Where rejected rows are kept as their files hold them: a folder in the output folder, its files, their rows."""

    folder: str
    files: int
    rows: int


@dataclass(frozen=True)
class Touched:
    """Partitions that a revision made anew, and those of which no row was left; each as ``order_pixel``, sorted."""

    made: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IngestFacts(StageFacts):
    """What ``ingest`` records.

    Attributes
    ----------
    catalogue : str
        The version of the photometry.
    files : int
        Input files, or partitions of the mock set that was adopted.
    inputs : dict of str to str or None
        SHA-256 of the input files, by their names in the input folder; None where a mock set was adopted.
    sources : dict of str to Source or None
        What is known of these files; None where it is not known which rows came from which.
    rows_in, rows_out, quarantined : int
    reasons : dict of str to int
        Refused rows by reason.
    duplicates : int or None
        Rows that were dropped for a better one of another tile, where tiles overlap.
    values : dict of str to int or None
        Values (an object in a band) that were doubted or completed, by what was done; None where none was looked at.
    notes : tuple of str
    partitions : int
    new_partitions : int or None
        Those that this run made; None where a mock set was adopted.
    touched : Touched or None
        What a revision changed; None where the whole catalogue was made.
    carried : dict of str to str or None
        Types of the columns that travel, where the job names any.
    whole_rows : WholeRows or None
        Where the job asks for rejected rows as their files hold them.
    cuts : dict
        The quality cuts of the job, as JSON.
    """

    stage: ClassVar[str] = "ingest"
    catalogue: str = ""
    files: int = 0
    inputs: dict[str, str] | None = field(default=None, metadata=LEFT_OUT)
    sources: dict[str, Source] | None = field(default=None, metadata=LEFT_OUT)
    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    duplicates: int | None = field(default=None, metadata=LEFT_OUT)
    values: dict[str, int] | None = field(default=None, metadata=LEFT_OUT)
    notes: tuple[str, ...] = ()
    partitions: int = 0
    new_partitions: int | None = field(default=None, metadata=LEFT_OUT)
    touched: Touched | None = field(default=None, metadata=LEFT_OUT)
    carried: dict[str, str] | None = field(default=None, metadata=LEFT_OUT)
    whole_rows: WholeRows | None = field(default=None, metadata=LEFT_OUT)
    cuts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MatchedTable:
    """What the record of ``foreign`` says of one table of others.

    Attributes
    ----------
    extension : str
        The published version.
    rows : int
        Of the table.
    refused : dict of str to int
        Unusable rows by reason.
    matched, unmatched, second : int
        Usable rows that an object got, that no object has, and that lost their object to a nearer one.
    share_of_catalogue : float
        Share of its objects that got a row, from 0 to 1.
    unnamed : dict of str to int
        Rows by the commonest labels that are no class of ours.
    """

    extension: str
    rows: int
    refused: dict[str, int]
    matched: int
    unmatched: int
    second: int
    share_of_catalogue: float
    unnamed: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ForeignFacts(StageFacts):
    """What ``foreign`` records.

    Attributes
    ----------
    tables : dict of str to MatchedTable
        By the names that the job gives them.
    matched, unmatched : dict of str to int
        The same of each, for the lines that tell of a run.
    """

    stage: ClassVar[str] = "foreign"
    tables: dict[str, MatchedTable]
    matched: dict[str, int]
    unmatched: dict[str, int]
