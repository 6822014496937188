"""What a version says of itself, read from its records, its summary and the measure of its zero points."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.stages.publish.gates import Facts, Interval, Tile
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.records import recorded
from jpasbatch.stages.run.stage_facts import InferFacts
from jpasbatch.stages.run.workspace import Workspace

SUMMARY = "summary.json"
ZERO_POINTS = "zero_points.parquet"
"""Offsets of the colours of tiles, which the stage ``inspect`` wrote."""

SURE = 5.0
"""Standard errors by which a tile must be off at all."""

COUNTED = "counted quasars"


def read_facts(workspace: Workspace) -> Facts:
    """Return what an output folder says of its contents; what its job has not made is left out.

    Raises
    ------
    InputError
        When the summary is damaged.
    """
    infer, ingest = recorded(workspace, InferFacts), recorded(workspace, IngestFacts)
    known, summary = IngestFacts() if ingest is None else ingest.facts, _read(workspace.folder / SUMMARY)
    rows = summary.get("rows", {})
    counts = summary.get("counts", {})
    return Facts(
        classes={
            name: math.fsum(one["summed_probability"] for one in subsets.values())
            for name, subsets in summary.get("subsets", {}).get("by_class", {}).items()
        },
        area_deg2=_number(counts.get("area_deg2")),
        counted=dict(_counted(counts)),
        rows=rows.get("in") or known.rows_in,
        quarantined=rows.get("quarantined", known.quarantined),
        unsafe_share=_number(summary.get("subsets", {}).get("unsafe_share")),
        committee="" if infer is None else Path(infer.facts.committee).name,
        learnt_from=None if infer is None else infer.facts.origin,
        tiles=_tiles(workspace.folder / ZERO_POINTS),
    )


def _tiles(path: Path) -> tuple[Tile, ...]:
    """Return the tiles and bands that are surely off, the worst first; nothing where none were measured."""
    if not path.is_file():
        return ()
    table = pq.read_table(path, columns=["tile", "band", "offset", "error"])
    found = [
        Tile(tile, band, offset)
        for tile, band, offset, error in zip(*(column.to_pylist() for column in table.columns), strict=True)
        if abs(offset) > SURE * error
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.offset)))


def _counted(counts: Mapping[str, Any]) -> dict[str, Interval]:
    given = {COUNTED: counts.get("summed_probability"), **counts.get("by_magnitude", {})}
    return {
        name: Interval(*(_number(one.get(key)) for key in ("per_deg2", "lower", "upper")))
        for name, one in given.items()
        if isinstance(one, Mapping)
    }


def _number(value: Any) -> float:
    """Return a number of a summary, where null stands for one that is not defined."""
    return math.nan if value is None else float(value)


def _read(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged; run `jpasbatch repair JOB.toml`, which makes it again")
    return content
