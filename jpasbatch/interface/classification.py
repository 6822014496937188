"""Classify a table that is in memory, and give it back in kind."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.interface.committee import Arrays, Committee, as_photometry, load_committee
from jpasbatch.interface.reading import read_table
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey, survey_names
from jpasbatch.stages.classify.columns import added_schema, prefixed
from jpasbatch.stages.classify.recognition import recognise_survey
from jpasbatch.stages.classify.rows import classify_photometry, classify_rows
from jpasbatch.stages.classify.stage import CHUNK_ROWS
from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.complete.table import refuse_repeated
from jpasbatch.storage.tables.memory import raw_of_arrow, raw_of_astropy
from jpasbatch.storage.tables.output.columns import astropy_table
from jpasbatch.storage.tables.output.fits import keyword

if TYPE_CHECKING:
    import pandas as pd
    from astropy.table import Table

SOURCE = "the table"

Kind = TypeVar("Kind", "Table", "pd.DataFrame", "pa.Table")


@overload
def classify(
    table: Kind,
    committee: Committee | str | Path | None = None,
    survey: Survey | str | Path | None = None,
    *,
    bands: Sequence[str] | None = None,
    cuts: QualityCuts | None = None,
    prefix: str = "",
) -> Kind: ...
@overload
def classify(
    table: str | Path | Arrays,
    committee: Committee | str | Path | None = None,
    survey: Survey | str | Path | None = None,
    *,
    bands: Sequence[str] | None = None,
    cuts: QualityCuts | None = None,
    prefix: str = "",
) -> Table: ...


def classify(
    table: Table | pd.DataFrame | pa.Table | str | Path | Arrays,
    committee: Committee | str | Path | None = None,
    survey: Survey | str | Path | None = None,
    *,
    bands: Sequence[str] | None = None,
    cuts: QualityCuts | None = None,
    prefix: str = "",
) -> Any:
    """Classify the rows of a table, and return the table with what a committee says of each.

    Rows are read and judged as ``jpasbatch classify`` does it with files: the same rows give the same bits.
    Probabilities are the committee's own, under the class mix that it learnt.

    Parameters
    ----------
    table : astropy Table, pandas DataFrame, pyarrow Table, path, or arrays
        With the columns of the survey, and their units where the kind of table has them (a DataFrame has none: those of
        the survey apply). A path is read by `read_table`. Arrays are photometry in microjansky: a `Photometry`,
        (flux, flux_err), or fluxes and then errors side by side.
    committee : Committee, str or Path, optional
        Or the output folder of a run that trained one, or the name of a committee that comes with the package; without
        it the default of the survey.
    survey : Survey, str or Path, optional
        Of the table; without it the one of the committee. With neither, the one that the metadata of the table name,
        as `read_table` puts it there.
    bands : sequence of str, optional
        Which band is where in vectors. Without it ``meta["FILTER"]`` of an astropy Table (names, separated by commas),
        or ``attrs["FILTER"]`` of a DataFrame, or the metadata ``FILTER`` of a pyarrow Table tell.
    cuts : QualityCuts, optional
        Which flags a row may have; without it none.
    prefix : str
        Before the names of the columns that are added.

    Returns
    -------
    table of the same kind
        A new table: the columns that were there, and ``probability_<class>``, ``predicted_class``, ``entropy``,
        ``novelty``, ``subset``, ``disagreement``, ``quality``, ``missing_bands`` and ``reason``, which says why a row
        was not classified. An astropy Table for paths; for arrays too, with the new columns alone.

    Raises
    ------
    InputError
        When the table lacks a column, has one of the names that are added, or is of another survey.
    """
    if not isinstance(committee, Committee):
        committee = load_committee(
            committee, _stated_survey(table) if committee is survey is None else survey
        )
    elif survey is not None:
        committee = committee.of_survey(survey)
    cuts = QualityCuts() if cuts is None else cuts
    if isinstance(table, str | Path):
        table = read_table(table, committee.survey)
    given: Any = table
    if _is_arrays(given):
        return _classify_arrays(given, committee, prefix)
    listed = None if bands is None else tuple(bands)
    if isinstance(given, pa.Table):
        return _classify_arrow(given, committee, listed, cuts, prefix)
    if _is_a(given, "pandas", "DataFrame"):
        return _classify_frame(given, committee, listed, cuts, prefix)
    if _is_a(given, "astropy.table", "Table"):
        return _classify_astropy(given, committee, listed, cuts, prefix)
    raise InputError(
        f"classify: found {type(table).__name__}; allowed are an astropy Table, a pandas DataFrame, a pyarrow Table, "
        "the path of a table, a Photometry, and arrays (flux, flux_err)"
    )


def _stated_survey(table: Any) -> Survey | str | None:
    """Return the survey that a table says it is of, or that a path is of; none where that is not known."""
    if isinstance(table, str | Path):
        return recognise_survey(Path(table))
    if isinstance(table, pa.Table):
        name = (table.schema.metadata or {}).get(b"jpasbatch.survey", b"").decode()
    else:
        notes = getattr(table, "meta", None) or getattr(table, "attrs", None) or {}
        name = str(notes.get(keyword("survey"), ""))
    return name if name in survey_names() else None


def _is_a(table: object, module: str, name: str) -> bool:
    """Return whether something is of a class of a library, which is not imported for that."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(table, getattr(loaded, name))


