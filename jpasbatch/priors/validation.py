"""What a committee says of its validation sample: from which the share of each class is known, and how sure it is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from zipfile import BadZipFile

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.priors.calibrations.protocol import SkyCalibration

FIELDS = {
    "probabilities": np.float32,
    "magnitude": np.float32,
    "labels": np.int16,
    "missing": np.int16,
    "group": np.int32,
}
WEIGHTS = "weights"
"""Of a sample whose objects do not count alike; float32 in files."""
STELLARITY = "class_star"
"""Of a sample in which that of some objects is known."""
OPTIONAL = (WEIGHTS, STELLARITY)


@dataclass(frozen=True, eq=False)
class ValidationSample:
    """Labelled objects that a committee did not learn from.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n, classes)
    magnitude : ndarray of float32, shape (n,)
        Of the reference band; NaN where unknown.
    labels : ndarray of int16, shape (n,)
        Position of the true class.
    missing : ndarray of int16, shape (n,)
        Number of bands that were not observed.
    group : ndarray of int32, shape (n,)
        Objects with the same number are no independent ones: mocks that descend from the same spectrum.
    weights : ndarray of float64, shape (n,)
        How often each object counts: as often as the sky has what it is, where that is known. All above 0. A class
        counts as often as it has objects.
    class_star : ndarray of float32, shape (n,)
        Stellarity; NaN where unknown.
    """

    probabilities: np.ndarray
    magnitude: np.ndarray
    labels: np.ndarray
    missing: np.ndarray
    group: np.ndarray
    weights: np.ndarray
    class_star: np.ndarray

    @classmethod
    def of(
        cls,
        probabilities: np.ndarray,
        magnitude: np.ndarray,
        labels: np.ndarray,
        missing: np.ndarray | None = None,
        group: np.ndarray | None = None,
    ) -> ValidationSample:
        """Return the sample of objects that count once; without ``group`` they are independent."""
        rows = len(labels)
        return cls(
            probabilities,
            magnitude,
            labels,
            np.zeros(rows, dtype=np.int16) if missing is None else missing,
            np.arange(rows, dtype=np.int32) if group is None else group,
            np.ones(rows),
            np.full(rows, np.nan, dtype=np.float32),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.probabilities.shape[1]

    def take(self, rows: np.ndarray) -> ValidationSample:
        """Return some of the objects."""
        return ValidationSample(*(getattr(self, item.name)[rows] for item in fields(self)))

    def weighted(self, weights: np.ndarray) -> ValidationSample:
        """Return the sample in which objects count as often as these weights (n,) say, without those of weight 0.

        Raises
        ------
        InputError
            When no object of a class counts.
        """
        weights = np.asarray(weights, dtype=np.float64)
        sums = np.bincount(self.labels, weights, self.classes)
        present = np.bincount(self.labels, minlength=self.classes) > 0
        if (present & ~(sums > 0)).any():
            number = int(np.flatnonzero(present & ~(sums > 0))[0])
            raise InputError(
                f"the validation sample: all objects of class number {number} have the weight 0, as if the sky had "
                "none of them; give some a weight, or leave the weights out"
            )
        kept = self.take(np.flatnonzero(weights > 0))
        counted, labels = weights[weights > 0], kept.labels
        means = np.bincount(labels, counted, self.classes) / np.maximum(
            np.bincount(labels, minlength=self.classes), 1
        )
        return replace(kept, weights=counted / means[labels])

    @classmethod
    def judged(
        cls,
        probabilities: np.ndarray,
        usable: np.ndarray,
        known: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        weights: np.ndarray | None,
        class_star: np.ndarray | None,
    ) -> ValidationSample:
        """Return the sample of those objects that a committee could judge; arrays are of all n objects.

        Parameters
        ----------
        probabilities : ndarray, shape (n, classes)
        usable : ndarray of bool, shape (n,)
        known : tuple of ndarray
            Magnitude, label, number of missing bands and group of each object, as `of` takes them.
        weights, class_star : ndarray or None
            None where they are not known.

        Raises
        ------
        InputError
            As `weighted`.
        """
        sample = cls.of(probabilities[usable], *(one[usable] for one in known))
        if class_star is not None:
            sample = replace(sample, class_star=np.asarray(class_star[usable], dtype=np.float32))
        return sample if weights is None else sample.weighted(weights[usable])

    @property
    def is_weighted(self) -> bool:
        """Whether some objects count more than others."""
        return bool((self.weights != 1).any())

    @property
    def has_stellarity(self) -> bool:
        """Whether the stellarity of some objects is known."""
        return bool(np.isfinite(self.class_star).any())

    @property
    def effective(self) -> np.ndarray:
        """Numbers of objects of each class that would say as much if all counted alike, float64 (classes,)."""
        sums, squares = (np.bincount(self.labels, self.weights**power, self.classes) for power in (1, 2))
        return sums**2 / np.maximum(squares, 1e-300)

    def redrawn(self, rng: np.random.Generator) -> ValidationSample:
        """Return a sample that is drawn again from this one, group by group, with as many objects of each class.

        Groups are drawn, and not objects: a thousand mocks of one galaxy say little more of galaxies than one does.
        """
        weights = np.zeros(len(self))
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            _, number = np.unique(self.group[rows], return_inverse=True)
            groups = int(number.max()) + 1
            times = np.bincount(rng.integers(groups, size=groups), minlength=groups)[number]
            weights[rows] = self.weights[rows] * times
            weights[rows] *= self.weights[rows].sum() / max(weights[rows].sum(), 1e-300)
        chosen = weights > 0
        return replace(self.take(np.flatnonzero(chosen)), weights=weights[chosen])

    def calibrated_by(self, calibration: SkyCalibration) -> ValidationSample:
        """Return the sample with calibrated probabilities."""
        return replace(self, probabilities=calibration(self.probabilities, self.magnitude, self.missing))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the sample as plain arrays: weights where objects do not count alike, stellarity where it is known."""
        arrays = {name: getattr(self, name).astype(kind) for name, kind in FIELDS.items()}
        if self.is_weighted:
            arrays[WEIGHTS] = self.weights.astype(np.float32)
        if self.has_stellarity:
            arrays[STELLARITY] = self.class_star.astype(np.float32)
        return arrays

    @classmethod
    def from_arrays(cls, found: dict[str, np.ndarray]) -> ValidationSample:
        """Return the sample that `arrays` described, checked.

        Raises
        ------
        InputError
            When the arrays are not those of a sample.
        """
        sample = cls.of(**{name: found[name] for name in FIELDS})
        rows, dimensions = len(sample.labels), [found[name].ndim for name in FIELDS]
        wrong = [
            name for name, kind in FIELDS.items() if found[name].dtype != kind or len(found[name]) != rows
        ]
        if wrong or dimensions != [2, 1, 1, 1, 1] or not rows:
            raise InputError(
                "the validation sample of the committee has arrays of other shapes or types; train again"
            )
        known = (sample.labels >= 0) & (sample.labels < sample.classes)
        if not known.all() or not np.isfinite(sample.probabilities).all() or (sample.probabilities < 0).any():
            raise InputError(
                "the validation sample of the committee has labels or probabilities that are none"
            )
        if (sample.missing < 0).any():
            raise InputError("the validation sample of the committee has negative numbers of missing bands")
        further = {name: found[name] for name in OPTIONAL if name in found}
        _check_optional(further, rows)
        if WEIGHTS in further:
            further[WEIGHTS] = further[WEIGHTS].astype(np.float64)
        return replace(sample, **further)


