"""Sets of mock objects: exact in number, the same in every partitioning, and no parent on two sides."""

from dataclasses import replace

import healpy
import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.observation.footprint import index_of
from jpasbatch.mocks.options.templates import (
    BalancedSamples,
    FieldCounts,
    SurveyPlan,
    TemplateSky,
    TileOptions,
)
from jpasbatch.mocks.parents.parents import HELD_OUT, split_of
from jpasbatch.mocks.populations.densities import HIGH_REDSHIFT
from jpasbatch.mocks.populations.draws import quasars_per_deg2
from jpasbatch.mocks.skies.objects import draw_kinds, faintest_of
from jpasbatch.mocks.skies.places import (
    densities,
    first_id,
    footprint_of,
    limited_to,
    numbers_of,
    partition_order,
    places_in,
    sets_of,
)
from jpasbatch.mocks.skies.set_table import NOISELESS_SETS, set_schema, to_arrow
from jpasbatch.mocks.skies.templates import (
    LIBRARY_REACH,
    Library,
    SetTable,
    conditions_of,
    make_library,
    make_rows,
)
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE
from jpasbatch.photometry.noise import observe_objects
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import load_survey
from tests.mocks.small_ingredients import small_workshop

OPTIONS = TemplateSky(
    templates="pack",
    seed=4,
    samples=BalancedSamples(
        training=120,
        validation=60,
        test=60,
        held_out=40,
        incomplete_share=0.25,
        incomplete_bands=("uJAVA", "J1007"),
    ),
    field=FieldCounts(star=40, galaxy=70, qso=20),
    survey=SurveyPlan(area_deg2=0.3, star_per_deg2=300.0, galaxy_per_deg2=500.0, qso_per_deg2=200.0),
    tiles=TileOptions(area_deg2=0.1, virtual=50),
    partition_rows=100,
    flagged_share=0.2,
)
ALL_SETS = ("training", "validation", "test", "field", "survey", "held_out")
BALANCED_SETS = ("training", "validation", "test", "held_out")


def make_set(options, set_name, order=None, classes=("star", "galaxy", "qso"), library=None) -> SetTable:
    """Make all rows of a set, pixel by pixel, in order of their ids."""
    order = partition_order(options, set_name) if order is None else order
    workshop = small_workshop(options, classes)
    parts = [
        make_rows(workshop, set_name, places_in(options, set_name, order, pixel), library)
        for pixel in footprint_of(options, set_name).pixels(order).tolist()
    ]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in SetTable.__annotations__}
    sorting = np.argsort(joined["mock_id"], kind="stable")
    return SetTable(**{key: values[sorting] for key, values in joined.items()})


def assert_same(one: SetTable, other: SetTable) -> None:
    for key, values in one.items():
        equal_nan = values.dtype.kind == "f"
        assert np.array_equal(values, other[key], equal_nan=equal_nan), key


@pytest.fixture(scope="module")
def made() -> dict[str, SetTable]:
    return {name: make_set(OPTIONS, name) for name in ALL_SETS}


@pytest.fixture(params=ALL_SETS)
def set_name(request) -> str:
    return request.param


@pytest.fixture
def rows(made, set_name) -> SetTable:
    return made[set_name]


@pytest.mark.parametrize("name", ["field", *BALANCED_SETS])
def test_numbers_are_exact(made, name):
    for true_class, number in numbers_of(OPTIONS, name).items():
        assert (made[name]["true_class"] == true_class).sum() == number
    assert made[name]["mock_id"].size == sets_of(OPTIONS)[name]


def test_a_shallower_survey_has_the_noise_of_its_depth():
    tiles = np.arange(FIRST_VIRTUAL_TILE, FIRST_VIRTUAL_TILE + 50)
    found = {
        offset: conditions_of(
            small_workshop(replace(OPTIONS, tiles=replace(OPTIONS.tiles, depth_offset=offset))), tiles
        )
        for offset in (0.0, -0.75)
    }
    assert found[-0.75].sky == pytest.approx(found[0.0].sky * 10**0.3, rel=1e-5)
    for part in ("zero_point", "seeing", "dust"):
        assert np.array_equal(getattr(found[-0.75], part), getattr(found[0.0], part))


def test_no_library_of_quasars_is_held_out(made):
    assert set(made["held_out"]["true_class"]) == {"star", "galaxy"}


@pytest.mark.parametrize("finer", [-3, 1])
def test_rows_are_the_same_in_every_partitioning(rows, set_name, finer):
    assert_same(make_set(OPTIONS, set_name, partition_order(OPTIONS, set_name) + finer), rows)


