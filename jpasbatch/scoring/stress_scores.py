"""How good a committee is under a stress: counts on a worker, and the scores that follow from them alone.

Spoilt and unspoilt classes of the same objects are counted together, so that the error of a change is that of the same
objects drawn again: most of the scatter of a sample is in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.f1 import f1_scores
from jpasbatch.learning.judgement import Judgement
from jpasbatch.learning.novelty.novelty import SAFE
from jpasbatch.pages.style import bin_label
from jpasbatch.scoring.calibration_scores import CLASSWISE, CONFIDENCE, sample_scores
from jpasbatch.scoring.evaluation import Predictions

DRAWS = 200
"""Of the bootstrap."""

ALL = "all"
LIBRARY = "library "
"""What the name of a group begins with whose objects descend from one library of spectra."""

MOST_LIBRARIES = 40
"""With more, names of parents do not tell their library."""

ECE = "ece_equal_width"
CALIBRATIONS = {"ece": CLASSWISE, "confidence_ece": CONFIDENCE}
"""Expected calibration errors in bins of equal width: name here, and of what in `calibration_scores`."""


def magnitude_groups(
    magnitude: np.ndarray, bins: Sequence[tuple[float, float]], band: str
) -> dict[str, np.ndarray]:
    """Return which objects are in which group, bool (n,): all, those up to the end of a bin, and each bin.

    Parameters
    ----------
    magnitude : ndarray, shape (n,)
        Of the reference band.
    bins : sequence of (float, float)
        Lower limits exclusive, upper ones inclusive.
    band : str
        Name of the reference band.
    """
    groups = {ALL: np.ones(len(magnitude), dtype=bool)}
    groups |= {f"{band} ≤ {faint:g}": magnitude <= faint for _, faint in bins[:-1]}
    groups |= {bin_label(band, one): (magnitude > one[0]) & (magnitude <= one[1]) for one in bins}
    return groups


def library_groups(parents: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return, for each library of spectra, which objects descend from it, bool (n,); names of parents tell.

    Mocks name a parent after its library, with a hyphen before what is its own ("star-M-01491"). Names that begin with
    no letter, or give more than `MOST_LIBRARIES`, are other names: then there are no groups.

    Parameters
    ----------
    parents : ndarray of str, shape (n,), or None
        Empty where an object's parent is not known.
    """
    if parents is None:
        return {}
    names = np.array([name.rpartition("-")[0] for name in parents], dtype=str)
    found = [name for name in np.unique(names).tolist() if name]
    if len(found) > MOST_LIBRARIES or not all(name[0].isalpha() for name in found):
        return {}
    return {f"{LIBRARY}{name}": names == name for name in found}


@dataclass(frozen=True, eq=False)
class StressSample:
    """What is known of n objects before they are spoiled.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    decided : ndarray of int, shape (n,)
        Class that the committee decides for, of the unspoilt photometry.
    magnitude : ndarray, shape (n,)
        Of the reference band, unspoilt: an object stays in its group.
    groups : dict of str to ndarray of bool, shape (n,)
    """

    labels: np.ndarray
    decided: np.ndarray
    magnitude: np.ndarray
    groups: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class CountedGroup:
    """What is counted of one group of spoilt objects.

    Attributes
    ----------
    group : str
    objects, unclassified : int
    few_bands, not_safe : int or None
        Of those with a class; None where the committee does not know.
    cube : nested tuples of int, (k, k, k)
        Objects by true class, class when unspoilt and class now.
    ece, confidence_ece : tuple of float or None
        Value, error, and mean of a perfect committee; NaN, and None where it was read from JSON, for libraries.
    """

    group: str
    objects: int
    unclassified: int
    few_bands: int | None
    not_safe: int | None
    cube: tuple[tuple[tuple[int, ...], ...], ...]
    ece: tuple[float | None, ...]
    confidence_ece: tuple[float | None, ...]


