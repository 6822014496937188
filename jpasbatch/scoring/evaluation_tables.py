"""Scores as tables: long form for programs, Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

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


def score_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each score of a sample.

    Parameters
    ----------
    content : mapping
        ``name``, ``classes``, ``groups`` and, if there are any, numbers of ``calibration``
        (`jpasbatch.scoring.calibration_scores.CalibrationScore`). Each group has ``group`` (its name), ``confusion``
        (predicted by true class), and value and error of each score.
    """
    rows = []
    for group in content["groups"]:
        sizes = [sum(column) for column in zip(*group["confusion"], strict=True)]
        common = {"sample": content["name"], "group": group["group"]}
        for score in BY_CLASS:
            for k, name in enumerate(content["classes"]):
                value, error = group[score][0][k], group[score][1][k]
                rows.append(
                    {
                        **common,
                        "class": name,
                        "objects": sizes[k],
                        "score": score,
                        "value": value,
                        "error": error,
                    }
                )
        for score in OVERALL:
            value, error = group[score]
            rows.append(
                {
                    **common,
                    "class": EVERY_CLASS,
                    "objects": sum(sizes),
                    "score": score,
                    "value": value,
                    "error": error,
                }
            )
    rows += _calibration_rows(content)
    return rows


def _calibration_rows(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in content.get("calibration", ()):
        kept = {key: one[key] for key in ("group", "objects", "score", "value", "error")}
        yield {"sample": content["name"], "class": one["class_name"], **kept}


def to_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table of `SCHEMA`."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)


def score_text(value: float | None, error: float | None, digits: int = 3) -> str:
    """Return a score with its error, or a dash where it is not defined."""
    if value is None or value != value:
        return "–"
    return f"{value:.{digits}f} ± {error:.{digits}f}" if error is not None else f"{value:.{digits}f}"


def to_markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a Markdown table for each sample: f1 by class and group, weighted f1 and calibration error."""
    rows = list(rows)
    lines = ["# Scores", "", "Value ± bootstrap error; the number of objects in brackets.", ""]
    for sample in dict.fromkeys(row["sample"] for row in rows):
        own = [row for row in rows if row["sample"] == sample]
        classes = list(dict.fromkeys(row["class"] for row in own if row["score"] == "f1"))
        lines += [f"## {sample}", "", "| | " + " | ".join(f"f1 {name}" for name in classes)]
        lines[-1] += " | weighted f1 | ECE |"
        lines.append("|---|" + "---|" * (len(classes) + 2))
        for group in dict.fromkeys(row["group"] for row in own):
            cells = {(row["class"], row["score"]): row for row in own if row["group"] == group}
            texts = [_counted(cells[name, "f1"]) for name in classes]
            texts += [
                score_text(cells[EVERY_CLASS, key]["value"], cells[EVERY_CLASS, key]["error"])
                for key in OVERALL
            ]
            lines.append(f"| {group} | " + " | ".join(texts) + " |")
        lines.append("")
    return "\n".join(lines)


def _counted(row: Mapping[str, Any]) -> str:
    text = score_text(row["value"], row["error"])
    return text if text == "–" else f"{text} ({row['objects']:,})"
