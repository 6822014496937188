"""What a stage computed and why, from its records before and after."""

import pytest

from jpasbatch.stages.run.causes import UNFINISHED, causes, computed_tasks, without_places
from jpasbatch.stages.run.changes import FIRST, UNKNOWN, named_parts

PARTS = {"committee": "a", "catalogue": "photometry-1", "survey": "s", "algorithms": {"infer": 1}}


def record(**changes):
    return {"partitions": 17, "recomputed": 2, **named_parts({**PARTS, **changes})}


GREW = {"ingest": {"ran": True, "partitions": 17, "new_partitions": 2}}


def test_tasks_are_told_by_what_they_are():
    measured = {"infer: partitions": {"tasks": 17.0, "seconds": 3.0}, "correct: class shares": {"tasks": 1}}
    assert computed_tasks(measured) == {"partitions": 17, "class shares": 1}


def test_partitions_that_an_earlier_stage_made_are_its_own_reason():
    told = causes("infer", record(), record(catalogue="photometry-2"), {"partitions": 2}, GREW)
    line = "ingest made 2 of 17 partitions anew"
    assert told == {
        "because": [line],
        "computed": {"partitions": 2},
        "partitions_by_reason": {line: 2},
    }


def test_a_partition_counts_under_each_reason_that_is_enough():
    now = {**record(committee="b", catalogue="photometry-2"), "recomputed": 17}
    told = causes("infer", record(), now, {}, GREW)
    assert told["partitions_by_reason"] == {
        'committee: "a" -> "b"': 17,
        "ingest made 2 of 17 partitions anew": 2,
    }


def test_what_another_command_made_is_told_without_a_number():
    told = causes("infer", record(), record(catalogue="photometry-2"), {}, {})
    assert told["partitions_by_reason"] == {"ingest made what it reads": 2}
    idle = {"ingest": {"ran": False, "partitions": 17, "new_partitions": 0}}
    assert causes("infer", record(), record(catalogue="photometry-2"), {}, idle) == told


@pytest.mark.parametrize(
    ("before", "damaged", "because"),
    [
        (None, 0, [FIRST]),
        (None, 3, ["published files that were damaged: 3"]),  # the record was among them
        (record(), 3, ["published files that were damaged: 3"]),
        (record(), 0, [UNFINISHED]),
        ({"partitions": 17}, 0, [UNKNOWN]),
    ],
)
def test_other_reasons(before, damaged, because):
    assert causes("infer", before, record(), {}, {}, damaged)["because"] == because


def test_a_stage_without_partitions_counts_none():
    now = named_parts(PARTS)
    assert "partitions_by_reason" not in causes("train", None, now, {"members": 2}, {})


def test_files_that_changed_are_named():
    before = {**named_parts(PARTS), "inputs": {"a.fits": "1", "b.fits": "2"}}
    now = {**named_parts(PARTS), "inputs": {"a.fits": "3", "c.fits": "4"}}
    assert causes("ingest", before, now, {}, {})["because"] == [
        "1 input file new: c.fits",
        "1 input file changed: a.fits",
        "1 input file gone: b.fits",
    ]


def test_paths_are_their_last_part():
    line = 'options.input: "/home/someone/night 1" -> "/data/x/y.fits"'
    assert without_places(line) == 'options.input: "night 1" -> "y.fits"'
    assert without_places("density: 1 -> 1/2") == "density: 1 -> 1/2"
