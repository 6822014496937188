"""The publications of a job so far, from the history of its runs, and the one that is being made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jpasbatch.products.series import SeriesPoint
from jpasbatch.stages.run.history import PUBLICATION, headline_counts, read_history
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.stage_facts import InferFacts


def earlier_publications(folder: Path) -> list[SeriesPoint]:
    """Return the publications that the history of an output folder tells of, the oldest first.

    A page that is not written anew lacks none: who changes the products writes the page.

    Raises
    ------
    InputError
        When a file of the history is damaged.
    """
    runs = read_history(folder)
    told = [_publication(run) for run in runs]
    last = {
        one.get("version"): str(one.get("state", "")) for one in told
    }  # it may be held, and accepted later
    return [
        _point(run["begun"], run["results"], last[one.get("version")] if one else "")
        for run, one in zip(runs, told, strict=True)
        if run.get("results", {}).get("summarise", {}).get("ran")
    ]


def _publication(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the history tells of what became of a version; nothing in a job that publishes at once."""
    return run.get("results", {}).get(PUBLICATION) or {}


def this_publication(
    created: str, ingest: IngestFacts | None, infer: InferFacts | None, headlines: Mapping[str, Any]
) -> SeriesPoint:
    """Return the publication that is being made.

    Parameters
    ----------
    created : str
        ISO date and time.
    ingest, infer : IngestFacts, InferFacts or None
        What these stages recorded, where they ran.
    headlines : mapping
        What the record of ``summarise`` will say of its products.
    """
    summarise = {**headline_counts(headlines), "targets": headlines.get("targets", {})}
    summarise["rows_out"] = infer and infer.rows_out
    before = {"ingest": ingest, "infer": infer}
    held = {stage: {"quarantined": facts.quarantined} for stage, facts in before.items() if facts is not None}
    return _point(created, {**held, "summarise": summarise})


def _point(time: str, results: Mapping[str, Mapping[str, Any]], state: str = "") -> SeriesPoint:
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
        state,
    )
