"""What objects inherit from their parents, and what becomes of it: lines, dust, hosts, and what lies in front."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.emission import SEYFERT_RATIOS
from jpasbatch.mocks.descendants.galaxies import (
    DWARF_SHARE,
    GalaxyFamily,
    choose_galaxies,
    galaxy_spectra,
)
from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS, GalaxyVariety
from jpasbatch.mocks.descendants.quasars import (
    BALDWIN_SLOPES,
    NEIGHBOURS,
    QuasarFamily,
    QuasarVariety,
    choose_quasars,
    lies_behind_dust,
    quasar_spectra,
    rest_spectrum_width,
    unabsorbed_spectra,
)
from jpasbatch.mocks.descendants.residuals import NODE_STEP, add_wiggles
from jpasbatch.mocks.descendants.sightlines import (
    LYMAN_ALPHA,
    absorb_broadly,
    absorb_forest,
    mean_transmission,
)
from jpasbatch.mocks.descendants.stars import (
    METAL_RANK,
    OPTIONAL_KINDS,
    PARENTS_OF,
    STAR_KINDS,
    StarVariety,
    choose_stars,
    star_spectra,
)
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.parents.packs.ingredients import DEFAULT_MIXTURE
from jpasbatch.mocks.parents.parents import HELD_OUT, from_basis
from jpasbatch.mocks.skies.objects import draw_kinds, spectra_in_chunks
from jpasbatch.mocks.spectra.dust import redden_by_milky_way, redden_quasars
from jpasbatch.mocks.spectra.forest import LYMAN_LIMIT
from jpasbatch.mocks.spectra.grids import LOG_STEP, OBSERVED_PIXELS, REST_PIXELS, observed_grid
from jpasbatch.photometry.streams import ObjectStreams
from tests.mocks.small_ingredients import small_ingredients, small_workshop

WAVELENGTH = observed_grid()
CARBON = 1547.5


def streams_of(number: int) -> ObjectStreams:
    return ObjectStreams(2, np.arange(number))


def ones(number: int) -> np.ndarray:
    return np.ones((number, OBSERVED_PIXELS), dtype=np.float32)


def pixel_at(wavelength: float) -> int:
    return int(np.argmin(np.abs(WAVELENGTH - wavelength)))


# The forest and what else lies in front of quasars


@settings(deadline=None)
@given(redshifts=st.lists(st.floats(0.1, 5.0), min_size=1, max_size=5))
def test_hydrogen_absorbs_only_blueward_of_lyman_alpha(redshifts):
    redshift, flux = np.array(redshifts), ones(len(redshifts))
    absorb_forest(flux, redshift, streams_of(len(redshifts)))
    redward = LYMAN_ALPHA * (1 + redshift[:, None]) <= WAVELENGTH
    assert (flux[redward] == 1).all()
    assert (flux >= 0).all()


@settings(deadline=None)
@given(redshifts=st.lists(st.floats(0.1, 5.0), min_size=1, max_size=8), data=st.data())
def test_a_sightline_is_the_same_beside_any_others(redshifts, data):
    rows = np.array(data.draw(st.permutations(range(len(redshifts)))))[: data.draw(st.integers(1, 8))]
    redshift, whole, part = np.array(redshifts), ones(len(redshifts)), ones(len(rows))
    absorb_forest(whole, redshift, streams_of(len(redshifts)))
    absorb_forest(part, redshift[rows], streams_of(len(redshifts))[rows])
    assert np.array_equal(part, whole[rows])


@pytest.fixture(scope="module")
def forest() -> np.ndarray:
    """Return the transmission of a thousand sightlines to z = 3."""
    flux = ones(1000)
    absorb_forest(flux, np.full(1000, 3.0), streams_of(1000))
    return flux


def test_the_mean_transmission_is_the_published_one(forest):
    seen = (WAVELENGTH > 4 * 1030) & (WAVELENGTH < 4 * 1210)
    expected = np.exp(-0.0036 * (WAVELENGTH[seen] / LYMAN_ALPHA) ** 3.45)
    assert mean_transmission(WAVELENGTH, 3.0)[seen] == pytest.approx(expected, rel=1e-5)
    assert (forest[:, seen].mean(axis=0) / expected).mean() == pytest.approx(1.0, abs=0.003)
    for part in np.array_split(np.arange(seen.sum()), 4):
        ratio = forest[:, seen][:, part] / expected[part]
        assert ratio.mean() == pytest.approx(1.0, abs=0.006)


def test_further_lines_of_the_series_absorb_more(forest):
    levels = [forest[:, pixel_at(4 * wavelength)].mean() for wavelength in (1030.0, 1020.0)]
    assert levels[1] < 0.95 * levels[0]


def test_sightlines_scatter_by_the_power_on_large_scales(forest):
    """Of 22 km/s at z = 2.2, growing as (1 + z)^3.5; in pixels of 240 km/s."""
    for wavelength in (4300.0, 4700.0):
        level = forest[:, pixel_at(wavelength) - 20 : pixel_at(wavelength) + 21]
        expected = np.sqrt(22.0 / 240 * (wavelength / LYMAN_ALPHA / 3.2) ** 3.5)
        assert (level.std(axis=0) / level.mean(axis=0)).mean() == pytest.approx(expected, rel=0.02)


def test_optically_thick_systems_are_as_many_as_published(forest):
    """Of sightlines to z = 3, exp(-N) have none above z = 2.67, by the integral of dN/dz."""
    at = pixel_at(4 * LYMAN_LIMIT - 300)
    ratio = forest[:, at - 8 : at + 9].mean(axis=1) / mean_transmission(WAVELENGTH, 3.0)[at]
    place = np.array([4.0, WAVELENGTH[at] / LYMAN_LIMIT]) / 4.5
    systems = 2.80 * 4.5 / 2.94 * (place[0] ** 2.94 - place[1] ** 2.94)
    assert (ratio > 0.7).mean() == pytest.approx(np.exp(-systems), abs=4 * np.sqrt(0.25 / 1000))


def test_near_quasars_have_no_forest_to_see():
    flux = ones(20)
    absorb_forest(flux, np.linspace(0.1, 1.4, 20), streams_of(20))
    assert (flux == 1).all()


def test_a_share_of_quasars_is_absorbed_broadly():
    flux, number = ones(4000), 4000
    absorbed = absorb_broadly(
        flux, np.full(number, 2.0), small_ingredients().troughs, streams_of(number), 0.12
    )
    assert absorbed.mean() == pytest.approx(0.12, abs=4 * np.sqrt(0.12 * 0.88 / number))
    assert (flux[~absorbed] == 1).all()
    assert (flux[absorbed].min(axis=1) < 0.6).all()
    deepest = WAVELENGTH[flux[absorbed].argmin(axis=1)]
    assert deepest == pytest.approx(np.full(absorbed.sum(), 3 * 1500.0), rel=2 * LOG_STEP)


def test_without_troughs_nothing_is_absorbed_broadly():
    flux = ones(50)
    absorbed = absorb_broadly(
        flux, np.full(50, 2.0), np.ones((0, REST_PIXELS), dtype=np.float32), streams_of(50), 1.0
    )
    assert not absorbed.any()
    assert (flux == 1).all()


# Dust


@pytest.mark.parametrize(
    ("redden", "ratio"),
    [(redden_by_milky_way, 3.1), (lambda flux, excess: redden_quasars(flux, np.zeros(1), excess), 2.74)],
    ids=["Milky Way", "quasar"],
)
def test_dust_dims_visual_light_as_its_ratio_says(redden, ratio):
    flux = ones(1)
    redden(flux, np.array([0.1]))
    assert -2.5 * np.log10(flux[0, pixel_at(5495)]) == pytest.approx(0.1 * ratio, rel=0.03)


@settings(deadline=None)
@given(redshift=st.floats(0.0, 5.0), excess=st.floats(0.01, 0.5))
def test_dust_of_a_quasar_dims_the_blue_more(redshift, excess):
    flux = ones(1)
    redden_quasars(flux, np.array([redshift]), np.array([excess]))
    assert ((flux > 0) & (flux <= 1)).all()
    assert flux[0, pixel_at(3500)] <= flux[0, pixel_at(5500)] < flux[0, pixel_at(9000)]


def test_dust_of_the_milky_way_dims_the_blue_more():
    flux = ones(1)
    redden_by_milky_way(flux, np.array([0.05]))
    levels = flux[0, [pixel_at(wavelength) for wavelength in (3500, 4500, 6200, 9000)]]
    assert (np.diff(levels) > 0).all()


def test_less_dust_than_average_brightens():
    flux = ones(2)
    redden_quasars(flux, np.array([1.0, 1.0]), np.array([-0.02, 0.0]))
    assert (flux[0] > 1).all()
    assert (flux[1] == 1).all()


# Wiggles


def test_wiggles_have_their_amplitude_and_are_smooth():
    flux = ones(3000)
    add_wiggles(flux, 0.05, streams_of(3000).named("wiggles"))
    node = round(10 * NODE_STEP / LOG_STEP)
    assert np.log(flux[:, node]).std() == pytest.approx(0.05, rel=0.06)
    assert np.abs(np.diff(np.log(flux), axis=1)).max() < 0.05 * 8 * LOG_STEP / NODE_STEP
    assert abs(np.corrcoef(np.log(flux[:, [node, node + round(3 * NODE_STEP / LOG_STEP)]]).T)[0, 1]) < 0.08


def test_no_wiggles_where_none_are_wanted():
    flux = ones(3)
    add_wiggles(flux, 0.0, streams_of(3).named("wiggles"))
    assert (flux == 1).all()


# Quasars

CALM = QuasarVariety(
    **dict.fromkeys((field.name for field in fields(QuasarVariety)), 0.0) | {"line_strength": 1.0}
)


def quasar_family(variety: QuasarVariety, hosts: bool = False) -> QuasarFamily:
    given = small_ingredients()
    troughs = {split: given.troughs_of(split) for split in ("training", "validation", "test")}
    return QuasarFamily(given.parents["qso"], given.parents["galaxy"] if hosts else None, troughs, variety)


def quasars(
    variety: QuasarVariety, redshift: float, number: int = 500, magnitude: float = 20.8
) -> np.ndarray:
    """Return quasars of one parent, one redshift and one magnitude, before anything lies in front."""
    family = quasar_family(variety)
    chosen = np.full(number, np.flatnonzero(family.parents.kind == "boss")[0])
    wanted = np.full(number, magnitude), np.full(number, redshift)
    return unabsorbed_spectra(family, chosen, wanted, streams_of(number))


def test_without_variety_quasars_are_their_parents():
    parents = small_ingredients().parents["qso"]
    chosen = np.flatnonzero(parents.kind == "boss")[:1]
    assert quasars(CALM, 2.0, 1) == pytest.approx(parents.observed(chosen, np.array([2.0])), rel=1e-5)


@pytest.mark.parametrize("split", ["training", "validation", "test"])
def test_a_quasar_descends_from_a_parent_near_its_redshift(split):
    number = 3000
    known = np.random.default_rng(1).uniform(0.1, 4.0, number)
    names = np.array([f"many-{row:05d}" for row in range(number)])
    parents = from_basis(np.ones((1, REST_PIXELS)), np.ones((number, 1)), names, "boss", (500, 11000), known)
    redshift = np.linspace(0.1, 5.0, 500)
    chosen = choose_quasars(parents, split, redshift, streams_of(500))
    assert set(parents.split[chosen]) == {split}
    of_split = np.sort(known[parents.split == split])
    wanted, found = (np.searchsorted(of_split, values) for values in (redshift, known[chosen]))
    beyond = redshift > of_split[-1]
    assert np.abs(wanted - found)[(wanted > NEIGHBOURS // 2) & ~beyond].max() <= NEIGHBOURS
    assert (found[beyond] >= of_split.size - NEIGHBOURS).all()
    for offsets in (wanted - found)[~beyond], found[beyond]:
        assert np.unique(offsets).size > 20


def test_lines_vary_and_stay_positive():
    ratio = quasars(replace(CALM, line_scatter=0.3), 2.0) / quasars(CALM, 2.0)
    assert (ratio > 0).all()
    carbon = ratio[:, pixel_at(3 * CARBON)]
    assert 0.1 < np.log10(carbon).std() < 0.3
    assert (carbon < 1).mean() == pytest.approx(0.5, abs=0.1)


def test_lines_of_half_the_strength():
    """The flux above the continuum halves, and the continuum stays."""
    ratio = quasars(replace(CALM, line_strength=0.5), 2.0) / quasars(CALM, 2.0)
    assert (ratio[:, pixel_at(3 * CARBON)] < 0.95).all()
    between = (WAVELENGTH > 3 * 2100) & (WAVELENGTH < 3 * 2600)
    assert (ratio[:, between] == 1).all()


def test_a_share_of_quasars_has_weak_lines():
    """Of the flux above the continuum, up to 0.6 and 0.3 on average is left."""
    variety = replace(CALM, weak_line_share=0.25, weak_line_strength=0.3)
    flux, calm = quasars(variety, 2.0, 2000), quasars(CALM, 2.0, 1)
    between = (WAVELENGTH > 3 * 2100) & (WAVELENGTH < 3 * 2600)
    assert (flux[:, between] == calm[:, between]).all()
    ratio = flux[:, pixel_at(3 * CARBON)] / calm[:, pixel_at(3 * CARBON)]
    weak = ratio < 1
    assert weak.mean() == pytest.approx(0.25, abs=0.04)
    line = 23.8 / (np.sqrt(2 * np.pi) * 14.3)
    strength = ((1 + line) * ratio[weak] - 1) / line
    assert strength.mean() == pytest.approx(0.3, abs=0.03)
    assert (strength < 0.61).all()


def test_lines_vary_apart():
    ratio = np.log(quasars(replace(CALM, line_scatter=0.3), 2.0) / quasars(CALM, 2.0))
    pair = ratio[:, [pixel_at(3 * CARBON), pixel_at(3 * 2799.1)]]
    assert abs(np.corrcoef(pair.T)[0, 1]) < 4 / np.sqrt(500)


def test_the_continuum_between_lines_is_left_alone():
    ratio = quasars(replace(CALM, line_scatter=0.3), 2.0) / quasars(CALM, 2.0)
    between = (WAVELENGTH > 3 * 2100) & (WAVELENGTH < 3 * 2600)
    assert (ratio[:, between] == 1).all()


def test_fainter_quasars_have_stronger_lines():
    """The Baldwin effect: C IV grows with the magnitude, the continuum stays."""
    faint, bright = (quasars(CALM, 2.0, 1, magnitude)[0] for magnitude in (21.8, 19.8))
    at = pixel_at(3 * CARBON)
    slope, line = BALDWIN_SLOPES[CARBON], 23.8 / (np.sqrt(2 * np.pi) * 14.3)
    expected = (1 + 10**slope * line) / (1 + 10**-slope * line)
    assert faint[at] / bright[at] == pytest.approx(expected, rel=1e-3)
    assert faint[pixel_at(3 * 2400)] == bright[pixel_at(3 * 2400)]


def test_dust_of_quasars_scatters_their_colours():
    flux = quasars(replace(CALM, reddening_scale=0.05), 2.0, 4000)
    ratio = flux / quasars(CALM, 2.0, 1)
    colour = -2.5 * np.log10(ratio[:, pixel_at(4000)] / ratio[:, pixel_at(8000)])
    assert np.median(colour) == pytest.approx(0.0, abs=0.02)
    assert np.mean(colour) > 0.02  # a tail to the red
    assert colour.min() > -np.log(2) * 0.05 * 20


def test_a_share_of_quasars_lies_behind_much_dust():
    flux = quasars(replace(CALM, reddened_share=0.25, reddened_scale=0.2), 2.0, 4000)
    ratio = flux / quasars(CALM, 2.0, 1)
    colour = -2.5 * np.log10(ratio[:, pixel_at(4000)] / ratio[:, pixel_at(8000)])
    assert (np.abs(colour) < 1e-3).mean() == pytest.approx(0.75, abs=0.03)
    assert np.quantile(colour, 0.95) > 1.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_dusty_quasars_have_their_own_share_of_broad_absorption(share):
    variety = replace(CALM, reddened_share=0.3, reddened_scale=0.0, reddened_absorption_share=share)
    family, number = quasar_family(variety), 1000
    chosen = family.parents.rows_of_split["test"][:1].repeat(number)
    wanted = np.full(number, 20.8), np.full(number, 2.0)
    flux = quasar_spectra(family, "test", chosen, wanted, streams_of(number))
    calm = quasar_spectra(quasar_family(CALM), "test", chosen, wanted, streams_of(number))
    absorbed = (flux < 0.9 * calm).any(axis=1)
    assert np.array_equal(absorbed, lies_behind_dust(variety, streams_of(number)) & (share > 0))
    assert absorbed.mean() == pytest.approx(0.3 * share, abs=0.06)


def test_switching_one_recipe_off_changes_no_other():
    full = QuasarVariety()
    lines = quasars(replace(full, line_scatter=0.0), 2.0, 50)
    assert np.array_equal(lines[:, pixel_at(3 * 2400)], quasars(full, 2.0, 50)[:, pixel_at(3 * 2400)])


@pytest.mark.parametrize(("redshift", "changed"), [(0.3, True), (0.79, True), (0.8, False), (3.0, False)])
def test_near_quasars_have_hosts(redshift, changed):
    variety = replace(CALM, host_below=0.8)
    wanted = np.full(10, 22.5), np.full(10, redshift)
    chosen = quasar_family(variety).parents.rows_of_split["test"][:1].repeat(10)
    bare, hosted = (
        quasar_spectra(quasar_family(variety, hosts), "test", chosen, wanted, streams_of(10))
        for hosts in (False, True)
    )
    assert (hosted >= bare).all()
    assert (hosted > bare).any() == changed


def test_hosts_of_faint_quasars_matter_most():
    variety = replace(CALM, host_below=0.8)
    chosen = quasar_family(variety).parents.rows_of_split["test"][:1].repeat(200)
    share = []
    for magnitude in (17.5, 22.5):
        wanted = np.full(200, magnitude), np.full(200, 0.4)
        bare, hosted = (
            quasar_spectra(quasar_family(variety, hosts), "test", chosen, wanted, streams_of(200))
            for hosts in (False, True)
        )
        share.append(np.median(hosted[:, pixel_at(1.4 * 5100)] / bare[:, pixel_at(1.4 * 5100)] - 1))
    assert share[0] < 0.1 < share[1]


def test_the_width_of_a_known_line_is_measured():
    redshift = np.array([1.0, 2.0])
    rest = WAVELENGTH / (1 + redshift[:, None])
    continuum = (rest / 2000.0) ** -1.5
    flux = continuum * (1 + 30.0 / (np.sqrt(2 * np.pi) * 20.0) * np.exp(-0.5 * ((rest - 2799) / 20.0) ** 2))
    width = rest_spectrum_width(flux, redshift, (2700.0, 2900.0), (2680.0, 2700.0, 2900.0, 2920.0))
    assert width == pytest.approx([30.0, 30.0], rel=0.02)


def test_the_width_of_an_unseen_line_is_unknown():
    width = rest_spectrum_width(ones(1), np.array([3.5]), (2700.0, 2900.0), (2680.0, 2700.0, 2900.0, 2920.0))
    assert np.isnan(width).all()


# Stars


@pytest.mark.parametrize("kind", STAR_KINDS)
@pytest.mark.parametrize("split", ["training", "validation", "test"])
def test_stars_of_a_kind_come_from_parents_of_that_kind(kind, split):
    parents = small_ingredients().parents["star"]
    variety = StarVariety(bright={kind: 1.0}, faint={kind: 3.0})
    chosen = choose_stars(parents, split, np.linspace(0, 1, 200), streams_of(200), variety, {})
    assert set(parents.kind[chosen]) == {PARENTS_OF.get(kind, kind)}
    assert set(parents.split[chosen]) == {split}
    assert np.unique(chosen).size > 1


@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_the_mix_of_stars_goes_from_the_faint_to_the_bright(brightness):
    parents, number = small_ingredients().parents["star"], 20_000
    variety = StarVariety(bright={"G": 3.0, "M": 1.0}, faint={"M": 2.0})
    chosen = choose_stars(parents, "test", np.full(number, brightness), streams_of(number), variety, {})
    assert (parents.kind[chosen] == "G").mean() == pytest.approx(0.75 * brightness, abs=0.013)


def test_a_kind_without_parents_is_named():
    parents = small_ingredients().parents["star"]
    without = parents.take(np.flatnonzero(parents.kind != "K"))
    with pytest.raises(InputError, match=r"'K' in split 'test'.*\[mock\.stars\]"):
        choose_stars(without, "test", np.ones(500), streams_of(500), StarVariety(), {})


def test_a_kind_without_parents_may_have_no_share():
    parents = small_ingredients().parents["star"]
    without = parents.take(np.flatnonzero(parents.kind != "K"))
    variety = StarVariety(bright={"G": 1.0, "K": 0.0}, faint={"M": 1.0})
    assert choose_stars(without, "test", np.ones(50), streams_of(50), variety, {}).size == 50


@pytest.mark.parametrize("kind", [kind for kind in STAR_KINDS if kind not in PARENTS_OF])
def test_rare_stars_take_their_share(kind):
    parents, number = small_ingredients().parents["star"], 20_000
    variety = StarVariety(bright={"G": 1.0}, faint={"K": 1.0})
    chosen = choose_stars(
        parents, "test", np.linspace(0, 1, number), streams_of(number), variety, {kind: 0.04}
    )
    share = 0.04 + 0.96 * 0.5 * (kind in ("G", "K"))
    assert (parents.kind[chosen] == kind).mean() == pytest.approx(share, abs=4 * np.sqrt(share / number))


@pytest.mark.parametrize("kind", OPTIONAL_KINDS)
def test_optional_stars_that_a_pack_lacks_leave_their_share_to_others(kind):
    parents = small_ingredients().parents["star"]
    without = parents.take(np.flatnonzero(parents.kind != kind))
    variety = StarVariety(bright={"G": 1.0}, faint={"G": 1.0})
    chosen = choose_stars(without, "test", np.ones(500), streams_of(500), variety, {kind: 0.5})
    assert set(without.kind[chosen]) == {"G"}


@pytest.mark.parametrize("kind", METAL_RANK)
def test_stars_are_chosen_by_their_metals(kind):
    number = 1000
    names = np.array([f"many-{row:05d}" for row in range(number)])
    named = PARENTS_OF.get(kind, kind)
    parents = from_basis(np.ones((1, REST_PIXELS)), np.ones((number, 1)), names, named, (500, 11000))
    parents = replace(parents, rank=np.random.default_rng(1).permutation(number) / number)
    variety = StarVariety(bright={kind: 1.0}, faint={kind: 1.0})
    chosen = choose_stars(parents, "training", np.ones(5000), streams_of(5000), variety, {})
    mean, scatter = METAL_RANK[kind]
    if mean == 0:  # numbers below are reflected
        assert np.median(parents.rank[chosen]) == pytest.approx(0.674 * scatter, abs=0.03)
        return
    assert np.median(parents.rank[chosen]) == pytest.approx(mean, abs=0.05)
    assert parents.rank[chosen].std() == pytest.approx(scatter, rel=0.4)


def test_without_variety_stars_are_their_parents():
    parents, chosen = small_ingredients().parents["star"], np.arange(5)
    flux = star_spectra(parents, chosen, streams_of(5), StarVariety(continuum_wiggles=0.0))
    assert np.array_equal(flux, parents.observed(chosen, np.zeros(5)))


# Galaxies

PLAIN = GalaxyVariety(
    **{field.name: {} if field.name.startswith("kinds") else 0.0 for field in fields(GalaxyVariety)}
)
ONE_RATIO = (np.ones(1), np.zeros((1, 4)), np.diag(np.full(4, 1e-8))[None])
"""All ratios to H beta are 1."""


def galaxies(variety, kind="blue", redshift=0.2, number=300, magnitude=20.0, mixture=ONE_RATIO) -> np.ndarray:
    """Return galaxies of one parent, one redshift and one magnitude."""
    given = small_ingredients()
    family = GalaxyFamily(given.parents["galaxy"], mixture, given.young, given.old, variety)
    chosen = np.full(number, family.parents.of_kind("test", kind)[0])
    wanted = np.full(number, magnitude), np.full(number, redshift)
    return galaxy_spectra(family, chosen, wanted, streams_of(number))


@pytest.mark.parametrize("split", ["training", "validation", "test"])
@pytest.mark.parametrize(
    ("red", "redshift", "kinds"),
    [
        (True, 0.2, {"red"}),
        (True, 0.8, {"red", "LRG"}),
        (False, 0.2, {"blue"}),
        (False, 0.8, {"blue", "ELG"}),
    ],
)
def test_galaxies_descend_from_their_colour(split, red, redshift, kinds):
    parents = small_ingredients().parents["galaxy"]
    wanted = np.full(200, 17.5), np.full(200, redshift)
    chosen = choose_galaxies(parents, split, np.full(200, red), wanted, streams_of(200), {})
    assert set(parents.kind[chosen]) == kinds
    assert set(parents.split[chosen]) == {split}


def test_faint_near_blue_galaxies_may_descend_from_emission_line_galaxies():
    parents = small_ingredients().parents["galaxy"]
    wanted = np.full(2000, 23.0), np.full(2000, 0.1)
    chosen = choose_galaxies(parents, "test", np.zeros(2000, dtype=bool), wanted, streams_of(2000), {})
    assert (parents.kind[chosen] == "ELG").mean() == pytest.approx(DWARF_SHARE, abs=0.05)


@pytest.mark.parametrize("kind", MIXED_KINDS)
def test_galaxies_of_either_colour_may_descend_from_mixtures(kind):
    parents, number = small_ingredients().parents["galaxy"], 4000
    red, wanted = np.arange(number) % 2 == 0, (np.full(number, 20.0), np.full(number, 0.2))
    chosen = choose_galaxies(parents, "training", red, wanted, streams_of(number), {kind: 0.1})
    mixed = parents.kind[chosen] == kind
    for colour in (red, ~red):
        assert mixed[colour].mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 2000))
    without = parents.take(np.flatnonzero(parents.kind != kind))
    chosen = choose_galaxies(without, "training", red, wanted, streams_of(number), {kind: 0.1})
    assert kind not in set(without.kind[chosen])


@pytest.mark.parametrize("only", [("red", "blue"), ("LRG", "ELG"), ("blue",)])
def test_a_pack_with_few_kinds_still_gives_galaxies(only):
    parents = small_ingredients().parents["galaxy"]
    parents = parents.take(np.flatnonzero(np.isin(parents.kind, only)))
    wanted = np.linspace(18, 23, 100), np.linspace(0.05, 1.2, 100)
    chosen = choose_galaxies(parents, "test", np.arange(100) % 2 == 0, wanted, streams_of(100), {})
    assert set(parents.kind[chosen]) == set(only)


def test_without_variety_galaxies_are_their_parents():
    parents = small_ingredients().parents["galaxy"]
    chosen = parents.of_kind("test", "blue")[:1]
    assert galaxies(PLAIN, number=1) == pytest.approx(parents.observed(chosen, np.array([0.2])), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(redshift=st.floats(0.02, 1.2), line=st.sampled_from([3728.5, 4341.7, 4862.7, 5008.2, 6564.6]))
def test_emission_lines_lie_at_their_redshifted_wavelengths(redshift, line):
    centre = line * (1 + redshift)
    if not 3100 < centre < 10_800:
        return
    flux = galaxies(replace(PLAIN, line_width_blue=50.0), redshift=redshift, number=1)
    flux = flux - galaxies(PLAIN, redshift=redshift, number=1)
    at = pixel_at(centre)
    near = slice(at - 2, at + 3)
    place = (flux[0, near] * np.log(WAVELENGTH[near])).sum() / flux[0, near].sum()
    assert abs(place - np.log(centre)) < 0.5 * LOG_STEP


@pytest.mark.parametrize("redshift", [0.1, 0.7])
def test_lines_have_the_wanted_width(redshift):
    """Rest equivalent widths of H beta, exponential about their mean, whatever the redshift."""
    flux = galaxies(replace(PLAIN, line_width_blue=8.0), redshift=redshift, number=3000)
    continuum = galaxies(PLAIN, redshift=redshift, number=1)
    near = np.abs(np.log(WAVELENGTH / (4862.7 * (1 + redshift)))) < 6 * LOG_STEP
    step = WAVELENGTH[near] * LOG_STEP / (1 + redshift)
    width = ((flux / continuum - 1)[:, near] * step).sum(axis=1)
    assert width.mean() == pytest.approx(8.0, rel=0.06)
    assert width.std() == pytest.approx(8.0, rel=0.1)


def test_red_galaxies_have_lines_of_their_own_strength():
    variety = replace(PLAIN, line_width_blue=50.0)
    assert np.array_equal(galaxies(variety, "red"), galaxies(PLAIN, "red"))
    assert (galaxies(replace(PLAIN, line_width_red=50.0), "LRG") >= galaxies(PLAIN, "LRG")).all()


def test_lines_keep_the_ratios_of_the_mixture():
    """[O III] 5008 to H beta is 10^0.5 where the mixture says so."""
    mixture = (np.ones(1), np.array([[0.5, 0.0, 0.0, 0.0]]), np.diag(np.full(4, 1e-8))[None])
    variety = replace(PLAIN, line_width_blue=8.0)
    lines = galaxies(variety, mixture=mixture, number=50) - galaxies(PLAIN, number=50)
    oxygen, hydrogen = (
        lines[:, pixel_at(centre * 1.2) - 6 : pixel_at(centre * 1.2) + 7] for centre in (5008.2, 4862.7)
    )
    ratio = oxygen.sum(axis=1) * 5008.2 / (hydrogen.sum(axis=1) * 4862.7)  # pixels widen with the wavelength
    assert ratio == pytest.approx(np.full(50, 10**0.5), rel=0.01)


def test_ratios_of_galaxies_spread_as_the_mixture_does():
    variety = replace(PLAIN, line_width_blue=8.0)
    lines = galaxies(variety, mixture=DEFAULT_MIXTURE, number=3000) - galaxies(PLAIN, number=1)
    ratio = np.log10(lines[:, pixel_at(1.2 * 5008.2)] / lines[:, pixel_at(1.2 * 4862.7)])
    assert ratio.std() == pytest.approx(np.sqrt(DEFAULT_MIXTURE[2][0, 0, 0]), rel=0.06)


def test_seyferts_are_a_share_with_strong_oxygen():
    variety = replace(PLAIN, seyfert_share=0.1, seyfert_width=40.0)
    lines = galaxies(variety, number=4000) - galaxies(PLAIN, number=1)
    active = lines[:, pixel_at(1.2 * 5008.2)] > 0
    assert active.mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 4000))
    at = pixel_at(1.2 * 5008.2)
    area = lines[active, at - 6 : at + 7].sum(axis=1) * WAVELENGTH[at] * LOG_STEP / 1.2
    continuum = galaxies(PLAIN, number=1)[0, pixel_at(1.2 * 4862.7)]
    assert np.median(area / continuum) == pytest.approx(40.0, rel=0.2)  # 400 of them, scattered by 0.35 dex
    ratio = lines[active][:, pixel_at(1.2 * 5008.2)] / lines[active][:, pixel_at(1.2 * 4862.7)]
    assert np.median(np.log10(ratio)) == pytest.approx(SEYFERT_RATIOS[0][0], abs=0.06)


@pytest.mark.parametrize(
    ("kind", "magnitude", "changed"),
    [("blue", 22.5, True), ("blue", 17.0, False), ("red", 22.5, False), ("ELG", 22.5, False)],
)
def test_faint_blue_galaxies_get_young_light(kind, magnitude, changed):
    variety = replace(PLAIN, young_light=0.5)
    plain, young = (galaxies(one, kind, 0.2, 20, magnitude) for one in (PLAIN, variety))
    assert (young >= plain).all()
    assert (young > plain).any() == changed


@pytest.mark.parametrize(
    ("kind", "magnitude", "share"),
    [("blue", 22.5, 0.25), ("blue", 17.0, 0.0), ("red", 22.5, 0.0), ("ELG", 22.5, 0.0)],
)
def test_a_share_of_dwarfs_bursts_with_strong_lines(kind, magnitude, share):
    variety = replace(PLAIN, burst_share=0.25, burst_width=25.0)
    plain, burst = (galaxies(one, kind, 0.2, 800, magnitude) for one in (PLAIN, variety))
    at = [pixel_at(1.2 * wavelength) for wavelength in (3500, 6200)]
    changed = (burst[:, at] > plain[:, at]).any(axis=1)
    assert changed.mean() == pytest.approx(share, abs=0.06)
    if share:
        bluer = np.log((burst / plain)[changed])
        assert (bluer[:, at[0]] >= bluer[:, at[1]]).all()
        line = (burst - plain)[:, pixel_at(1.2 * 6564.6)] / plain[:, at[1]]
        assert np.median(line[changed]) > 0.5
        assert (line[~changed] == 0).all()


# All classes


@pytest.mark.parametrize(
    ("true_class", "split"),
    [(name, split) for name in ("star", "galaxy", "qso") for split in ("training", "validation", "test")]
    + [("star", HELD_OUT), ("galaxy", HELD_OUT)],
)
def test_spectra_are_positive_and_finite(true_class, split):
    workshop = small_workshop(TemplateSky(templates="pack"))
    kinds = draw_kinds(workshop, true_class, split, streams_of(400), "all")
    chunks = list(spectra_in_chunks(workshop, true_class, split, kinds, streams_of(400)))
    assert [rows.stop - rows.start for rows, _ in chunks] == [256, 144]
    flux = np.concatenate([spectra for _, spectra in chunks])
    assert flux.shape == (400, OBSERVED_PIXELS)
    assert np.isfinite(flux).all()
    assert (flux >= 0).all()
    assert (flux.mean(axis=1) > 0).all()
    assert set(workshop.parents(true_class).split[kinds.parent]) == {split}


def test_held_out_spectra_are_taken_as_they_are():
    workshop = small_workshop(TemplateSky(templates="pack"))
    kinds = draw_kinds(workshop, "star", HELD_OUT, streams_of(30), "all")
    _, spectra = next(spectra_in_chunks(workshop, "star", HELD_OUT, kinds, streams_of(30)))
    assert np.array_equal(spectra, workshop.parents("star").observed(kinds.parent, np.zeros(30)))
