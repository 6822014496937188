"""The publications of a job so far, from the history of its runs, and the one that is being made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jpasbatch.products.series import SeriesPoint
from jpasbatch.stages.run.history import headline_counts, read_history


def earlier_publications(folder: Path) -> list[SeriesPoint]:
    """Return the publications that the history of an output folder tells of, the oldest first.

    A page that is not written anew lacks none: who changes the products writes the page.

    Raises
    ------
    InputError
        When a file of the history is damaged.
    """
    return [
        _point(run["begun"], run["results"])
        for run in read_history(folder)
        if run.get("results", {}).get("summarise", {}).get("ran")
    ]


def this_publication(
    created: str, records: Mapping[str, Mapping[str, Any]], headlines: Mapping[str, Any]
) -> SeriesPoint:
    """Return the publication that is being made.

    Parameters
    ----------
    created : str
        ISO date and time.
    records : mapping
        Of the stages before.
    headlines : mapping
        What the record of ``summarise`` will say of its products.
    """
    summarise = {**headline_counts(headlines), "targets": headlines.get("targets", {})}
    summarise["rows_out"] = records.get("infer", {}).get("rows_out")
    return _point(created, {**records, "summarise": summarise})


def _point(time: str, results: Mapping[str, Mapping[str, Any]]) -> SeriesPoint:
    told = results["summarise"]
    counts = told.get("counts", {})
    held = [results.get(stage, {}).get("quarantined") for stage in ("ingest", "infer")]
    known = [one for one in held if one is not None]
    return SeriesPoint(
        time,
        told.get("rows_out"),
        counts.get("number"),
        counts.get("per_deg2"),
        counts.get("per_deg2_lower"),
        counts.get("per_deg2_upper"),
        sum(known) if known else None,
        told.get("targets") or {},
    )
