"""How real a mock sky looks: plain numbers, to be stored as JSON and shown by the realism report.

Every function is pure: the same workshop and pack give the same numbers.
"""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.populations.densities import HIGH_REDSHIFT, MAGNITUDES, QUASAR_REDSHIFTS, quasar_density
from jpasbatch.mocks.populations.draws import FAINTEST, MAGNITUDE_STEP, QUASAR_STEP, rows_to
from jpasbatch.mocks.realism.colours import colour_loci, library_colours
from jpasbatch.mocks.realism.gallery import gallery
from jpasbatch.mocks.realism.lines import line_widths
from jpasbatch.mocks.realism.tally import QSO_MAGNITUDES, QSO_REDSHIFTS
from jpasbatch.mocks.skies.places import densities, numbers_of

__all__ = ["colour_loci", "expected_counts", "gallery", "library_colours", "line_widths"]


def expected_counts(
    options: TemplateSky, set_name: str, area_deg2: float, faintest: float = FAINTEST
) -> list[list[float]] | None:
    """Return the quasars that the table of counts lets expect in a set, by bins of r and z.

    The survey's follow from its area; sets with exact numbers share their own total as the table does, the balanced
    ones in each half of the redshifts, and uniformly in magnitude where they were made so.

    Parameters
    ----------
    options : TemplateSky
    set_name : str
        Of the set.
    area_deg2 : float
        Of the set.
    faintest : float
        Limit of its magnitudes.

    Returns
    -------
    list of list of float, or None
        By `QSO_MAGNITUDES`, then `QSO_REDSHIFTS`; None for a set without quasars.
    """
    if "qso" not in options.classes or set_name == "held_out":
        return None
    rows = rows_to(faintest)
    density = quasar_density()[:rows] * MAGNITUDE_STEP * QUASAR_STEP
    if set_name == "survey":
        density = density * (densities(options)["qso"] * area_deg2 / density.sum())
    elif set_name == "field":
        density = density * (numbers_of(options, set_name)["qso"] / density.sum())
    else:
        density = _balanced(
            density, numbers_of(options, set_name)["qso"], options.samples.magnitudes == "uniform"
        )
    row = np.searchsorted([high for _, high in QSO_MAGNITUDES[:-1]], MAGNITUDES[:rows])
    column = np.searchsorted([high for _, high in QSO_REDSHIFTS[:-1]], QUASAR_REDSHIFTS)
    result = np.zeros((len(QSO_MAGNITUDES), len(QSO_REDSHIFTS)))
    np.add.at(result, (row[:, None], column[None, :]), density)
    return result.round(4).tolist()


def _balanced(density: np.ndarray, number: int, flat: bool) -> np.ndarray:
    result = np.zeros_like(density)
    for half in (QUASAR_REDSHIFTS < HIGH_REDSHIFT, QUASAR_REDSHIFTS >= HIGH_REDSHIFT):
        part = density[:, half]
        if flat:
            part = part / part.sum(axis=1, keepdims=True)
        result[:, half] = part * (0.5 * number / part.sum())
    return result
