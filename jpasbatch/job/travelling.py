"""Whether what a job wants beside the photometry reaches it: columns that travel, and tables of others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jpasbatch.errors import InputError

if TYPE_CHECKING:
    from jpasbatch.job.job import Job


def check_auxiliary(job: Job) -> None:
    """Refuse auxiliary inputs that the model cannot take, or that do not reach the catalogue.

    Raises
    ------
    ValueError
    """
    if not job.features.auxiliary:
        return
    if job.model.kind == "cnn":
        raise ValueError(
            "features.auxiliary: a convolution sees bands side by side, and no other inputs; use another model"
        )
    carried = [one.published for one in job.catalogue.carry]
    lacking = [name for name in job.features.auxiliary if name not in carried]
    if lacking and (job.catalogue.input is not None or job.fetch is not None):
        raise ValueError(
            f"features.auxiliary: {lacking[0]!r} does not travel into the catalogue; add it to catalogue.carry "
            f"(which gives {', '.join(carried) or 'none'})"
        )


def check_fetched(job: Job) -> None:
    """Refuse columns that are to travel and that the query does not ask for.

    Raises
    ------
    ValueError
    """
    if job.fetch is None or not job.fetch.columns:
        return
    # a column, or what ADQL calls an expression: "jpas.photoz AS z"
    named = {re.split(r"\s+as\s+|\.", text.casefold())[-1].strip(' "') for text in job.fetch.columns}
    lacking = [
        one.column for one in job.catalogue.carry if one.column.rsplit(".", 1)[-1].casefold() not in named
    ]
    if lacking and "*" not in named:
        raise ValueError(
            f"catalogue.carry: {lacking[0]!r} is not among fetch.columns, and would never arrive"
        )


def check_combination(job: Job) -> None:
    """Refuse a combination of tables that are not there, or that do not speak of all classes.

    Raises
    ------
    InputError
    """
    if job.combination is None:
        return
    names = [one.name for one in job.foreign]
    unknown = [name for name in job.combination.of if name not in names]
    if unknown or not names:
        found = f"of: {unknown[0]!r} is" if unknown else "there are"
        raise InputError(
            f"combination: {found} none of the tables of others ([[foreign]]: {', '.join(names) or 'none'})"
        )
    for one in job.combined:
        if not one.whole(tuple(job.classes)):
            raise InputError(f"combination: foreign {one.name!r} must give probabilities of all classes")
