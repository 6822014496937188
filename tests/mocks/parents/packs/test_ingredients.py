"""What a real template pack gives: parents of the classes that are asked for, and what it can do without."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS
from jpasbatch.mocks.descendants.stars import PARENTS_OF, STAR_KINDS
from jpasbatch.mocks.packs.further_sources import FURTHER_SOURCES
from jpasbatch.mocks.parents.packs.ingredients import DEFAULT_MIXTURE, Ingredients, gather
from jpasbatch.mocks.parents.parents import HELD_OUT, SPLITS, split_of
from jpasbatch.mocks.spectra.grids import OBSERVED_PIXELS, REST_PIXELS
from jpasbatch.photometry.conditions import TYPICAL_SEEING
from jpasbatch.photometry.survey import Survey
from tests.mocks.small_ingredients import small_ingredients

CLASSES = ("star", "galaxy", "qso")
FILTERS = "jpas_filters/*"
ATLAS = "galaxy_kcorrect/storchi_calzetti_kinney/*"
KCORRECT = ("galaxy_kcorrect/kcorrect-default-v4.fits*", "galaxy_kcorrect/gst_tests_small.fits*")


def part_of(data_folder: Path, folder: Path, *patterns: str) -> Path:
    """Make a pack that holds some files of another."""
    for pattern in patterns:
        for path in data_folder.glob(pattern):
            link = folder / path.relative_to(data_folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def few_bands(survey) -> Survey:
    """Return a survey of four of the bands, which is faster read."""
    names = ("J0400", "J1007", "gSDSS", "rSDSS")
    bands = tuple(band for band in survey.bands if band.name in names)
    return replace(survey, bands=bands, reported_bands={}, gaps=())


@pytest.fixture(scope="module")
def poor(data_folder, few_bands, tmp_path_factory) -> Ingredients:
    """Return what a pack gives that holds no more than galaxies need, and a library that is not wanted."""
    pack = part_of(data_folder, tmp_path_factory.mktemp("poor"), FILTERS, ATLAS, *KCORRECT)
    return gather(pack, ("galaxy",), few_bands, False)


@pytest.fixture(scope="module", params=["real", "small"])
def ingredients(request) -> Ingredients:
    return small_ingredients() if request.param == "small" else request.getfixturevalue("real_ingredients")


def test_every_kind_has_parents_in_every_split(ingredients):
    stars = [kind for kind in STAR_KINDS if kind not in PARENTS_OF]
    kinds = {"star": stars, "galaxy": ("red", "blue", "LRG", "ELG", *MIXED_KINDS), "qso": ("boss", "sdss")}
    assert set(ingredients.parents) == set(CLASSES)
    for name, parents in ingredients.parents.items():
        for kind in kinds[name]:
            for split in SPLITS:
                assert parents.of_kind(split, kind).size > 0, (name, kind, split)


def test_every_parent_is_on_the_side_of_its_name(ingredients):
    for parents in ingredients.parents.values():
        learnt = parents.split != HELD_OUT
        assert np.array_equal(parents.split[learnt], split_of(parents.parent_id[learnt]))


def test_observed_libraries_are_held_out(ingredients):
    held_out = {name: (parents.split == HELD_OUT).sum() for name, parents in ingredients.parents.items()}
    assert held_out["star"] > 0
    assert held_out["galaxy"] > 0
    assert held_out["qso"] == 0


def test_plain_arrays_make_the_same_ingredients(ingredients):
    arrays = ingredients.to_arrays()
    again = Ingredients.from_arrays(arrays).to_arrays()
    assert all(value.dtype != object for value in arrays.values())
    assert list(again) == list(arrays)
    for key, value in arrays.items():
        assert value.dtype == again[key].dtype
        assert np.array_equal(value, again[key], equal_nan=value.dtype.kind == "f"), key


def test_troughs_are_transmissions_of_one_split_each(ingredients):
    assert sum(len(ingredients.troughs_of(split)) for split in SPLITS) == len(ingredients.troughs)
    assert ingredients.troughs.shape[1] == REST_PIXELS
    assert ingredients.troughs.min() >= 0
    assert (ingredients.troughs[:, [0, -1]] == 1).all()


def test_weights_are_finite_and_of_every_band(ingredients):
    assert ingredients.weights.shape == (OBSERVED_PIXELS, ingredients.real_tiles.depth.shape[1])
    assert ingredients.weights.dtype == np.float32
    assert (ingredients.weights.max(axis=0) > 0).all()
    assert np.isfinite(ingredients.weights).all()


def test_young_light_is_bluer_than_parents_are(ingredients):
    young = ingredients.young
    assert young.shape == (REST_PIXELS,)
    galaxies = ingredients.parents["galaxy"]
    blue = galaxies.rest(galaxies.of_kind("training", "blue")[:50])
    slope = [curve[2700:2800].mean() / curve[3100:3200].mean() for curve in (young, blue.mean(axis=0))]
    assert slope[0] > slope[1]


def test_a_whole_pack_lacks_nothing(real_ingredients, survey):
    whole = real_ingredients
    assert whole.lacking == ()
    assert len(whole.troughs) > 50
    assert len(whole.mixture[0]) > 1
    assert whole.weights.shape[1] == whole.real_tiles.depth.shape[1] == len(survey.bands)
    assert not (whole.real_tiles.seeing == TYPICAL_SEEING).all()


def test_a_poor_pack_still_gives_galaxies(poor):
    assert list(poor.parents) == ["galaxy"]
    assert set(poor.parents["galaxy"].kind) == {"red", "blue"}
    assert len(poor.parents["galaxy"]) > 9000


def test_a_library_that_is_not_wanted_is_not_held_out(poor):
    assert not (poor.parents["galaxy"].split == HELD_OUT).any()


def test_a_poor_pack_says_what_it_lacks(poor):
    assert {"bal-troughs", "forbidden-lines", "desi-lrg", "desi-elg", "tile-images"} <= set(poor.lacking)
    assert {entry.key for entry in FURTHER_SOURCES} <= set(poor.lacking)
    assert "kcorrect" not in poor.lacking


def test_a_poor_pack_is_completed_by_assumptions(poor, few_bands):
    assert poor.troughs.shape == (0, REST_PIXELS)
    assert all(len(poor.troughs_of(split)) == 0 for split in SPLITS)
    assert all(np.array_equal(*parts) for parts in zip(poor.mixture, DEFAULT_MIXTURE, strict=True))
    assert poor.real_tiles.depth.shape == (len(few_bands.tiles), len(few_bands.bands))
    again = Ingredients.from_arrays(poor.to_arrays())
    assert again.lacking == poor.lacking


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_a_pack_cannot_make_is_named(data_folder, survey, tmp_path, name):
    pack = part_of(data_folder, tmp_path, KCORRECT[0])
    says = rf"mocks of class '{name}' need; it can make nothing.*templates check.*or leave the class out"
    with pytest.raises(InputError, match=says):
        gather(pack, (name,), survey, False)


def test_missing_filter_curves_are_named(data_folder, survey, tmp_path):
    with pytest.raises(InputError, match="jpas_filters"):
        gather(part_of(data_folder, tmp_path, KCORRECT[0]), (), survey, False)


def test_a_damaged_file_is_named(data_folder, survey, tmp_path):
    pack = part_of(data_folder, tmp_path, KCORRECT[1])
    (pack / "galaxy_kcorrect" / "kcorrect-default-v4.fits").write_bytes(b"SIMPLE  =    T")
    with pytest.raises(InputError, match=r"kcorrect-default-v4\.fits"):
        gather(pack, ("galaxy",), survey, False)


def test_no_folder_is_no_pack(survey, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        gather(tmp_path / "none", CLASSES, survey, False)
