"""The realism report, from small content made by hand."""

import copy
import csv
import io
import json
import re

import numpy as np
import pytest

from jpasbatch.mocks.realism import report as realism_report
from jpasbatch.mocks.realism.figures import median_signal
from jpasbatch.mocks.realism.report import counts_of, offset_rows, render_realism, signed_text
from jpasbatch.pages.figures import Report
from tests.page_rules import broken_links, captured_figures
from tests.products.page_rules import lost_values

FACTS = {
    "job": "mock <b>field</b>",
    "survey": "jpas60",
    "seed": 7,
    "templates": "pack",
    "version": "1.2.3",
    "date": "2027-01-15",
    "options": {
        "kind": "templates",
        "templates": "/secret/place",
        "samples": {"training": 1000, "bands": []},
    },
}


def tally_of() -> dict:
    return {
        "classes": ["star", "galaxy", "qso"],
        "splits": ["training", "validation", "test", "held_out"],
        "bins": {
            "magnitudes": [17.0, 20.0, 23.6],
            "redshifts": [0.0, 2.6, 5.2],
            "band_magnitudes": [17.0, 20.0, 24.0],
            "signal": [0.0, 1.0, 2.0],
            "qso_magnitudes": [[17, 20], [20, 22.5], [22.5, 23.6]],
            "qso_redshifts": [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]],
        },
        "rows_by_class": [10, 20, 30],
        "rows_by_split": [60, 0, 0, 0],
        "misplaced": [0],
        "magnitudes": [[4, 6], [0, 20], [10, 20]],
        "redshifts": [[10, 0], [20, 0], [15, 15]],
        "quasars": [[2, 2, 2, 0, 1], [4, 4, 4, 1, 0], [3, 3, 2, 1, 1]],
        "halves": [18, 12],
        "band_rows": [[20, 40], [20, 40]],
        "non_detections": [[0, 30], [0, 10]],
        "signal": [[[0, 20], [10]], [[20], [30]]],
    }


def locus(shift: float) -> dict:
    return {
        "n": [30, 2],
        "low": [0.1 + shift, None],
        "median": [0.2 + shift, None],
        "high": [0.3 + shift, None],
    }


def loci_of(shift: float) -> dict:
    return {
        "axis": "g-r",
        "edges": [0.0, 0.5, 1.0],
        "numbers": {"mock": 30, "real": 40},
        "loci": {"u-g": {"mock": locus(shift), "real": locus(0.0)}},
        "offset": {"u-g": shift},
        "median": {"u-g": {"mock": 0.2 + shift, "real": 0.2}, "g-r": {"mock": 0.4, "real": None}},
    }


def lines_of() -> dict:
    one = {"n": 20, "low": 1.4, "median": 1.5, "high": 1.6, "histogram": [8, 12], "trend": [1.3, 1.5, 1.7]}
    bins = [one | {"magnitude": -26.0}, one | {"magnitude": -25.0}]
    line = {
        "name": "C IV",
        "source": "someone",
        "window": [1500, 1600],
        "n": 40,
        "lost": 1,
        "trend_lines": ["CIVn"],
        "bins": bins,
    }
    return {
        "redshifts": [2.2, 3.3],
        "width_edges": [1.0, 1.5, 2.0],
        "trend_missing": None,
        "lines": [line],
        "notes": ["About widths."],
    }


def object_of(name: str) -> dict:
    return {
        "class": name,
        "kind": "some $kind",
        "parent_id": f"{name}-1",
        "magnitude": 20.0,
        "redshift": 0.5 if name != "star" else 0.0,
        "band": ["J0400", "rSDSS"],
        "wavelength": [4000.0, 6250.0],
        "width": [145.0, 1400.0],
        "true": [1.0, 2.0],
        "flux": [1.1, None],
        "error": [0.1, None],
        "parent": {"wavelength": [4000.0, 5000.0, 6000.0], "flux": [1.0, 1.5, 2.0]},
    }


def content_of() -> dict:
    part = {"rows": 60, "partitions": 3, "area_deg2": 1.0}
    expected = {"training": [[2.0] * 5] * 3, "held_out": None}
    return {
        "sets": {name: part | {"tally": tally_of(), "expected": expected[name]} for name in expected},
        "colours": {
            "range": [17.0, 19.0],
            "columns": "columns of the table",
            "notes": ["About selection."],
            "classes": {"star": loci_of(0.05), "qso": loci_of(-0.25)},
        },
        "library_colours": {"classes": {"galaxy": loci_of(0.3)}, "notes": []},
        "lines": lines_of(),
        "gallery": [object_of("star"), object_of("star"), object_of("qso")],
        "parents": {"qso": {"boss": {"training": 8, "test": 1}}},
        "lacking": ["bal-troughs"],
        "notes": ["A remark."],
    }


@pytest.fixture(scope="module")
def page(report) -> str:
    return report.page


