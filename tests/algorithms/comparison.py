"""Where two golden results of an algorithm differ, by more than processors do."""

from __future__ import annotations

import math
from typing import Any

TOLERANCE = 1e-5
"""Relative, of numbers: processors differ by less, and results that differ by less are called the same."""
TOLERANCES = {"members": 1e-3, "committee": 1e-3, "mock_materials": 1e-3}
"""Of what comes of many steps in single precision: training, and mixtures of spectra that fit almost equally well."""

SMALLEST = 1e-7
"""Numbers that differ by less are the same."""


def differing(name: str, before: Any, now: Any, path: str = "") -> list[str]:
    """Return where two results of an algorithm differ, by more than processors do."""
    path = path or name
    if isinstance(before, dict) and isinstance(now, dict):
        if before.keys() != now.keys():
            return [f"{path}: {', '.join(sorted(before.keys() ^ now.keys()))} is new or gone"]
        return [found for key in before for found in differing(name, before[key], now[key], f"{path}.{key}")]
    if isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            return [f"{path}: {len(before)} before, {len(now)} now"]
        pairs = enumerate(zip(before, now, strict=True))
        return [found for key, pair in pairs for found in differing(name, *pair, f"{path}.{key}")]
    if isinstance(before, float) and isinstance(now, float | int):
        same = math.isclose(before, now, rel_tol=TOLERANCES.get(name, TOLERANCE), abs_tol=SMALLEST)
    else:
        same = before == now
    return [] if same else [f"{path}: {before} before, {now} now"]
