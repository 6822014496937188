"""The rows that products read: those of a partition, and single ones that are found by identifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.learning.samples import UNLABELLED, label
from jpasbatch.products.posteriors import POSTERIOR_CLASS, STRATUM, committee_column, posterior_column
from jpasbatch.products.protocol import Columns, LookUp, Partition, Setting
from jpasbatch.products.record import probability_column
from jpasbatch.storage.catalogue.collection import Catalogue
from jpasbatch.storage.catalogue.partitions import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    find_rows,
    partition_file,
    read_partition,
)
from jpasbatch.storage.stores.store import Store

TRUTH = ("true_class", "true_redshift")


class Files(NamedTuple):
    """Keys of the files of one partition; ``posteriors`` is None where probabilities are not corrected."""

    predictions: str
    photometry: str
    posteriors: str | None = None


def read_rows(store: Store, files: Files, columns: Columns, setting: Setting) -> Partition:
    """Read what products ask for of a partition.

    Parameters
    ----------
    store : Store
    files : Files
        The photometry stays unread where no product needs it.
    columns : Columns
    setting : Setting
    """
    wanted = tuple(dict.fromkeys(("object_id", *columns.predictions)))
    of_photometry = (*columns.photometry, *(TRUTH if columns.truth else ()))
    predictions = _read_served(store, files, wanted, setting)
    if not of_photometry:
        unknown = np.full(predictions.num_rows, UNLABELLED, dtype=np.int16)
        return Partition(predictions, predictions.select(["object_id"]), unknown)
    table = read_partition(files.photometry, tuple(dict.fromkeys(("object_id", *of_photometry))), store)
    return join(predictions, table, columns.truth, setting)


def _read_served(store: Store, files: Files, wanted: Sequence[str], setting: Setting) -> pa.Table:
    """Return columns by the names that products know: probabilities are those under the mix of the sky, if there are.

    Raises
    ------
    ValueError
        When predictions and posteriors hold different objects.
    """
    if files.posteriors is None:
        return read_partition(files.predictions, wanted, store)
    names = setting.class_names
    own = {committee_column(name): probability_column(name) for name in names}
    corrected = {probability_column(name): posterior_column(name) for name in names}
    corrected |= {"predicted_class": POSTERIOR_CLASS, STRATUM: STRATUM}
    sources = {name: corrected[name] for name in wanted if name in corrected}
    posteriors = read_partition(files.posteriors, ("object_id", *sources.values()), store)
    given = {name: own.get(name, name) for name in wanted if name not in corrected}
    predictions = read_partition(files.predictions, tuple(given.values()), store)
    if not posteriors["object_id"].equals(predictions["object_id"]):
        raise ValueError("predictions and posteriors of a partition hold different objects")
    found = {name: predictions[source] for name, source in given.items()}
    found |= {name: posteriors[source] for name, source in sources.items()}
    return pa.table({name: found[name] for name in wanted})


def join(predictions: pa.Table, table: pa.Table, truth: bool, setting: Setting) -> Partition:
    """Return predictions and photometry of the same objects, with labels where the truth is asked for."""
    photometry = align(table, predictions)
    labels = np.full(predictions.num_rows, UNLABELLED, dtype=np.int16)
    if truth:
        true_class = photometry["true_class"].to_numpy(zero_copy_only=False)
        labels = label(true_class, photometry["true_redshift"].to_numpy(), setting.classes)
    return Partition(predictions, photometry, labels)


def align(table: pa.Table, records: pa.Table) -> pa.Table:
    """Return the rows of a catalogue partition that have records, in the order of these.

    Both are in the order of the catalogue, and records lack the rows that were quarantined.

    Raises
    ------
    ValueError
        When a record has no row: then the two are not of the same catalogue.
    """
    wanted = records["object_id"].combine_chunks()
    kept = table.filter(
        pc.call_function("is_in", [table["object_id"]], pc.SetLookupOptions(value_set=wanted))
    )
    if kept["object_id"].to_pylist() != wanted.to_pylist():
        raise ValueError("predictions and photometry of a partition hold different objects")
    return kept


def row_reader(store: Store, version: str, photometry: Catalogue) -> LookUp:
    """Return a function that reads rows of a version of the photometry by identifier and pixel of order 29."""
    everything = [name for name in photometry.schema.names if name != HEALPIX_COLUMN]

    def look_up(objects: Mapping[str, int], columns: Sequence[str] | None) -> pa.Table:
        columns = everything if columns is None else columns
        if not objects:
            return photometry.schema.empty_table().select(list(columns))
        places, wanted = _places(photometry.pixels, objects), tuple(dict.fromkeys(("object_id", *columns)))
        parts = []
        for pixel, identifiers in places.items():
            key = f"{version}/{partition_file(*pixel).as_posix()}"
            parts.append(find_rows(store, key, identifiers, wanted))
        table = pa.concat_tables(parts)
        order = {name: row for row, name in enumerate(table["object_id"].to_pylist())}
        return table.take([order[name] for name in objects]).select(list(columns))

    return look_up


def _places(
    pixels: Sequence[tuple[int, int]], objects: Mapping[str, int]
) -> dict[tuple[int, int], list[str]]:
    """Return the identifiers in each partition that holds some."""
    there = set(pixels)
    orders = sorted({order for order, _ in pixels})
    places: dict[tuple[int, int], list[str]] = {}
    for name, healpix in objects.items():
        pixel = next(
            one for order in orders if (one := (order, healpix >> 2 * (HEALPIX_ORDER - order))) in there
        )
        places.setdefault(pixel, []).append(name)
    return places
