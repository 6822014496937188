"""What changed from one target list to the next, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

GONE = "no candidate any more: not in the catalogue, or below the limits of every rule"
FIRST = "was no candidate before: new in the catalogue, or below the limits of every rule"
UNKNOWN = "not known: no table of candidates lies beside that list"
SELECTED = "selected"


@dataclass(frozen=True)
class Change:
    """One object that two lists treat differently.

    Attributes
    ----------
    target : str
        TARGID.
    kind : {"added", "dropped", "changed"}
    why : str
    values : mapping of str to (old, new)
        Columns that changed.
    """

    target: str
    kind: str
    why: str
    values: Mapping[str, tuple[Any, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the change as JSON-able values."""
        values = {name: list(pair) for name, pair in self.values.items()}
        return {"target": self.target, "kind": self.kind, "why": self.why, "values": values}


def list_changes(
    old: np.ndarray,
    new: np.ndarray,
    old_reasons: Mapping[str, str] | None,
    new_reasons: Mapping[str, str] | None,
) -> list[Change]:
    """Return what differs between two lists, by identifier, in the order of these.

    Parameters
    ----------
    old, new : structured ndarray
        Rows as WEAVE has them; each TARGID once.
    old_reasons, new_reasons : mapping of str to str, optional
        Why each candidate is in the list or not, where that is known.
    """
    before, after = _by_target(old), _by_target(new)
    shared = [name for name in (new.dtype.names or ()) if name in (old.dtype.names or ())]
    changes = []
    for target in sorted(before.keys() | after.keys()):
        if target not in before:
            why = _why(old_reasons, target, FIRST)
            changes.append(Change(target, "added", why, {}))
        elif target not in after:
            changes.append(Change(target, "dropped", _why(new_reasons, target, GONE), {}))
        else:
            values = _differences(old[before[target]], new[after[target]], shared)
            if values:
                changes.append(Change(target, "changed", _cause(values), values))
    return changes


def _by_target(rows: np.ndarray) -> dict[str, int]:
    return {text.decode("latin-1").rstrip(): row for row, text in enumerate(rows["TARGID"].tolist())}


def _why(reasons: Mapping[str, str] | None, target: str, absent: str) -> str:
    if reasons is None:
        return UNKNOWN
    found = reasons.get(target, absent)
    return found if found != SELECTED else "the lists differ from the tables beside them"


def _differences(old: np.void, new: np.void, names: list[str]) -> dict[str, tuple[Any, Any]]:
    found = {}
    for name in names:
        one, other = _plain(old[name]), _plain(new[name])
        if one != other:
            found[name] = (one, other)
    return found


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it; NaN is None, so that it equals itself, and an infinite number is a text."""
    if isinstance(value, bytes):
        return value.decode("latin-1").rstrip()
    plain = value.item()
    if isinstance(plain, float) and not math.isfinite(plain):
        return None if math.isnan(plain) else str(plain)
    return plain


def _cause(values: Mapping[str, Any]) -> str:
    photometry = any(name.startswith("MAG_") for name in values)
    moved = any(name in values for name in ("GAIA_RA", "GAIA_DEC"))
    parts = [
        *(["its photometry changed"] if photometry else []),
        *(["its position changed"] if moved else []),
        *(["its probability, or the limits of its rule"] if "TARGPRIO" in values and not photometry else []),
        *(["another rule takes it"] if "TARGPROG" in values else []),
    ]
    return "; ".join(parts) or "what is said of the whole list"
