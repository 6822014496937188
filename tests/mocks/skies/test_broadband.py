"""Rows of broad-band mocks: the same wherever they are made, missing where nothing was observed or seen."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.observation.coverage import plan_bands
from jpasbatch.mocks.options.broadband import BroadbandNoise, BroadbandSky, Coverage, FieldPlan, LabelledSets
from jpasbatch.mocks.skies.broadband import intergalactic_transmission, make_table, table_count
from jpasbatch.mocks.spectra.distributions import observed_wavelengths
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import load_survey
from tests.mocks.small_survey import small_mock, small_survey

SURVEY = small_survey()
QUIET = BroadbandNoise(
    depth_scatter=0.0, band_scatter=0.0, instrument_scatter=0.0, outlier_share=0.0, variety=0.0
)


def whole(options, set_name, survey=SURVEY):
    """Return all rows of a set in order of their numbers."""
    tables = [make_table(options, survey, set_name, index) for index in range(table_count(options, set_name))]
    joined = {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}
    order = np.argsort(joined["number"])
    return {key: values[order] for key, values in joined.items()}


@pytest.fixture(scope="module")
def training():
    return whole(small_mock(), "training")


@pytest.fixture(scope="module")
def large():
    """Return a set large enough to count in: noise as by default, everything observed."""
    options = small_mock(
        coverage=(), table_rows=4000, labelled=replace(small_mock().labelled, training=4000, agn_share=0.5)
    )
    return whole(options, "training")


def band(table, name):
    return table["flux"][:, SURVEY.index(name)]


def test_numbers_are_exact_and_ids_unique(training):
    assert len(training["number"]) == len(set(training["number"].tolist())) == 600
    assert np.sum(training["true_class"] == "agn") == 240
    field = whole(small_mock(), "survey")
    assert np.sum(field["true_class"] == "agn") == 75
    assert not set(field["number"].tolist()) & set(training["number"].tolist())
    assert len(whole(small_mock(), "validation")["number"]) == 100


@pytest.mark.parametrize("rows", [70, 601])
def test_objects_are_the_same_in_any_partitioning(training, rows):
    other = whole(small_mock(table_rows=rows), "training")
    for key, values in training.items():
        np.testing.assert_array_equal(other[key], values, err_msg=key)


def test_another_seed_is_another_set_of_the_same_parents(training):
    other = whole(small_mock(seed=6), "training")
    assert not np.any(other["true_redshift"] == training["true_redshift"])
    assert len(set(other["parent_id"]) & set(training["parent_id"])) > 50


def test_no_parent_is_on_two_sides(training):
    sides = {name: whole(small_mock(), name) for name in ("validation", "test", "survey")} | {
        "training": training
    }
    parents = {name: set(table["parent_id"]) for name, table in sides.items()}
    assert not parents["training"] & (parents["validation"] | parents["test"] | parents["survey"])
    assert not parents["validation"] & parents["test"]
    assert set(sides["survey"]["split"]) == {"test"}
    assert set(training["split"]) == {"training"}


def test_truth_goes_with_the_class(training):
    active = training["true_class"] == "agn"
    assert np.all(training["agn_fraction"][~active] == 0)
    assert np.all(training["agn_fraction"][active] > 0)
    assert set(training["kind"][active]) <= {"type 1", "type 2"}
    assert set(training["kind"][~active]) <= {"quiescent", "star-forming"}
    assert np.all((training["true_redshift"] > 0) & (training["true_redshift"] < 4))


def test_nothing_is_listed_below_the_limit():
    options = small_mock(noise=replace(QUIET, outlier_share=0.05))
    plan = plan_bands(options, SURVEY)
    table = whole(options, "training")
    magnitude = ab_magnitude(table["flux"])
    listed = np.isfinite(table["flux_err"])
    assert np.array_equal(listed, table["flux"] > 0)
    # the depth is that of 5 sigma; S7 asks for 8
    limit = plan.depth - 2.5 * np.log10(plan.signal_to_noise / 5)
    assert SURVEY.bands[SURVEY.index("S7")].depth - limit[SURVEY.index("S7")] == pytest.approx(0.51, abs=0.01)
    faint = np.nanmax(np.where(listed, magnitude, np.nan), axis=0)
    assert np.all(faint <= limit + 0.03)
    ratio = np.where(listed, table["flux"] / table["flux_err"], np.inf)
    assert np.all(ratio.min(axis=0) > plan.signal_to_noise * 0.98)


def test_magnitudes_scatter_as_their_errors_say():
    options = small_mock(coverage=(), noise=QUIET, table_rows=5000)
    options = replace(options, labelled=replace(options.labelled, training=3000))
    quiet = replace(options, noise=replace(QUIET, source_noise=20.0))
    for one in (options, quiet):
        table = whole(one, "training")
        bright = whole(
            replace(one, coverage=tuple(_deeper(name) for name in ("optical", "near"))), "training"
        )
        for name in ("g", "N3"):
            true, found = band(bright, name), band(table, name)
            error = table["flux_err"][:, SURVEY.index(name)]
            good = (found > 8 * error) & (true > 0)
            pull = (found - true)[good] / error[good]
            assert np.std(pull) == pytest.approx(1.0, abs=0.08)


def _deeper(name):
    return Coverage(bands=(name,), depth_offset=5.0)


def test_bands_of_an_instrument_are_missing_together(training):
    observed = np.isfinite(training["flux"])
    far, middle = ([SURVEY.index(name) for name in names] for names in (("F100", "F250"), ("S11", "L18")))
    for bands in (far, middle):
        assert np.array_equal(observed[:, bands[0]], observed[:, bands[1]])
    number = len(observed)
    for name, share in (("F100", 0.25 * 0.9), ("S11", 0.75), ("S7", 0.8), ("fuv", 0.5), ("g", 1.0)):
        found = observed[:, SURVEY.index(name)].mean()
        assert abs(found - share) < 4.5 * np.sqrt(share * (1 - share) / number) + 1e-9, name


def test_what_was_observed_and_not_seen_is_told_from_what_was_not_observed(training):
    flux, error = training["flux"], training["flux_err"]
    assert np.all(np.isnan(error[np.isnan(flux)]))
    assert np.all(np.isnan(error[flux == 0]))
    for name in ("fuv", "F250", "L18"):
        assert np.any(band(training, name) == 0)
        assert np.any(np.isnan(band(training, name)))
    assert not np.isnan(band(training, "i")).any()


def test_positions_fill_the_disc_and_coverage_is_part_of_it(training):
    from astropy.coordinates import SkyCoord

    place = SkyCoord(training["ra"], training["dec"], unit="deg")
    distance = place.separation(SkyCoord(270.0, 66.56, unit="deg")).deg
    area = np.pi * distance**2
    assert area.max() < 4.01
    counts = np.histogram(area, np.linspace(0, 4, 5))[0]
    assert np.all(np.abs(counts - 150) < 5 * np.sqrt(150))
    assert area[np.isfinite(band(training, "F100"))].max() < 1.01
    assert area[np.isfinite(band(training, "fuv"))].min() > 1.99


def test_a_published_zero_point_moves_magnitudes_and_no_detection():
    plain, moved = (small_mock(coverage=(Coverage(bands=("S7",), zero_point=z),)) for z in (0.0, -0.6))
    before, after = (whole(one, "training") for one in (plain, moved))
    row = SURVEY.index("S7")
    np.testing.assert_array_equal(before["flux"][:, row] > 0, after["flux"][:, row] > 0)
    seen = before["flux"][:, row] > 0
    shift = ab_magnitude(after["flux"][seen, row]) - ab_magnitude(before["flux"][seen, row])
    np.testing.assert_allclose(shift, -0.6, atol=2e-3)
    others = [index for index in range(len(SURVEY.bands)) if index != row]
    np.testing.assert_array_equal(before["flux"][:, others], after["flux"][:, others])


def test_nuclei_are_redder_in_the_near_infrared_and_their_mid_infrared_has_no_bands(large):
    """What recognises nuclei: a power law where starlight falls and aromatic features rise."""
    magnitude = ab_magnitude(large["flux"])
    active = (large["true_class"] == "agn") & (large["agn_fraction"] > 0.5)
    galaxies = large["kind"] == "star-forming"

    def median(blue, red, rows):
        return np.nanmedian((magnitude[:, SURVEY.index(blue)] - magnitude[:, SURVEY.index(red)])[rows])

    assert median("N3", "N4", active) > median("N3", "N4", galaxies) + 0.2
    assert median("N2", "N4", active) > median("N2", "N4", galaxies) + 0.4
    assert median("N3", "N4", galaxies) < 0
    near = large["true_redshift"] < 0.35
    assert median("S7", "S11", galaxies & near) > median("S7", "S11", active & near)
    assert median("g", "i", (large["kind"] == "type 1") & (large["true_redshift"] > 1)) < median(
        "g", "i", galaxies
    )


def test_gas_absorbs_the_far_ultraviolet_of_distant_objects(large):
    streams = ObjectStreams(1, np.arange(300))
    near, far = (intergalactic_transmission(np.full(300, z), streams) for z in (0.05, 3.0))
    wavelength = observed_wavelengths()
    assert np.all(far[:, wavelength > 0.4867] == 1)
    assert np.all(near[:, wavelength > 0.13] == 1)
    forest = far[:, (wavelength > 0.42) & (wavelength < 0.48)].mean()
    assert 0.6 < forest < 0.8  # exp(-0.0036 x 3.7^3.45) is 0.72
    assert far[:, (wavelength > 0.2) & (wavelength < 0.3)].mean() < 0.5
    seen = band(large, "fuv") > 0
    assert seen[large["true_redshift"] < 0.4].mean() > 3 * seen[large["true_redshift"] > 1.5].mean()


def test_a_survey_without_infrared_bands_works_too():
    survey = load_survey("jpas60")
    options = BroadbandSky(
        parents=200, table_rows=200, labelled=LabelledSets(training=200), field=FieldPlan(sources=0)
    )
    table = make_table(options, survey, "training", 0)
    assert table["flux"].shape == (200, 60)
    assert np.mean(table["flux"][:, survey.reference_index] > 0) > 0.9


def test_coverage_that_means_nothing_is_refused():
    with pytest.raises(
        InputError, match=r"'spitzer' is no band, instrument or group of survey 'small'.*far, middle"
    ):
        plan_bands(small_mock(coverage=(Coverage(bands=("spitzer",)),)), SURVEY)
    with pytest.raises(InputError, match="takes the reference band 'i' away"):
        plan_bands(small_mock(coverage=(Coverage(bands=("optical",), lost=0.1),)), SURVEY)
    with pytest.raises(ValueError, match=r"bands: found \(\)"):
        Coverage()
    with pytest.raises(ValueError, match="hole_deg2"):
        Coverage(bands=("far",), area_deg2=1.0, hole_deg2=2.0)
    with pytest.raises(ValueError, match="scatter"):
        Coverage(bands=("far",), scatter=-1.0)


def test_options_without_objects_and_tables_beyond_the_last_are_refused():
    with pytest.raises(ValueError, match="no set has an object"):
        BroadbandSky(labelled=LabelledSets(training=0), field=FieldPlan(sources=0))
    with pytest.raises(ValueError, match="the set training has 2 tables"):
        make_table(small_mock(), SURVEY, "training", 2)
    options = small_mock()
    labelled = replace(options.labelled, galaxies=replace(options.labelled.galaxies, band="K"))
    with pytest.raises(InputError, match="band 'K' is not in survey 'small'"):
        make_table(replace(options, labelled=labelled), SURVEY, "training", 0)
