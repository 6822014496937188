"""How the members of a committee become one opinion."""

from __future__ import annotations

import numpy as np

from jpasbatch.errors import InputError


def vote(member_probabilities: np.ndarray) -> np.ndarray:
    """Combine the members: the median of each class, renormalised (paper A, section 3.4).

    Where the medians of all classes are 0, the members contradict each other completely and a median has
    nothing to renormalise: such a row gets the mean of the members.

    Parameters
    ----------
    member_probabilities : ndarray of float32, shape (n, members, classes)

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Rows sum to 1 within rounding.

    Raises
    ------
    InputError
        When a probability is not finite.
    """
    if not np.isfinite(member_probabilities).all():
        rows = np.flatnonzero(~np.isfinite(member_probabilities).all(axis=(1, 2)))
        raise InputError(
            f"the committee gave probabilities that are not finite for {rows.size} rows "
            f"(first: row {rows[0]}): the features are too large for single precision, "
            "or the committee is damaged"
        )
    n_members = member_probabilities.shape[1]
    ordered = np.sort(member_probabilities, axis=1)
    low, high = ordered[:, (n_members - 1) // 2], ordered[:, n_members // 2]
    median = 0.5 * (low.astype(np.float64) + high)
    undecided = ~median.any(axis=1)
    if undecided.any():
        median[undecided] = member_probabilities[undecided].mean(axis=1, dtype=np.float64)
    return median / median.sum(axis=1, keepdims=True)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of each prediction in bits, paper A eq. 13: 0 (certain) to log2(classes).

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    values = np.asarray(probabilities, dtype=np.float64)
    # For P = 1 the paper's epsilon of 1e-14 gives -1e-14.
    return np.maximum(-(values * np.log2(values + 1e-14)).sum(axis=1), 0.0)