def _is_arrays(table: object) -> bool:
    if isinstance(table, np.ndarray):
        return table.dtype.names is None  # with names it is a table, and one without units
    return isinstance(table, tuple | Photometry)


def _classify_arrays(arrays: Arrays, committee: Committee, prefix: str) -> Table:
    named = committee.named
    photometry = as_photometry(arrays, committee.survey)
    found = [
        classify_photometry(photometry.select(rows), named.survey, named.committee)
        for rows in _chunks(len(photometry))
    ]
    added = pa.concat_tables([added_schema(named.survey, named.committee.classes).empty_table(), *found])
    return astropy_table(_renamed(added, prefix, []), _keywords(committee))


def _classify_arrow(
    table: pa.Table, committee: Committee, bands: tuple[str, ...] | None, cuts: QualityCuts, prefix: str
) -> pa.Table:
    added = _added(raw_of_arrow(table, committee.survey, bands), committee, cuts)
    added = _renamed(added, prefix, table.column_names)
    for field, column in zip(added.schema, added.columns, strict=True):
        table = table.append_column(field, column)
    facts = {f"jpasbatch.{key}".encode(): text.encode() for key, text in committee.named.facts().items()}
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **facts})


def _classify_frame(
    table: pd.DataFrame, committee: Committee, bands: tuple[str, ...] | None, cuts: QualityCuts, prefix: str
) -> pd.DataFrame:
    import pandas as pd

    strange = [name for name in table.columns if not isinstance(name, str)]
    if strange:
        raise InputError(f"{SOURCE}: its column {strange[0]!r} has no text for a name; rename it")
    names = list(table.columns)
    refuse_repeated(names, SOURCE)
    if bands is None and FILTER_TABLE in table.attrs:
        bands = tuple(name.strip() for name in str(table.attrs[FILTER_TABLE]).split(","))
    rows = _arrow_of_frame(table, committee.survey)
    added = _renamed(
        _added(raw_of_arrow(rows, committee.survey, bands, has_units=False), committee, cuts), prefix, names
    )
    whole = {pa.int32(): pd.Int32Dtype(), pa.int16(): pd.Int16Dtype()}
    frame = added.to_pandas(types_mapper=whole.get)
    frame.index = table.index
    result = table.assign(**{name: frame[name] for name in frame.columns})
    result.attrs = {**table.attrs, **_keywords(committee)}
    return result


def _arrow_of_frame(table: pd.DataFrame, survey: Survey) -> pa.Table:
    from jpasbatch.storage.tables.columns import wanted_columns

    columns = wanted_columns(table.columns, survey)
    try:
        read = pa.Table.from_pandas(table[columns], preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{SOURCE}: cannot be read: {' '.join(str(error).split())[:300]}") from None
    for name in table.columns:  # empty, so that messages can name what is there
        if name not in columns:
            read = read.append_column(name, pa.nulls(read.num_rows))
    return read.replace_schema_metadata(None)


def _classify_astropy(
    table: Table, committee: Committee, bands: tuple[str, ...] | None, cuts: QualityCuts, prefix: str
) -> Table:
    added = _renamed(
        _added(raw_of_astropy(table, committee.survey, bands), committee, cuts), prefix, table.colnames
    )
    new, result = astropy_table(added), table.copy(copy_data=False)
    meta: Any = result.meta
    for name in new.colnames:
        result[name] = new[name]
    meta.update(_keywords(committee))
    return result


def _added(raw: RawTable, committee: Committee, cuts: QualityCuts) -> pa.Table:
    """Return the columns that are added, of all rows; a chunk is judged at a time."""
    named = committee.named
    parts = [
        classify_rows(_slice(raw, rows), named.survey, named.committee, cuts)[0]
        for rows in _chunks(len(raw), least=1)
    ]
    return pa.concat_tables(parts)


def _chunks(rows: int, least: int = 0) -> Iterator[slice]:
    for start in range(0, max(rows, least), CHUNK_ROWS):
        yield slice(start, min(start + CHUNK_ROWS, rows))


def _slice(raw: RawTable, rows: slice) -> RawTable:
    columns = {name: column[rows] for name, column in raw.columns.items()}
    return replace(raw, columns=columns, first_row=rows.start)


def _renamed(added: pa.Table, prefix: str, present: list[str]) -> pa.Table:
    return added.rename_columns(prefixed(added.schema, prefix, present, SOURCE))


def _keywords(committee: Committee) -> dict[str, str]:
    return {keyword(key): text for key, text in committee.named.facts().items()}