def count_stress(
    sample: StressSample, judgement: Judgement, classes: tuple[str, ...], seed: int = 0
) -> list[CountedGroup]:
    """Return what is counted of spoilt objects, by group.

    Parameters
    ----------
    sample : StressSample
    judgement : Judgement
        Of the same objects, spoilt.
    classes : tuple of str
    seed : int
        Of the errors of calibration.
    """
    usable, count = judgement.usable, len(classes)
    novelty = judgement.novelty
    few_bands = not_safe = None
    if novelty is not None and novelty.few_bands is not None:
        few_bands, not_safe = novelty.few_bands, novelty.subset != SAFE
    cell = (sample.labels.astype(np.int64) * count + sample.decided) * count + judgement.decided
    told = []
    for name, members in sample.groups.items():
        rows = np.flatnonzero(members & usable)
        # of one library most classes have no objects, which says nothing of calibration
        part = rows[:0] if name.startswith(LIBRARY) else rows
        cube = np.bincount(cell[rows], minlength=count**3).reshape((count,) * 3)
        told.append(
            CountedGroup(
                group=name,
                objects=int(np.count_nonzero(members)),
                unclassified=int(np.count_nonzero(members & ~usable)),
                few_bands=_marked(few_bands, rows),
                not_safe=_marked(not_safe, rows),
                cube=tuple(tuple(map(tuple, plane)) for plane in cube.tolist()),
                **_calibration(sample, judgement, part, classes, seed),
            )
        )
    return told


def _marked(mask: np.ndarray | None, rows: np.ndarray) -> int | None:
    return None if mask is None else int(np.count_nonzero(mask[rows]))


def _calibration(
    sample: StressSample, judgement: Judgement, rows: np.ndarray, classes: tuple[str, ...], seed: int
) -> dict[str, tuple[float | None, ...]]:
    """Return calibration errors of some objects: value, error, and mean of a perfect committee."""
    unused = np.zeros(len(rows))
    said = Predictions(sample.labels[rows], judgement.probabilities[rows], sample.magnitude[rows], unused)
    found = {one.class_name: one for one in sample_scores(said, {}, classes, seed) if one.score == ECE}
    return {
        key: (found[name].value, found[name].error, found[name].if_perfect)
        for key, name in CALIBRATIONS.items()
    }


def stress_scores(counted: CountedGroup, seed: int = 0) -> dict[str, Any]:
    """Return the scores of one group of spoilt objects, JSON-able but for NaN; k classes.

    Parameters
    ----------
    counted : CountedGroup
    seed : int
        Of the bootstrap: objects are drawn with replacement, within their true class.

    Returns
    -------
    dict
        What was counted but the cube; ``confusion`` (predicted by true class) and ``unspoilt`` (the same of the same
        objects when unspoilt); ``weighted_f1`` and its ``change``, value and error; ``f1`` and ``f1_change`` by class,
        values and errors; ``right``, the share of objects whose class is right.
    """
    cube = np.array(counted.cube, dtype=np.int64)
    rng = np.random.default_rng([seed, 41])
    drawn = np.stack([_drawn(part, rng) for part in cube], axis=1)
    # a cube by true class, class before and class now: without one of the two, a confusion of true by predicted
    best, before, again, before_again = (
        f1_scores(np.swapaxes(counts, -1, -2))
        for counts in (cube.sum(axis=1), cube.sum(axis=2), drawn.sum(axis=2), drawn.sum(axis=3))
    )
    overall, by_class = (
        [
            [best[number], _spread(again[number])],
            [best[number] - before[number], _spread(again[number] - before_again[number])],
        ]
        for number in (0, 1)
    )
    total = int(cube.sum())
    right = int(np.einsum("tbt->", cube))
    kept = {key: value for key, value in asdict(counted).items() if key != "cube"}
    return kept | {
        "confusion": cube.sum(axis=1).T.tolist(),
        "unspoilt": cube.sum(axis=2).T.tolist(),
        "weighted_f1": [float(one) for one in overall[0]],
        "change": [float(one) for one in overall[1]],
        "f1": [np.asarray(one).tolist() for one in by_class[0]],
        "f1_change": [np.asarray(one).tolist() for one in by_class[1]],
        "right": right / total if total else float("nan"),
    }


def _drawn(part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the objects of a true class drawn with replacement, int64 (draws, k, k)."""
    total = part.sum()
    if not total:
        return np.zeros((DRAWS, *part.shape), dtype=np.int64)
    return rng.multinomial(total, part.ravel() / total, size=DRAWS).reshape(DRAWS, *part.shape)


def _spread(drawn: np.ndarray) -> np.ndarray:
    """Return the standard deviation over the draws, the first axis."""
    return drawn.std(axis=0)