def test_rows_of_a_partition_are_in_spatial_order():
    pixel = healpy.ang2pix(2**4, OPTIONS.ra, OPTIONS.dec, nest=True, lonlat=True)
    places = places_in(OPTIONS, "training", 4, int(pixel))
    index = make_rows(small_workshop(OPTIONS), "training", places, None)["index"]
    assert index.size > 100
    assert (np.diff(index) > 0).all()


def test_a_pixel_without_objects_gives_no_rows(survey):
    empty = places_in(OPTIONS, "training", 3, 5)
    rows = make_rows(small_workshop(OPTIONS), "training", empty, None)
    assert rows["flux"].shape == (0, len(survey.bands))
    assert to_arrow(rows, survey, True).num_rows == 0


def test_another_seed_makes_other_objects(made):
    other = make_set(replace(OPTIONS, seed=5), "validation")
    assert np.array_equal(other["mock_id"], made["validation"]["mock_id"])
    for key in ("ra", "true_magnitude", "class_star"):
        assert (other[key] != made["validation"][key]).mean() > 0.99


def test_one_class_alone_is_made_the_same(made):
    options = replace(OPTIONS, classes=("star",))
    alone = make_set(options, "training", classes=("star",))
    stars = made["training"]["true_class"] == "star"
    assert alone["mock_id"].size == 120
    for key in ("ra", "flux", "flux_err", "parent_id"):
        assert np.array_equal(
            alone[key], made["training"][key][stars], equal_nan=alone[key].dtype.kind == "f"
        )


def test_quasars_alone_can_be_made_without_hosts():
    alone = make_set(replace(OPTIONS, classes=("qso",)), "validation", classes=("qso",))
    assert np.isfinite(alone["flux"]).any(axis=1).all()


def test_a_further_set_changes_no_other(made):
    fewer = replace(
        OPTIONS, samples=replace(OPTIONS.samples, training=0, held_out=0), field=FieldCounts(0, 0, 0)
    )
    assert_same(make_set(fewer, "test"), made["test"])


def test_a_larger_set_begins_with_the_smaller(made):
    larger = make_set(replace(OPTIONS, samples=replace(OPTIONS.samples, validation=80)), "validation")
    known = np.isin(larger["mock_id"], made["validation"]["mock_id"])
    assert known.sum() == 180
    assert_same(SetTable(**{key: values[known] for key, values in larger.items()}), made["validation"])


def test_ids_are_unique_across_sets(made):
    ids = np.concatenate([rows["mock_id"] for rows in made.values()])
    names = np.concatenate([rows["object_id"] for rows in made.values()])
    assert np.unique(ids).size == ids.size
    assert np.unique(names).size == names.size


def test_ids_tell_set_and_class(rows, set_name):
    for true_class in np.unique(rows["true_class"]):
        of_class = rows["true_class"] == true_class
        start = first_id(set_name, true_class)
        assert (
            (rows["mock_id"][of_class] - start >= 0) & (rows["mock_id"][of_class] - start < 1 << 50)
        ).all()
        starts = np.char.startswith(rows["object_id"][of_class], f"{set_name}-{true_class}-")
        assert starts.all()


def test_no_parent_is_on_two_sides(made):
    of_split = {}
    for rows in made.values():
        for split in np.unique(rows["split"]):
            names = rows["parent_id"][rows["split"] == split]
            of_split.setdefault(str(split), set()).update(names.tolist())
    assert set(of_split) == {"training", "validation", "test", HELD_OUT}
    assert sum(map(len, of_split.values())) == len(set().union(*of_split.values()))


@pytest.mark.parametrize(
    ("true_class", "split"),
    [("star", HELD_OUT), ("galaxy", HELD_OUT), ("galaxy", "validation"), ("qso", "validation")],
)
def test_a_split_without_parents_is_named(true_class, split):
    """A pack without held-out libraries, for instance, of which a held-out set is asked for."""
    workshop = small_workshop(OPTIONS)
    parents = workshop.parents(true_class)
    fewer = workshop.ingredients.parents | {true_class: parents.take(np.flatnonzero(parents.split != split))}
    workshop = replace(workshop, ingredients=replace(workshop.ingredients, parents=fewer))
    with pytest.raises(InputError, match=f"{true_class}.*{split}"):
        draw_kinds(workshop, true_class, split, ObjectStreams(1, np.arange(5)), "all")


