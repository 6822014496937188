"""Cross validation: which object is in which fold, and what each member of a committee may see of it.

Nested, as it should be: a member of fold k never sees fold k. It is trained on the others but one, which is its
validation set: that decides when it stops, how it is calibrated and at which probability it decides. Another member of
the same fold has another validation fold, so that with folds - 1 of them every other object is validated once. Not
nested, as Chen et al. 2021 (MNRAS 501, 3951, sect. 2.2) do it: the fold that is tested is the validation set too, and
what stops on it is scored on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.judgement import vote


def stratified_folds(identifiers: Sequence[str], labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Assign objects to folds so that each fold has the same share of every class, give or take one object.

    An object's fold depends on the set of objects, and not on their order.

    Parameters
    ----------
    identifiers : sequence of str, length n
        Unique.
    labels : ndarray of int, shape (n,)
    folds : int
    seed : int

    Returns
    -------
    ndarray of int16, shape (n,)
        0 to folds - 1.

    Raises
    ------
    InputError
        When a class has fewer objects than there are folds.
    """
    keys = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in identifiers]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    result = np.empty(len(keys), dtype=np.int16)
    dealt = 0
    for label in np.unique(labels):
        members = order[labels[order] == label]
        if len(members) < folds:
            raise InputError(
                f"class number {int(label)} has {len(members)} objects, too few for {folds} folds; "
                "set fewer folds, or add objects"
            )
        # go on dealing where the last class ended: folds differ by one object at most
        result[members] = (dealt + np.arange(len(members))) % folds
        dealt += len(members)
    return result


def member_folds(folds: int, members: int, nested: bool) -> np.ndarray:
    """Return the fold that each member is tested on and the one that it is validated on.

    Parameters
    ----------
    folds : int
    members : int
        Of each fold.
    nested : bool

    Returns
    -------
    ndarray of int16, shape (members x folds, 2)
        Member number n is of fold n modulo folds, so that the first `folds` members are one of each.
    """
    index = np.arange(folds * members)
    tested = index % folds
    step = 1 + (index // folds) % (folds - 1)
    validated = (tested + step) % folds if nested else tested
    return np.stack([tested, validated], axis=1).astype(np.int16)


def member_rows(fold: np.ndarray, tested: int, validated: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows a member learns from and which validate it, bool (n,) each."""
    return (fold != tested) & (fold != validated), fold == validated


def validation_votes(
    members: np.ndarray, fold: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that validate a member, and for each row the vote of the members that it validates.

    Parameters
    ----------
    members : ndarray, shape (n, members, classes)
    fold : ndarray of int, shape (n,)
    pairs : ndarray of int, shape (members, 2)
        Fold that each member is tested on and fold that validates it.
    """
    rows, votes = [], []
    for validated in np.unique(pairs[:, 1]):
        own, whom = np.flatnonzero(fold == validated), np.flatnonzero(pairs[:, 1] == validated)
        rows.append(own)
        votes.append(vote(members[own][:, whom]))
    return np.concatenate(rows), np.concatenate(votes)
