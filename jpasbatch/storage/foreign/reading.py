"""Tables of others into a form of ours: an id or a place, probabilities of our classes, and a class of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.types import UNIT, agree, is_number
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.foreign.options import ForeignTable
from jpasbatch.storage.tables.carried import CHUNK_ROWS, describe_carried, open_columns

NO_ID, NO_POSITION, NO_PROBABILITY = "no id", "no position", "no probability"
ALL_ZERO = "probabilities of all classes are 0"
UNNAMED = "their class is none of ours"
"""Of rows that are kept: nobody knows what class of ours they would be."""

ROUNDING = 1e-3
"""How far a probability may leave 0 to 1, and a sum of them 1, by rounding."""

DEGREES = ("", "deg", "degree", "degrees")


class ForeignRows(NamedTuple):
    """Rows in our form, how many were refused by reason, and how many values stand for no class."""

    rows: pa.Table
    refused: Counter[str]
    unnamed: Counter[str]


def foreign_schema(foreign: ForeignTable, classes: Sequence[str]) -> pa.Schema:
    """Return what the catalogue of a table of others says of each object, beside id and place.

    ``<name>_probability_<class>`` float32, of those classes that it has; ``<name>_class`` text, null where it is none
    of ours or not known; for matches by position ``<name>_separation`` float32, arcsec.
    """
    fields = [
        pa.field(foreign.probability_column(name), pa.float32())
        for name in classes
        if name in foreign.probabilities
    ]
    if foreign.label or foreign.whole(classes):
        fields.append(pa.field(foreign.class_column, pa.string()))
    if foreign.by_position:
        fields.append(pa.field(foreign.separation_column, pa.float32(), metadata={UNIT: b"arcsec"}))
    return pa.schema(fields)


def iterate_foreign(
    path: Path, foreign: ForeignTable, survey: Survey, classes: Sequence[str]
) -> Iterator[ForeignRows]:
    """Yield the rows of a table in our form, in pieces.

    Columns are ``object_id`` (our id; for matches by position, the row of the table), ``ra`` and ``dec`` where it is
    matched by position, and those of `foreign_schema` but the separation.

    Raises
    ------
    InputError
        If a column is missing or of another type, or numbers are no probabilities: named with file and column.
    """
    columns = foreign.read_columns()
    named = f"foreign {foreign.name!r}"
    try:
        described = describe_carried(path, survey, columns)
        _check_units(described, foreign)
        schema, _ = agree({str(path): described})
        with open_columns(path, survey, columns, schema) as table:
            left, first = table.rows, 0
            while left:
                count = min(left, CHUNK_ROWS)
                yield _canonical(table.take(count), foreign, survey, classes, (str(path), first))
                left, first = left - count, first + count
    except InputError as error:
        text = str(error).replace("of [catalogue] carry", "that is named").replace("carried column", "column")
        raise InputError(text if text.startswith(named) else f"{named}: {text}") from None


def _check_units(schema: pa.Schema, foreign: ForeignTable) -> None:
    for column in filter(None, (foreign.ra, foreign.dec)):
        unit = (schema.field(foreign.place_of(column)).metadata or {}).get(UNIT, b"").decode()
        if unit.lower() not in DEGREES:
            raise InputError(f"column {column!r} is in {unit!r}; positions are in degrees (ICRS)")


def _canonical(
    rows: pa.Table, foreign: ForeignTable, survey: Survey, classes: Sequence[str], place: tuple[str, int]
) -> ForeignRows:
    source, first = place
    keep = np.ones(rows.num_rows, dtype=bool)
    refused: Counter[str] = Counter()

    def refuse(bad: np.ndarray, reason: str) -> None:
        refused[reason] += int((keep & bad).sum())
        keep[bad] = False

    def column(name: str) -> pa.ChunkedArray:
        return rows.column(foreign.place_of(name))

    found: dict[str, pa.Array | np.ndarray] = {}
    if foreign.by_position:
        found["object_id"] = pa.array([f"{Path(source).name}:{first + row}" for row in range(rows.num_rows)])
        ra, dec = (_numbers(column(name), name, source) for name in (foreign.ra, foreign.dec))
        refuse(~((ra >= 0) & (ra < 360) & (np.abs(dec) <= 90)), NO_POSITION)
        found |= {"ra": ra, "dec": dec}
    else:
        identifier = _identifiers([column(name) for name in foreign.id], foreign, survey, source)
        refuse(identifier.is_null().to_numpy(zero_copy_only=False), NO_ID)
        found["object_id"] = identifier
    probabilities = _probabilities(foreign, classes, column, place)
    for values in probabilities.values():
        refuse(np.isnan(values), NO_PROBABILITY)
    if foreign.whole(classes):  # their class would be the first of ours
        refuse(np.sum(list(probabilities.values()), axis=0) == 0, ALL_ZERO)
    found |= {foreign.probability_column(name): one.astype(np.float32) for name, one in probabilities.items()}
    unnamed: Counter[str] = Counter()
    if foreign.label:
        found[foreign.class_column], unnamed = _classes(column(foreign.label), foreign, keep)
    elif foreign.whole(classes):
        best = np.stack([probabilities[name] for name in classes], axis=1)
        best[~keep] = 0.0
        found[foreign.class_column] = pa.array(
            np.array(classes, dtype=object)[best.argmax(axis=1)], pa.string()
        )
    return ForeignRows(pa.table(found).filter(pa.array(keep)), +refused, unnamed)


def _numbers(column: pa.ChunkedArray, name: str, source: str) -> np.ndarray:
    if not is_number(column.type):
        raise InputError(f"{source}: column {name!r} must hold numbers, found {column.type}")
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)


def _identifiers(
    columns: list[pa.ChunkedArray], foreign: ForeignTable, survey: Survey, source: str
) -> pa.ChunkedArray:
    for name, one in zip(foreign.id, columns, strict=True):
        if not (pa.types.is_integer(one.type) or pa.types.is_string(one.type)):
            raise InputError(
                f"{source}: column {name!r} of the id holds {one.type}; an id is a whole number or a text"
            )
    texts = [one.cast(pa.string()) for one in columns]
    return pc.call_function("binary_join_element_wise", [*texts, pa.scalar(survey.catalogue.id_separator)])


def _probabilities(
    foreign: ForeignTable, classes: Sequence[str], column, place: tuple[str, int]
) -> dict[str, np.ndarray]:
    """Return their probability of each class of ours that they have, float64 (n,), NaN where a part is missing."""
    source, first = place

    def named(wrong: np.ndarray) -> str:
        return f"row {first + int(np.argmax(wrong)) + 1}"

    found = {}
    for class_name in classes:
        if class_name not in foreign.probabilities:
            continue
        parts = [(name, _numbers(column(name), name, source)) for name in foreign.probabilities[class_name]]
        for name, values in parts:
            outside = ~np.isnan(values) & ~((values >= -ROUNDING) & (values <= 1 + ROUNDING))
            if outside.any():
                raise InputError(
                    f"{source}: column {name!r} holds {values[outside][0]:.6g} in {named(outside)}; "
                    "allowed is 0 to 1. Where they are per cent, logarithms or odds, make probabilities of them first"
                )
        found[class_name] = np.clip(np.sum([values for _, values in parts], axis=0), 0.0, None)
    total = np.sum(list(found.values()), axis=0) if found else np.zeros(1)
    if (above := total > 1 + ROUNDING).any():
        raise InputError(
            f"{source}: the probabilities of one object sum to {total[above][0]:.6g} ({named(above)}); "
            "at most 1 is allowed. Name each column for one class"
        )
    return {name: np.minimum(values, 1.0) for name, values in found.items()}


def _classes(
    column: pa.ChunkedArray, foreign: ForeignTable, keep: np.ndarray
) -> tuple[pa.Array, Counter[str]]:
    """Return the class of ours that their label stands for, null for none, and the labels that stand for none."""
    ours = {value: name for name, values in foreign.labels.items() for value in values}
    labels = column.cast(pa.string()).to_pylist()
    found = [None if label is None else ours.get(label) for label in labels]
    none = Counter(
        label
        for label, one, kept in zip(labels, found, keep, strict=True)
        if kept and label is not None and one is None
    )
    return pa.array(found, pa.string()), none
