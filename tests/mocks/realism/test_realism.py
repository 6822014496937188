"""Measuring how real mock objects look, with the public template data and few objects."""

import json
from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.mocks.descendants.quasars import rest_spectrum_width
from jpasbatch.mocks.options.templates import BalancedSamples, FieldCounts, SurveyPlan, TemplateSky
from jpasbatch.mocks.packs.quasars import read_line_trends
from jpasbatch.mocks.realism.colours import SDSS_COLOURS, compare_loci
from jpasbatch.mocks.realism.lines import MEASURED_LINES, absolute_magnitude, trend_width
from jpasbatch.mocks.realism.objects import draw_objects
from jpasbatch.mocks.realism.realism import (
    colour_loci,
    expected_counts,
    gallery,
    library_colours,
    line_widths,
)
from jpasbatch.mocks.skies.objects import Workshop
from jpasbatch.mocks.spectra.grids import observed_grid


@pytest.fixture(scope="module")
def workshop(real_ingredients, survey) -> Workshop:
    return Workshop(TemplateSky(templates="pack"), real_ingredients, survey)


def as_json(content):
    return json.loads(json.dumps(content, allow_nan=False))


def test_drawn_objects_are_the_wanted_ones_and_always_the_same(workshop):
    def bright(kinds):
        return kinds.magnitude < 19

    one, other = (draw_objects(workshop, "qso", "training", number, bright) for number in (50, 80))
    assert (len(one), len(other)) == (50, 80)
    assert one.kinds.magnitude.max() < 19
    assert np.array_equal(one.kinds.magnitude, other.kinds.magnitude[:50])
    assert np.array_equal(one.streams.keys, other.streams.keys[:50])
    assert set(workshop.parents("qso").split[one.kinds.parent]) == {"training"}


def test_colours_against_sdss(workshop, data_folder):
    result = as_json(colour_loci(workshop, data_folder, 400))
    assert set(result["classes"]) == {"star", "galaxy", "qso"}
    assert result["faintest_u"] == pytest.approx(19.6, abs=0.01)
    for part in result["classes"].values():
        assert set(part["median"]) == set(SDSS_COLOURS)
        assert 300 <= part["numbers"]["mock"] <= 420
        assert part["numbers"]["real"] > 500
        for colour, sides in part["loci"].items():
            assert len(sides["mock"]["median"]) == len(part["edges"]) - 1
            # a wrong band, unit or axis would be off by more
            assert abs(part["offset"][colour]) < 0.4


def test_a_pack_without_sdss_photometry_says_so(workshop, tmp_path):
    result = colour_loci(workshop, tmp_path)
    assert "skyserver" in result["missing"]
    assert str(tmp_path) not in result["missing"]


def test_colours_against_held_out_libraries(workshop):
    result = as_json(library_colours(workshop, 300))
    assert set(result["classes"]) == {"star", "galaxy"}
    assert result["classes"]["star"]["numbers"] == {"mock": 300, "real": 254}
    assert abs(result["classes"]["star"]["offset"]["rSDSS-iSDSS"]) < 0.4


def test_loci_of_shifted_samples_differ_by_the_shift(rng):
    x = rng.uniform(0, 1, 3000)
    real = {"x": x, "y": 2 * x + rng.normal(0, 0.1, x.size)}
    mock = {"x": x, "y": real["y"] + 0.25}
    result = as_json(compare_loci(mock, real, ("y", "x"), ("x", np.linspace(-1, 1, 11)), 20))
    assert result["offset"] == {"y": 0.25}
    assert result["loci"]["y"]["real"]["median"][0] is None
    assert result["median"]["y"]["mock"] == pytest.approx(result["median"]["y"]["real"] + 0.25, abs=1e-3)
    nothing = compare_loci({"x": x[:0], "y": x[:0]}, real, ("y", "x"), ("x", np.linspace(-1, 1, 11)), 20)
    assert nothing["offset"] == {"y": None}


