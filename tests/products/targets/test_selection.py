"""Rules of target lists on a sky of known truth: vetoes, exclusions, fibres, and what is forecast of them."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table

from jpasbatch.errors import InputError
from jpasbatch.products.accumulation import parent_pixels
from jpasbatch.products.targets.candidates import (
    CIRCLE,
    LISTED,
    MEASURED,
    NO_FIELD,
    UNOBSERVED,
    find_candidates,
)
from jpasbatch.products.targets.lists import TargetOptions
from jpasbatch.products.targets.options import TargetProgramme, Veto
from jpasbatch.products.targets.targets import TargetTally, chosen_targets, listed_candidates
from jpasbatch.products.targets.yields import curve_table

AREA = 24.0
LOW = TargetProgramme(min_probability=0.02, fainter_than=None, brighter_than=None)


def rule(**options) -> TargetProgramme:
    return dataclasses.replace(LOW, **options)


def tally_of(parts, *rules):
    tallies = [TargetTally.create(*rules).add(find_candidates(part, rules, 1)) for part in parts]
    total = TargetTally.create(*rules)
    for one in tallies:
        total = total.merge(TargetTally.from_dict(json.loads(json.dumps(one.to_dict())), *rules))
    return total


def summary_of(rows, *rules):
    return dataclasses.replace(tally_of([rows], *rules).extract(), area_deg2=AREA)


def list_of(rows, *rules):
    return listed_candidates(find_candidates(rows, rules, 1), summary_of(rows, *rules))


def numbers_of(targets):
    """Return the rows of targets, which end their identifiers."""
    return np.array([int(name.split("-")[1]) for name in targets["object_id"].to_pylist()])


def chosen_rows(rows, *rules):
    return numbers_of(chosen_targets(list_of(rows, *rules)))


def test_a_density_gives_the_most_probable_their_fibres(mock):
    rows, _ = mock
    asked = rule(density="60 / deg2")
    chosen = chosen_rows(rows, asked)
    probability = rows.predictions["probability_qso_high"].to_numpy()
    assert len(chosen) == 60 * AREA
    assert probability[chosen].min() >= np.sort(probability)[-len(chosen)]


def plain_cut(rows, chosen, by_field):
    """Return as many objects as a list has (in each field, where it counts by field): any above one probability."""
    above = np.flatnonzero(rows.predictions["probability_qso_high"].to_numpy() >= 0.1)
    field = parent_pixels(rows.predictions["_healpix_29"].to_numpy(), 32) * int(by_field)
    numbers = {one: (field[chosen] == one).sum() for one in np.unique(field[chosen])}
    return np.concatenate([above[field[above] == one][:number] for one, number in numbers.items()])


@pytest.mark.parametrize("asked", [{"density": "60 / deg2"}, {"per_field": 150}])
def test_what_is_forecast_comes_true(mock_maker, asked):
    """On 40 skies: how often the interval holds what came true, and whether a plain cut would have found more."""
    held, found, plain = 0, 0, 0
    for seed in range(40):
        rows, truth = mock_maker(seed, objects=6000)
        candidates = find_candidates(rows, (rule(**asked),), 1)
        summary = dataclasses.replace(
            TargetTally.create(rule(**asked)).add(candidates).extract(), area_deg2=AREA
        )
        chosen = numbers_of(chosen_targets(listed_candidates(candidates, summary)))
        low, high = summary.interval
        held += low <= truth[chosen].sum() <= high
        found += truth[chosen].sum()
        plain += truth[plain_cut(rows, chosen, "per_field" in asked)].sum()
        assert summary.expected == pytest.approx(truth[chosen].sum(), abs=4 * (high - low) / 2)
    assert 20 <= held <= 36  # 27 of 40 are expected
    assert found > plain


def test_fields_have_no_more_targets_than_fibres_however_the_sky_is_cut(mock, cut):
    rows, _ = mock
    asked = rule(per_field=50)
    whole = summary_of(rows, asked)
    assert whole.pixel_targets.max() == 50
    for nside in (16, 128):
        tally = tally_of(cut(rows, nside)[::-1], asked)
        assert np.array_equal(tally.extract().targets, whole.targets)
        pixels = parent_pixels(rows.predictions["_healpix_29"].to_numpy(), 32)
        assert len(tally.entries) <= 2 * 50 * len(np.unique(pixels))


def test_fields_of_centres(mock, tmp_path):
    rows, _ = mock
    Table({"ra": [181.0, 183.5], "dec": [1.0, 3.0]}).write(tmp_path / "fields.csv")
    asked = rule(per_field=40, fields=str(tmp_path / "fields.csv"))
    listed = list_of(rows, asked)
    targets = chosen_targets(listed)
    assert targets.num_rows == 80
    distance = np.hypot(targets["ra"].to_numpy() - 181, targets["dec"].to_numpy() - 1)
    other = np.hypot(targets["ra"].to_numpy() - 183.5, targets["dec"].to_numpy() - 3)
    assert np.minimum(distance, other).max() <= 1.001
    summary = summary_of(rows, asked)
    assert summary.left_out[0, NO_FIELD] > 1000
    assert "outside of all fields" in set(listed["reason"].to_pylist())


def test_one_more_partition_changes_no_priority(mock, cut):
    rows, _ = mock
    parts = cut(rows, 32)
    few = pa.concat_tables([find_candidates(part, (LOW,), 1) for part in parts[:-1]])
    every = pa.concat_tables([find_candidates(part, (LOW,), 1) for part in parts])
    columns = ["object_id", "rule0_priority", "subpriority"]
    assert every.select(columns).slice(0, few.num_rows).equals(few.select(columns))


def test_priorities_do_not_crowd(mock):
    rows, _ = mock
    priority = chosen_targets(list_of(rows, rule(min_probability=0.5)))["priority"].to_numpy()
    probability = chosen_targets(list_of(rows, rule(min_probability=0.5)))["probability"].to_numpy()
    assert (priority >= 1).all()
    assert (priority <= 10).all()
    assert (np.diff(priority[np.argsort(probability, kind="stable")]) >= 0).all()
    assert len(np.unique(priority)) > 50
    assert (priority == 10).mean() < 0.05
    limited = chosen_targets(list_of(rows, rule(min_probability=0.5, priorities=(4.0, 7.0))))[
        "priority"
    ].to_numpy()
    assert limited.min() >= 4
    assert limited.max() <= 7


def test_fillers_take_what_the_first_rule_left(mock):
    rows, _ = mock
    first = rule(per_field=30, description="QSO")
    second = rule(per_field=20, description="QSO", filler=True, priorities=(1.0, 3.0))
    listed = list_of(rows, first, second)
    targets = chosen_targets(listed)
    assert len(set(targets["object_id"].to_pylist())) == targets.num_rows  # of each object one row
    assert set(targets["description"].to_pylist()) == {"QSO", "QSO|BW"}
    fields = parent_pixels(targets["_healpix_29"].to_numpy(), 32)
    taken, by = targets["probability"].to_numpy(), targets["rule"].to_numpy()
    for field in np.unique(fields):
        here = fields == field
        assert (by[here] == 1).sum() <= 30
        assert (by[here] == 2).sum() <= 20
        if (here & (by == 2)).any():
            assert taken[here & (by == 1)].min() >= taken[here & (by == 2)].max()
    assert "no fibre is left for it" in set(listed["reason"].to_pylist())


def test_lists_are_rules_of_one_survey_and_trimester():
    rules = (rule(description="a"), rule(trimester="2027B2"), rule(description="a", filler=True))
    assert TargetOptions(rules).lists == ((rules[0], rules[2]), (rules[1],))


MOTION = Veto(columns=("pmra", "pmdec"), errors=("pmra_error", "pmdec_error"), above=3.0)


@pytest.mark.parametrize(
    ("veto", "out"),
    [
        (MOTION, lambda number: (number % 7 == 0) & (number % 14 != 0)),  # without an error nothing is known
        (dataclasses.replace(MOTION, missing="veto"), lambda number: number % 7 == 0),
        (Veto(columns=("pmra",), above=3.0), lambda number: number % 7 == 0),
        (Veto(columns=("pmra",), below=3.0), lambda number: number % 7 != 0),
        (Veto(columns=("flags",), bits=4), lambda number: number % 5 == 0),
    ],
)
def test_vetoes(mock, veto, out):
    rows, _ = mock
    without, asked = list_of(rows, LOW), list_of(rows, rule(vetoes=(veto,)))
    number = np.array([int(name.split("-")[1]) for name in without["object_id"].to_pylist()])
    assert asked["selected"].to_pylist() == (~out(number)).tolist()
    assert set(veto.columns) <= set(asked.column_names)
    assert summary_of(rows, rule(vetoes=(veto,))).left_out[0, MEASURED] == out(number).sum() > 0


def test_a_veto_on_what_is_not_there_is_refused(mock):
    with pytest.raises(InputError, match="parallax"):
        list_of(mock[0], rule(vetoes=(Veto(columns=("parallax",), above=1.0),)))


def test_lists_of_what_is_excluded(mock, tmp_path):
    rows, _ = mock
    first = chosen_targets(list_of(rows, rule(density="20 / deg2")))
    names = first["object_id"].to_pylist()
    Table({"TARGID": names[:50]}).write(tmp_path / "by_name.fits")
    near = first["dec"].to_numpy()[50:90] + 0.5 / 3600
    Table({"ra": first["ra"].to_numpy()[50:90], "dec": near}).write(tmp_path / "by_place.csv")
    for file, gone in (("by_name.fits", names[:50]), ("by_place.csv", names[50:90])):
        asked = rule(density="20 / deg2", exclude=str(tmp_path / file))
        listed = list_of(rows, asked)
        reasons = dict(zip(listed["object_id"].to_pylist(), listed["reason"].to_pylist(), strict=True))
        assert {reasons[name] for name in gone} == {"in the list of excluded objects"}
        assert summary_of(rows, asked).left_out[0, LISTED] >= len(gone)
        assert (
            listed["selected"].to_numpy(zero_copy_only=False).sum() == first.num_rows
        )  # others get the fibres
    Table({"name": ["a"]}).write(tmp_path / "neither.csv")
    with pytest.raises(InputError, match="needs 'object_id', or both 'ra' and 'dec'"):
        list_of(rows, rule(exclude=str(tmp_path / "neither.csv")))
    with pytest.raises(InputError, match="no such file"):
        list_of(rows, rule(exclude=str(tmp_path / "absent.csv")))


def test_masks_of_stars_and_the_observed_area(mock, tmp_path):
    rows, _ = mock
    Table({"ra": [182.0], "dec": [2.0], "radius": [0.5]}).write(tmp_path / "stars.csv")
    asked = rule(exclude_circles=str(tmp_path / "stars.csv"))
    targets = chosen_targets(list_of(rows, asked))
    assert np.hypot(targets["ra"].to_numpy() - 182, targets["dec"].to_numpy() - 2).min() > 0.499
    assert summary_of(rows, asked).left_out[0, CIRCLE] > 50
    east = rows.predictions["ra"].to_numpy() > 182
    seen = dataclasses.replace(rows, observed=east)
    assert summary_of(seen, rule(keep_masked=False)).left_out[0, UNOBSERVED] > 1000
    assert chosen_targets(list_of(seen, rule(keep_masked=False)))["ra"].to_numpy().min() > 182
    both = summary_of(seen, LOW)
    assert both.observed < both.number


def test_curves_of_yield(mock):
    rows, truth = mock
    summary = summary_of(rows, rule(marginal=0.2))
    (curve,) = summary.curves
    probability = np.sort(rows.predictions["probability_qso_high"].to_numpy().astype(float))[::-1]
    probability = probability[probability >= np.float32(0.02)]
    assert curve.targets[-1] == len(probability)
    for place in (0, 20, -1):
        assert curve.expected[place] == pytest.approx(probability[: curve.targets[place]].sum(), rel=1e-5)
    assert (np.diff(curve.purity) <= 1e-12).all()
    assert (np.diff(curve.gain) <= 1e-12).all()
    place = curve.saturation(0.2)
    assert curve.gain[place] < 0.2 <= curve.gain[place - 1]
    assert summary.targets["probability"].min() >= 0.2
    low, high = curve.interval()
    chosen = np.argsort(-rows.predictions["probability_qso_high"].to_numpy(), kind="stable")
    inside = [low[at] <= truth[chosen[: curve.targets[at]]].sum() <= high[at] for at in range(len(low))]
    assert np.mean(inside) > 0.2  # points are correlated: all may be a little off at once
    wider = curve.interval(0.5)
    assert (wider[1][50:] > high[50:]).all()
    table = curve_table(summary.curves, AREA, 0.0)
    assert table.num_rows == len(curve.targets)
    assert table["targets_per_deg2"][-1].as_py() == pytest.approx(len(probability) / AREA)


def test_curves_by_field_reach_beyond_the_list(mock):
    summary = summary_of(mock[0], rule(per_field=50))
    (curve,) = summary.curves
    at = int(np.flatnonzero(curve.fibres == 50)[0])
    assert curve.targets[at] == summary.number
    assert curve.expected[at] == pytest.approx(summary.expected)
    assert curve.fibres[-1] == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"density": "60"}, "60 / deg2"),
        ({"density": "0 / deg2"}, "above 0"),
        ({"density": "60 / deg2", "per_field": 3}, "name one of them"),
        ({"fields": "fields.csv"}, "without per_field"),
        ({"per_field": 0}, "per_field"),
        ({"marginal": 1.0}, "marginal"),
        ({"priorities": (0.0, 10.0)}, "priorities"),
        ({"priorities": (7.0, 3.0)}, "priorities"),
        ({"priority_by": "rank"}, "priority_by"),
        ({"description": "x" * 38, "filler": True}, "of which a filler takes 3"),
    ],
)
def test_rules_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        rule(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"columns": ()}, "columns"),
        ({"columns": ("a",)}, "nothing is vetoed"),
        ({"columns": ("a",), "errors": ("b", "c"), "above": 1.0}, "2 errors"),
        ({"columns": ("a",), "bits": 4, "above": 1.0}, "no other limit"),
    ],
)
def test_vetoes_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        Veto(**wrong)
