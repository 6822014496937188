"""Each bad input of the list in docs/results/named_inputs.md has a test that runs by default."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs" / "results" / "named_inputs.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| `(.+?)::(.+?)` \|$", TEXT, flags=re.MULTILINE)
FILES = re.findall(r"^\| F(\d+) \| (.+?) \| (.+?) \| (.+?) \| `(.+?)::(.+?)` \|$", TEXT, flags=re.MULTILINE)


def test_thirty_six_inputs_are_listed_once():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 37))
    assert len({name for _, name, *_ in ROWS}) == 36


def test_files_that_a_job_names_are_listed_once():
    assert [int(number) for number, *_ in FILES] == list(range(1, TEXT.count("\n| F") + 1))


@pytest.mark.parametrize(("file", "name"), sorted({(file, name) for *_, file, name in ROWS + FILES}))
def test_its_test_is_there_and_no_slow_one(file, name):
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    [found] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name]
    assert not any(ast.unparse(one) == "pytest.mark.slow" for one in found.decorator_list)
