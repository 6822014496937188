"""Open what a run published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jpasbatch.storage.catalogue.opening import open_published

if TYPE_CHECKING:
    from jpasbatch.storage.catalogue.opening import Catalog


def open_predictions(
    run: str | Path, which: Literal["predictions", "posteriors"] = "predictions", *, photometry: bool = False
) -> Catalog:
    """Open the predictions of a run with lsdb; nothing is read before ``compute()``.

    Parameters
    ----------
    run : str or Path
        Output folder of a job, or its folder ``sky``.
    which : {"predictions", "posteriors"}
        Probabilities of the committee, or those under the class mix of the sky.
    photometry : bool
        Join the fluxes of all bands, row by row; without, the records of the predictions alone.

    Returns
    -------
    lsdb.Catalog

    Raises
    ------
    InputError
        When nothing is published there, or lsdb is not installed: ``pip install 'jpasbatch[ingest]'``.
    """
    return open_published(run, which, photometry)
