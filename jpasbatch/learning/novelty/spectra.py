"""What spectra of one class look like: sums of a few that are learnt, and how far an object is from any such sum.

An object's fluxes are compared with the sum of the learnt spectra that fits them best, each band weighted by its error.
A band that is missing has no weight: what stands there changes nothing. The learnt spectra are those of the lowest
error-weighted squares on a training sample (weighted principal components: Bailey 2012, PASP 124, 1015).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jpasbatch.photometry.photometry import Photometry

CHUNK_ROWS = 512
"""Rows of one product of matrices. All products have this many, so that no row's sums depend on its neighbours."""

CLIP = 4.0
"""A band that is further off, in units of its error, counts no more in the misfit: single bands are another sign."""

ITERATIONS = 8
RELATIVE_RIDGE = 1e-11
LEAST_RELATIVE_ERROR = 1e-3
"""Of a band's own flux: no flux is taken for more certain."""
LEAST_ERROR = 1e-5
"""Of the largest flux of the object; keeps the equations solvable whatever an error claims."""


class Misfits(NamedTuple):
    """How far objects are from the spectra of their class; each (n,).

    Attributes
    ----------
    misfit : ndarray of float64
        Chi squared by degree of freedom, in which no band counts more than `CLIP` squared.
    band : ndarray of float64
        Largest residual of a single band, in units of its error.
    bands : ndarray of int64
        Bands that were compared.
    """

    misfit: np.ndarray
    band: np.ndarray
    bands: np.ndarray


def weighted(
    flux: np.ndarray, flux_err: np.ndarray, seen: np.ndarray | bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and their inverse variances, float64 (n, bands), both 0 where there is no measurement.

    Bands that are not ``seen`` are taken as not measured.
    """
    known = np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0) & seen
    values = np.where(known, flux, np.float32(0.0))
    size = np.abs(values)
    largest = size.max(axis=1, initial=0.0)[:, None]
    least = np.maximum(np.float32(LEAST_RELATIVE_ERROR) * size, np.float32(LEAST_ERROR) * largest)
    error = np.where(known, np.maximum(flux_err, least), np.float32(np.inf)).astype(np.float64)
    return values.astype(np.float64), 1.0 / (error * error)


def compare(photometry: Photometry, rows: np.ndarray, basis: np.ndarray, seen: np.ndarray) -> Misfits:
    """Return how far objects are from the sums of spectra of one class.

    Parameters
    ----------
    photometry : Photometry
    rows : ndarray of int, shape (n,)
        Which objects.
    basis : ndarray of float64, shape (bands, rank)
        Spectra of the class.
    seen : ndarray of bool, shape (bands,)
        Bands that the class was seen in; others are left out.
    """
    misfit, band = np.empty(len(rows)), np.empty(len(rows))
    bands = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        chosen = rows[part]
        values, weights = weighted(photometry.flux[chosen], photometry.flux_err[chosen], seen)
        values, weights = (_padded(one, CHUNK_ROWS) for one in (values, weights))
        residual = values - _coefficients(values, weights, basis) @ basis.T
        residual *= residual
        residual *= weights
        squares = residual[: len(chosen)]
        bands[part] = np.count_nonzero(weights[: len(chosen)], axis=1)
        band[part] = np.sqrt(squares.max(axis=1))
        freedom = np.maximum(bands[part] - basis.shape[1], 1)
        misfit[part] = np.minimum(squares, CLIP**2, out=squares).sum(axis=1) / freedom
    return Misfits(misfit, band, bands)


def learn_spectra(flux: np.ndarray, flux_err: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the spectra whose sums fit a sample best, and the bands that it was seen in.

    Coefficients and spectra are found in turn. All objects are as bright as each other first, in units of their errors'
    scale, so that what differs is how certain they are.

    Parameters
    ----------
    flux, flux_err : ndarray of float32, shape (n, bands)
        Of one class.
    rank : int
        Number of spectra.

    Returns
    -------
    basis : ndarray of float64, shape (bands, rank)
        Orthonormal columns.
    seen : ndarray of bool, shape (bands,)
        Bands that more objects than twice the rank have.
    """
    values, weights = weighted(flux, flux_err)
    total = weights.sum(axis=1)
    scale = np.sqrt((weights * values**2).sum(axis=1) / np.where(total > 0, total, 1.0))
    usable = scale > 0
    values, weights = values[usable] / scale[usable, None], weights[usable] * scale[usable, None] ** 2
    seen = (weights > 0).sum(axis=0) > 2 * rank
    weights = weights * seen
    mean = (weights * values).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-300)
    filled = np.where(weights > 0, values, mean)
    basis = np.linalg.eigh(filled.T @ filled)[1][:, ::-1][:, :rank]
    for _ in range(ITERATIONS):
        found = _coefficients(values, weights, basis)
        # the same equations with objects and bands exchanged
        basis = np.linalg.qr(_coefficients(values.T, weights.T, found))[0]
    return basis, seen


def _coefficients(values: np.ndarray, weights: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the coefficients (n, rank) of least weighted squares of values (n, k) by a basis (k, rank)."""
    rank = basis.shape[1]
    first, second = np.tril_indices(rank)
    # rank by rank numbers of all objects: each step below is one pass over n of them
    products = np.ascontiguousarray((weights @ (basis[:, first] * basis[:, second])).T)
    normal = np.zeros((rank, rank, len(values)))
    normal[first, second] = products
    trace = np.einsum("iin->n", normal)
    # without any weight the coefficients are 0
    normal[np.arange(rank), np.arange(rank)] += np.where(trace > 0, RELATIVE_RIDGE * trace, 1.0)
    right = np.ascontiguousarray(((weights * values) @ basis).T)
    return np.ascontiguousarray(_solve(normal, right).T)


def _solve(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve many small positive equations by Cholesky's factors; both are overwritten.

    Parameters
    ----------
    normal : ndarray, shape (rank, rank, n)
        Lower triangles count.
    right : ndarray, shape (rank, n)

    Returns
    -------
    ndarray, shape (rank, n)
    """
    rank = len(right)
    for one in range(rank):
        pivot = 1.0 / np.sqrt(normal[one, one])
        normal[one, one] = pivot
        normal[one + 1 :, one] *= pivot
        right[one] *= pivot
        for other in range(one + 1, rank):
            normal[other:, other] -= normal[other:, one] * normal[other, one]
        right[one + 1 :] -= normal[one + 1 :, one] * right[one]
    for one in reversed(range(rank)):
        right[one] -= np.einsum("in,in->n", normal[one + 1 :, one], right[one + 1 :])
        right[one] *= normal[one, one]
    return right


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    if len(array) == rows:
        return array
    whole = np.zeros((rows, array.shape[1]))
    whole[: len(array)] = array
    return whole