@pytest.mark.parametrize("true_class", ["star", "galaxy"])
def test_rare_kinds_have_their_shares_in_the_sky_and_in_balanced_sets(true_class):
    workshop, number = small_workshop(OPTIONS), 20_000
    options = workshop.options
    shares = {
        "star": (options.stars.rare_in_the_sky, options.stars.rare_learnt),
        "galaxy": (options.galaxies.kinds_in_the_sky, options.galaxies.kinds_learnt),
    }[true_class]
    for balanced, wanted in zip((False, True), shares, strict=True):
        streams = ObjectStreams(1, np.arange(number))
        kinds = draw_kinds(workshop, true_class, "training", streams, "all", balanced)
        found = workshop.parents(true_class).kind[kinds.parent]
        for kind in ("starburst", "active", "carbon star", "brown dwarf"):
            share = wanted.get(kind, 0.0)
            spread = 4 * np.sqrt(share / number) + 1e-9
            assert (found == kind).mean() == pytest.approx(share, abs=spread)


@pytest.mark.parametrize("name", ["training", "validation", "test", "field", "survey", "held_out"])
def test_only_balanced_sets_learn_from_further_near_galaxies(name):
    """All of them, if the options want that; the others keep the redshifts of the sky."""
    options = replace(OPTIONS, samples=replace(OPTIONS.samples, near_share=1.0), classes=("galaxy",))
    rows = make_set(options, name, classes=("galaxy",))
    near = (rows["true_redshift"] < 0.105).mean()
    assert near == 1.0 if name in ("training", "validation", "test") else near < 0.4


SPLIT_OF = {"training": "training", "validation": "validation", "held_out": HELD_OUT}


def test_every_row_descends_from_its_sets_split(rows, set_name):
    assert set(rows["split"]) == {SPLIT_OF.get(set_name, "test")}
    if set_name == "held_out":
        assert all(name.startswith(("library-", "atlas-")) for name in rows["parent_id"])
    else:
        assert np.array_equal(split_of(rows["parent_id"]), rows["split"])


def test_magnitudes_keep_to_their_limits(rows):
    assert (rows["true_magnitude"] > 17).all()
    assert (rows["true_magnitude"] <= np.float32(23.6)).all()


def test_the_true_magnitude_is_that_of_the_noiseless_flux(rows, survey):
    noiseless = ab_magnitude(rows["noiseless_flux"][:, survey.reference_index].astype(np.float64))
    assert noiseless == pytest.approx(rows["true_magnitude"], abs=2e-6)


def test_redshifts_are_those_of_the_class(rows):
    stars, galaxies = (rows["true_class"] == name for name in ("star", "galaxy"))
    assert (rows["true_redshift"][stars] == 0).all()
    assert (rows["true_redshift"][~stars] > 0).all()
    assert (rows["true_redshift"][galaxies] < 1.3).all()


@pytest.mark.parametrize("name", ["training", "validation", "test"])
def test_half_of_the_quasars_are_near(made, name):
    redshift = made[name]["true_redshift"][made[name]["true_class"] == "qso"]
    assert (redshift < HIGH_REDSHIFT).sum() * 2 == redshift.size


def test_the_field_has_the_natural_mix_of_quasars(made):
    redshift = made["survey"]["true_redshift"][made["survey"]["true_class"] == "qso"]
    assert (redshift >= HIGH_REDSHIFT).mean() < 0.5


def test_balanced_sets_may_be_flat_in_magnitude():
    samples = BalancedSamples(training=1000, validation=0, test=0, magnitudes="uniform")
    rows = make_set(replace(OPTIONS, classes=("star",), samples=samples), "training", classes=("star",))
    counts = np.histogram(rows["true_magnitude"], np.linspace(17, 23.6, 5))[0]
    assert counts == pytest.approx(np.full(4, 250), abs=4 * np.sqrt(188))


def test_survey_counts_follow_densities():
    """Counted without making a spectrum, on 40 square degrees."""
    options = replace(OPTIONS, survey=replace(OPTIONS.survey, area_deg2=40.0))
    counts = dict.fromkeys(densities(options), 0)
    for pixel in footprint_of(options, "survey").pixels(4).tolist():
        for name, places in places_in(options, "survey", 4, pixel).items():
            counts[name] += places.mock_id.size
    for name, density in densities(options).items():
        assert counts[name] == pytest.approx(40 * density, abs=4 * np.sqrt(40 * density))


def test_the_number_of_quasars_is_that_of_the_table_unless_given():
    assert densities(TemplateSky(templates="pack"))["qso"] == pytest.approx(414.6, abs=0.1)
    assert densities(OPTIONS)["qso"] == 200.0


def test_a_survey_may_lack_a_class():
    options = replace(OPTIONS, survey=replace(OPTIONS.survey, star_per_deg2=0.0))
    rows = make_set(options, "survey")
    assert set(rows["true_class"]) == {"galaxy", "qso"}


