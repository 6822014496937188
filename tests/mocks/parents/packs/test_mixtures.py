"""Galaxies that are sums of two lights."""

import numpy as np
import pytest

from jpasbatch.mocks.packs.status import READERS
from jpasbatch.mocks.parents.packs.ingredients import GALAXY_TEMPLATES
from jpasbatch.mocks.parents.packs.mixtures import MAIN_WINDOW, MIXTURES, mixed, mixed_galaxies
from jpasbatch.mocks.parents.parents import SPLITS, Parents
from jpasbatch.mocks.spectra.grids import REST_PIXELS, rest_grid
from tests.mocks.packs.template_files import write_template_source

OLD = np.array([(rest_grid() / 5500.0) ** 2])
STARS = np.array([(rest_grid() / 5500.0) ** -2, (rest_grid() / 5500.0) ** -1])
NONE = np.zeros((0, REST_PIXELS))
WINDOW = (rest_grid() > MAIN_WINDOW[0]) & (rest_grid() < MAIN_WINDOW[1])


@pytest.fixture(scope="module")
def spectra(tmp_path_factory):
    """Return small templates of all sources."""
    pack = tmp_path_factory.mktemp("templates")
    for key in GALAXY_TEMPLATES:
        write_template_source(pack, key)
    return {key: READERS[key](pack) for key in GALAXY_TEMPLATES}


@pytest.fixture(scope="module")
def galaxies(spectra) -> dict[str, Parents]:
    return {str(one.kind[0]): one for one in mixed_galaxies(spectra, OLD, STARS)}


def test_all_kinds_are_made_of_a_whole_pack(galaxies):
    assert list(galaxies) == list(MIXTURES)


@pytest.mark.parametrize("kind", MIXTURES)
def test_mixtures_are_positive_and_one_on_average(galaxies, kind):
    parents = galaxies[kind]
    flux = parents.rest(np.arange(len(parents)))
    assert np.isfinite(flux).all()
    assert (flux >= 0).all()
    assert flux[:, WINDOW].mean(axis=1) == pytest.approx(1.0, rel=1e-4)
    assert len(parents) == MIXTURES[kind].number
    for split in SPLITS:
        assert parents.of_kind(split, kind).size > 3


@pytest.mark.parametrize("kind", MIXTURES)
def test_shares_keep_to_their_limits(galaxies, kind):
    weights = galaxies[kind].weights
    assert weights.sum(axis=1) == pytest.approx(1.0, rel=1e-5)
    # of the first light and of the second, one curve each
    assert ((weights > 0).sum(axis=1) <= 2).all()


def test_the_first_light_has_its_share():
    parents = mixed(OLD, STARS, "starburst", MIXTURES["starburst"])
    share = parents.weights[:, 0]
    low, high = MIXTURES["starburst"].share
    assert low <= share.min() < low + 0.05
    assert high - 0.05 < share.max() <= high


def test_names_and_mixtures_are_permanent(spectra, galaxies):
    again = {str(one.kind[0]): one for one in mixed_galaxies(spectra, OLD, STARS)}
    for kind, parents in galaxies.items():
        assert parents.parent_id[42] == f"{MIXTURES[kind].prefix}-00042"
        assert np.array_equal(parents.weights, again[kind].weights)


def test_without_stars_there_is_no_post_starburst(spectra):
    kinds = {str(one.kind[0]) for one in mixed_galaxies(spectra, OLD, NONE)}
    assert kinds == set(MIXTURES) - {"post-starburst"}


def test_a_pack_without_templates_gives_post_starbursts_alone():
    (parents,) = mixed_galaxies({}, OLD, STARS)
    assert set(parents.kind) == {"post-starburst"}
    assert mixed_galaxies({}, OLD, NONE) == []


def test_bursts_are_bluer_than_discs_and_active_galaxies_have_nuclei(data_folder):
    spectra = {key: read(data_folder) for key, read in GALAXY_TEMPLATES.items()}
    made = {str(one.kind[0]): one for one in mixed_galaxies(spectra, OLD, STARS)}
    blue, red = ((rest_grid() > low) & (rest_grid() < low + 400) for low in (3800, 6700))
    slope = {}
    for kind, parents in made.items():
        flux = parents.rest(np.arange(len(parents)))
        slope[kind] = np.median(flux[:, blue].mean(axis=1) / flux[:, red].mean(axis=1))
    assert slope["starburst"] > slope["bulge and disc"]
