"""Three drivers at once on one job."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from jpasbatch.storage.catalogue.collection import current_extension
from tests.crash.harness import PATIENCE, Harness
from tests.crash.judgement import judge
from tests.crash.leaseless_infer import DRIVERS


def at_once(folder: Path, module: str) -> tuple[list[int], list[str]]:
    """Start three drivers, and return their exit codes and what they printed."""
    harnesses = [Harness(folder, module, log=f"output-{number}.txt") for number in range(DRIVERS)]
    with ExitStack() as stack:
        processes = [stack.enter_context(harness.start("--serial")) for harness in harnesses]
        codes = [process.wait(PATIENCE) for process in processes]
    return codes, [harness.output for harness in harnesses]


def faults(folder: Path, undisturbed: Path) -> dict[str, int]:
    found, wanted = (current_extension(place / "sky", "predictions") for place in (folder, undisturbed))
    assert found.name == wanted.name
    return {fault: number for fault, number in judge(found, wanted).items() if number}


def test_one_of_three_drivers_holds_the_lease(trained_copy, undisturbed):
    codes, outputs = at_once(trained_copy, "slow_infer")
    assert sorted(codes) == [0, 75, 75]
    for code, output in zip(codes, outputs, strict=True):
        assert ("lease" in output and "same command again" in output) is (code == 75)
    assert faults(trained_copy, undisturbed) == {}


@pytest.mark.slow
def test_commits_hold_without_any_lease(trained_copy, undisturbed):
    codes, outputs = at_once(trained_copy, "leaseless_infer")
    assert all("8 to do" in output for output in outputs)  # all of them did everything
    assert not any("Traceback" in output for output in outputs), outputs
    assert 0 in codes
    assert faults(trained_copy, undisturbed) == {}
    assert Harness(trained_copy, "slow_infer").finish("--serial") == [0]
    assert faults(trained_copy, undisturbed) == {}
    commits = list(trained_copy.glob("work/infer/*/ledger/*.json"))
    staged = list(trained_copy.glob("sky/.staging/*/*.parquet"))
    assert len(commits) == len(staged) == 8  # the copies that came second are gone
