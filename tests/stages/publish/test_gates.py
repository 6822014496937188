"""Each gate on its own: what it holds, what it lets pass, and what it says."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.job.gates import GateOptions
from jpasbatch.stages.publish.gates import Facts, Interval, Tile, find

BEFORE = Facts(
    classes={"star": 2000.0, "galaxy": 6000.0, "qso": 400.0},
    area_deg2=2.0,
    counted={"counted quasars": Interval(200.0, 190.0, 212.0), "17 < r <= 20": Interval(20.0, 16.0, 25.0)},
    rows=10_000,
    quarantined=100,
    unsafe_share=0.012,
    committee="committee-aaa",
    learnt_from="templates",
)


def gates(options: GateOptions, now: Facts, before: Facts | None = BEFORE) -> list[str]:
    return [one.gate for one in find(options, now, before)]


EVERY = GateOptions(
    counts=0.1,
    counts_sigma=3.0,
    quarantined=0.01,
    unsafe=0.03,
    zero_point=0.1,
    new_committee=True,
    learnt_from=("templates",),
)

CHANGES = {
    "counts": replace(BEFORE, classes=BEFORE.classes | {"qso": 460.0}),
    "counts_sigma": replace(BEFORE, counted=BEFORE.counted | {"17 < r <= 20": Interval(60.0, 52.0, 69.0)}),
    "quarantined": replace(BEFORE, quarantined=220),
    "unsafe": replace(BEFORE, unsafe_share=0.031),
    "zero_point": replace(BEFORE, tiles=(Tile("9-1", "J0378", -0.12), Tile("9-1", "J0390", 0.02))),
    "new_committee": replace(BEFORE, committee="committee-bbb"),
    "learnt_from": replace(BEFORE, learnt_from="builtin"),
}


def test_what_did_not_change_passes_every_gate():
    assert EVERY.are_set
    assert gates(EVERY, BEFORE) == []


def test_no_gate_is_set_unless_the_job_sets_it():
    assert not GateOptions().are_set
    for now in CHANGES.values():
        assert gates(GateOptions(), now) == []


@pytest.mark.parametrize("gate", CHANGES)
def test_each_gate_holds_its_own_change_and_no_other(gate):
    assert gates(EVERY, CHANGES[gate]) == [gate]
    alone = GateOptions(**{gate: getattr(EVERY, gate)})
    assert gates(alone, CHANGES[gate]) == [gate]
    for other in CHANGES.keys() - {gate}:
        assert gates(alone, CHANGES[other]) == []


@pytest.mark.parametrize("gate", CHANGES)
def test_a_gate_says_what_was_found_what_is_allowed_and_where_to_look(gate):
    [found] = find(EVERY, CHANGES[gate], BEFORE)
    assert str(found).startswith(f"{gate}: ")
    assert "; allowed is " in str(found)
    assert "Look at " in str(found)


def test_gates_that_compare_let_the_first_version_pass_and_others_do_not():
    held = {gate for gate, now in CHANGES.items() if gates(EVERY, now, None)}
    assert held == {"unsafe", "zero_point", "learnt_from"}


def test_densities_are_compared_and_not_numbers():
    twice = replace(
        BEFORE, classes={name: 2 * number for name, number in BEFORE.classes.items()}, area_deg2=4.0
    )
    assert gates(EVERY, twice) == []
    assert gates(EVERY, replace(twice, area_deg2=2.0)) == ["counts"] * 3


def test_without_an_area_shares_are_compared():
    unknown = replace(BEFORE, area_deg2=math.nan)
    twice = {name: 2 * number for name, number in BEFORE.classes.items()}
    assert gates(EVERY, replace(unknown, classes=twice)) == []
    assert gates(EVERY, replace(unknown, classes=twice | {"qso": 400.0})) == ["counts"]


def test_a_class_that_vanishes_or_appears_is_seen():
    assert gates(EVERY, replace(BEFORE, classes={"star": 2000.0, "galaxy": 6000.0})) == ["counts"]
    assert gates(EVERY, replace(BEFORE, classes=BEFORE.classes | {"comet": 500.0})) == ["counts"]


def test_rare_classes_move_by_chance():
    few = replace(BEFORE, classes=BEFORE.classes | {"qso": 60.0})
    assert gates(EVERY, replace(few, classes=few.classes | {"qso": 90.0}), few) == []


def test_a_committee_that_does_not_know_what_is_ordinary_is_held():
    assert gates(EVERY, replace(BEFORE, unsafe_share=math.nan)) == ["unsafe"]


def test_many_zero_points_are_counted_and_the_worst_are_named():
    tiles = tuple(Tile(f"9-{number}", "J0378", 1.0 - number / 100) for number in range(20))
    [found] = find(EVERY, replace(BEFORE, tiles=tiles), BEFORE)
    assert found.found.startswith("20 zero points look off, mag: 9-0 J0378 +1.000, ")
    assert found.found.endswith(", ...")


@given(
    old=st.floats(200, 1e7),
    factor=st.floats(0.01, 100),
    limit=st.floats(0.001, 5),
)
def test_the_relative_gate_holds_exactly_what_moves_by_more(old, factor, limit):
    before, now = (
        Facts(classes={"qso": number, "star": 1e9}, area_deg2=1.0) for number in (old, old * factor)
    )
    moved = abs(old * factor - old) / old
    if abs(moved - limit) > 1e-9:
        assert bool(find(GateOptions(counts=limit), now, before)) == (moved > limit)


@pytest.mark.parametrize(
    ("key", "value"),
    [("counts", 0.0), ("counts_sigma", -1.0), ("quarantined", 1.0), ("unsafe", 0.0), ("zero_point", 3.0)],
)
def test_limits_that_mean_nothing_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        GateOptions(**{key: value})


def test_an_origin_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="learnt_from"):
        GateOptions(learnt_from=("heaven",))
