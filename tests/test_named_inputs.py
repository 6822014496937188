"""Each bad input of the list in docs/results/named_inputs.md has a test that runs by default."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = re.findall(
    r"^\| (\d+) \| (.+?) \| (.+?) \| `(.+?)::(.+?)` \|$",
    (TESTS.parent / "docs" / "results" / "named_inputs.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def test_thirty_six_inputs_are_listed_once():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 37))
    assert len({name for _, name, *_ in ROWS}) == 36


@pytest.mark.parametrize(("file", "name"), sorted({(file, name) for *_, file, name in ROWS}))
def test_its_test_is_there_and_no_slow_one(file, name):
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    [found] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name]
    assert not any(ast.unparse(one) == "pytest.mark.slow" for one in found.decorator_list)
