"""``jpasbatch targets diff``: what changed from one target list to the next, object by object."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.products.targets.changes import Change, list_changes
from jpasbatch.products.targets.checking.columns import read_rows
from jpasbatch.products.targets.checking.fits_file import read_units
from jpasbatch.products.targets.published_list import candidates_name
from jpasbatch.stages.submit.check import read_whole

KINDS = ("added", "dropped", "changed")


def compare_targets(old: Path, new: Path, as_json: bool) -> int:
    """Print what was added, dropped and changed between two lists, and why.

    The reasons are those of the tables of candidates that lie beside lists of jpasbatch.

    Returns
    -------
    int
        0, whether they differ or not.

    Raises
    ------
    InputError
        When a file is no target list.
    """
    changes = list_changes(_rows(old), _rows(new), _reasons(old), _reasons(new))
    number = Counter(change.kind for change in changes)
    totals = {kind: number[kind] for kind in KINDS}
    if as_json:
        content = {"old": str(old), "new": str(new), **totals, "changes": [one.to_dict() for one in changes]}
        print(json.dumps(content), flush=True)
        return 0
    for change in changes:
        print(f"{change.kind:<8} {change.target:<30} {_told(change)}")
    print(", ".join(f"{totals[kind]:,} {kind}" for kind in KINDS), flush=True)
    return 0


def _told(change: Change) -> str:
    values = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in change.values.items())
    return f"{change.why} ({values})" if values else change.why


def _rows(file: Path) -> np.ndarray:
    units, _ = read_units(read_whole(file))
    rows, problems = read_rows(units[1]) if len(units) > 1 else (None, [])
    if rows is None or "TARGID" not in (rows.dtype.names or ()) or rows.dtype["TARGID"].kind != "S":
        why = problems[0].found if problems else "no table with a column of texts TARGID"
        raise InputError(f"{file}: is no target list ({why}); see `jpasbatch targets check {file}`")
    if len(np.unique(rows["TARGID"])) < len(rows):
        raise InputError(
            f"{file}: names a TARGID twice, so that rows cannot be told apart; see `jpasbatch targets check`"
        )
    return rows


def _reasons(file: Path) -> dict[str, str] | None:
    beside = file.resolve().with_name(candidates_name(file.resolve().stem))
    if not beside.is_file():
        return None
    table = pq.read_table(beside, columns=["object_id", "reason"])
    return dict(zip(table["object_id"].to_pylist(), table["reason"].to_pylist(), strict=True))
