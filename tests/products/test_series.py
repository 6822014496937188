"""The series of publications: a table and a figure of what the history knows."""

import numpy as np
import pytest

from jpasbatch.products.series import SHOWN, SeriesPoint, density_figure, series_section
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.stage_facts import InferFacts
from jpasbatch.stages.summarise import series
from jpasbatch.stages.summarise.series import earlier_publications, this_publication
from tests.products.page_rules import _broken_pictures, _broken_tables, read_page


def points(number: int) -> list[SeriesPoint]:
    return [
        SeriesPoint(
            f"2026-11-{day + 1:02d}T02:15:07+00:00",
            rows=1000 + day,
            number=90.0,
            density=9.0 + day,
            lower=8.0 + day,
            upper=10.5 + day,
            quarantined=day,
            lists={"WQ.fits": 10 + day},
        )
        for day in range(number)
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_one_publication_is_no_series(number):
    assert series_section(points(number)) is None


def test_each_publication_has_a_row(blank_figures):
    body = str(series_section(points(3)).body)
    assert body.count('<th scope="row">') == 3
    assert '<th scope="row">2026-11-03 02:15</th><td>1,002</td><td>90.0</td><td>11.00</td>' in body
    assert "WQ.fits" in body
    assert "<svg" in body


def test_what_is_not_known_is_a_dash_and_no_point_of_the_figure(blank_figures):
    bare = SeriesPoint("2026-11-09T02:15:07+00:00")
    other = SeriesPoint("2026-11-10T02:15:07+00:00", lists={"WX.fits": 3})
    body = str(series_section([*points(1), bare, other]).body)
    assert "<svg" not in body  # one density is no series
    assert body.count("<td>–</td>") == 8 + 7 + 1  # of lists too that were not made then


def test_names_of_lists_are_text():
    named = [SeriesPoint("2026-11-09T02:15", lists={"<b>.fits": 1})] * 2
    assert "<b>" not in str(series_section(named).body)


def test_what_became_of_each_is_told_where_somebody_decides():
    held = SeriesPoint("2026-11-09T02:15", state="held")
    assert "state</th>" not in str(series_section(points(2)).body)
    body = str(series_section([*points(1), held]).body)
    assert body.count('<td class="text">held</td>') == 1
    assert body.count('<td class="text">–</td>') == 1


def test_a_version_that_was_held_and_accepted_later_is_told_as_published(monkeypatch, tmp_path):
    ran = {"summarise": {"ran": True}}
    runs = [
        {"begun": "1", "results": ran},
        {"begun": "2", "results": {**ran, "publication": {"state": "held", "version": 2}}},
        {"begun": "3", "results": {**ran, "publication": {"state": "held", "version": 3}}},
        {"begun": "4", "results": {"publication": {"state": "published", "version": 2}}},
        {"begun": "5"},
    ]
    monkeypatch.setattr(series, "read_history", lambda folder: runs)
    found = [(one.time, one.state) for one in earlier_publications(tmp_path)]
    assert found == [("1", ""), ("2", "published"), ("3", "held")]


def test_the_section_keeps_the_rules_of_pages():
    outline = read_page(str(series_section([*points(2), SeriesPoint("2026-11-09", state="held")]).body))
    assert (outline.crossed, outline.open) == ([], [])
    assert list(_broken_tables(outline)) == []
    assert list(_broken_pictures(outline)) == []


def test_many_publications_are_drawn_and_the_newest_told():
    many = [SeriesPoint("2026-11-09T02:15", rows=n) for n in range(SHOWN + 5)]
    body = str(series_section(many).body)
    assert body.count('<th scope="row">') == SHOWN
    assert "(5 earlier ones are left out)" in body
    assert "<td>5</td>" in body
    assert "<td>4</td>" not in body


def test_the_figure_has_each_density_at_its_date():
    (bars,) = density_figure(points(4)).axes[0].containers
    assert np.allclose(bars[0].get_ydata(), [9, 10, 11, 12])
    assert np.allclose(np.diff(bars[0].get_xdata()), 1)


def test_the_publication_that_is_being_made_is_told_as_its_record_will_be():
    number = {"number": 90.0, "per_deg2": 9.0, "lower": 8.0, "upper": 10.0}
    headlines = {"counts": {"summed_probability": number}, "targets": {"WQ.fits": 3}}
    ingest = IngestFacts(quarantined=4)
    infer = InferFacts(predictions="", committee="", quarantined=1, rows_out=100)
    assert this_publication("now", ingest, infer, headlines) == SeriesPoint(
        "now", 100, 90.0, 9.0, 8.0, 10.0, 5, {"WQ.fits": 3}
    )
    assert this_publication("now", None, None, {}) == SeriesPoint("now")
