"""The columns that classification adds to a table, and their names."""

from __future__ import annotations

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.record import probability_column, record_schema

REASON = "reason"
"""Column that says why a row was not classified; empty for those that were."""

OTHERS = ("predicted_class", "entropy", "novelty", "subset", "disagreement", "quality", "missing_bands")
"""Columns of `jpasbatch.products.record`, beside the probabilities, that every row gets."""

DESCRIPTIONS = {
    "predicted_class": "class that the committee decides for",
    "entropy": "of the probabilities, bits",
    "novelty": "-log10 of the share of ordinary objects as strange",
    "subset": "safe, extrapolation, unsafe or unknown, from the novelty",
    "disagreement": "of the members of the committee, bits",
    "quality": "bits of jpasbatch.products.record.Quality",
    "missing_bands": "number of the survey's bands that were not observed",
    REASON: "why the row was not classified",
}


def added_schema(survey: Survey, classes: tuple[str, ...]) -> pa.Schema:
    """Return the columns that every row gets: probabilities, class, and what is known of both.

    ==========================  =========  ============================================================
    column                      type       meaning
    ==========================  =========  ============================================================
    ``probability_<class>``     float32    probability, the committee's own
    `OTHERS`                    several    as in `jpasbatch.products.record`
    ``reason``                  string     why the row was not classified; null for those that were
    ==========================  =========  ============================================================

    All but the reason are null in a row that was not classified.
    """
    recorded = record_schema(survey, classes)
    fields = [
        pa.field(name, recorded.field(name).type, metadata={"description": f"probability of class {one}"})
        for one, name in ((one, probability_column(one)) for one in classes)
    ]
    for name in (*OTHERS, REASON):
        kind = pa.string() if name == REASON else recorded.field(name).type
        fields.append(pa.field(name, kind, metadata={"description": DESCRIPTIONS[name]}))
    return pa.schema(fields)


def prefixed(added: pa.Schema, prefix: str, present: list[str], source: str) -> list[str]:
    """Return the names of the columns that are added, with their prefix.

    Parameters
    ----------
    added : pyarrow.Schema
    prefix : str
    present : list of str
        Names of the columns that the table has.
    source : str
        The table, for the message.

    Raises
    ------
    InputError
        When the table has a column of such a name, in any case: a reader that does not tell case apart would find two.
    """
    names = [prefix + name for name in added.names]
    known = {name.strip().casefold(): name for name in present}
    taken = [known[name.casefold()] for name in names if name.casefold() in known]
    if taken:
        raise InputError(
            f"{source}: has columns {', '.join(map(repr, taken))} already, which the result would write; give these "
            f"{'a prefix' if not prefix else 'another prefix'} (--prefix jpb_), or rename those of the table"
        )
    return names