def test_objects_lie_where_their_index_says(rows, set_name):
    assert np.array_equal(index_of(rows["ra"], rows["dec"]), rows["index"])
    footprint = footprint_of(OPTIONS, set_name)
    assert (footprint.tile_of(rows["ra"], rows["dec"]) >= 0).all()


@pytest.mark.parametrize("name", ["field", "survey"])
def test_tiles_of_the_sky_are_those_of_the_position(made, name):
    rows = made[name]
    footprint = footprint_of(OPTIONS, name)
    assert np.array_equal(rows["tile_number"], footprint.tile_of(rows["ra"], rows["dec"]))
    assert np.unique(rows["tile_number"]).size == footprint.tiles
    assert rows["tile"][0] == f"mock-{rows['tile_number'][0]}"


@pytest.mark.parametrize("name", BALANCED_SETS)
def test_balanced_sets_are_spread_over_virtual_tiles(made, name):
    tiles = made[name]["tile_number"]
    assert ((tiles >= 1_000_000) & (tiles < 1_000_050)).all()
    assert np.unique(tiles).size > 35


def test_noise_can_be_drawn_again(rows):
    """From what a training set holds: the first realisation is the catalogue's, to the last bit."""
    workshop = small_workshop(OPTIONS)
    flux, error = observe_objects(
        rows["noiseless_flux"],
        conditions_of(workshop, rows["tile_number"]),
        ObjectStreams(OPTIONS.seed, rows["mock_id"]),
        OPTIONS.noise,
        workshop.survey.zero_point_error,
        0,
    )
    assert np.array_equal(flux, rows["flux"], equal_nan=True)
    assert np.array_equal(error, rows["flux_err"], equal_nan=True)


@pytest.mark.parametrize("name", ["training", "validation", "test"])
def test_no_other_bands_are_lacking(made, survey, name):
    bands = [survey.index(band) for band in OPTIONS.samples.incomplete_bands]
    assert np.isfinite(np.delete(made[name]["flux"], bands, axis=1)).all()


def test_bands_are_lacking_one_by_one(made, survey):
    """A quarter of the rows may lack bands; of these, half lack each."""
    flux = np.concatenate([made[name]["flux"] for name in ("training", "validation", "test")])
    one, other = (np.isnan(flux[:, survey.index(band)]) for band in OPTIONS.samples.incomplete_bands)
    for lacking, share in ((one, 1 / 8), (other, 1 / 8), (one & other, 1 / 16)):
        assert lacking.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(flux)))


@pytest.mark.parametrize("name", ["field", "survey"])
def test_the_sky_lacks_no_bands(made, name):
    assert np.isfinite(made[name]["flux"]).all()


def test_bands_that_a_parent_does_not_cover_are_not_observed(made, survey):
    """The held-out stars of the test begin at 3900 Angstrom."""
    stars = made["held_out"]["true_class"] == "star"
    unseen = np.isnan(made["held_out"]["flux"][stars])
    assert unseen[:, [survey.index("uJAVA"), survey.index("J0378")]].all()
    assert not unseen[:, survey.wavelengths > 4200].any()


def test_flags_are_raised_for_a_share_of_rows(made):
    flags, masks = (np.concatenate([rows[key] for rows in made.values()]) for key in ("flags", "mask_flags"))
    assert ((flags != 0) | (masks != 0)).mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / flags.size))
    assert set(flags) == {0, 1, 2, 3}
    assert set(masks) == {0, 1}
    assert not ((flags != 0) & (masks != 0)).any()


def test_classes_look_different(made):
    rows = made["training"]
    bright = rows["true_magnitude"] < 21.5
    stars, galaxies = (
        np.median(rows["class_star"][bright & (rows["true_class"] == name)]) for name in ("star", "galaxy")
    )
    assert stars > 0.8
    assert galaxies < 0.2


@pytest.mark.parametrize("noiseless", [False, True])
def test_rows_make_a_table_of_the_schema(made, survey, noiseless):
    table = to_arrow(made["training"], survey, noiseless)
    assert table.schema.equals(set_schema(survey, noiseless), check_metadata=True)
    assert ("noiseless_flux" in table.column_names) == noiseless
    assert table["_healpix_29"].to_numpy().tolist() == made["training"]["index"].tolist()
    flux = np.array(table["flux"].to_pylist(), dtype=np.float32)
    assert np.array_equal(flux, made["training"]["flux"], equal_nan=True)


def test_sets_for_learning_keep_noiseless_fluxes():
    assert set(NOISELESS_SETS) == {"training", "validation"}


