"""What is ordinary, learnt from the training sample, with levels from the validation sample."""

from __future__ import annotations

import numpy as np

from jpasbatch.learning.novelty.ordinary import HIGHEST, MOST_SPECTRA, Levels, Ordinary, known_magnitude
from jpasbatch.learning.novelty.spectra import Misfits, learn_spectra
from jpasbatch.photometry.photometry import Photometry

BANDS_OF_A_SPECTRUM = 5
OBJECTS_OF_A_SPECTRUM = 40
"""Bands and objects for each spectrum that is learnt: with fewer, a sum of spectra would fit anything."""

FEWEST_VALIDATED = 200
"""Objects of the validation sample without which nothing can be said of one in a hundred."""

LEARNT_FROM = 10_000
"""Objects of each class that spectra are learnt from; more change nothing."""

RESOLUTION = {"misfit": 0.02, "band": 0.1, "disagreement": 0.001, HIGHEST: 0.02}
"""Step of each number that makes a level of 1 at least; that of the disagreement is far above what a faster precision
changes in it."""

FEW = 1e-3
"""Share of the validation sample with fewer bands than the fewest that count as validated."""


def learn_ordinary(
    training: tuple[Photometry, np.ndarray],
    validation: Photometry,
    voted: np.ndarray,
    magnitude: np.ndarray,
    disagreement: np.ndarray,
    classes: int,
    seed: int,
) -> Ordinary | str:
    """Return what is ordinary, or why too little is known to say.

    Parameters
    ----------
    training : (Photometry, ndarray of int)
        What members learnt from, and the class of each object.
    validation : Photometry
        Of n other objects, which have features.
    voted : ndarray of int, shape (n,)
        Class with the largest vote.
    magnitude, disagreement : ndarray, shape (n,)
        Disagreement NaN where members cannot be asked.
    classes : int
        Number of classes.
    seed : int
        Of the draw of objects from each class.
    """
    photometry, labels = training
    if len(validation) < FEWEST_VALIDATED:
        return f"{len(validation)} objects validate the committee, {FEWEST_VALIDATED} are needed"
    sizes = np.bincount(labels, minlength=classes)
    rank = min(
        MOST_SPECTRA,
        photometry.n_bands // BANDS_OF_A_SPECTRUM or 1,
        int(sizes.min()) // OBJECTS_OF_A_SPECTRUM,
    )
    if rank < 1:
        return f"a class has {sizes.min()} objects to learn spectra from, {OBJECTS_OF_A_SPECTRUM} are needed"
    rng = np.random.default_rng([seed, 5])
    learnt = []
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        rows = np.sort(rng.permutation(rows)[:LEARNT_FROM])
        learnt.append(learn_spectra(photometry.flux[rows], photometry.flux_err[rows], rank))
    basis, seen = (np.stack([one[place] for one in learnt]) for place in (0, 1))
    magnitude = known_magnitude(magnitude)
    bare = Ordinary(basis, seen, _limits(voted, magnitude, classes), 0, {})
    return _with_levels(bare, bare.compare(validation, voted), voted, magnitude, disagreement)


def _with_levels(
    bare: Ordinary, found: Misfits, voted: np.ndarray, magnitude: np.ndarray, disagreement: np.ndarray
) -> Ordinary:
    classes = len(bare.basis)

    def levels(name: str, number: np.ndarray, group: np.ndarray, groups: int) -> Levels:
        return Levels.fit(number, group, magnitude, groups, RESOLUTION[name])

    fitted = {
        "misfit": levels("misfit", found.misfit, voted, classes),
        "band": levels("band", found.band, voted, classes),
    }
    if np.isfinite(disagreement).all():
        fitted["disagreement"] = levels("disagreement", disagreement, np.zeros_like(voted), 1)
    signs = Ordinary(bare.basis, bare.seen, bare.limits, 0, fitted)
    fitted[HIGHEST] = levels(HIGHEST, signs.highest(found, voted, magnitude, disagreement), voted, classes)
    return Ordinary(bare.basis, bare.seen, bare.limits, int(np.quantile(found.bands, FEW)), fitted)


def _limits(voted: np.ndarray, magnitude: np.ndarray, classes: int) -> np.ndarray:
    """Return the range of magnitudes of each class; that of all where no object was voted into it."""
    limits = np.empty((classes, 2))
    for number in range(classes):
        rows = voted == number
        part = magnitude[rows] if rows.any() else magnitude
        limits[number] = part.min(), part.max()
    return limits
