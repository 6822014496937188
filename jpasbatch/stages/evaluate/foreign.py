"""Classifications of others on labelled samples and on fields: on the objects that they speak of, beside ours."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.storage.foreign.options import ForeignTable, check_foreign
from jpasbatch.storage.foreign.reading import iterate_foreign
from jpasbatch.storage.tables.tables import list_tables

log = logging.getLogger(__name__)


def check_comparable(tables: Sequence[ForeignTable], titles: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse tables that cannot stand beside our classifiers.

    Raises
    ------
    InputError
        When one bears the name of a classifier, is matched by position (samples are known by their ids), or says
        nothing of some of our classes.
    """
    check_foreign(tables, classes)
    for one in tables:
        if one.name in titles:
            raise InputError(
                f"foreign {one.name!r}: a classifier has this title; give the table another name"
            )
        if one.by_position:
            raise InputError(
                f"foreign {one.name!r}: objects of a comparison are known by their ids; match the table by position in "
                "a job ([[foreign]] there), and name what it publishes here"
            )
        if not (one.label or one.whole(classes)):
            lacking = [name for name in classes if name not in one.probabilities]
            raise InputError(
                f"foreign {one.name!r}: it says nothing of {', '.join(lacking)}; a comparison needs probabilities of "
                "all classes, or a label. A score for one class is [[external]]"
            )


def foreign_rows(
    foreign: ForeignTable, identifiers: Sequence[str], survey: Survey, classes: Sequence[str]
) -> pa.Table:
    """Read what a table of others says of some objects, in the order in which the table has them.

    Only the rows of these objects are kept in memory.

    Raises
    ------
    InputError
        When the table cannot be used, or repeats one of them.
    """
    wanted = pc.SetLookupOptions(value_set=pa.array(identifiers, pa.string()))
    parts = []
    refused: Counter[str] = Counter()
    for path in list_tables(Path(foreign.table)):
        for piece in iterate_foreign(path, foreign, survey, classes):
            refused += piece.refused
            parts.append(piece.rows.filter(pc.call_function("is_in", [piece.rows["object_id"]], wanted)))
    if not parts:
        raise InputError(f"foreign {foreign.name!r}: {foreign.table} holds no rows")
    for reason, number in sorted(refused.items()):
        log.warning("foreign: %s: %d rows are left out: %s", foreign.name, number, reason)
    found = pa.concat_tables(parts)
    counts = found["object_id"].value_counts().to_pylist()
    twice = [entry["values"] for entry in counts if entry["counts"] > 1]
    if twice:
        raise InputError(
            f"foreign {foreign.name!r}: {len(twice)} ids are repeated in {foreign.table} ({', '.join(twice[:3])}); one "
            "row an object is allowed"
        )
    return found


def foreign_predictions(
    foreign: ForeignTable, reference: Predictions, survey: Survey, classes: Sequence[str]
) -> tuple[np.ndarray, Predictions]:
    """Return which objects of a sample others have classified, and what they say of these.

    Their probabilities of our classes are divided by their sum, which leaves out what is none of our classes.

    Returns
    -------
    ndarray of int64
        Positions in the sample, ascending.
    Predictions
        Of these objects. Their label decides where there is one.

    Raises
    ------
    InputError
        When the sample has no ids, or the table none of them.
    """
    if reference.object_id is None:
        raise InputError(f"foreign {foreign.name!r}: the sample has no object ids; evaluate the jobs again")
    identifiers = reference.object_id.tolist()
    found = foreign_rows(foreign, identifiers, survey, classes)
    place = {name: row for row, name in enumerate(found["object_id"].to_pylist())}
    rows = np.array([place.get(name, -1) for name in identifiers], dtype=np.int64)
    if not (rows >= 0).any():
        raise InputError(
            f"foreign {foreign.name!r}: none of the {len(identifiers)} objects of the sample is in {foreign.table}; "
            f"ids of the sample are like {identifiers[0]!r}"
        )
    kept = np.flatnonzero(rows >= 0)
    said = found.take(pa.array(rows[kept]))
    probabilities = np.stack(
        [said[foreign.probability_column(name)].to_numpy().astype(np.float64) for name in classes], axis=1
    )
    total = probabilities.sum(axis=1)
    usable = total > 0
    kept, said, probabilities = kept[usable], said.filter(pa.array(usable)), probabilities[usable]
    probabilities /= total[usable, None]
    decided = probabilities.argmax(axis=1)
    labels = pc.call_function(
        "index_in", [said[foreign.class_column]], pc.SetLookupOptions(value_set=pa.array(list(classes)))
    )
    named = labels.is_valid().to_numpy(zero_copy_only=False)
    decided[named] = labels.drop_null().to_numpy()
    return kept, replace(reference.take(kept), probabilities=probabilities, decided=decided)


def beside_ours(
    tables: Sequence[ForeignTable],
    name: str,
    predictions: Mapping[str, Predictions],
    survey: Survey,
    classes: Sequence[str],
) -> dict[str, dict[str, Predictions]]:
    """Return, for each table of others, what everyone says of the objects of a sample of which the table speaks.

    Parameters
    ----------
    name : str
        Of the sample.
    predictions : mapping of str to Predictions
        Ours, by title.

    Returns
    -------
    dict of str to dict
        By the name of a part of the sample: predictions by title, that of the others last. Tables without
        probabilities of all classes are left to the agreement on a field.
    """
    parts = {}
    for foreign in tables:
        if not foreign.whole(classes):
            continue
        first = next(iter(predictions.values()))
        kept, said = foreign_predictions(foreign, first, survey, classes)
        known = set(said.object_id.tolist()) if said.object_id is not None else set()
        ours = {}
        for title, one in predictions.items():
            same = np.array([identifier in known for identifier in _identifiers(one)], dtype=bool)
            ours[title] = one.take(np.flatnonzero(same))
        parts[f"{name}: {len(kept):,} objects of {foreign.name}"] = {**ours, foreign.name: said}
    return parts


def _identifiers(predictions: Predictions) -> list[str]:
    return [] if predictions.object_id is None else predictions.object_id.tolist()
