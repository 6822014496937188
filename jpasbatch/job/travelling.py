"""Whether what a job wants beside the photometry reaches it: columns that travel, and tables of others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.learning.classifiers.protocol import Classifier
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.scoring.options import CombinationOptions
from jpasbatch.storage.foreign.options import ForeignTable


def check_auxiliary(
    auxiliary: Collection[str], model: Classifier, catalogue: CatalogueSection, fetched: bool
) -> None:
    """Refuse auxiliary inputs that the model cannot take, or that do not reach the catalogue.

    Raises
    ------
    ValueError
    """
    if not auxiliary:
        return
    if model.kind == "cnn":
        raise ValueError(
            "features.auxiliary: a convolution sees bands side by side, and no other inputs; use another model"
        )
    carried = [one.published for one in catalogue.carry]
    lacking = [name for name in auxiliary if name not in carried]
    if lacking and (catalogue.input is not None or fetched):
        raise ValueError(
            f"features.auxiliary: {lacking[0]!r} does not travel into the catalogue; add it to catalogue.carry "
            f"(which gives {', '.join(carried) or 'none'})"
        )


def check_fetched(fetch: FetchOptions | None, carry: Iterable[CarriedColumn]) -> None:
    """Refuse columns that are to travel and that the query does not ask for.

    Raises
    ------
    ValueError
    """
    if fetch is None or not fetch.columns:
        return
    # a column, or what ADQL calls an expression: "jpas.photoz AS z"
    named = {re.split(r"\s+as\s+|\.", text.casefold())[-1].strip(' "') for text in fetch.columns}
    lacking = [one.column for one in carry if one.column.rsplit(".", 1)[-1].casefold() not in named]
    if lacking and "*" not in named:
        raise ValueError(
            f"catalogue.carry: {lacking[0]!r} is not among fetch.columns, and would never arrive"
        )


def check_combination(
    combination: CombinationOptions | None,
    foreign: Sequence[ForeignTable],
    combined: Sequence[ForeignTable],
    classes: tuple[str, ...],
) -> None:
    """Refuse a combination of tables that are not there, or that do not speak of all classes.

    Raises
    ------
    InputError
    """
    if combination is None:
        return
    names = [one.name for one in foreign]
    unknown = [name for name in combination.of if name not in names]
    if unknown or not names:
        found = f"of: {unknown[0]!r} is" if unknown else "there are"
        raise InputError(
            f"combination: {found} none of the tables of others ([[foreign]]: {', '.join(names) or 'none'})"
        )
    for one in combined:
        if not one.whole(classes):
            raise InputError(f"combination: foreign {one.name!r} must give probabilities of all classes")
