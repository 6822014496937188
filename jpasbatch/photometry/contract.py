"""What the numbers of a published table may be: the limits that a survey file sets, and the rows that break them.

A byte order that is not the stated one, a unit that is wrong by a power of ten, or a number that stands for "none"
looks like a flux to every reader. No object of the sky has such a flux, or an error of that size beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Interval

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.photometry import flux_from_ab_magnitude

SENTINEL = "flux that stands for none (-99, -999, ...): band taken as not observed"
NOT_PLAUSIBLE = "flux not plausible"
ERROR_NOT_PLAUSIBLE = "relative error not plausible"

FEWEST_BANDS = 5
"""Bands of an object whose relative errors are judged together."""

FAR_ABOVE_DEPTH = 30.0
"""Times the flux that is 5 sigma in a survey's mean depth: there an error above the flux itself is none."""


@dataclass(frozen=True)
class Contract(Options):
    """Limits of photometry that is a measurement of the sky (``[catalogue.contract]`` of a survey file).

    Parameters
    ----------
    brightest, faintest : float
        AB magnitudes. A flux above the first, of either sign, is none; one below the second is none unless its error
        is larger: noise may be as near to zero as it likes.
    largest_signal_to_noise : float
        Of one value.
    largest_relative_error : float
        Of the median over the bands of an object, where a survey publishes relative errors: a larger one is the
        mark of absolute errors in their column.
    flux_sentinels : tuple of float
        Numbers, exactly these, that stand in columns of fluxes for a band that was not observed.
    longest_identifier : int
        Letters of an id, which must be ASCII: target lists and FITS tables hold no others. The TARGID of WEAVE has 30.
    largest_implausible_fraction : float
        A table is refused where a larger fraction of its rows (of those read at once, 100,000) is not plausible.
    """

    brightest: float = -5.0
    faintest: float = 40.0
    largest_signal_to_noise: Annotated[float, Gt(0)] = 1e12
    largest_relative_error: Annotated[float, Gt(0)] = 50.0
    flux_sentinels: tuple[float, ...] = (-99.0, -999.0, -9999.0)
    longest_identifier: Annotated[int, Ge(1)] = 30
    largest_implausible_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.5

    def check_relations(self) -> None:
        """Refuse limits that nothing can keep."""
        if not self.brightest < self.faintest:
            raise ValueError(f"brightest = {self.brightest}: must be less than faintest = {self.faintest}")

    def sentinels(self, value: np.ndarray) -> np.ndarray:
        """Return where published fluxes are numbers that stand for none, bool of the same shape."""
        found = np.zeros(value.shape, dtype=bool)
        sentinels = [value.dtype.type(sentinel) for sentinel in self.flux_sentinels]
        if sentinels and value.size and np.fmin.reduce(value, axis=None) <= max(sentinels):
            for sentinel in sentinels:
                found |= value == sentinel
        return found


def implausible_fluxes(flux: np.ndarray, flux_err: np.ndarray, contract: Contract) -> np.ndarray:
    """Return the rows that hold a flux which no object has.

    Parameters
    ----------
    flux, flux_err : ndarray of float, shape (n, bands)
        Microjansky; NaN where not observed, or where the error is unknown.
    contract : Contract

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    size = np.abs(flux)
    largest = float(flux_from_ab_magnitude(np.array(contract.brightest)))
    smallest = float(flux_from_ab_magnitude(np.array(contract.faintest)))
    wrong = np.zeros(len(flux), dtype=bool)
    if not flux.size:
        return wrong
    with np.errstate(invalid="ignore", over="ignore"):
        greatest = np.fmax.reduce(size, axis=None)
        if greatest > largest:
            wrong |= (size > largest).any(axis=1)
        tiny = size < smallest
        if tiny.any():  # noise near zero has an error that is not
            wrong |= (tiny & (size > 0) & ~(flux_err >= smallest)).any(axis=1)
        if greatest > contract.largest_signal_to_noise * np.fmin.reduce(flux_err, axis=None):
            wrong |= ((size > contract.largest_signal_to_noise * flux_err) & (flux_err > 0)).any(axis=1)
    return wrong


def implausible_relative_errors(
    flux: np.ndarray, relative: np.ndarray, depth_flux: np.ndarray, contract: Contract
) -> np.ndarray:
    """Return the rows whose relative errors are none: mostly huge, or above 1 where the object is bright.

    Parameters
    ----------
    flux : ndarray of float, shape (n, bands)
        Microjansky.
    relative : ndarray of float, shape (n, bands)
        As published.
    depth_flux : ndarray of float, shape (bands,)
        5 sigma in the mean depth of the survey, microjansky.
    contract : Contract

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    wrong = np.zeros(len(flux), dtype=bool)
    with np.errstate(invalid="ignore"):
        size = np.abs(relative)
        above = size > 1
        # what most of five bands have, three have
        doubtful = np.flatnonzero(_number_in_row(above) > FEWEST_BANDS // 2)
        if not doubtful.size:
            return wrong
        flux, size, above = flux[doubtful], size[doubtful], above[doubtful]
        huge, above = size > contract.largest_relative_error, above & (flux > FAR_ABOVE_DEPTH * depth_flux)
        most = np.maximum(_number_in_row(huge), _number_in_row(above)) > FEWEST_BANDS // 2
        if most.any():  # few objects have that many
            judged = np.isfinite(size[most]) & (flux[most] != 0)
            found = _mostly(huge[most], judged)
            bright = judged & (flux[most] > FAR_ABOVE_DEPTH * depth_flux)
            wrong[doubtful[most]] = found | _mostly(above[most], bright)
    return wrong


def _number_in_row(true: np.ndarray) -> np.ndarray:
    """Return how many of each row are true, int (n,)."""
    if not true.any():
        return np.zeros(len(true), dtype=np.uint8)
    narrow = (
        true.shape[1] <= np.iinfo(np.uint8).max
    )  # no wider sum is needed, and this one takes half of the time
    return np.add.reduce(true.view(np.uint8), axis=1, dtype=np.uint8 if narrow else np.intp)


def _mostly(true: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Return the rows in which more than half of the judged bands, which must be some, are true."""
    number = np.count_nonzero(judged, axis=1)
    return (number >= FEWEST_BANDS) & (2 * np.count_nonzero(true & judged, axis=1) > number)


def check_plausible_share(
    faults: dict[str, np.ndarray], contract: Contract, tolerated: int, source: str
) -> None:
    """Refuse a table in which implausible photometry is the rule.

    Parameters
    ----------
    faults : dict of str to ndarray of bool, shape (n,)
        Rows by what is wrong with them.
    contract : Contract
    tolerated : int
        Number of rows that is always allowed.
    source : str
        For the message.

    Raises
    ------
    InputError
        When there are too many.
    """
    for reason, rows in faults.items():
        count = int(np.count_nonzero(rows))
        if count > max(tolerated, contract.largest_implausible_fraction * len(rows)):
            hint = (
                "errors seem to be absolute where the survey publishes relative ones"
                if reason == ERROR_NOT_PLAUSIBLE
                else f"outside AB {contract.brightest:g} to {contract.faintest:g}, or more than "
                f"{contract.largest_signal_to_noise:g} times their error: is the stated unit, or the byte order, wrong?"
            )
            raise InputError(
                f"{source}: {reason} in {count} of {len(rows)} rows ({hint}); limits are [catalogue.contract] of the "
                "survey file"
            )
