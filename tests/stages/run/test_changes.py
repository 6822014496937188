from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.algorithms import load_algorithms
from jpasbatch.stages.run.changes import (
    FIRST,
    UNKNOWN,
    changed_files,
    changed_parts,
    digests,
    ingredients,
    named_parts,
    reasons,
)
from jpasbatch.storage.stores.ledger import fingerprint


def test_what_changed_is_named():
    parts = {"code": "a", "options": {"x": 1}}
    record = {"parts": digests(parts)}
    assert changed_parts(record, parts) == []
    assert changed_parts(record, {"code": "b", "options": {"x": 1}}) == ["code"]
    assert changed_parts(record, {"code": "a", "survey": 1}) == ["options", "survey"]


def test_a_first_run_has_nothing_to_compare_with():
    assert changed_parts(None, {"code": "a"}) == [FIRST]
    assert changed_parts({"stage": "infer"}, {"code": "a"}) == [FIRST]  # of a version that kept no parts


def test_reasons_name_the_option_with_both_values():
    before = {"options": {"cuts": {"flags": 0, "mask_flags": 0}}, "survey": "s" * 100, "algorithms": {}}
    now = {"options": {"cuts": {"flags": 3, "mask_flags": 0}}, "survey": "t" * 100, "algorithms": {}}
    record = named_parts(before)
    assert reasons(record, before) == []
    assert reasons(record, now) == ["options.cuts.flags: 0 -> 3", "survey changed"]


def test_reasons_name_what_is_new_and_what_is_gone():
    record = named_parts({"kind": "a", "old": {"x": 1}, "long": "v" * 99})
    assert reasons(record, {"kind": "a", "new": None}) == [
        "long is gone",
        "new: nothing -> null",
        "old.x: 1 -> nothing",
    ]


def test_reasons_tell_what_changed_with_an_algorithm():
    number = load_algorithms()["infer"].number
    parts = {"algorithms": {"infer": number}}
    record = {**named_parts({"algorithms": {"infer": number - 1}}), "algorithms": {"infer": number - 1}}
    (line,) = reasons(record, parts)
    assert line.startswith(f"algorithm infer {number - 1} -> {number}: ")


def test_a_record_of_an_older_version_says_that_it_does_not_know():
    parts = {"options": {"x": 1}}
    assert reasons(None, parts) == [FIRST]
    assert reasons({"stage": "train", "algorithms": {}}, parts) == [UNKNOWN]
    # a version between kept the hash of each part, and not what is in it
    assert reasons({"parts": digests({"options": {"x": 2}})}, parts) == ["options changed"]
    assert reasons({"parts": digests(parts)}, parts) == []


def test_a_long_value_is_kept_as_a_hash():
    assert ingredients({"a": {"b": "x" * 1000, "c": [1, 2]}, "d": {}}).keys() == {"a.b", "a.c", "d"}
    assert all(len(text) <= 60 for text in ingredients({"a": {"b": "x" * 1000}}).values())


JSON = st.recursive(
    st.sampled_from([None, True, 0, 1, "", "x", "y" * 99, "z" * 99]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "a.b", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)
PARTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON)


@given(PARTS, PARTS)
def test_there_is_a_reason_whenever_fingerprints_differ_and_only_then(before, now):
    same = fingerprint(**before) == fingerprint(**now)
    assert (reasons(named_parts(before), now) == []) == same


def test_files_are_named_by_what_became_of_them():
    before = {"a": "1", "b": "1", "c": "1"}
    now = {"b": "2", "c": "1", **{f"n{index}": "3" for index in range(5)}}
    assert changed_files(before, now) == [
        "5 input files new: n0, n1, n2 and 2 more",
        "1 input file changed: b",
        "1 input file gone: a",
    ]
    now["z"] = "1"
    assert changed_files(before, now)[2:] == ["1 input file renamed: a to z"]
    assert changed_files(now, now) == []