@pytest.fixture(scope="module")
def library() -> dict[str, Library]:
    workshop = small_workshop(OPTIONS)
    return {name: make_library(workshop, name, np.arange(12)) for name in ("star", "galaxy", "qso")}


@pytest.fixture(scope="module")
def from_library(library) -> SetTable:
    return make_set(OPTIONS, "survey", library=library)


def test_a_library_can_be_made_in_parts(library):
    part = make_library(small_workshop(OPTIONS), "galaxy", np.arange(7, 12))
    whole = library["galaxy"]
    assert np.array_equal(part.flux, whole.flux[7:])
    assert np.array_equal(part.parent_id, whole.parent_id[7:])
    assert np.array_equal(part.redshift, whole.redshift[7:])


def test_a_library_descends_from_parents_of_the_test(library):
    for part in library.values():
        assert set(split_of(part.parent_id)) == {"test"}


def test_fluxes_are_those_of_the_library_scaled(from_library, library):
    for name, part in library.items():
        rows = np.flatnonzero(from_library["true_class"] == name)
        flux, redshift = from_library["noiseless_flux"][rows], from_library["true_redshift"][rows]
        spectrum = np.argmin(np.abs(part.redshift[None, :] - redshift[:, None]), axis=1)
        if name == "star":  # without redshift: by the shape
            shape = part.flux / part.flux.sum(axis=1, keepdims=True)
            distance = np.abs(shape[None] - (flux / flux.sum(axis=1, keepdims=True))[:, None]).max(axis=2)
            spectrum = np.argmin(distance, axis=1)
        factor = flux / part.flux[spectrum]
        assert factor == pytest.approx(np.broadcast_to(factor[:, :1], factor.shape), rel=1e-5)
        shift = -2.5 * np.log10(factor[:, 0])
        assert (np.abs(shift) <= LIBRARY_REACH + 1e-5).all()
        assert from_library["true_magnitude"][rows] - part.magnitude[spectrum] == pytest.approx(
            shift, abs=1e-5
        )
        assert np.array_equal(from_library["parent_id"][rows], part.parent_id[spectrum])


def test_a_library_leaves_places_and_ids_alone(from_library, made):
    for key in ("mock_id", "index", "tile_number", "flags"):
        assert np.array_equal(from_library[key], made["survey"][key])


def test_objects_of_a_library_keep_to_the_magnitude_limits(library):
    """Even where all of its spectra are as faint as any."""
    options, stars = replace(OPTIONS, classes=("star",)), library["star"]
    at_limit = {"star": replace(stars, magnitude=np.full(12, 23.6))}
    rows = make_set(options, "survey", classes=("star",), library=at_limit)
    assert rows["true_magnitude"].max() <= np.float32(23.6)


@pytest.mark.parametrize(("rows_wanted", "order"), [(100, 8), (2_000_000, 0)])
def test_partitions_have_about_the_wanted_rows(rows_wanted, order):
    options = replace(OPTIONS, partition_rows=rows_wanted)
    assert partition_order(options, "training") == pytest.approx(order, abs=1)


def test_sets_that_are_not_asked_for_are_not_made():
    options = replace(
        OPTIONS, samples=BalancedSamples(0, 10, 0), field=FieldCounts(0, 0, 0), survey=SurveyPlan()
    )
    assert sets_of(options) == {"validation": 30}


def test_a_pixel_holds_what_lies_in_it():
    order = 8
    pixels = footprint_of(OPTIONS, "field").pixels(order)
    for pixel in pixels[:5].tolist():
        for places in places_in(OPTIONS, "field", order, pixel).values():
            held = healpy.ang2pix(2**order, places.ra, places.dec, nest=True, lonlat=True)
            assert (held == pixel).all()


def test_a_shallow_survey_has_fewer_quasars_unless_their_number_is_given():
    natural = TemplateSky(templates="pack")
    assert limited_to(natural, 23.6) is natural
    assert densities(limited_to(natural, 21.0))["qso"] == pytest.approx(quasars_per_deg2(21.0))
    assert limited_to(OPTIONS, 21.0) is OPTIONS


def test_a_survey_that_is_brighter_than_mock_objects_is_refused():
    survey = load_survey("splus12")
    assert faintest_of(survey) == 21.0
    assert faintest_of(load_survey("jpas60")) == 23.6
    with pytest.raises(
        InputError, match=r"magnitude_bins end at 16; mock objects have magnitudes from 17 to 23.6"
    ):
        faintest_of(replace(survey, magnitude_bins=((14.0, 16.0),)))
