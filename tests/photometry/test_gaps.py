"""Patterns of missing bands: what each hides, and what no pattern may hide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.gaps import GapPattern, check_patterns, draw_gaps
from jpasbatch.photometry.survey import load_survey, survey_names

SURVEY = load_survey("jpas60")
FAINT = np.full((300, 60), 22.0)


def _hidden(pattern: GapPattern, magnitude: np.ndarray = FAINT, seed: int = 1) -> np.ndarray:
    return draw_gaps([pattern], SURVEY.layout, magnitude, np.random.default_rng(seed))


@given(fewest=st.integers(1, 70), more=st.integers(0, 20), seed=st.integers(0, 2**32 - 1))
def test_random_gaps_hide_as_many_bands_as_they_say_and_never_the_reference(fewest, more, seed):
    number = _hidden(GapPattern("x", "random", bands=(fewest, fewest + more)), seed=seed).sum(axis=1)
    assert number.min() >= min(fewest, 59)
    assert number.max() <= min(fewest + more, 59)


@given(width=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_neighbours_are_narrow_bands_without_a_hole(width, seed):
    hidden = _hidden(GapPattern("x", "neighbours", bands=(width, width)), seed=seed)
    narrow = np.flatnonzero(SURVEY.layout.narrow)
    order = narrow[np.argsort(SURVEY.wavelengths[narrow])]
    assert not hidden[:, ~SURVEY.layout.narrow].any()
    for row in hidden[:20, order]:
        places = np.flatnonzero(row)
        assert len(places) == min(width, len(order))
        assert places[-1] - places[0] + 1 == len(places)


def test_every_neighbourhood_is_drawn_as_often():
    hidden = _hidden(GapPattern("x", "neighbours", bands=(3, 3)), np.full((54_000, 60), 22.0))
    first = hidden[:, SURVEY.layout.narrow].argmax(axis=1)
    assert np.bincount(first, minlength=52).min() > 800


def test_groups_are_hidden_whole_and_by_name_of_a_group_too():
    hidden = _hidden(GapPattern("x", "groups", groups=(("broad",), ("J0378", "J0390"))))
    found = {tuple(SURVEY.band_names[place] for place in np.flatnonzero(row)) for row in hidden}
    assert found == {("uJPAS", "gSDSS", "iSDSS"), ("J0378", "J0390")}


@pytest.mark.parametrize("kind", ["blueward", "redward"])
def test_an_end_of_the_spectrum_is_gone_up_to_an_edge(kind):
    hidden = _hidden(GapPattern("x", kind, wavelength=(5000.0, 6000.0)))
    others = np.arange(60) != SURVEY.reference_index
    blue, red = others & (SURVEY.wavelengths < 5000), others & (SURVEY.wavelengths > 6000)
    gone, kept = (blue, red) if kind == "blueward" else (red, blue)
    assert hidden[:, gone].all()
    assert not hidden[:, kept].any()


def test_only_bright_objects_saturate():
    magnitude = FAINT.copy()
    magnitude[:100] = 16.0
    magnitude[200:] = np.nan
    hidden = _hidden(GapPattern("x", "bright", brighter_than=17.0), magnitude)
    assert 0.4 < hidden[:100].mean() < 0.6
    assert not hidden[100:].any()


@pytest.mark.parametrize("name", survey_names())
def test_the_patterns_of_each_survey_can_be_drawn_and_leave_the_reference(name):
    survey = load_survey(name)
    if not survey.gaps:
        pytest.skip(f"survey {name} declares no patterns of missing bands")
    magnitude = np.random.default_rng(2).uniform(15.0, 23.0, (5_000, len(survey.bands)))
    hidden = draw_gaps(survey.gaps, survey.layout, magnitude, np.random.default_rng(3))
    assert not hidden[:, survey.reference_index].any()
    assert hidden.any(axis=1).mean() > 0.9
    assert np.array_equal(hidden, draw_gaps(survey.gaps, survey.layout, magnitude, np.random.default_rng(3)))


def test_patterns_occur_as_their_weights_say():
    patterns = [
        GapPattern("a", "groups", groups=(("J0378",),), weight=3.0),
        GapPattern("b", "groups", groups=(("J0390",),), weight=1.0),
        GapPattern("never", "groups", groups=(("J0400",),), weight=0.0),
    ]
    share = draw_gaps(patterns, SURVEY.layout, np.full((20_000, 60), 22.0), np.random.default_rng(5)).mean(
        axis=0
    )
    assert share[SURVEY.index("J0378")] == pytest.approx(0.75, abs=0.02)
    assert share[SURVEY.index("J0400")] == 0


def test_a_survey_without_patterns_is_refused():
    with pytest.raises(InputError, match="declares no pattern of missing bands"):
        draw_gaps([], SURVEY.layout, FAINT, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "random", "bands": (3, 1)}, "fewest first"),
        ({"kind": "groups"}, "needs some"),
        ({"kind": "random", "groups": (("J0378",),)}, "needs some"),
        ({"kind": "blueward"}, "low first"),
        ({"kind": "redward", "wavelength": (6000.0, 5000.0)}, "low first"),
        ({"kind": "odd"}, "kind"),
    ],
)
def test_a_pattern_that_lacks_what_its_kind_needs_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GapPattern(name="x", **options)


def test_unknown_bands_and_double_names_are_refused():
    with pytest.raises(ValueError, match="'J9999'"):
        check_patterns([GapPattern("x", "groups", groups=(("J9999",),))], SURVEY.layout.members)
    with pytest.raises(ValueError, match="two patterns"):
        check_patterns([GapPattern("x", "random"), GapPattern("x", "random")], {})
