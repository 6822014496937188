"""``jpasbatch targets diff``: what changed from one target list to the next, object by object."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.products.targets.changes import Change, list_changes
from jpasbatch.products.targets.checking.columns import read_rows
from jpasbatch.products.targets.checking.fits_file import checksum_faults, read_units
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
    before, after = _read(old), _read(new)
    changes = list_changes(before.rows, after.rows, _reasons(old), _reasons(new))
    whole = {
        key: [value, after.whole[key]] for key, value in before.whole.items() if value != after.whole[key]
    }
    if None in whole.get(PROGRAMME, ()):  # a list without rows says nothing of it
        del whole[PROGRAMME]
    number = Counter(change.kind for change in changes)
    totals = {kind: number[kind] for kind in KINDS}
    if as_json:
        content = {"old": str(old), "new": str(new), **totals, "changes": [one.to_dict() for one in changes]}
        content["whole"] = whole
        print(json.dumps(content), flush=True)
        return 0
    for key, (one, other) in whole.items():
        print(f"whole    {key:<30} {_difference(one, other)}")
    for change in changes:
        print(f"{change.kind:<8} {change.target:<30} {_told(change)}")
    print(", ".join(f"{totals[kind]:,} {kind}" for kind in KINDS), flush=True)
    return 0


def _difference(one: Any, other: Any) -> str:
    if not isinstance(one, list):
        return f"{one} -> {other}"
    gone, new = [name for name in one if name not in other], [name for name in other if name not in one]
    told = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(new)}"] * bool(new)
    return "; ".join(told) or "in another order"


def _told(change: Change) -> str:
    values = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in change.values.items())
    return f"{change.why} ({values})" if values else change.why


WHOLE = ("TRIMESTE", "DATAMVER")
"""Cards that two versions of one list have in common."""

PROGRAMME = "TARGSRVY"
"""The column of the programme, which is that of the whole list."""


class _List(NamedTuple):
    """Rows of a list, and what is said of all of them."""

    rows: np.ndarray
    whole: dict[str, Any]


def _read(file: Path) -> _List:
    """Read a list.

    Raises
    ------
    InputError
        When it is none, was cut off, or names a target twice.
    """
    units, faults = read_units(read_whole(file))
    cut = next((fault for fault in faults if fault.rule == "truncated"), None)
    if cut is not None:
        raise InputError(
            f"{file}: was cut off ({cut.found}; {cut.allowed}), so that targets would seem to be dropped; see "
            f"`jpasbatch targets check {file}`"
        )
    for damaged in (fault for unit in units[1:2] for fault in checksum_faults(unit, "table")):
        if damaged.rule != "datasum" or damaged.found in damaged.allowed:  # or it is right, as a number
            continue
        raise InputError(
            f"{file}: was damaged, or changed after it was written (DATASUM is {damaged.found}; allowed is "
            f"{damaged.allowed}), so that targets would seem to be others. Take a whole copy of it, or write it again "
            "with its checksums"
        )
    rows, problems = read_rows(units[1]) if len(units) > 1 else (None, [])
    if rows is None or "TARGID" not in (rows.dtype.names or ()) or rows.dtype["TARGID"].kind != "S":
        why = problems[0].found if problems else "no table with a column of texts TARGID"
        raise InputError(f"{file}: is no target list ({why}); see `jpasbatch targets check {file}`")
    if len(np.unique(rows["TARGID"])) < len(rows):
        raise InputError(
            f"{file}: names a TARGID twice, so that rows cannot be told apart; see `jpasbatch targets check`"
        )
    names = [name.strip() for name in np.char.decode(rows["TARGID"], "latin-1").tolist()]
    if "" in names:
        raise InputError(
            f"{file}: row {names.index('') + 1} has no TARGID, so that it cannot be told apart; see `jpasbatch targets "
            f"check {file}`"
        )
    whole = {card: units[0].values.get(card) for card in WHOLE}
    whole |= {PROGRAMME: _programme(rows)}
    whole |= {"EXTNAME": units[1].values.get("EXTNAME"), "columns": list(rows.dtype.names or ())}
    return _List(rows, whole)


def _programme(rows: np.ndarray) -> str | None:
    """Return the programmes of a list; None where it has no rows, or no such column of texts."""
    if PROGRAMME not in (rows.dtype.names or ()) or rows.dtype[PROGRAMME].kind != "S":
        return None
    texts = np.char.decode(np.unique(rows[PROGRAMME]), "latin-1").tolist()
    return ", ".join(text.strip() for text in texts) if texts else None


def _reasons(file: Path) -> dict[str, str] | None:
    beside = file.resolve().with_name(candidates_name(file.resolve().stem))
    if not beside.is_file():
        return None
    try:
        table = pq.ParquetFile(beside).read(columns=["object_id", "reason"])
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{beside}: the table of candidates of {file} cannot be read ({' '.join(str(error).split())[:150]}); "
            "summarise again, or move it away to compare without reasons"
        ) from None
    if table.column_names != ["object_id", "reason"]:
        raise InputError(
            f"{beside}: has no columns object_id and reason, so that it is no table of candidates; move it away to "
            "compare without reasons"
        )
    return dict(zip(table["object_id"].to_pylist(), table["reason"].to_pylist(), strict=True))
