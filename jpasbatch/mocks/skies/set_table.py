"""The table of a set: canonical photometry, and beside it the truth that only a mock knows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jpasbatch.mocks.skies.templates import SetTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import catalogue_schema, required_elements

NOISELESS_SETS = ("training", "validation")
"""Sets that keep their noiseless fluxes, so that noise can be drawn again at every epoch of a training."""


def set_schema(survey: Survey, noiseless: bool, weighted: bool = False) -> pa.Schema:
    """Return the schema of a set.

    ======================  ===============  ==================================================================
    column                  type             meaning
    ======================  ===============  ==================================================================
    _healpix_29             int64            spatial index
    ...                                      those of `jpasbatch.photometry.table.catalogue_schema`
    mock_id                 int64            set, class and number; the key of the object's random stream
    tile_number             int64            of the conditions under which it was observed
    parent_id, split        string           permanent name of the parent, and its side of the split
    true_magnitude          float32          r within the aperture without noise, AB
    sky_weight              float32          density on the sky of what it is, over that in the set; only where
                                             asked for
    noiseless_flux          float32[bands]   microjansky; only where asked for
    ======================  ===============  ==================================================================
    """
    canonical = catalogue_schema(survey)
    columns = [
        pa.field("_healpix_29", pa.int64(), nullable=False),
        *canonical,
        pa.field("mock_id", pa.int64(), nullable=False),
        pa.field("tile_number", pa.int64(), nullable=False),
        pa.field("parent_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("true_magnitude", pa.float32(), nullable=False),
    ]
    if weighted:
        columns.append(pa.field("sky_weight", pa.float32(), nullable=False))
    if noiseless:
        columns.append(pa.field("noiseless_flux", pa.list_(pa.float32(), len(survey.bands)), nullable=False))
    return required_elements(pa.schema(columns, metadata=canonical.metadata))


def to_arrow(rows: SetTable, survey: Survey, noiseless: bool, weighted: bool = False) -> pa.Table:
    """Return rows as a table of `set_schema`."""
    schema = set_schema(survey, noiseless, weighted)
    values = {"_healpix_29": rows["index"], **rows}
    return pa.Table.from_arrays([_column(values[field.name], field) for field in schema], schema=schema)


def _column(values: np.ndarray, field: pa.Field) -> pa.Array:
    if pa.types.is_fixed_size_list(field.type):
        flat = pa.array(np.ascontiguousarray(values).ravel(), pa.float32())
        return pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    if pa.types.is_string(field.type):
        return pa.array(values.tolist(), pa.string())
    return pa.array(values, field.type)
