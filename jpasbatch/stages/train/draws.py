"""A training set, epoch by epoch: observed anew, mixed between classes, and turned into features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jpasbatch.learning.augmentation import Augmentation, spoil
from jpasbatch.learning.hybrid import Mixture, draw_mixture, mix_fluxes, mix_values
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.noise import NoiseModel, observe_again, sky_noise
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey

MIXED_ROWS = 50_000
"""Hybrids whose fluxes are in memory at a time."""


@dataclass(frozen=True, eq=False)
class TrainingDraws:
    """The training set of one member of a committee; an `EpochSource`.

    Attributes
    ----------
    photometry : Photometry
        As observed, n objects.
    noiseless : ndarray of float32, shape (n, bands), or None
        True fluxes, needed where the noise is drawn again.
    labels : ndarray of int16, shape (n,)
    classes : tuple of str
    survey : Survey
    features : Features
        Fitted.
    augmentation : Augmentation
    noise : NoiseModel
        Of the mock that the sample comes from.
    seed : int
        Of the member: each has hybrids and noise of its own.
    """

    photometry: Photometry
    noiseless: np.ndarray | None
    labels: np.ndarray
    classes: tuple[str, ...]
    survey: Survey
    features: Features
    augmentation: Augmentation
    noise: NoiseModel
    seed: int

    def epoch(self, number: int) -> LabelledFeatures:
        """Return the set of an epoch, counted from 1; the same number gives the same bits.

        Objects whose reference flux is not positive, by the noise of that epoch, are left out.
        """
        if not self.augmentation.varies:
            return self._observed
        rng = np.random.default_rng([self.seed, 2, number])
        measured = self.photometry.flux, self.photometry.flux_err
        if self.augmentation.noise == "fresh":
            true, sky = self._true_and_sky
            measured = observe_again(true, sky, self.survey.zero_point_error, self.noise, rng)
        spoilt = self.photometry.with_fluxes(*spoil(measured, self.augmentation, self.survey, rng))
        return self._labelled(spoilt, rng)

    @cached_property
    def _true_and_sky(self) -> tuple[np.ndarray, np.ndarray]:
        if self.noiseless is None:
            raise ValueError("noise cannot be drawn again without noiseless fluxes")
        sky = sky_noise(self.noiseless, self.photometry.flux_err, self.survey.zero_point_error)
        return self.noiseless, sky

    @cached_property
    def _observed(self) -> LabelledFeatures:
        return self._labelled(self.photometry, np.random.default_rng([self.seed, 2, 0]))

    def _labelled(self, photometry: Photometry, rng: np.random.Generator) -> LabelledFeatures:
        options = self.augmentation
        if not options.hybrid_factor:
            return LabelledFeatures.from_rows(self.features(photometry), self.labels, self.classes)
        magnitude = ab_magnitude(photometry.flux[:, self.survey.reference_index])
        mixture = draw_mixture(
            self.labels,
            magnitude,
            len(self.classes),
            options.hybrid_factor,
            options.hybrid_scale,
            options.hybrid_bin_rows,
            rng,
        )
        return LabelledFeatures.from_rows(
            self._features_of(photometry, mixture), self.labels[mixture.base], self.classes, mixture.weights
        )

    def _features_of(self, photometry: Photometry, mixture: Mixture) -> np.ndarray:
        """Return the features of hybrids, which are mixed in flux (eq. 1 applies to the result)."""
        inputs = np.empty((len(mixture.base), self.features.n_inputs), dtype=np.float32)
        for start in range(0, len(inputs), MIXED_ROWS):
            rows = slice(start, start + MIXED_ROWS)
            part = Mixture(mixture.base[rows], mixture.rows[rows], mixture.weights[rows])
            mixed = mix_fluxes(photometry.flux, photometry.flux_err, part)
            further = {name: mix_values(one, part) for name, one in photometry.auxiliary.items()}
            inputs[rows] = self.features(Photometry(*mixed, further))
        return inputs
