"""One partition of the combination: our probabilities and those of others in, combined ones out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.products.posteriors import KEYS, reference_role
from jpasbatch.products.record import magnitude_column, probability_column
from jpasbatch.scoring.combination import Combination
from jpasbatch.stages.run.commits import Made
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.foreign.options import ForeignTable
from jpasbatch.storage.stores.opening import open_store

COMBINED = "combined"
"""Name of the extension, and the beginning of the names of its columns."""


@dataclass(frozen=True)
class Combining:
    """What a worker needs to combine a partition: places, names and a few numbers.

    Attributes
    ----------
    store : str
        Location of the store: the output folder.
    sky, predictions, staging : str
        Keys there: of the collection, of our predictions, and of the staged partitions.
    others : tuple of (ForeignTable, str, frozenset)
        Tables of others in the order of the fit, the keys of their catalogues, and the partitions that these have.
    survey : Survey
    classes : tuple of str
    fitted : mapping
        State of the combination.
    fingerprint : str
        Of the run; in every commit.
    """

    store: str
    sky: str
    predictions: str
    staging: str
    others: tuple[tuple[ForeignTable, str, frozenset[tuple[int, int]]], ...]
    survey: Any
    classes: tuple[str, ...]
    fitted: Mapping[str, Any]
    fingerprint: str


def combined_schema(classes: Sequence[str]) -> pa.Schema:
    """Return the schema of a combination: keys, ``combined_probability_<class>`` float32, ``combined_class``."""
    keys = [
        ("_healpix_29", pa.int64()),
        ("object_id", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
    ]
    said = [(f"{COMBINED}_{probability_column(name)}", pa.float32()) for name in classes]
    return pa.schema([*keys, *said, (f"{COMBINED}_class", pa.string())])


def combine_partition(combining: Combining, order: int, pixel: int, name: str) -> Made:
    """Combine one partition; objects of which one of the others does not speak have no row.

    Raises
    ------
    InputError
        When a partition is damaged.
    """
    store, file, classes = (
        open_store(combining.store),
        partition_file(order, pixel).as_posix(),
        combining.classes,
    )
    magnitude = magnitude_column(reference_role(combining.survey))
    columns = (*KEYS, *map(probability_column, classes), magnitude)
    ours = read_partition(f"{combining.predictions}/{file}", columns, store)
    parts = [matrix(ours, [probability_column(one) for one in classes])]
    there = np.ones(ours.num_rows, dtype=bool)
    for foreign, key, pixels in combining.others:
        if (order, pixel) not in pixels:
            there[:] = False
            break
        names = [foreign.probability_column(one) for one in classes]
        said = read_partition(f"{key}/{file}", ("object_id", *names), store)
        found, known = beside(ours["object_id"], said, names)
        parts.append(found)
        there &= known
    table = combined_schema(classes).empty_table()
    if there.any():
        fitted = Combination.from_state(combining.fitted)
        kept = ours.filter(pa.array(there))
        together = fitted([part[there] for part in parts], kept[magnitude].to_numpy().astype(np.float64))
        table = _table(kept, together, classes)
    staged = write_partition(table, store, combining.staging, name)
    facts = staged.facts((order, pixel), combining.sky, combining.fingerprint, ours.num_rows - table.num_rows)
    return Made(table.num_rows, facts, own=staged.files)


def beside(
    identifiers: pa.ChunkedArray, said: pa.Table, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what others say of objects, as probabilities that sum to 1 over our classes, and of which they speak.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Equal shares where they do not speak.
    ndarray of bool, shape (n,)
    """
    place = pc.call_function("index_in", [identifiers], pc.SetLookupOptions(value_set=said["object_id"]))
    known = place.is_valid().to_numpy()
    found = np.full((len(identifiers), len(names)), 1.0 / len(names))
    rows = place.drop_null().to_numpy()
    values = matrix(said, names)[rows]
    total = values.sum(axis=1)
    usable = total > 0
    positions = np.flatnonzero(known)
    found[positions[usable]] = values[usable] / total[usable, None]
    known[positions[~usable]] = False
    return found, known


def matrix(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Return some columns of a table side by side, float64 (n, k)."""
    return np.stack([table[name].to_numpy().astype(np.float64) for name in names], axis=1)


def _table(kept: pa.Table, together: np.ndarray, classes: Sequence[str]) -> pa.Table:
    schema = combined_schema(classes)
    decided = np.array(classes, dtype=object)[together.argmax(axis=1)]
    said = [pa.array(column.astype(np.float32)) for column in together.T]
    keys = [kept[name].combine_chunks() for name in KEYS]
    return pa.table([*keys, *said, pa.array(decided, pa.string())], schema=schema)
