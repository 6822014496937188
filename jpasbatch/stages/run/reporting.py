"""What the command line says of a finished stage: one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

REPORTED = {
    "fetch": ("tiles", "fetched", "rows", "bytes", "empty", "tables"),
    "mock": ("rows",),
    "ingest": ("rows_in", "rows_out", "quarantined", "duplicates", "reasons", "partitions", "new_partitions"),
    "foreign": ("matched", "unmatched"),
    "inspect": ("tiles", "tiles_known", "worst"),
    "train": ("members", "rows", "validation"),
    "evaluate": ("rows", "few_bands", "weighted_f1", "roc_auc", "worst_stress"),
    "infer": ("partitions", "recomputed", "changed", "rows_out", "quarantined", "few_bands", "precision"),
    "combine": ("objects", "weighted_f1", "rows_out"),
    "correct": ("partitions", "rows_out", "numbers", "validation"),
    "summarise": ("rows_out",),
}


def report_stage(stage: str, record: dict[str, Any]) -> None:
    """Print the summary of a finished stage, one line each."""
    facts = [
        f"{key.replace('_', ' ')} {short(record[key])}"
        for key in REPORTED[stage]
        if record.get(key) is not None
    ]
    if stage == "summarise":
        facts += [*_counted(record.get("counts") or {}), *_listed(record.get("targets") or {})]
    print(f"{stage:<10} {record['seconds']:>7.1f} s  {', '.join(facts)}", flush=True)


def _counted(counts: dict[str, Any]) -> Iterator[str]:
    """Yield the sum of probabilities as people quote it; all other numbers are in summary.json and on the page."""
    number = counts.get("summed_probability")
    if not isinstance(number, dict) or number.get("number") is None:
        return
    text = f"counted {number['number']:,.1f}"
    if number.get("per_deg2") is not None:
        ends = [number.get(end) for end in ("lower", "upper")]
        interval = "" if None in ends else " ({:,.1f} to {:,.1f})".format(*ends)
        text += f", per deg2 {number['per_deg2']:,.1f}{interval}"
    if number.get("true_per_deg2") is not None:
        text += f", true {number['true_per_deg2']:,.1f}"
    yield text


def _listed(targets: dict[str, int]) -> Iterator[str]:
    yield from (f"{name} {rows:,} targets" for name, rows in targets.items())


def short(value: Any) -> str:
    """Return a value of a record as a summary shows it."""
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {short(item)}" for key, item in value.items()) + ")"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "(" + ", ".join(map(str, value)) + ")"
    return f"{value:,}" if isinstance(value, int) else str(value)
