"""What is drawn and written of samples under stress: nothing undefined, and no picture of what was not tried."""

import re
from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.photometry.survey import load_survey
from jpasbatch.scoring.stress_figures import stress_cells, triples
from jpasbatch.scoring.stress_page import (
    library_rows,
    signed_score,
    stress_drawings,
    stress_rows,
    stress_section,
)
from tests.scoring.stressed import CLASSES, content_of


@pytest.fixture(scope="module")
def content(survey):
    return content_of(survey, 200)


def section_of(sample: str, content: dict, patterns: bool) -> str:
    """Return the section of a sample under stress."""
    drawn = dict(stress_drawings(sample, content, CLASSES))
    return str(stress_section(content, drawn, CLASSES, patterns, "figures"))


def test_the_section_shows_every_kind_of_stress(content):
    page = section_of("mocks", content, patterns=True)
    text = re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    assert page.count('role="img"') == 4  # two panels of missing bands, two along the wavelength
    assert page.count('class="stress-map"') == 1
    assert "left out, flags: 2" in text
    assert "nan" not in text.lower()
    assert "None" not in text
    assert "worst three: " in text
    for stress in content["stresses"]:
        assert stress["stress"].startswith("three given") or stress["stress"] in text
    assert "declares no patterns" not in text
    assert "not classified" in text  # three objects of one stress


def test_a_survey_without_patterns_narrow_bands_or_bins_has_what_is_left(survey, blank_figures):
    few = replace(load_survey("nepw14"), gaps=(), magnitude_bins=((0.0, 40.0),))
    content = content_of(few, 100, libraries=False)
    content["stresses"] = [one for one in content["stresses"] if "neighbours" not in one["stress"]]
    page = section_of("sky", content, patterns=False)
    assert "declares no patterns" in page
    assert "given neighbours" not in page
    assert "By library" not in page
    assert triples(content, CLASSES) == {}


def test_the_map_has_a_row_for_all_but_the_single_triples(content):
    groups, rows = stress_cells(content)
    assert rows[0][0] == "unspoilt"
    assert len(rows) == sum("three given" not in one["stress"] for one in content["stresses"])
    assert {len(cells) for _, cells in rows} == {len(groups)}
    assert {colour for _, colour in rows[0][1]} == {"#ffffff"}  # nothing is lost
    assert any(colour != "#ffffff" for _, cells in rows for _, colour in cells)


def test_rows_tell_how_libraries_fare_at_worst(content):
    rows = list(library_rows(content, CLASSES))
    assert [row["name"] for row in rows] == ["lib-a", "lib-b"]
    for row in rows:
        found = [
            group["right"]
            for one in content["stresses"][1:]
            for group in one["groups"]
            if group["group"] == f"library {row['name']}"
        ]
        assert row["worst"] == min(found)
    assert sum("worst three" in row["title"] for row in stress_rows(content, CLASSES)) == 1


def test_a_library_without_any_classified_object_is_not_called_worst_or_best(content):
    broken = {**content, "stresses": [dict(one) for one in content["stresses"]]}
    lost = {"right": float("nan")}
    broken["stresses"][1] = {
        **broken["stresses"][1],
        "groups": [{**group, **lost} for group in broken["stresses"][1]["groups"]],
    }
    assert all(np.isfinite(row["worst"]) for row in library_rows(broken, CLASSES))


@pytest.mark.parametrize(
    ("pair", "text"),
    [((-0.0421, 0.003), "-0.042 ± 0.003"), ((0.01, 0.0), "+0.010 ± 0.000"), ((float("nan"), 0.1), "–")],
)
def test_changes_have_their_sign(pair, text):
    assert signed_score(pair) == text
