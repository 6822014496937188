"""Hybrid objects: each object of a training set mixed with some of the other classes (mix-up by class).

Equations 2 to 6 of Martinez-Solaeche et al. 2023 (A&A 673, A103), section 3.3. Two readings were needed. The
mixing coefficient of eq. 4, taken as printed, falls to -9 for beta = 0.1; its second term is the density of an
exponential distribution of scale beta, so that here 1 - alpha is drawn from that distribution within 0 to 1:
beta -> 0 gives back the original set, and beta = 0.1 a median entropy of the labels of 0.4 bits, as figure 5
shows it. And the coefficient of all terms of eqs 2 and 3 is that of the object itself, as in the example of
eq. 6, so that labels sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mixture:
    """Which objects make which hybrid, and with what weight; n hybrids of k classes.

    Attributes
    ----------
    base : ndarray of int64, shape (n,)
        Position in the original set of the object that is mixed.
    rows : ndarray of int64, shape (n, k)
        Positions of the components; column j is of class j, the object itself in that of its own class, and in
        that of a class that adds nothing.
    weights : ndarray of float32, shape (n, k)
        Of each component; they sum to 1, and are at the same time the label of the hybrid.
    """

    base: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


def draw_mixture(
    labels: np.ndarray,
    magnitude: np.ndarray,
    n_classes: int,
    factor: int,
    scale: float,
    bin_rows: int,
    rng: np.random.Generator,
) -> Mixture:
    """Draw partners and weights for `factor` hybrids of every object, in the order of the set, repeated.

    Parameters
    ----------
    labels : ndarray of int, shape (m,)
        Positions of the classes; every object has one.
    magnitude : ndarray of float, shape (m,)
        By which objects are mixed with others about as bright; NaN counts as faintest.
    n_classes : int
    factor : int
        Hybrids of each object.
    scale : float
        beta of eq. 4: the scale of the mixing, 0 for none.
    bin_rows : int
        Objects of a bin of magnitude, about (paper: 20,000).
    rng : numpy Generator

    Returns
    -------
    Mixture
        Of n = factor x m hybrids. In a bin that has objects of one class alone, nothing is mixed.
    """
    base = np.tile(np.arange(len(labels)), factor)
    own = labels[base].astype(np.int64)
    place = _magnitude_bins(magnitude, bin_rows)
    rows = np.tile(base[:, None], (1, n_classes))
    weights = np.zeros((len(base), n_classes), dtype=np.float64)
    for number in range(int(place.max(initial=-1)) + 1):
        inside = np.flatnonzero(place[base] == number)
        pools = [np.flatnonzero((place == number) & (labels == k)) for k in range(n_classes)]
        sizes = np.array([pool.size for pool in pools], dtype=np.float64)
        shares = luminosity_coefficients(sizes)[own[inside]]
        mixed = np.where(shares.any(axis=1), mixing(scale, len(inside), rng), 0.0)
        weights[inside] = mixed[:, None] * shares
        weights[inside, own[inside]] = 1.0 - mixed
        for k, pool in enumerate(pools):
            partners = inside[own[inside] != k]
            if pool.size:
                rows[partners, k] = pool[rng.integers(pool.size, size=len(partners))]
    return Mixture(base, rows, weights.astype(np.float32))


def _magnitude_bins(magnitude: np.ndarray, bin_rows: int) -> np.ndarray:
    """Return the bin (m,) of each object: bins of equal numbers, about `bin_rows`, by rank."""
    number = max(round(len(magnitude) / bin_rows), 1)
    rank = np.empty(len(magnitude), dtype=np.int64)
    rank[np.argsort(magnitude, kind="stable")] = np.arange(len(magnitude))
    return rank * number // max(len(magnitude), 1)


def luminosity_coefficients(sizes: np.ndarray) -> np.ndarray:
    """Return c_ij = N_j / (N_tot - N_i) of eq. 5, with zeros on the diagonal.

    Parameters
    ----------
    sizes : ndarray, shape (k,)
        N of each class within a bin of magnitude.

    Returns
    -------
    ndarray of float64, shape (k, k)
        A row sums to 1, or is zero where no other class has objects.
    """
    others = sizes.sum() - sizes
    coefficients = np.divide(
        sizes[None, :], others[:, None], where=others[:, None] > 0, out=np.zeros((sizes.size,) * 2)
    )
    np.fill_diagonal(coefficients, 0.0)
    return coefficients


def mixing(scale: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Return 1 - alpha (number,): exponential of scale beta, cut off at 1 (eq. 4; see above)."""
    drawn = rng.random(number)
    if scale == 0.0:
        return np.zeros(number)
    return -scale * np.log1p(-drawn * -np.expm1(-1.0 / scale))


def mix_fluxes(flux: np.ndarray, flux_err: np.ndarray, mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors of hybrids, eq. 3.

    A band that the object itself lacks is lacking in the hybrid; a component that lacks it gives its
    weight to the object, so that no hybrid is dark for want of data.

    Parameters
    ----------
    flux, flux_err : ndarray, shape (m, bands), float32
        Of the original set; NaN where not observed. The error of a non-detection may be NaN beside a flux.
    mixture : Mixture

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float32
    """
    own_flux, own_err = flux[mixture.base], flux_err[mixture.base]
    mixed, variance = np.zeros_like(own_flux), np.zeros_like(own_err)
    for k in range(mixture.weights.shape[1]):
        weight = mixture.weights[:, [k]]
        part, part_err = flux[mixture.rows[:, k]], flux_err[mixture.rows[:, k]]
        mixed += weight * np.where(np.isnan(part), own_flux, part)
        variance += np.square(weight * np.where(np.isnan(part_err), own_err, part_err))
    mixed[np.isnan(own_flux)] = np.nan
    return mixed, np.sqrt(variance)


def mix_values(values: np.ndarray, mixture: Mixture) -> np.ndarray:
    """Return an auxiliary value of hybrids, float32 (n,), mixed as the fluxes are (eq. 3).

    A value that the object itself lacks is lacking; a component that lacks it gives its weight to the object.

    Parameters
    ----------
    values : ndarray of float32, shape (m,)
        Of the original set; NaN where missing.
    mixture : Mixture
    """
    own = values[mixture.base]
    parts = values[mixture.rows]
    mixed = (mixture.weights * np.where(np.isnan(parts), own[:, None], parts)).sum(axis=1)
    return mixed.astype(np.float32)
