"""Random positions: the area that they show, that of miniJPAS among them."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.footprint.options import AreaOptions
from jpasbatch.footprint.randoms import coverage_of
from jpasbatch.footprint.reading import read_coverage
from jpasbatch.footprint.tables import read_given
from tests.footprint.conftest import BOX, box_deg2, pixels_of, positions_in

DENSITY = 60_000


@pytest.fixture
def masked(rng):
    """Return positions in a field, a third of which is masked."""
    ra, dec = positions_in(BOX, int(DENSITY * box_deg2(BOX)), rng)
    kept = ((ra * 10).astype(int) % 3 != 0) | (dec > 50.5)
    return ra[kept], dec[kept]


def test_a_third_that_is_masked_is_not_observed(write, masked):
    file = str(write("randoms.fits", ra=masked[0], dec=masked[1]))
    found = read_coverage(AreaOptions(kind="randoms", file=file, density_per_deg2=DENSITY))
    assert found.area_deg2 == pytest.approx(len(masked[0]) / DENSITY)
    assert found.area_deg2 == pytest.approx(box_deg2(BOX) * 5 / 6, rel=0.01)
    probe = pixels_of(np.array([210.05, 210.15, 210.05]), np.array([50.2, 50.2, 50.8]))
    assert found.contains(probe).tolist() == [False, True, True]


def test_the_area_that_they_were_drawn_in_is_theirs(write, masked):
    file = str(write("randoms.fits", ra=masked[0], dec=masked[1]))
    found = read_coverage(AreaOptions(kind="randoms", file=file, drawn_in_deg2=1.06))
    assert found.area_deg2 == pytest.approx(1.06)
    assert found.areas(32)[1].sum() == pytest.approx(1.06)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density_per_deg2": 20_000}, "more than all of it would be observed"),
        ({"density_per_deg2": 60_000, "nside": 8192}, "allowed is 20 at least"),
        ({"drawn_in_deg2": 20_000.0}, "allowed is 20 at least"),
    ],
)
def test_densities_that_cannot_be(write, masked, options, message):
    given = read_given("[area] file", write("randoms.fits", ra=masked[0], dec=masked[1]))
    with pytest.raises(InputError, match=message):
        coverage_of(given, AreaOptions(kind="randoms", file="randoms.fits", **options))


def test_minijpas_has_the_published_area(data_folder):
    """0.895 deg2 (Bonoli et al. 2021, A&A 653, A31), by the density of its own randoms where all is observed.

    That is in pixels of nside 2048 that lie, with their neighbours, in pixels of nside 4096 which all hold positions:
    these expect 23 each.
    """
    import healpy

    path = data_folder / "minijpas_randoms" / "rand_minijpas_1e5.radec"
    if not path.is_file():
        pytest.skip(f"needs the random positions of miniJPAS: {path}")
    ra, dec, _ = np.loadtxt(path, skiprows=1).T
    coarse, numbers = np.unique(pixels_of(ra, dec, 2048), return_counts=True)
    parents, quarters = np.unique(np.unique(pixels_of(ra, dec, 4096)) // 4, return_counts=True)
    full = parents[quarters == 4]
    inner = full[np.isin(healpy.get_all_neighbours(2048, full, nest=True), full).all(axis=0)]
    seen = numbers[np.searchsorted(coarse, inner)].sum()
    density = seen / len(inner) / healpy.nside2pixarea(2048, degrees=True)
    options = AreaOptions(kind="randoms", file=str(path), ra="az(d)", dec="el(d)", density_per_deg2=density)
    found = read_coverage(options)
    assert found is not None
    assert found.area_deg2 == pytest.approx(0.895, abs=2 * 0.895 / np.sqrt(seen))
    # and not the area of the pixels that hold any position, of which those on the edge count whole
    assert len(found.areas(2048)[0]) * healpy.nside2pixarea(2048, degrees=True) > 1.0


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"weight": np.linspace(0, 1, 20_000)}, {"drawn_in_deg2": box_deg2(BOX)}, "'weight'.*counts as one"),
        ({}, {"density_per_deg2": 1e6}, "not half of them would be observed"),
        ({}, {"drawn_in_deg2": box_deg2(BOX) / 4}, "not half of them"),
    ],
)
def test_weights_and_densities_that_no_position_meets(write, rng, columns, options, message):
    ra, dec = positions_in(BOX, 20_000, rng)
    given = read_given("[area] file", write("randoms.fits", ra=ra, dec=dec, **columns))
    with pytest.raises(InputError, match=message):
        coverage_of(given, AreaOptions(kind="randoms", file="randoms.fits", **options))


def test_weights_that_are_all_the_same_say_nothing(write, rng):
    ra, dec = positions_in(BOX, 20_000, rng)
    given = read_given("[area] file", write("randoms.fits", ra=ra, dec=dec, weight=np.ones(len(ra))))
    found = coverage_of(given, AreaOptions(kind="randoms", file="randoms.fits", drawn_in_deg2=box_deg2(BOX)))
    assert found.area_deg2 == pytest.approx(box_deg2(BOX))
