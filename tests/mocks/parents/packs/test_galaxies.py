"""Galaxies of the atlas as parents: what is kept of spectra with gaps."""

from __future__ import annotations

import numpy as np
import pytest

from jpasbatch.mocks.packs.galaxies import AtlasSpectrum
from jpasbatch.mocks.parents.packs.galaxies import held_out_galaxies


def observed(name: str, last: float = 10000.0, gap: tuple[float, float] | None = None) -> AtlasSpectrum:
    wavelength = np.arange(1200.0, last, 1.5)
    measured = np.ones(wavelength.size, dtype=bool)
    if gap is not None:
        measured = (wavelength < gap[0]) | (wavelength > gap[1])
    flux = np.where(measured, 1e-14, 0.0)
    return AtlasSpectrum(name, wavelength, flux, measured, "starburst")


def test_what_lies_blueward_of_a_long_gap_is_not_covered():
    whole, broken, bridged = observed("a"), observed("b", gap=(2000, 3200)), observed("c", gap=(2000, 2200))
    parents = held_out_galaxies([whole, broken, bridged])
    assert parents.blue == pytest.approx([1200, 3200, 1200], abs=2)
    assert parents.red == pytest.approx(np.full(3, 10000.0), abs=2)


def test_a_spectrum_that_is_no_whole_optical_one_is_left_out():
    cut, missing = observed("cut", last=6300.0), observed("missing", gap=(6500, 8200))
    parents = held_out_galaxies([observed("whole"), cut, missing])
    assert parents.parent_id.tolist() == ["atlas-whole"]
