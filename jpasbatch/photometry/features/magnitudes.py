"""Magnitudes as features, for surveys in which bands are missing for many objects.

`MagnitudesAndErrors` is the input of Chen et al. 2021 (MNRAS 501, 3951), sect. 2.2; `NeighbourColours` is what serves
trees better. Neither scales anything: a network does that itself (``[model] input_scaling``, fitted to its training
set and kept in its graph).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jpasbatch.photometry.photometry import MAGNITUDES_PER_E_FOLD, Photometry, ab_magnitude, all_or_nothing
from jpasbatch.photometry.survey import Survey

FILLS = ("zero", "band_median", "neighbours")
FEWEST_SHARE = 0.01


class MagnitudesAndErrors:
    """Magnitude and error of every band: (n, bands, 2), flattened band by band.

    A band that was not observed or not detected has no magnitude, and one without a usable error no error: what
    stands there instead is 0 (the paper's choice), or one of the alternatives that it tried.

    Parameters
    ----------
    survey : Survey
    missing : {"zero", "band_median", "neighbours"}
        "band_median": the median of the band in the training set. "neighbours": the median of the object's own
        nearest measured filters, one on each side in wavelength. 0 where there is none of these.
    mask : bool
        Whether a third number says which bands were measured: 1, or 0. An option of ours.
    medians : sequence of (float, float), one a band
        Medians of magnitude and error; learned by `fit`.
    """

    name = "magnitudes_and_errors"
    options = ("missing", "mask")
    relative = False

    def __init__(
        self,
        survey: Survey,
        missing: str = "zero",
        mask: bool = False,
        medians: Sequence[Sequence[float]] | None = None,
    ) -> None:
        if missing not in FILLS:
            raise ValueError(f"missing = {missing!r}: allowed are {', '.join(map(repr, FILLS))}")
        if not isinstance(mask, bool):
            raise ValueError(f"mask = {mask!r}: must be true or false")
        if medians is not None and (
            np.shape(medians) != (len(survey.bands), 2) or not np.isfinite(medians).all()
        ):
            raise ValueError(f"medians: must be two numbers for each of {len(survey.bands)} bands")
        self._survey, self.missing, self.mask = survey, missing, mask
        self.medians = None if medians is None else np.array(medians, dtype=np.float32)
        self._order = np.argsort(survey.wavelengths, kind="stable")

    @property
    def columns(self) -> int:
        """Numbers of a band."""
        return 3 if self.mask else 2

    @property
    def n_inputs(self) -> int:
        """Numbers of all bands."""
        return self.columns * len(self._survey.bands)

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return inputs, (n, columns x bands) float32; see `Features`."""
        inputs = self.of_any(photometry)
        inputs[~np.isfinite(photometry.positive_flux(self._survey.reference_index))] = np.nan
        return inputs

    def of_any(self, photometry: Photometry) -> np.ndarray:
        """Return the same inputs also where the reference band is missing, which they do not need.

        Raises
        ------
        ValueError
            If medians are needed and unknown because `fit` was not called.
        """
        photometry.require_bands(len(self._survey.bands))
        values = magnitudes_and_errors(photometry)
        measured = np.isfinite(values[:, :, 0])
        if self.missing == "band_median":
            if self.medians is None:
                raise ValueError("the medians are unknown: call fit() with the training set first")
            values = np.where(np.isnan(values), self.medians, values)
        elif self.missing == "neighbours":
            values[:, self._order] = _from_neighbours(values[:, self._order])
        values[np.isnan(values)] = 0.0
        if self.mask:
            values = np.concatenate([values, measured[:, :, np.newaxis].astype(np.float32)], axis=2)
        return all_or_nothing(values.reshape(len(photometry), self.n_inputs))

    def fit(self, photometry: Photometry) -> MagnitudesAndErrors:
        """Return features that know the medians of a training set, where they need them."""
        photometry.require_bands(len(self._survey.bands))
        if self.missing != "band_median":
            return self
        values = magnitudes_and_errors(photometry)
        medians = [
            [
                float(np.median(column[known])) if (known := np.isfinite(column)).any() else 0.0
                for column in band
            ]
            for band in values.transpose(1, 2, 0)
        ]
        return MagnitudesAndErrors(self._survey, self.missing, self.mask, medians)

    def state(self) -> dict[str, Any]:
        """Return options and medians."""
        medians = None if self.medians is None else self.medians.tolist()
        return {"missing": self.missing, "mask": self.mask, "medians": medians}


class NeighbourColours:
    """Colours of neighbouring bands, the reference magnitude, and which bands were measured.

    A band without a magnitude stands at its 5-sigma limit, so that a colour is then a limit too. Bands that fewer
    than 1 per cent of the training set have are left out, and those beside them become neighbours. In order: the
    colours m_j - m_(j+1) along the wavelength, the reference magnitude, and 1 or 0 for each band.

    Parameters
    ----------
    survey : Survey
    bands : sequence of str, optional
        Bands in use; learned by `fit`.
    """

    name = "neighbour_colours"
    options = ()

    def __init__(self, survey: Survey, bands: Sequence[str] | None = None) -> None:
        self._survey = survey
        self.bands = None if bands is None else tuple(bands)
        if self.bands is not None:
            unknown = [name for name in self.bands if name not in survey.band_names]
            if unknown or len(self.bands) < 2:
                raise ValueError(f"bands = {bands!r}: must be two bands of the survey at least")
        used = survey.band_names if self.bands is None else self.bands
        places = np.array([survey.index(name) for name in used])
        self._used = places[np.argsort(survey.wavelengths[places], kind="stable")]
        self._limits = np.array([survey.bands[place].depth for place in self._used], dtype=np.float32)

    @property
    def n_inputs(self) -> int:
        """Twice the number of bands in use: one colour less, and one magnitude."""
        return 2 * len(self._used)

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return inputs, (n, 2 bands in use) float32; see `Features`.

        Raises
        ------
        ValueError
            If the bands are unknown because `fit` was not called.
        """
        photometry.require_bands(len(self._survey.bands))
        if self.bands is None:
            raise ValueError("the bands are unknown: call fit() with the training set first")
        magnitude = ab_magnitude(photometry.flux[:, self._used])
        measured = np.isfinite(magnitude)
        filled = np.where(measured, magnitude, self._limits)
        reference = ab_magnitude(photometry.positive_flux(self._survey.reference_index))
        parts = [filled[:, :-1] - filled[:, 1:], reference[:, np.newaxis], measured]
        return all_or_nothing(np.concatenate(parts, axis=1, dtype=np.float32))

    def fit(self, photometry: Photometry) -> NeighbourColours:
        """Return colours of the bands that a training set has.

        Raises
        ------
        ValueError
            If it has fewer than two.
        """
        photometry.require_bands(len(self._survey.bands))
        share = photometry.detected.mean(axis=0) if len(photometry) else np.zeros(photometry.n_bands)
        names = [
            name for name, part in zip(self._survey.band_names, share, strict=True) if part >= FEWEST_SHARE
        ]
        if len(names) < 2:
            raise ValueError(f"colours need two bands that are measured; found {len(names)}")
        return NeighbourColours(self._survey, names)

    def state(self) -> dict[str, Any]:
        """Return the bands in use, or None before `fit`."""
        return {"bands": list(self.bands) if self.bands else None}


def magnitudes_and_errors(photometry: Photometry) -> np.ndarray:
    """Return AB magnitudes and their errors, float32 (n, bands, 2); NaN where there is none."""
    magnitude = ab_magnitude(photometry.flux)
    usable = photometry.detected & np.isfinite(photometry.flux_err) & (photometry.flux_err > 0)
    error = np.full(photometry.flux.shape, np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):
        np.divide(photometry.flux_err, photometry.flux, out=error, where=usable)
        error *= np.float32(MAGNITUDES_PER_E_FOLD)
    # a flux next to nothing: its error stays a number, or the object would count as one without features
    np.minimum(error, np.finfo(np.float32).max, out=error)
    return np.stack([magnitude, error], axis=2)


def _from_neighbours(values: np.ndarray) -> np.ndarray:
    """Fill what is missing along axis 1 from the nearest known values on both sides: their median."""
    known = np.isfinite(values)
    places = np.arange(values.shape[1])[np.newaxis, :, np.newaxis]
    before = np.maximum.accumulate(np.where(known, places, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, places, values.shape[1])[:, ::-1], axis=1)[:, ::-1]
    left = np.where(before >= 0, np.take_along_axis(values, np.maximum(before, 0), axis=1), np.nan)
    last = values.shape[1] - 1
    right = np.where(after <= last, np.take_along_axis(values, np.minimum(after, last), axis=1), np.nan)
    both = np.where(np.isnan(left), right, np.where(np.isnan(right), left, 0.5 * left + 0.5 * right))
    return np.where(known, values, both).astype(np.float32)
