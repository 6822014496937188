"""What the command line says of a finished stage: one line."""

from __future__ import annotations

from typing import Any

from jpasbatch.products.registry import PRODUCTS

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
    "correct": ("partitions", "rows_out", "shares"),
    "summarise": tuple(product.name for product in PRODUCTS),
}


def report_stage(stage: str, record: dict[str, Any]) -> None:
    """Print the summary of a finished stage, one line each."""
    facts = ", ".join(
        f"{key.replace('_', ' ')} {short(record[key])}"
        for key in REPORTED[stage]
        if record.get(key) is not None
    )
    print(f"{stage:<10} {record['seconds']:>7.1f} s  {facts}", flush=True)


def short(value: Any) -> str:
    """Return a value of a record as a summary shows it."""
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {short(item)}" for key, item in value.items()) + ")"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "(" + ", ".join(map(str, value)) + ")"
    return f"{value:,}" if isinstance(value, int) else str(value)
