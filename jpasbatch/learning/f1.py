"""The f1 score (Martinez-Solaeche et al. 2023, A&A 673, A103, eqs. 8 and 9), of any number of confusions at once."""

from __future__ import annotations

import numpy as np


def f1_scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted f1 and the f1 of each class.

    Parameters
    ----------
    confusion : ndarray of int, shape (..., classes, classes)
        Rows are predicted, columns true classes, as in the paper (scikit-learn has the transpose).

    Returns
    -------
    weighted : ndarray of float64, shape (...)
        Eq. 9, over the classes that have objects; NaN without any object.
    f1 : ndarray of float64, shape (..., classes)
        Eq. 8, as 2 TP / (2 TP + FP + FN); NaN where no object is truly of the class.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    n_predicted, n_true = confusion.sum(axis=-1), confusion.sum(axis=-2)
    f1 = np.divide(2.0 * right, n_true + n_predicted, out=np.full(right.shape, np.nan), where=n_true > 0)
    total = n_true.sum(axis=-1)
    summed = (n_true * np.nan_to_num(f1)).sum(axis=-1)
    return np.divide(summed, total, out=np.full(np.shape(total), np.nan), where=total > 0), f1


def weighted_f1(predicted: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Return the f1 score of all classes, weighted by their objects.

    Parameters
    ----------
    predicted, labels : ndarray of int, shape (n,)
    classes : int
        Number of classes.
    """
    cells = predicted.astype(np.int64) * classes + labels
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    return float(f1_scores(confusion)[0])
