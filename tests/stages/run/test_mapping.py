"""Tasks of a stage: results by key, and troubles that are told."""

import logging

import pytest

from jpasbatch.compute.runner import Outcome, Task
from jpasbatch.errors import InputError
from jpasbatch.stages.run.mapping import map_tasks, require_all
from tests.stages.tiny_run import serial


def count(number: int) -> dict[str, int]:
    if number < 0:
        raise InputError(f"found {number}; allowed is 0 or more")
    return {"rows": 10 // number}


def test_results_and_troubles_are_sorted(caplog):
    tasks = [Task(str(number), (number,)) for number in (1, 5, -2, 0)]
    with caplog.at_level(logging.INFO, logger="jpasbatch"):
        results, troubles = map_tasks("counting", count, tasks, serial())
    assert results == {"1": {"rows": 10}, "5": {"rows": 2}}
    assert [(one.key, one.status) for one in troubles] == [("-2", "refused"), ("0", "failed")]
    assert "counting: 4 to do" in caplog.text
    assert "counting: -2 refused: found -2" in caplog.text


def test_no_task_needs_no_progress(caplog):
    with caplog.at_level(logging.INFO, logger="jpasbatch"):
        assert map_tasks("nothing", count, [], serial()) == ({}, [])
    assert "nothing" not in caplog.text


def test_a_stage_without_gaps_names_its_troubles():
    require_all([], "files")
    troubles = [Outcome(f"file-{number}", "refused", "no FLUX unit") for number in range(7)]
    with pytest.raises(InputError, match=r"(?s)7 of the files.*file-0: no FLUX unit.*and 2 more"):
        require_all(troubles, "files")
