"""When a number stays, when it must be raised, and what is written."""

import json

import pytest

from jpasbatch import algorithms as numbers
from jpasbatch.algorithms import Algorithm, load_algorithms
from tests.algorithms import blessing, check
from tests.algorithms.blessing import Finding, bless, settle

THREE = {
    name: Algorithm((f"jpasbatch.place:{name}",), 3, "before", "ab") for name in ("ingest", "infer", "tally")
}


def finding(name: str, code: bool = False, results: bool = False) -> Finding:
    return Finding(
        name, ["jpasbatch.place:work"] if code else [], [f"{name}.mean: 1 before, 2 now"] if results else []
    )


def test_code_that_changed_no_result_is_blessed():
    findings = [finding("ingest"), finding("infer", code=True), finding("tally")]
    settled, told, refused = settle(findings, THREE, {})
    assert settled == THREE
    assert told == ["infer: blessed, results are the same (1 definitions changed)"]
    assert refused == []


@pytest.mark.parametrize("code", [True, False])
def test_results_that_changed_are_refused(code):
    settled, _, [refused] = settle([finding("ingest"), finding("infer", code, results=True)], THREE, {})
    assert list(settled) == ["ingest"]
    assert "infer.mean: 1 before, 2 now" in refused
    assert 'python -m tests.algorithms raise infer "what changed"' in refused
    assert ("jpasbatch.place:work" if code else "a library") in refused


def test_a_raised_algorithm_takes_those_after_it_along():
    findings = [finding("ingest", True, True), finding("infer", False, True), finding("tally", True, True)]
    settled, told, [refused] = settle(findings, THREE, {"ingest": "another cut"})
    assert (settled["ingest"].number, settled["ingest"].changed) == (4, "another cut")
    assert settled["infer"] == THREE["infer"]
    assert refused.startswith("tally: 1 golden results differ")
    assert len(told) == 2


def test_an_algorithm_does_not_follow_one_that_comes_later():
    findings = [finding("ingest", results=True), finding("infer", True, True)]
    settled, _, refused = settle(findings, THREE, {"infer": "another vote"})
    assert list(settled) == ["infer"]
    assert refused[0].startswith("ingest: ")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Write the numbers, what they were blessed with and the golden results to another folder."""
    monkeypatch.setattr(check, "PACKAGE", tmp_path)
    monkeypatch.setattr(check, "BLESSED", tmp_path / "blessed.json")
    monkeypatch.setattr(blessing, "FILE", tmp_path / "golden.json")
    return tmp_path


def test_what_is_written_is_what_is_read(elsewhere, monkeypatch, capsys):
    algorithms = load_algorithms()
    results = {name: {"mean": 1.0} for name in algorithms}
    (elsewhere / "golden.json").write_text(json.dumps(results))
    assert bless(algorithms, results, {"infer": 'another "vote"'}, print) == 0
    number = algorithms["infer"].number
    assert f'infer: raised {number} -> {number + 1}: another "vote"' in capsys.readouterr().out
    monkeypatch.setattr(numbers.resources, "files", lambda _: elsewhere)
    written = load_algorithms.__wrapped__()
    assert list(written) == list(algorithms)
    assert (written["infer"].number, written["infer"].changed) == (
        algorithms["infer"].number + 1,
        'another "vote"',
    )
    assert check.changed_code(check.closures(check.Source.read(), written), written) == {}
    assert bless(written, results, {}, print) == 0
    assert "no code of an algorithm changed" in capsys.readouterr().out


def test_what_is_refused_is_named_again(elsewhere, monkeypatch, capsys):
    algorithms = load_algorithms()
    results = {name: {"mean": 1.0} for name in algorithms}
    (elsewhere / "golden.json").write_text(json.dumps({**results, "infer": {"mean": 2.0}}))
    assert bless(algorithms, results, {}, print) == 1
    assert "infer.mean: 2.0 before, 1.0 now" in capsys.readouterr().out
    assert json.loads((elsewhere / "golden.json").read_text())["infer"] == {"mean": 2.0}
