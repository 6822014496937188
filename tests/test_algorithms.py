"""Numbers of algorithms: in fingerprints, in records, and in what users are told."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import jpasbatch
from jpasbatch import algorithms
from jpasbatch.algorithms import algorithm_numbers, load_algorithms, raised

PACKAGE = Path(jpasbatch.__file__).parent


def test_numbers_by_name():
    assert algorithm_numbers("infer", "tally").keys() == {"infer", "tally"}
    assert all(number >= 1 for number in algorithm_numbers(*load_algorithms()).values())
    with pytest.raises(KeyError, match="play"):
        algorithm_numbers("play")


def test_what_was_raised_is_told(monkeypatch):
    before = algorithm_numbers("infer", "tally")
    now = {**load_algorithms()}
    now["infer"] = replace(now["infer"], number=before["infer"] + 1, changed="another vote")
    monkeypatch.setattr(algorithms, "load_algorithms", lambda: now)
    assert raised(before) == [f"algorithm infer {before['infer']} -> {before['infer'] + 1}: another vote"]
    assert raised({"tally": before["tally"]}) == []
    assert raised({"older": 2}) == ["algorithm older 2 is gone"]


def test_every_number_is_in_a_fingerprint():
    read = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "algorithm_numbers":
                read |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    assert read == load_algorithms().keys()