@pytest.fixture(scope="module")
def report() -> Report:
    return render_realism(json.loads(json.dumps(content_of())), FACTS)


def test_numbers_lie_beside_their_figures(report):
    assert broken_links(report) == []
    colours = csv.DictReader(io.StringIO(report.numbers["realism/sdss-star.csv"].decode()))
    assert next(colours).keys() >= {"colour", "mock, median (mag)", "observed, low (mag)"}


@pytest.mark.slow
def test_numbers_are_those_that_are_drawn(monkeypatch):
    drawn = captured_figures(monkeypatch, realism_report)
    render_realism(content_of(), FACTS)
    assert {name: lost_values(one) for name, one in drawn} == {name: [] for name, _ in drawn}


def test_page_is_whole_and_needs_nothing_from_elsewhere(page):
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:|realism/)[^\"]*\"", page)
    assert not re.findall(r"url\((?!#|\"?data:)[^)]*\)", page)
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    for section in ("sets", "distributions", "counts", "colours", "libraries", "noise", "lines", "gallery"):
        assert f'<section id="{section}">' in page


def test_every_figure_has_alternative_text_and_a_caption(page):
    assert page.count("<figure>") == page.count("<figcaption>") == 7
    assert page.count('role="img"') == len(re.findall(r"<svg role=\"img\" aria-label=.\w", page)) > 7


def test_text_of_others_is_escaped_and_paths_stay_out(page):
    assert "<b>field</b>" not in page
    assert "&lt;b&gt;field" in page
    assert "/secret/place" not in page
    assert "samples.training" in page


def test_large_offsets_are_said_in_words(page):
    assert "mock is 0.25 mag bluer: more than 0.1" in page
    assert "mock is 0.30 mag redder: more than 0.1" in page
    assert "within 0.1 mag" in page
    assert "bal-troughs" in page
    assert "A remark." in page


def test_the_same_content_gives_the_same_text(page):
    assert render_realism(content_of(), FACTS).page == page


def test_missing_parts_are_said():
    content = {
        "sets": {},
        "colours": {"missing": "there is no table of SDSS"},
        "library_colours": {"classes": {}},
        "lines": None,
        "gallery": [],
        "lacking": [],
    }
    text = render_realism(content, {key: FACTS[key] for key in FACTS if key != "options"}).page
    for sentence in (
        "No set was made.",
        "Parents were not counted.",
        "No set holds quasars",
        "there is no table of SDSS",
        "no library was held out",
        "no names of bands",
        "the mock has no quasars",
        "No examples were made.",
        "all known sources are there",
    ):
        assert sentence in text
    assert "<svg" not in text
    assert "Not recorded." in render_realism({"sets": {}}, FACTS).page


def test_what_must_not_be_is_shown_as_a_warning():
    content = copy.deepcopy(content_of())
    content["sets"]["training"]["tally"]["misplaced"] = [3]
    content["sets"]["training"]["rows"] = 61
    content["lines"]["trend_missing"] = "there is no file of trends"
    for one in content["lines"]["lines"][0]["bins"]:
        one["trend"] = None
    facts = FACTS | {"options": {"survey": {"library": 100}}}
    text = render_realism(content, facts).page
    assert "3 rows descend from parents of another split" in text
    assert "The tally holds 60 rows of 61" in text
    assert "there is no file of trends" in text
    assert "its χ² says little" in text


def test_counts_against_the_table():
    part = {"tally": tally_of(), "expected": [[2.0] * 4 + [0.5]] * 3}
    result = counts_of("field", part)
    assert (result["found"], result["freedom"]) == (30, 11)
    assert result["rows"][1]["cells"][0]["pull"] == pytest.approx(2 / np.sqrt(2))
    assert result["rows"][0]["cells"][4]["pull"] is None
    assert result["rare"] == [2.0, 1.5]
    assert result["chi2"] == pytest.approx((0 + 0 + 0 + 4 + 4 + 4 + 4 + 1 + 1 + 1 + 0 + 1) / 2)
    assert 0 < result["probability"] < 1
    assert counts_of("survey", part)["freedom"] == 12


def test_offsets_without_a_number():
    rows = offset_rows({"classes": {"star": loci_of(0.1) | {"offset": {"u-g": None}}}})
    assert [row["remark"] for row in rows] == ["too few observed objects", "the locus is a function of it"]
    assert offset_rows({}) == []
    assert signed_text(None) == signed_text(float("nan")) == "–"
    assert signed_text(-0.123) == "−0.12"


def test_median_signal_counts_non_detections_as_lowest():
    median = median_signal(tally_of())
    assert median[0, 0] == pytest.approx(10**1.5)
    assert np.isnan(median[0, 1])  # 30 of 40 are non-detections
    assert median[1, 1] == pytest.approx(10 ** (10 / 30))
