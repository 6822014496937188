"""Warnings of a finished job: a mix that is not the sky's, and a committee that learnt from toys."""

import json

import numpy as np
import pytest

from jpasbatch.products.expected.tally import ThresholdTally
from jpasbatch.products.protocol import Findings, Setting
from jpasbatch.stages.run.committees import origin_warning
from jpasbatch.stages.run.samples import GIVEN, sample_origin
from jpasbatch.stages.run.stage_facts import InferFacts
from jpasbatch.stages.summarise.warnings import ClassMixes, class_mixes, run_warnings
from tests.products.test_tallies import DEFINITIONS
from tests.stages.tiny_run import workspace_of, write_job

EVEN = dict.fromkeys(DEFINITIONS, 1000)
TOYS = "analytic toys"


def findings_of(survey, sums, objects, corrected=False, counted=True) -> Findings:
    """Return findings of a sky of so many objects with these mean probabilities, all of which are counted, or none."""
    tally = ThresholdTally.create(2, len(sums), 10)
    none, unknown = np.zeros(objects, dtype=int), np.zeros(objects, dtype=bool)
    probabilities = np.tile(np.array(sums) / sum(sums), (objects, 1))
    for group in (none, none + 1) if counted else (none,):
        tally.add(group, probabilities, np.zeros((objects, len(sums)), dtype=bool), unknown)
    return Findings(Setting(survey, DEFINITIONS, 0, corrected), {"expected": tally.extract()}, "")


def test_the_mix_that_the_old_rule_missed():
    """Twice as many quasars as stars and galaxies: it called that a mix that no reader need know of."""
    learnt = {"galaxy": 5870, "star": 5868, "qso": 11715}
    mixes = ClassMixes.of(learnt, {"galaxy": 700.0, "star": 240.0, "qso": 60.0}, 1000)
    assert set(mixes.different) == {"galaxy", "qso"}  # stars are as common, by chance
    assert "qso 50.0 % learnt, 6.0 ± 0.8 % here" in mixes.in_words()


def test_an_equal_mix_is_seldom_called_different():
    rng = np.random.default_rng(5)
    shares, called = np.array([0.6, 0.3, 0.08, 0.02]), 0
    for _ in range(300):
        learnt, sky = rng.multinomial(4000, shares), rng.multinomial(9000, shares)
        mixes = ClassMixes.of(
            dict(zip("abcd", learnt.tolist(), strict=True)), dict(zip("abcd", sky, strict=True)), 9000
        )
        called += bool(mixes.different)
    assert called <= 12  # 1.1 % of 300 are expected


@pytest.mark.parametrize(("share", "called"), [(0.2501, False), (0.256, False), (0.26, True)])
def test_a_difference_that_is_sure_and_small_is_none(share, called):
    learnt = dict.fromkeys("abcd", 10_000_000)
    rest = (1 - share) / 3
    sky = {"a": share, "b": rest, "c": rest, "d": rest}
    mixes = ClassMixes.of(learnt, {name: one * 40_000_000 for name, one in sky.items()}, 40_000_000)
    assert ("a" in mixes.different) == called


def infer_facts(**facts) -> InferFacts:
    return InferFacts(predictions="", committee="", **facts)


def test_a_borrowed_mix_is_told_with_both_mixes(survey):
    infer = infer_facts(learnt=EVEN, origin="templates")
    (text,) = run_warnings("survey", infer, findings_of(survey, [240, 700, 40, 20], 500))
    assert "qso_high 25.0 % learnt, 2.0 ±" in text
    assert "too high" in text
    assert list(run_warnings("survey", infer, findings_of(survey, [240, 700, 40, 20], 500, True))) == []
    assert list(run_warnings("survey", infer, findings_of(survey, [1, 1, 1, 1], 500))) == []


def test_a_sky_without_objects_has_no_mix(survey):
    findings = findings_of(survey, [1, 1, 1, 1], 0)
    assert class_mixes(infer_facts(learnt=EVEN), findings) is None
    assert class_mixes(None, findings) is None


def test_pages_say_that_a_committee_learnt_from_toys(survey):
    findings = findings_of(survey, [1, 1, 1, 1], 100)
    for sky in ("mock", "survey", "spectra"):
        told = list(run_warnings(sky, infer_facts(origin="builtin", learnt=EVEN), findings))
        assert any(TOYS in text for text in told)
    assert list(origin_warning("templates")) == list(origin_warning(GIVEN)) == []
    assert "not recorded" in next(origin_warning(None))


@pytest.mark.parametrize(("mock", "told"), [("builtin", True), ("templates", False), ("", False)])
def test_a_sky_of_another_mock_than_the_committee_learnt_from(survey, mock, told):
    infer = infer_facts(origin="templates")
    texts = list(run_warnings("mock", infer, findings_of(survey, [1, 1, 1, 1], 100), mock))
    assert [("(builtin)" in text and "(templates)" in text) for text in texts] == [True] * told


def test_a_sky_of_another_mock_that_has_labelled_objects_of_its_own(survey):
    infer, findings = infer_facts(origin="templates"), findings_of(survey, [1, 1, 1, 1], 100)
    (text,) = run_warnings("mock", infer, findings, "builtin", validated=True)
    assert "[prior] validation" in text
    assert "how much the two mocks differ" not in text


def test_gaps_are_told(survey):
    infer = infer_facts(origin=GIVEN, gaps=2, partitions=30)
    (text,) = run_warnings("survey", infer, findings_of(survey, [1, 1, 1, 1], 100))
    assert text.startswith("2 of 30 partitions")


def test_where_a_sample_is_from(tmp_path):
    workspace = workspace_of(tmp_path, write_job(tmp_path / "tiny.toml"))
    assert sample_origin(workspace, "training") == "builtin"
    made = tmp_path / "other" / "work" / "mock" / "abc" / "training"
    made.mkdir(parents=True)
    (tmp_path / "other" / "work" / "mock.json").write_text(json.dumps({"kind": "templates"}))
    elsewhere = tmp_path / "tables"
    for path, origin in ((made, "templates"), (elsewhere, GIVEN)):
        samples = workspace.job.samples.model_copy(update={"training": str(path)})
        job = workspace.job.model_copy(update={"samples": samples})
        assert sample_origin(workspace.__class__(**{**vars(workspace), "job": job}), "training") == origin


@pytest.mark.parametrize(("few", "told"), [(None, 0), (0, 0), (10, 0), (11, 1)])
def test_objects_with_fewer_bands_than_validated_are_warned_of_above_one_per_cent(survey, few, told):
    infer = infer_facts(origin=GIVEN, few_bands=few, rows_out=1000)
    found = list(run_warnings("survey", infer, findings_of(survey, [1, 1, 1, 1], 100)))
    assert len(found) == told
    assert all("11 of 1,000 objects have fewer bands" in text for text in found)


def test_a_count_of_nothing_is_told(survey):
    findings = findings_of(survey, [240, 700, 40, 20], 500, True, counted=False)
    told = list(run_warnings("survey", infer_facts(learnt=EVEN), findings))
    assert any(text.startswith("None of the 500 objects is within the limits of [counts]") for text in told)
