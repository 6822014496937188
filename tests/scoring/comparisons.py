"""Comparisons as they were written, read again to be shown once more."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jpasbatch.options import from_table
from jpasbatch.scoring.comparison_record import ComparisonRecord
from jpasbatch.scoring.evaluation_record import EvaluatedSample, ScoredSample


def read_comparison(stored: Mapping[str, Any]) -> ComparisonRecord:
    """Return what ``comparison.json`` holds."""
    asked = {key: stored[key] or None for key in ("detection", "field", "repeats")}
    record = from_table(ComparisonRecord, {**stored, **asked, "samples": {}}, "comparison.json")
    samples = {
        name: {title: _read_sample(title, one) for title, one in parts.items()}
        for name, parts in stored["samples"].items()
    }
    return replace(record, samples=samples)


def _read_sample(title: str, stored: Mapping[str, Any]) -> ScoredSample:
    return from_table(EvaluatedSample if "rejected" in stored else ScoredSample, stored, title)
