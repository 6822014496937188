"""Records of stages: typed in the program, the same JSON on disk."""

import json
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.facts import problem
from jpasbatch.stages.pipeline import ORDER
from jpasbatch.stages.run import history, ingest_facts, mock_facts, provenance, seals, stage_facts, versions
from jpasbatch.stages.run.mock_facts import MockFacts, MockSet, MockSets
from jpasbatch.stages.run.records import finish, recorded, required, retold, standing, unchanged
from jpasbatch.stages.run.reporting import REPORTED
from jpasbatch.stages.run.stage_facts import InferFacts, PrecisionFacts, StageFacts, SummariseFacts
from tests.stages.tiny_run import workspace_of, write_job

OF_ALL = {
    "fingerprint",
    "finished",
    "seconds",
    "parts",
    "ingredients",
    "algorithms",
    "options",
    "runs",
    "measured",
}
"""Keys that every record may have."""

BY_PRODUCT = {"counts", "targets"}


def kinds_of(stage: str) -> list[type[StageFacts]]:
    found = [
        one
        for one in (*vars(stage_facts).values(), *vars(mock_facts).values(), *vars(ingest_facts).values())
        if isinstance(one, type) and issubclass(one, StageFacts)
    ]
    return [one for one in found if getattr(one, "stage", "") == stage]


def keys_of(stage: str) -> set[str]:
    return {item.name for kind in kinds_of(stage) for item in fields(kind)}


@pytest.fixture
def workspace(tmp_path):
    workspace = workspace_of(tmp_path / "out", write_job(tmp_path / "tiny.toml"))
    workspace.prepare()
    return workspace


FACTS = InferFacts(predictions="sky/predictions-ab", committee="committee/x", rows_out=3, changed=("survey",))


def test_a_record_is_read_as_it_was_written(workspace):
    assert recorded(workspace, InferFacts) is None
    made = finish(workspace, FACTS, "ab", 1.234, {"survey": 1}, {"infer": 3})
    assert made == recorded(workspace, InferFacts) == required(workspace, InferFacts)
    assert made == unchanged(workspace, InferFacts, "ab") == standing(workspace, InferFacts, "ab")
    assert (made.facts, made.fingerprint, made.seconds) == (FACTS, "ab", 1.23)
    assert unchanged(workspace, InferFacts, "cd") is standing(workspace, InferFacts, "cd") is None
    stored = workspace.record("infer")
    assert stored == made.content
    assert stored["rows_out"] == 3
    assert stored["changed"] == ["survey"]
    assert stored["algorithms"] == {"infer": 3}
    assert "redshifts" not in stored  # left out where there are none
    assert stored["precision"] is None
    again = retold(made, recomputed=0, changed=())
    assert json.loads(json.dumps(again.content)) == {**stored, "changed": []}
    assert workspace.record("infer") == stored


def test_keys_of_other_versions_are_not_read_and_stay(workspace):
    finish(workspace, FACTS, "ab", 1.0)
    path = workspace.folder / "work" / "infer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"more": [1], "options": "other"}))
    found = unchanged(workspace, InferFacts, "ab")  # writes the options as they are now
    assert found is not None
    assert found.facts == FACTS
    assert workspace.record("infer")["more"] == [1]


@pytest.mark.parametrize(("key", "value"), [("rows_out", "many"), ("learnt", [1]), ("predictions", None)])
def test_a_record_with_another_type_is_damaged(workspace, key, value):
    finish(workspace, FACTS, "ab", 1.0)
    path = workspace.folder / "work" / "infer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=f"record of stage 'infer' is damaged.*{key}.*run the stage again"):
        recorded(workspace, InferFacts)


def test_headlines_of_products_are_keys_of_the_record():
    headlines = {"counts": {"number": 3.0}, "targets": {"WQ.fits": 4}}
    facts = SummariseFacts(headlines=headlines, files={"report.html": "ab"}, partitions=2, rows_out=9)
    stored = facts.to_record()
    assert stored == {**headlines, "files": {"report.html": "ab"}, "partitions": 2, "rows_out": 9}
    assert SummariseFacts.from_record({**stored, "stage": "summarise"}) == facts


def test_facts_within_facts_come_back_as_they_were():
    one = MockSet("mock/survey", "survey-ab", "work/mock/ab", 10, 2, 0, 0.5)
    parents = {"qso": {"observed": {"training": 3}}}
    made = MockSets(
        kind="templates",
        rows={"survey": 10},
        sets={"survey": one},
        catalogue="survey",
        parents=parents,
        lacking=(),
        realism="mock/realism.html",
    )
    stored = json.loads(json.dumps(made.to_record()))
    assert MockSets.from_record(stored) == made
    assert MockFacts.from_record(stored) == MockFacts(kind="templates", rows={"survey": 10})


counts = st.integers(0, 2**40)
shares = st.floats(0, 1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    precision=st.none() | st.builds(PrecisionFacts, counts, counts, counts, shares, shares),
    learnt=st.dictionaries(st.text(), counts),
    origin=st.none() | st.text(),
    few=st.none() | counts,
)
def test_any_facts_come_back_from_json(precision, learnt, origin, few):
    facts = InferFacts(
        predictions="p", committee="c", precision=precision, learnt=learnt, origin=origin, few_bands=few
    )
    assert InferFacts.from_record(json.loads(json.dumps(facts.to_record()))) == facts


def test_what_is_wrong_is_told_by_its_key():
    with pytest.raises(ValueError, match="validation error") as told:
        InferFacts.from_record({"predictions": "p", "committee": "c", "precision": {"rows": 1}})
    assert problem(told.value).startswith("precision.flips: ")
    assert problem(ValueError("as it is")) == "as it is"


@pytest.mark.parametrize("stage", [stage for stage in ORDER if stage != "foreign"])
def test_tables_of_keys_name_facts_of_the_stage(stage):
    """Lines, seals, provenance and identities go over keys by their names: a misspelt one would never be told."""
    known = keys_of(stage) | OF_ALL
    known |= BY_PRODUCT if stage == "summarise" else set()
    assert set(REPORTED[stage]) <= known
    assert set(seals.PUBLISHED.get(stage, ())) <= known
    assert set(provenance.VERSIONS.get(stage, ())) <= known


def test_keys_that_are_kept_of_any_stage_are_facts_of_one():
    known = set().union(*(keys_of(stage) for stage in ORDER))
    assert set(history.KEPT) <= known
    assert set(versions.NAMED) <= known
