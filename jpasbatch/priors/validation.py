"""What a committee says of its validation sample: from which the share of each class is known, and how sure it is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import (
    FEWEST,
    Calibration,
    MagnitudeCalibration,
    TemperatureCalibration,
)

FAINTEST = 99.0
"""Magnitude of an object that has none, as calibrations take it: they end at the faintest that they were fitted to."""

FIELDS = {"probabilities": np.float32, "magnitude": np.float32, "labels": np.int16}


@dataclass(frozen=True, eq=False)
class ValidationSample:
    """Labelled objects that a committee did not learn from.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n, classes)
        Calibrated.
    magnitude : ndarray of float32, shape (n,)
        Of the reference band.
    labels : ndarray of int16, shape (n,)
        Position of the true class.
    """

    probabilities: np.ndarray
    magnitude: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.probabilities.shape[1]

    def redrawn(self, rng: np.random.Generator) -> ValidationSample:
        """Return a sample that is drawn again from this one, with replacement, as many of each class."""
        rows = np.concatenate(
            [
                rng.choice(np.flatnonzero(self.labels == label), (self.labels == label).sum())
                for label in np.unique(self.labels)
            ]
        )
        return ValidationSample(self.probabilities[rows], self.magnitude[rows], self.labels[rows])

    def calibrated(self) -> tuple[Calibration, ValidationSample]:
        """Return what calibrates these probabilities, by magnitude and class, and the sample with it.

        Shares are found of calibrated probabilities alone: others give shares that are wrong, and look right. A
        committee that was calibrated like this when it was trained is left nearly as it is.

        Raises
        ------
        InputError
            When a class has too few objects.
        """
        counts = np.bincount(self.labels, minlength=self.classes)
        if counts.min() < FEWEST:
            raise InputError(
                f"the validation sample of the committee has {int(counts.min())} objects of class number "
                f"{int(counts.argmin())}: {FEWEST} are needed to find the class mix of a sky; train with a larger "
                'validation sample, or set [prior] kind = "none"'
            )
        calibration = self.recalibration()
        probabilities = calibration(self.probabilities.astype(np.float64), known_magnitude(self.magnitude))
        sample = ValidationSample(probabilities.astype(np.float32), self.magnitude, self.labels)
        return calibration, sample

    def recalibration(self) -> Calibration:
        """Return the calibration of this sample: by magnitude, or by temperature where that fits nothing."""
        given = self.probabilities.astype(np.float64), known_magnitude(self.magnitude), self.labels
        try:
            return MagnitudeCalibration().fit(*given)
        except InputError:  # probabilities say too little to depend on magnitude
            return TemperatureCalibration().fit(*given)

    def to_bytes(self) -> bytes:
        """Return the sample as a file of arrays."""
        file = io.BytesIO()
        arrays = {name: getattr(self, name).astype(kind) for name, kind in FIELDS.items()}
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> ValidationSample:
        """Return the sample that `to_bytes` wrote.

        Raises
        ------
        InputError
            When the arrays are not those of a sample.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in FIELDS}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(f"the validation sample of the committee cannot be read: {error}") from None
        sample = cls(**found)
        rows, dimensions = len(sample.labels), [found[name].ndim for name in FIELDS]
        wrong = [
            name for name, kind in FIELDS.items() if found[name].dtype != kind or len(found[name]) != rows
        ]
        if wrong or dimensions != [2, 1, 1] or not rows:
            raise InputError(
                "the validation sample of the committee has arrays of other shapes or types; train again"
            )
        known = (sample.labels >= 0) & (sample.labels < sample.classes)
        if not known.all() or not np.isfinite(sample.probabilities).all() or (sample.probabilities < 0).any():
            raise InputError(
                "the validation sample of the committee has labels or probabilities that are none"
            )
        return sample


def known_magnitude(magnitude: np.ndarray) -> np.ndarray:
    """Return magnitudes as calibrations take them, float64: an object without one is taken for the faintest."""
    return np.nan_to_num(magnitude.astype(np.float64), nan=FAINTEST)


def validation_sample(data: bytes, classes: tuple[str, ...]) -> ValidationSample:
    """Return the validation sample of a committee with these classes, from the bytes of its file.

    Raises
    ------
    InputError
        When it is damaged or of other classes.
    """
    sample = ValidationSample.from_bytes(data)
    if sample.classes != len(classes):
        raise InputError(
            f"the validation sample of the committee has {sample.classes} classes, the committee {len(classes)}; "
            "train again"
        )
    return sample
