"""Scores as tables: long form for programs, Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from jpasbatch.scoring.evaluation_record import EvaluatedSample, ScoredGroup, ScoredSample

SCHEMA = pa.schema(
    [
        pa.field("classifier", pa.string()),
        pa.field("sample", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("class", pa.string(), nullable=False),
        pa.field("objects", pa.int64(), nullable=False),
        pa.field("score", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("error", pa.float64()),
    ]
)
EVERY_CLASS = "all"
BY_CLASS = ("purity", "completeness", "f1")
OVERALL = ("weighted_f1", "ece")


@dataclass(frozen=True)
class ScoreRow:
    """A row of the table of scores: its columns are those of `SCHEMA`, but for the classifier."""

    sample: str
    group: str
    class_name: str
    objects: int
    score: str
    value: float | None
    error: float | None


def score_rows(sample: ScoredSample) -> list[ScoreRow]:
    """Return a row for each score of a sample, and for each of its numbers of calibration if there are any."""
    rows = [row for group in sample.groups for row in _group_rows(sample, group)]
    for one in sample.calibration if isinstance(sample, EvaluatedSample) else ():
        rows.append(
            ScoreRow(sample.name, one.group, one.class_name, one.objects, one.score, one.value, one.error)
        )
    return rows


def _group_rows(sample: ScoredSample, group: ScoredGroup) -> Iterator[ScoreRow]:
    sizes = [sum(column) for column in zip(*group.confusion, strict=True)]
    for score in BY_CLASS:
        for name, objects, value, error in zip(sample.classes, sizes, *getattr(group, score), strict=True):
            yield ScoreRow(sample.name, group.group, name, objects, score, value, error)
    for score in OVERALL:
        yield ScoreRow(sample.name, group.group, EVERY_CLASS, sum(sizes), score, *getattr(group, score))


def to_table(rows: Iterable[ScoreRow], classifiers: Sequence[str] | None = None) -> pa.Table:
    """Return rows as a table of `SCHEMA`; ``classifiers`` names that of each row."""
    kept = list(rows)
    names = [None] * len(kept) if classifiers is None else classifiers
    content = [
        {**asdict(row), "class": row.class_name, "classifier": name}
        for row, name in zip(kept, names, strict=True)
    ]
    return pa.Table.from_pylist(content, schema=SCHEMA)


def score_text(value: float | None, error: float | None, digits: int = 3) -> str:
    """Return a score with its error, or a dash where it is not defined."""
    if value is None or value != value:
        return "–"
    return f"{value:.{digits}f} ± {error:.{digits}f}" if error is not None else f"{value:.{digits}f}"


def to_markdown(rows: Iterable[ScoreRow]) -> str:
    """Return a Markdown table for each sample: f1 by class and group, weighted f1 and calibration error."""
    rows = list(rows)
    lines = ["# Scores", "", "Value ± bootstrap error; the number of objects in brackets.", ""]
    for sample in dict.fromkeys(row.sample for row in rows):
        own = [row for row in rows if row.sample == sample]
        classes = list(dict.fromkeys(row.class_name for row in own if row.score == "f1"))
        lines += [f"## {sample}", "", "| | " + " | ".join(f"f1 {name}" for name in classes)]
        lines[-1] += " | weighted f1 | ECE |"
        lines.append("|---|" + "---|" * (len(classes) + 2))
        for group in dict.fromkeys(row.group for row in own):
            cells = {(row.class_name, row.score): row for row in own if row.group == group}
            texts = [_counted(cells[name, "f1"]) for name in classes]
            texts += [
                score_text(cells[EVERY_CLASS, key].value, cells[EVERY_CLASS, key].error) for key in OVERALL
            ]
            lines.append(f"| {group} | " + " | ".join(texts) + " |")
        lines.append("")
    return "\n".join(lines)


def _counted(row: ScoreRow) -> str:
    text = score_text(row.value, row.error)
    return text if text == "–" else f"{text} ({row.objects:,})"