def test_line_widths_beside_the_trends(workshop, data_folder):
    result = as_json(line_widths(workshop, data_folder, 200))
    carbon, lyman = result["lines"]
    assert carbon["trend_lines"] == ["CIVn", "CIVb"]
    assert {"LyAn", "LyAb", "NV"} <= set(lyman["trend_lines"])
    for line in (carbon, lyman):
        assert line["n"] + line["lost"] == 200
        for one in line["bins"]:
            if one["n"] >= 20:
                assert abs(one["median"] - one["trend"][1]) < 0.4
                assert sum(one["histogram"]) <= one["n"]


def test_line_widths_without_published_trends(workshop, tmp_path):
    result = as_json(line_widths(workshop, tmp_path, 20))
    assert "emlinetrends" in result["trend_missing"]
    assert result["lines"][0]["trend_lines"] == []


def test_a_line_of_known_width_on_a_power_law_is_measured():
    redshift, width = np.array([2.5]), 50.0
    rest = observed_grid() / (1 + redshift[0])
    for line, centre in zip(MEASURED_LINES, (1549.0, 1216.0), strict=True):
        profile = width / (np.sqrt(2 * np.pi) * 8) * np.exp(-0.5 * ((rest - centre) / 8) ** 2)
        flux = (rest / 1450) ** -1.5 * (1 + profile) * rest**1.5
        measured = rest_spectrum_width(flux[None, :], redshift, line.window, line.continuum)
        assert measured[0] == pytest.approx(width, rel=0.01)


def test_absolute_magnitude_of_a_known_quasar():
    # m - M = 46.52 at z = 2.5 in this cosmology; 1450 (1 + z) is 5075 Angstrom
    magnitude = absolute_magnitude(np.array([19.0]), np.array([2.5]))
    assert magnitude[0] == pytest.approx(19 - 46.52 + 1.360 - 1.25 * np.log10(5075 / 6250), abs=0.03)


def test_trends_fall_with_luminosity(data_folder):
    trends = read_line_trends(data_folder)
    bright, faint = (trend_width(trends, (1500, 1600), magnitude)[0] for magnitude in (-28, -24))
    assert bright[0] < bright[1] < bright[2]
    assert faint[1] - bright[1] == pytest.approx(0.4, abs=0.1)


def test_gallery_shows_bright_and_faint_objects_with_their_parents(workshop):
    shown = as_json(gallery(workshop, 2))
    assert [one["class"] for one in shown] == ["star"] * 2 + ["galaxy"] * 2 + ["qso"] * 2
    reference = workshop.survey.reference_index
    for one in shown:
        assert len(one["flux"]) == len(one["band"]) == len(one["wavelength"]) == 60
        parent = one["parent"]
        assert 100 < len(parent["flux"]) == len(parent["wavelength"]) <= 400
        # the parent is on the object's scale in r
        r = np.array(parent["flux"])[np.abs(np.array(parent["wavelength"]) - 6250) < 500].mean()
        assert r == pytest.approx(one["true"][reference], rel=0.25)
    assert shown[0]["magnitude"] < shown[1]["magnitude"]


@pytest.mark.parametrize(
    ("name", "total"), [("field", 400), ("survey", 2 * 600), ("training", 5000), ("held_out", None)]
)
@pytest.mark.parametrize("magnitudes", ["natural", "uniform"])
def test_expected_counts(name, total, magnitudes):
    options = TemplateSky(
        templates="pack",
        samples=BalancedSamples(training=5000, held_out=10, magnitudes=magnitudes),
        field=FieldCounts(qso=400),
        survey=SurveyPlan(area_deg2=2.0, qso_per_deg2=600.0),
    )
    expected = expected_counts(options, name, 2.0)
    assert expected_counts(replace(options, classes=("star",)), name, 2.0) is None
    if total is None:
        assert expected is None
        return
    assert np.array(expected).shape == (3, 5)
    assert np.sum(expected) == pytest.approx(total, abs=0.01)
    if name == "training":
        assert np.sum(np.array(expected)[:, 3:]) < 2500 < np.sum(np.array(expected)[:, 2:])
        share = (20 - 17) / 6.6 if magnitudes == "uniform" else 0.06
        assert np.sum(expected[0]) / total == pytest.approx(share, abs=0.02)
