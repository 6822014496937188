"""Extinction curves by `dust_extinction`, on the grids of the mocks.

====================  =====================================================  =====================
dust                  curve                                                  where it lies
====================  =====================================================  =====================
of a quasar           Gordon et al. 2003 (ApJ 594, 279), SMC bar             rest frame
of the Milky Way      Gordon et al. 2023 (ApJ 950, 86), R(V) = 3.1           observed frame
====================  =====================================================  =====================
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jpasbatch.mocks.spectra.grids import observed_grid, rest_grid, shifted

SMC_RATIO = 2.74
"""R(V) of the SMC bar (Gordon et al. 2003)."""

MILKY_WAY_RATIO = 3.1


@lru_cache(maxsize=1)
def _smc_curve() -> np.ndarray:
    """A(lambda) / E(B-V) on the rest grid (3910,) float32; constant below 1000 Angstrom, where none is known."""
    import astropy.units as units
    from dust_extinction.averages import G03_SMCBar

    wavelength = np.clip(rest_grid(), 1000.1, None)
    return (SMC_RATIO * G03_SMCBar()(wavelength * units.Angstrom)).astype(np.float32)


@lru_cache(maxsize=1)
def _milky_way_curve() -> np.ndarray:
    """A(lambda) / E(B-V) on the observed grid (1626,) float32."""
    import astropy.units as units
    from dust_extinction.parameter_averages import G23

    return (MILKY_WAY_RATIO * G23(Rv=MILKY_WAY_RATIO)(observed_grid() * units.Angstrom)).astype(np.float32)


def redden_quasars(flux: np.ndarray, redshift: np.ndarray, colour_excess: np.ndarray) -> None:
    """Dim spectra (n, 1626) in place by SMC dust at their redshift; E(B-V) (n,) in magnitudes.

    A negative excess is a parent with less dust than its class has on average.
    """
    _dim(flux, shifted(_smc_curve(), redshift), colour_excess)


def redden_by_milky_way(flux: np.ndarray, colour_excess: np.ndarray) -> None:
    """Dim spectra (n, 1626) in place by Galactic dust; E(B-V) (n,) in magnitudes."""
    _dim(flux, np.broadcast_to(_milky_way_curve(), flux.shape), colour_excess)


def _dim(flux: np.ndarray, curve: np.ndarray, colour_excess: np.ndarray) -> None:
    exponent = curve * (-0.4 * np.log(10) * colour_excess).astype(np.float32)[:, None]
    flux *= np.exp(exponent)
