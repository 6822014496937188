"""Star parents that need no template pack: white dwarfs without lines."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.stars import StarVariety
from jpasbatch.mocks.packs.stars import StarBasis
from jpasbatch.mocks.packs.templates import read_brown_dwarfs, read_hot_white_dwarfs
from jpasbatch.mocks.parents.packs.stars import (
    FEATURELESS_KIND,
    FEATURELESS_TEMPERATURES,
    HOTTEST_BROWN_DWARF,
    brown_dwarf_parents,
    featureless_white_dwarf_parents,
    hot_white_dwarf_parents,
    stars_of_type_a,
    temperature_of,
)
from jpasbatch.mocks.parents.parents import SPLITS
from jpasbatch.mocks.spectra.grids import rest_grid
from tests.mocks.packs.template_files import write_template_source


def test_white_dwarfs_without_lines_are_black_bodies():
    parents = featureless_white_dwarf_parents()
    assert set(parents.kind) == {FEATURELESS_KIND}
    assert all(parents.of_kind(split, FEATURELESS_KIND).size > 5 for split in SPLITS)
    flux = parents.rest(np.arange(len(parents)))
    # Wien: the maximum of f_lambda lies at 2.898e7 Angstrom K / T
    for row in (60, 150):
        peak = rest_grid()[flux[row].argmax()]
        assert abs(peak * FEATURELESS_TEMPERATURES[row] / 2.898e7 - 1) < 0.01


def test_a_fifth_of_the_white_dwarfs_show_no_lines():
    shares = StarVariety().faint
    assert shares[FEATURELESS_KIND] / (shares[FEATURELESS_KIND] + shares["white dwarf"]) == 0.2


def test_brown_dwarfs_are_sums_of_neighbours(tmp_path):
    write_template_source(tmp_path, "brown-dwarfs")
    library = read_brown_dwarfs(tmp_path)
    parents = brown_dwarf_parents(library)
    cool = [item for item in library if temperature_of(item.name) <= HOTTEST_BROWN_DWARF]
    assert parents.curves.shape[0] == len(cool) < len(library)
    assert parents.weights.sum(axis=1) == pytest.approx(1.0, rel=1e-5)
    assert (np.abs(np.diff((parents.weights > 0).astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert (parents.weights >= 0).all()
    assert (parents.rest(np.arange(len(parents))) >= 0).all()
    assert all(parents.of_kind(split, "brown dwarf").size > 5 for split in SPLITS)


def test_published_brown_dwarfs_are_red(data_folder):
    parents = brown_dwarf_parents(read_brown_dwarfs(data_folder))
    flux = parents.rest(np.arange(len(parents)))
    blue, red = ((rest_grid() > low) & (rest_grid() < low + 500) for low in (6000, 8500))
    assert (flux[:, blue].mean(axis=1) < 0.6 * flux[:, red].mean(axis=1)).all()


def test_without_a_cool_model_there_are_no_brown_dwarfs(tmp_path):
    write_template_source(tmp_path, "brown-dwarfs")
    hot = [item for item in read_brown_dwarfs(tmp_path) if temperature_of(item.name) > HOTTEST_BROWN_DWARF]
    with pytest.raises(InputError, match="no model atmosphere of 2600 K or less"):
        brown_dwarf_parents(hot)


@pytest.mark.parametrize("name", ["", "x", "atmosphere-800"])
def test_a_model_without_a_temperature_is_named(name):
    with pytest.raises(InputError, match="no model atmosphere's name"):
        temperature_of(name)


def test_hot_white_dwarfs_have_names_of_their_own(tmp_path):
    write_template_source(tmp_path, "hot-white-dwarfs")
    parents = hot_white_dwarf_parents(read_hot_white_dwarfs(tmp_path))
    assert parents.parent_id.tolist() == ["wd-standard-WD1", "wd-standard-WD2"]
    assert set(parents.kind) == {"white dwarf"}


def test_light_of_type_a_goes_on_to_the_ultraviolet():
    wavelength = np.arange(3001.0, 10_900.0)
    vectors = np.array([(wavelength / 5500.0) ** -2, (wavelength / 5500.0) ** -1])
    basis = StarBasis(wavelength, vectors, np.random.default_rng(1).uniform(0.1, 1, (50, 2)), np.array([]))
    light = stars_of_type_a({"A": basis})
    assert len(light) > 5
    below = rest_grid() < 2990
    assert (light[:, below] > 0).all()
    assert (np.diff(light[:, below], axis=1) == 0).all()
