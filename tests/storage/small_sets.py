"""Small sets of canonical rows with their truth, staged by partition as the mock stage stages them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from hats.pixel_math.spatial_index import compute_spatial_index

from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import catalogue_schema, required_elements
from jpasbatch.storage.catalogue.partitions import write_partition
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
from jpasbatch.storage.stores.opening import open_store
from tests.storage.conftest import make_photometry

ORDER = 4
EMPTY = (ORDER, 0)
TRUTH = (
    pa.field("mock_id", pa.int64()),
    pa.field("parent_id", pa.string()),
    pa.field("split", pa.string()),
    pa.field("true_magnitude", pa.float32()),
)
CLASSES = ("star", "galaxy", "qso")


def set_schema(survey: Survey) -> pa.Schema:
    """Return the columns of a set: the index, the canonical photometry, and the truth."""
    canonical = catalogue_schema(survey)
    fields = [pa.field("_healpix_29", pa.int64(), nullable=False), *canonical, *TRUTH]
    return required_elements(pa.schema(fields, metadata=canonical.metadata))


def set_rows(survey: Survey, rows: int = 600, seed: int = 1) -> pa.Table:
    """Return rows in the order of their index; every third is a quasar, half of them at high redshift."""
    table = make_photometry(survey, rows, seed)
    numbers = np.arange(rows)
    redshift = np.where(numbers % 2, 1.0, 3.0).astype(np.float32)
    columns = {name: table[name] for name in table.column_names} | {
        "_healpix_29": pa.array(compute_spatial_index(table["ra"].to_numpy(), table["dec"].to_numpy())),
        "true_class": pa.array([CLASSES[number % 3] for number in numbers]),
        "true_redshift": pa.array(np.where(numbers % 3 == 2, redshift, np.float32(np.nan))),
        "mock_id": pa.array(numbers),
        "parent_id": pa.array([f"template-{number % 7}" for number in numbers]),
        "split": pa.array(["field"] * rows),
        "true_magnitude": pa.array((18 + 5 * numbers / rows).astype(np.float32)),
    }
    schema = set_schema(survey)
    whole = pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)
    return whole.sort_by("_healpix_29")


def stage_set(table: pa.Table, folder: Path, empty: bool = True) -> list[dict]:
    """Stage the rows by pixel in ``<folder>/.staging`` and return the records, one of them of an empty pixel."""
    pixels = table["_healpix_29"].to_numpy() >> 2 * (29 - ORDER)
    records = []
    for pixel in np.unique(pixels).tolist():
        staged = write_partition(
            table.filter(pa.array(pixels == pixel)), open_store(folder), ".staging", f"{ORDER}_{pixel}"
        )
        records.append(staged.facts((ORDER, pixel), "", "ab").to_record())
    if empty:
        staged = write_partition(table.slice(0, 0), open_store(folder), "", "none")
        records.append(staged.facts(EMPTY, "", "ab").to_record())
    return records


def publish_set(table: pa.Table, collection: Path, name: str) -> Path:
    """Publish a set as the collection that the mock stage makes of it, and return its catalogue."""
    records = stage_set(table, collection)
    return publish_primary(
        collection, name, records, table.schema, {"set": name}, PrimaryOptions(map_order=6)
    )
