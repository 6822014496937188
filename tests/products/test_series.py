"""The series of publications: a table and a figure of what the history knows."""

import numpy as np
import pytest

from jpasbatch.products.series import SHOWN, SeriesPoint, density_figure, series_section
from jpasbatch.stages.summarise.series import this_publication


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
    records = {"ingest": {"quarantined": 4}, "infer": {"quarantined": 1, "rows_out": 100}}
    assert this_publication("now", records, headlines) == SeriesPoint(
        "now", 100, 90.0, 9.0, 8.0, 10.0, 5, {"WQ.fits": 3}
    )
    assert this_publication("now", {}, {}) == SeriesPoint("now")
