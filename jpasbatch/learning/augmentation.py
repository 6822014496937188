"""What a training set is made of, epoch by epoch: the sample as observed, observed anew, or mixed between classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jpasbatch.options import Options
from jpasbatch.photometry.faults import Faults, add_faults
from jpasbatch.photometry.gaps import draw_gaps
from jpasbatch.photometry.photometry import ab_magnitude, hide
from jpasbatch.photometry.survey import Survey


def hide_bands(
    flux: np.ndarray, flux_err: np.ndarray, share: float, reference: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors (n, bands) of which some objects also lack the bands that others lack.

    Parameters
    ----------
    flux, flux_err : ndarray of float32, shape (n, bands)
        NaN where a band was not observed.
    share : float
        Probability that an object is chosen; what it will lack is drawn from all objects alike.
    reference : int
        Position of the band that no object loses.
    rng : numpy Generator
    """
    rows = len(flux)
    chosen = rng.random(rows) < share
    hidden = np.isnan(flux)[rng.integers(0, max(rows, 1), rows)] & chosen[:, None]
    hidden[:, reference] = False
    return hide(hidden, flux, flux_err)


@dataclass(frozen=True)
class Augmentation(Options):
    """How the training set is enlarged; each member draws its own.

    Parameters
    ----------
    noise : {"observed", "fresh"}
        "observed": the fluxes of the sample. "fresh": the noise is drawn again at every epoch, from the noiseless
        fluxes that a mock's samples keep, so that no network ever sees the same photometry twice. Classifiers
        that know no epochs see one draw.
    hybrid_factor : int
        Hybrids of each object, which then replace the objects themselves (paper A: 5); 0 mixes nothing.
    hybrid_scale : float
        beta of eq. 4: how much of a hybrid comes from other classes (paper A: 0.1).
    missing_bands : float
        Share of the objects that also lack, in an epoch, the bands that another object of the sample lacks: a
        classifier learns what is left of an object when bands are missing. The reference band is never taken away.
    gaps : float
        Share of the objects that lack, in an epoch, the bands of one of the survey's patterns (`Survey.gaps`); the
        validation sample has such gaps too, drawn once, so that probabilities are calibrated for them.
    faults : Faults
        What is wrong with the photometry of an epoch, and does not say so.
    hybrid_bin_rows : int
        Objects of a bin of r magnitude, about, within which they are mixed (paper A: 20,000).
    """

    noise: Literal["observed", "fresh"] = "observed"
    hybrid_factor: Annotated[int, Interval(ge=0, le=100)] = 0
    hybrid_scale: Annotated[float, Interval(ge=0, le=10)] = 0.1
    hybrid_bin_rows: Annotated[int, Interval(ge=100, le=10_000_000)] = 20_000
    missing_bands: Annotated[float, Interval(ge=0, le=1)] = 0.0
    gaps: Annotated[float, Interval(ge=0, le=1)] = 0.0
    faults: Faults = field(default_factory=Faults)

    @property
    def varies(self) -> bool:
        """Whether the photometry of an object differs from epoch to epoch."""
        return self.noise == "fresh" or self.missing_bands > 0 or self.gaps > 0 or self.faults.any


def open_gaps(
    flux: np.ndarray, flux_err: np.ndarray, share: float, survey: Survey, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors (n, bands) of which a share of the objects follows a pattern of missing bands.

    Parameters
    ----------
    flux, flux_err : ndarray of float32, shape (n, bands)
        Microjansky; NaN where a band was not observed.
    share : float
        Probability that an object has a gap.
    survey : Survey
        Declares the patterns.
    rng : numpy Generator

    Raises
    ------
    InputError
        If the survey declares none.
    """
    hidden = np.zeros(flux.shape, dtype=bool)
    rows = np.flatnonzero(rng.random(len(flux)) < share)
    hidden[rows] = draw_gaps(survey.gaps, survey.layout, ab_magnitude(flux[rows]), rng)
    return hide(hidden, flux, flux_err)


def spoil(
    measured: tuple[np.ndarray, np.ndarray], options: Augmentation, survey: Survey, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors (n, bands) with the faults and gaps of an epoch: faults first, gaps hide some."""
    faults, reference = options.faults, survey.reference_index
    if faults.any:
        measured = add_faults(*measured, faults, survey.wavelengths, reference, rng)
    if options.gaps:
        measured = open_gaps(*measured, options.gaps, survey, rng)
    if options.missing_bands:
        measured = hide_bands(*measured, options.missing_bands, reference, rng)
    return measured
