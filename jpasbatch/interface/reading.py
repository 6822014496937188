"""Read a published table into memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.stages.classify.recognition import recognise_survey
from jpasbatch.stages.classify.stage import CHUNK_ROWS
from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.memory import listed_bands
from jpasbatch.storage.tables.output.columns import astropy_table
from jpasbatch.storage.tables.output.fits import keyword

if TYPE_CHECKING:
    from astropy.table import Table


def read_table(path: str | Path, survey: Survey | str | Path | None = None) -> Table:
    """Read a table that a survey file describes: FITS, VOTable, Parquet or CSV, with all of its columns.

    Parameters
    ----------
    path : str or Path
        The format follows from the ending.
    survey : Survey, str or Path, optional
        Or its name, or its file; without it, the survey of the package whose columns the table has.

    Returns
    -------
    astropy.table.Table
        With the units that the file states. ``meta["FILTER"]`` names the bands of its vectors in their order, where the
        file tells; ``meta["JBSURVEY"]`` names the survey.

    Raises
    ------
    InputError
        When the file cannot be read, or is of no survey.
    """
    path = Path(path)
    if survey is None:
        survey = recognise_survey(path)
    elif not isinstance(survey, Survey):
        survey = load_survey(survey)
    with open_complete(path, survey, CHUNK_ROWS) as complete:
        rows = pa.concat_tables([complete.schema.empty_table(), *complete.pieces])
        bands = listed_bands(complete.schema)
    meta = {keyword("survey"): survey.name}
    return astropy_table(rows, meta if bands is None else meta | {FILTER_TABLE: bands})
