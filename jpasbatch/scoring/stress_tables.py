"""The stress table: a row for each sample, stress and group; and who is called what, a row for each pair of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.scoring.stress_scores import CALIBRATIONS

Content = Mapping[str, Any]
"""What is known of one sample under stress: ``objects``, ``rejected``, and ``stresses``, the unspoilt sample first.
Each has ``stress``, ``level``, ``bands``, ``wavelength`` and ``groups`` (`jpasbatch.scoring.stress_scores`)."""


def stress_table(content: Mapping[str, Content], classes: Sequence[str]) -> pa.Table:
    """Return the scores of all samples under stress.

    Parameters
    ----------
    content : mapping of str to Content
        By sample.
    classes : sequence of str

    Returns
    -------
    pyarrow.Table
        ``sample``, ``stress``, ``level``, ``group``; ``objects``, and how many of them are ``unclassified``, have
        ``few_bands`` (fewer than the committee was validated with) or are ``not_safe`` (-1 where the committee does not
        know); ``weighted_f1``, its ``change`` against the same objects when unspoilt, ``right`` (share), ``ece`` (mean
        of the classes) and ``confidence_ece``, with ``_error`` and ``_if_perfect``; ``f1_<class>`` and
        ``f1_error_<class>``.
    """
    return pa.Table.from_pylist([_wide(row, classes) for row in _rows(content)])


def _rows(content: Mapping[str, Content]) -> Iterator[dict[str, Any]]:
    for sample, part in content.items():
        for stress in part["stresses"]:
            for group in stress["groups"]:
                yield {"sample": sample, "stress": stress["stress"], "level": stress["level"], **group}


def _wide(row: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    wide = {key: row[key] for key in ("sample", "stress", "level", "group", "objects", "unclassified")}
    wide |= {key: -1 if row[key] is None else row[key] for key in ("few_bands", "not_safe")}
    for key in ("weighted_f1", "change"):
        wide |= {key: row[key][0], f"{key}_error": row[key][1]}
    wide["right"] = row["right"]
    for key in CALIBRATIONS:
        numbers = [np.nan if one is None else one for one in row[key]]  # None, as JSON has it
        wide |= dict(zip((key, f"{key}_error", f"{key}_if_perfect"), numbers, strict=True))
    for number, name in enumerate(classes):
        wide |= {f"f1_{name}": row["f1"][0][number], f"f1_error_{name}": row["f1"][1][number]}
    return wide


def called_table(content: Mapping[str, Content], classes: Sequence[str]) -> pa.Table:
    """Return who is called what: the share of each true class that is called each class.

    Returns
    -------
    pyarrow.Table
        ``sample``, ``stress``, ``level``, ``group``, ``true_class``, ``called``; ``objects`` of the true class that
        were classified, the ``share`` of them with its ``error`` (half of the central 68 % interval of Wilson 1927, J.
        Am. Stat. Assoc. 22, 209), and its ``change`` against the same objects when unspoilt. A class without objects
        has no rows.
    """
    rows = []
    for row in _rows(content):
        common = {key: row[key] for key in ("sample", "stress", "level", "group")}
        confusion, unspoilt = (np.array(row[key]) for key in ("confusion", "unspoilt"))
        for true, called in np.ndindex(confusion.shape):
            objects = int(confusion[:, true].sum())
            if objects:
                share, before = (int(one[called, true]) / objects for one in (confusion, unspoilt))
                rows.append(
                    {
                        **common,
                        "true_class": classes[true],
                        "called": classes[called],
                        "objects": objects,
                        "share": share,
                        "error": share_error(share, objects),
                        "change": share - before,
                    }
                )
    return pa.Table.from_pylist(rows)


def share_error(share: float, objects: int) -> float:
    """Return half of the central 68 % interval of a share of so many objects (Wilson 1927); not zero for 0 or 1."""
    return float(np.sqrt(share * (1.0 - share) * objects + 0.25) / (objects + 1.0))
