"""Options check what their fields declare, and say it in words."""

import pickle
import re
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MinLen, MultipleOf

from jpasbatch.options import Matches, Options, allowed_values, from_table


@dataclass(frozen=True)
class Inner(Options):
    name: str
    depth: Annotated[float, Interval(gt=0, lt=40)] = 20.0


@dataclass(frozen=True)
class Example(Options):
    share: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    layers: Annotated[tuple[Annotated[int, Interval(ge=1, le=10_000)], ...], Len(1)] = (8,)
    way: Literal["one", "other"] = "one"
    most: Annotated[int, Ge(1)] | None = None
    code: Annotated[str, Matches(r"[A-Z]{3}", "three capitals, like ABC")] = "ABC"
    weights: dict[str, Annotated[float, Gt(0)]] | None = None
    ends: tuple[float, float] = (0.0, 1.0)
    inner: tuple[Inner, ...] = ()
    free: bool = False

    def check_relations(self) -> None:
        if self.most is not None and len(self.layers) > self.most:
            raise ValueError("layers: more than most")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 1.0}, "share: found 1.0; allowed is 0 to below 1"),
        ({"share": np.nan}, "share: found nan; allowed is 0 to below 1"),
        ({"layers": ()}, "layers: found (); allowed is a list of at least 1, each 1 to 10000"),
        ({"layers": (8, 0)}, "layers: found (8, 0); allowed is a list of at least 1, each 1 to 10000"),
        ({"way": "both"}, "way: found 'both'; allowed: 'one', 'other'"),
        ({"most": 0}, "most: found 0; allowed is a number of at least 1"),
        ({"code": "abc"}, "code: found 'abc'; allowed is three capitals, like ABC"),
        ({"weights": {"a": 0.0}}, "weights: found {'a': 0.0}; allowed is a table, each a number above 0"),
        ({"layers": (8, 8), "most": 1}, "layers: more than most"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(wrong, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        Example(**wrong)


def test_values_that_are_allowed():
    made = Example(share=0.0, layers=(1, 10_000), way="other", most=2, code="XYZ", weights={"a": 0.1})
    assert pickle.loads(pickle.dumps(made)) == made
    assert len(pickle.dumps(made)) < 400, "limits are of the class and do not travel"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Annotated[float, Interval(gt=0, le=1)], "allowed is above 0 to 1"),
        (Annotated[float, Interval(gt=0, lt=np.inf)], "allowed is a finite number above 0"),
        (Annotated[float, Interval(ge=0, lt=np.inf)], "allowed is a finite number of at least 0"),
        (Annotated[float, Interval(gt=-np.inf, lt=np.inf)], "allowed is a finite number"),
        (Annotated[float, Gt(2.5)], "allowed is a number above 2.5"),
        (Annotated[int, Ge(0)], "allowed is a number of at least 0"),
        (Annotated[int, Le(9)], "allowed is a number of at most 9"),
        (Annotated[int, Lt(9)], "allowed is a number below 9"),
        (Annotated[int, Interval(ge=4, le=512), MultipleOf(4)], "allowed is 4 to 512, a multiple of 4"),
        (Annotated[str, MinLen(1)], "allowed is text of at least 1 characters"),
        (Annotated[tuple[str, ...], Len(2, 6)], "allowed is a list of 2 to 6"),
        (Annotated[tuple[str, ...], Len(0, 6)], "allowed is a list of at most 6"),
        (tuple[Literal["a", "b"], ...], "allowed is a list, each 'a', 'b'"),
        (Literal[0, 1] | None, "allowed: 0, 1"),
    ],
)
def test_limits_in_words(declared, words):
    assert allowed_values(declared) == words


def test_a_table_becomes_options_and_those_within():
    table = {"layers": [4, 4], "ends": [0, 2], "inner": [{"name": "i", "depth": 25}], "weights": {"a": 1}}
    assert from_table(Example, table, "example") == Example(
        layers=(4, 4), ends=(0.0, 2.0), inner=(Inner("i", 25.0),), weights={"a": 1.0}
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"lairs": [4]}, "example: unknown key 'lairs'; allowed are share, layers"),
        ({"inner": [{"depth": 3}]}, "example: inner[0]: the key 'name' is missing"),
        ({"inner": [{"name": "i", "depth": 50}]}, "example: inner[0] (i): depth: found 50; allowed is above 0"),
        ({"inner": {"name": "i"}}, "example: inner = {'name': 'i'} must be a list"),
        ({"inner": [3]}, "example: inner[0]: must be a table, found 3"),
        ({"share": "0.5"}, "example: share = '0.5' must be a number"),
        ({"share": True}, "example: share = True must be a number"),
        ({"most": 1.5}, "example: most = 1.5 must be a whole number"),
        ({"layers": [4, "8"]}, "example: layers[1] = '8' must be a whole number"),
        ({"ends": [0]}, "example: ends = [0] must be a list of 2"),
        ({"free": 1}, "example: free = 1 must be true or false"),
        ({"code": 5}, "example: code = 5 must be text in quotes"),
        ({"weights": {"a": "1"}}, "example: weights.a = '1' must be a number"),
        ({"way": "both"}, "example: way: found 'both'; allowed: 'one', 'other'"),
        (3, "example: must be a table, found 3"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_an_error_that_names_the_key(table, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}"):
        from_table(Example, table, "example")
