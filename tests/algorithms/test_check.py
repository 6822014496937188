"""The code of each algorithm is that of its number; if this fails, read the message."""

import pytest

from jpasbatch.algorithms import load_algorithms
from tests.algorithms.check import changed_code, closures, complaint
from tests.algorithms.source import Source


@pytest.fixture(scope="module")
def changed():
    return changed_code(closures(Source.read(), load_algorithms()), load_algorithms())


@pytest.mark.parametrize("name", load_algorithms())
def test_the_code_is_that_of_the_number(changed, name):
    assert name not in changed, complaint(name, changed[name])


def test_the_complaint_says_what_to_do():
    text = complaint("infer", [f"jpasbatch.place:name_{number}" for number in range(10)])
    assert text.startswith("algorithm infer: its code changed (jpasbatch.place:name_0, ")
    assert "and 2 more). Run `make bless`" in text
    assert 'python -m tests.algorithms raise infer "what changed"' in text
