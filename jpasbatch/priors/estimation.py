"""The number of objects of each class in one stratum, from calibrated probabilities: two ways.

``source`` is the share of each class in the sample that the probabilities are calibrated for. What probabilities say of
the objects alone is p / source, up to a factor: the likelihoods of the classes.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

ITERATIONS = 3000
CONVERGED = 1e-7
"""Largest change of a share at which an iteration ends."""


def maximum_likelihood(likelihoods: np.ndarray, numbers: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the shares of highest likelihood (expectation maximisation; Saerens et al. 2002, eq. 2.2).

    Parameters
    ----------
    likelihoods : ndarray, shape (cells, classes)
        p / source of each cell.
    numbers : ndarray, shape (cells,)
        Objects in each cell.
    start : ndarray, shape (classes,)
        Where the search begins; all above 0.

    Returns
    -------
    ndarray of float64, shape (classes,)
        Sums to 1.
    """
    weights = numbers / numbers.sum()
    shares = start / start.sum()
    for _ in range(ITERATIONS):
        found = shares * (likelihoods.T @ (weights / (likelihoods @ shares)))
        if np.abs(found - shares).max() < CONVERGED:
            return found / found.sum()
        shares = found
    return shares / shares.sum()


def unfolded(response: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the shares that give the observed mean probabilities through the response (Bella et al. 2010, "PACC").

    Parameters
    ----------
    response : ndarray, shape (classes, classes)
        Mean probability of each class (rows) of the objects that are truly of one (columns).
    mean : ndarray, shape (classes,)
        Mean probabilities of the objects.

    Returns
    -------
    ndarray of float64, shape (classes,)
        Not negative; sums to 1. The solution of least squares.
    """
    from scipy.optimize import nnls

    weight = 1e3  # of the sum, far above that of the means
    rows = np.vstack([response, np.full(response.shape[1], weight)])
    found, _ = nnls(rows, np.append(mean, weight))
    return found / found.sum()


def posterior(probabilities: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return probabilities under another mix of classes (Saerens et al. 2002, eq. 2.4).

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
        Calibrated for the mix of the source.
    ratio : ndarray, shape (classes,) or (n, classes)
        Share of each class there over that in the source.

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Rows sum to 1.
    """
    weighted = np.asarray(probabilities, dtype=np.float64) * ratio
    weighted /= reduce(np.add, weighted.T)[:, None]
    return weighted


def covariance(
    likelihoods: np.ndarray, examples: np.ndarray, expected: np.ndarray, spare: float = 1.0
) -> np.ndarray:
    """Return the covariance of the numbers of highest likelihood, of a sky that is drawn again.

    It is the inverse of the information that a Poisson process of objects with these likelihoods has of its densities:
    the counting noise of each class, and what cannot be told apart. The information is that which is expected, by the
    objects of a validation sample. What is observed on the sky says nothing of a class of which no object was found: it
    may be that there is none, or that its objects look like others. Some more objects of each class, and an error that
    is not larger than all objects, keep it finite.

    Parameters
    ----------
    likelihoods : ndarray, shape (n, classes)
        p / source of each object of the validation sample, calibrated.
    examples : ndarray, shape (n, classes)
        Which share of the objects of each class one of the sample stands for; columns sum to 1.
    expected : ndarray, shape (classes,)
        Numbers of the classes.
    spare : float
        Objects of each class that are added to those expected.

    Returns
    -------
    ndarray of float64, shape (classes, classes)
    """
    numbers = expected + spare
    # what an object adds to the slope of the log-likelihood
    scores = likelihoods / (likelihoods @ numbers)[:, None]
    information = scores.T @ (scores * (examples @ numbers)[:, None])
    return np.linalg.inv(information + np.eye(len(expected)) / (expected.sum() + 1.0) ** 2)