def _check_optional(found: dict[str, np.ndarray], rows: int) -> None:
    """Refuse weights and stellarities that are none."""
    for name, array in found.items():
        if array.dtype != np.float32 or array.shape != (rows,):
            raise InputError(f"the validation sample of the committee has {name} of another shape or type")
    weights = found.get(WEIGHTS, np.ones(1))
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise InputError(
            "the validation sample of the committee has weights that are not above 0, or infinite"
        )
    if np.isinf(found.get(STELLARITY, np.zeros(1))).any():
        raise InputError("the validation sample of the committee has stellarities that are infinite")


@dataclass(frozen=True, eq=False)
class Validation:
    """What a committee says of its validation sample, and of samples of other mocks by their names."""

    sample: ValidationSample
    variants: dict[str, ValidationSample]

    def to_bytes(self) -> bytes:
        """Return the samples as a file of arrays."""
        file = io.BytesIO()
        arrays = self.sample.arrays()
        for name, variant in self.variants.items():
            arrays |= {f"{name}/{key}": array for key, array in variant.arrays().items()}
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, classes: tuple[str, ...]) -> Validation:
        """Return the samples that `to_bytes` wrote, of a committee with these classes.

        Raises
        ------
        InputError
            When they are damaged or of other classes.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                names = sorted({key.rpartition("/")[0] for key in arrays.files})
                found = {name: _arrays_of(arrays, name) for name in names}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(f"the validation sample of the committee cannot be read: {error}") from None
        if "" not in found:
            raise InputError("the validation sample of the committee cannot be read: it has none of its own")
        samples = {name: ValidationSample.from_arrays(one) for name, one in found.items()}
        wrong = next((one.classes for one in samples.values() if one.classes != len(classes)), None)
        if wrong is not None:
            raise InputError(
                f"the validation sample of the committee has {wrong} classes, the committee {len(classes)}; "
                "train again"
            )
        return cls(samples.pop(""), samples)


def _arrays_of(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Return the arrays of the sample of a name; weights and stellarity where it has some."""
    keys = [*FIELDS, *(key for key in OPTIONAL if _key(name, key) in arrays)]
    return {key: arrays[_key(name, key)] for key in keys}


def _key(name: str, key: str) -> str:
    return f"{name}/{key}" if name else key
