"""Which bands a classifier does not see, as an experiment: how much is lost without a range of wavelength."""

from __future__ import annotations

from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.photometry import Photometry, hide
from jpasbatch.photometry.survey import Survey


class WithoutBands:
    """Features that do not see some bands: those are missing for every object.

    Parameters
    ----------
    features : Features
        Of any kind.
    survey : Survey
    groups : tuple of str
        Groups of bands (`Band.group`), or names of bands.

    Raises
    ------
    InputError
        If the survey has no such group or band, or the features need one of them as their reference.
    """

    def __init__(self, features: Features, survey: Survey, groups: tuple[str, ...]) -> None:
        self._features, self._survey, self.groups = features, survey, tuple(groups)
        self.name = features.name
        known = {band.name for band in survey.bands} | {band.group for band in survey.bands if band.group}
        unknown = [name for name in groups if name not in known]
        if unknown:
            raise InputError(
                f"features.without: {unknown[0]!r} is no band or group of survey {survey.name!r}; allowed: "
                f"{', '.join(sorted(known))}"
            )
        self._hidden = np.array([band.name in groups or band.group in groups for band in survey.bands])
        if self._hidden[survey.reference_index] and getattr(features, "relative", True):
            raise InputError(
                f"features.without hides the reference band {survey.reference_band!r}, without which "
                f"{features.name!r} are not defined; use kind 'magnitudes_and_errors', or leave that band"
            )

    @property
    def n_inputs(self) -> int:
        """Length of an input vector: as with all bands."""
        return self._features.n_inputs

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return inputs, (n, n_inputs) float32; see `Features`."""
        inputs = getattr(self._features, "of_any", self._features)(self._hide(photometry))
        inputs[~np.isfinite(photometry.positive_flux(self._survey.reference_index))] = np.nan
        return inputs

    def fit(self, photometry: Photometry) -> WithoutBands:
        """Return features fitted to a training set."""
        return WithoutBands(self._features.fit(self._hide(photometry)), self._survey, self.groups)

    def state(self) -> dict[str, Any]:
        """Return what the features learned, and the groups."""
        return {**self._features.state(), "without": list(self.groups)}

    def _hide(self, photometry: Photometry) -> Photometry:
        photometry.require_bands(len(self._hidden))
        return photometry.with_fluxes(*hide(self._hidden, photometry.flux, photometry.flux_err))
