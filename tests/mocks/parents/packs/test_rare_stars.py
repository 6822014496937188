"""Parametric spectra of rare stars: positive, with their bands and lines in place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.mocks.parents.packs import rare_stars
from jpasbatch.mocks.parents.packs.rare_stars import (
    NUMBERS,
    PREFIXES,
    SWAN,
    absorbed_gaussians,
    band_heads,
    black_body,
    emission_lines,
    rare_star_parents,
)
from jpasbatch.mocks.parents.parents import SPLITS
from jpasbatch.mocks.spectra.grids import rest_grid, rest_pixel

MAKERS = {
    "carbon star": rare_stars.carbon_star,
    "M giant": rare_stars.m_giant,
    "metal white dwarf": rare_stars.metal_white_dwarf,
    "cataclysmic variable": rare_stars.cataclysmic_variable,
    "Wolf-Rayet star": rare_stars.wolf_rayet_star,
}
OPTICAL = (rest_grid() > 3300) & (rest_grid() < 10_800)


@pytest.fixture(scope="module")
def parents():
    return rare_star_parents()


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(list(MAKERS)), seed=st.integers(0, 2**32 - 1))
def test_any_spectrum_is_finite_and_positive(kind, seed):
    flux = MAKERS[kind](np.random.default_rng(seed))
    assert flux.shape == rest_grid().shape
    assert np.isfinite(flux).all()
    assert (flux[OPTICAL] > 0).all()
    assert (flux >= 0).all()


@settings(max_examples=40, deadline=None)
@given(depth=st.floats(0, 5), tail=st.floats(50, 400), head=st.floats(4000, 9000), blueward=st.booleans())
def test_bands_absorb_on_one_side_of_their_head(depth, tail, head, blueward):
    band = band_heads(((head, 1.0),), np.array([depth]), -tail if blueward else tail)
    assert ((band > 0) & (band <= 1)).all()
    beyond = rest_grid() > head if blueward else rest_grid() < head
    assert (band[beyond] == 1).all()
    assert band.min() == pytest.approx(np.exp(-depth), abs=0.15)


@settings(max_examples=40, deadline=None)
@given(depth=st.floats(0, 5), sigma=st.floats(5, 80), centre=st.floats(4000, 9000))
def test_lines_absorb_at_their_centre(depth, sigma, centre):
    line = absorbed_gaussians(((centre, 1.0),), depth, sigma)
    assert ((line > 0) & (line <= 1)).all()
    assert line[rest_pixel(centre)] == pytest.approx(np.exp(-depth), abs=0.5 * depth * np.exp(-depth) + 1e-9)


@settings(max_examples=40, deadline=None)
@given(width=st.floats(0, 1000), velocity=st.floats(0, 3000), centre=st.floats(4000, 9000))
def test_emission_lines_have_their_equivalent_width(width, velocity, centre):
    lines = emission_lines([(centre, 1.0)], width, velocity)
    assert (lines >= 0).all()
    step = np.gradient(rest_grid())
    assert (lines * step).sum() == pytest.approx(width, rel=0.01, abs=1e-9)


@pytest.mark.parametrize("temperature", [2600, 5800, 90_000])
def test_black_bodies_obey_wien(temperature):
    flux, peak = black_body(temperature), 2.898e7 / temperature
    assert flux.max() == 1
    if rest_grid()[0] < peak < rest_grid()[-1]:
        assert rest_grid()[flux.argmax()] == pytest.approx(peak, rel=0.002)


@pytest.mark.parametrize("kind", NUMBERS)
def test_every_split_has_parents_of_every_kind(parents, kind):
    rows = np.flatnonzero(parents.kind == kind)
    assert rows.size == NUMBERS[kind]
    assert parents.parent_id[rows[42]] == f"{PREFIXES[kind]}-00042"
    for split in SPLITS:
        assert parents.of_kind(split, kind).size > 3


def _mean(flux: np.ndarray, centre: float, width: float) -> np.ndarray:
    return flux[:, np.abs(rest_grid() - centre) < width].mean(axis=1)


def test_carbon_stars_show_the_swan_bands(parents):
    flux = parents.rest(np.flatnonzero(parents.kind == "carbon star"))
    for head, _ in SWAN[1:4]:
        assert (_mean(flux, head - 40, 30) < _mean(flux, head + 40, 30)).all()


def test_wolf_rayet_stars_have_one_of_two_strong_lines(parents):
    flux = parents.rest(np.flatnonzero(parents.kind == "Wolf-Rayet star"))
    assert (_mean(flux, 4660, 40) > 1.1 * _mean(flux, 4900, 20)).all()
    carbon = _mean(flux, 5808, 20) > 1.2 * _mean(flux, 6000, 40)
    assert 0.2 < carbon.mean() < 0.8


def test_cataclysmic_variables_have_balmer_emission(parents):
    rows = np.flatnonzero(np.char.startswith(parents.parent_id, "cv-model"))
    flux = parents.rest(rows)
    strong = _mean(flux, 6564.6, 15) / _mean(flux, 6350, 40)
    assert np.median(strong) > 1.3


def test_metal_white_dwarfs_are_of_three_kinds(parents):
    flux = parents.rest(np.flatnonzero(parents.kind == "metal white dwarf"))
    calcium = _mean(flux, 3950, 15) < 0.8 * _mean(flux, 4600, 30)
    carbon = _mean(flux, 5120, 30) < 0.95 * _mean(flux, 5230, 30)
    assert 0.3 < calcium.mean() < 0.8
    assert 0.1 < carbon.mean() < 0.5
