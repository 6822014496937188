import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.storage.stores.ledger import (
    Ledger,
    canonical_json,
    fingerprint,
    without_undefined,
)

RECORD = {"order": 3, "pixel": 17, "rows": 4, "sha256": "ab", "note": "Ångström"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_round_trips(value):
    assert json.loads(canonical_json(value)) == value
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


def test_equal_parts_in_another_order_have_one_fingerprint():
    one = fingerprint(options={"a": 1, "b": (1.5, 2)}, path=Path("x"), rows=np.int64(3))
    two = fingerprint(rows=3, path="x", options={"b": [1.5, 2], "a": 1})
    assert one == two
    assert len(one) == 64
    assert one != fingerprint(options={"a": 1, "b": (1.5, 3)}, path=Path("x"), rows=3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="in "):
        fingerprint(value=value)


def test_undefined_scores_become_null():
    assert without_undefined({"f1": [float("nan"), 0.5], "n": 3}) == {"f1": [None, 0.5], "n": 3}


def test_a_record_is_committed_once(tmp_path):
    ledger = Ledger(tmp_path / "run")
    assert ledger.keys() == []
    assert ledger.read("3_17") is None
    assert ledger.commit("3_17", RECORD)
    assert not ledger.commit("3_17", RECORD | {"rows": 5})
    assert ledger.read("3_17") == RECORD
    assert ledger.commit("3_2", RECORD)
    assert Ledger(tmp_path / "run").keys() == ["3_17", "3_2"]


def test_a_forgotten_record_can_be_committed_again(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.commit("3_17", RECORD)
    ledger.forget("3_17")
    ledger.forget("3_18")
    assert ledger.read("3_17") is None
    assert ledger.commit("3_17", RECORD)


def test_quarantine_is_apart_and_overruled_by_a_commit(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.quarantine("3_17", {"error": "one"})
    ledger.quarantine("3_17", {"error": "two"})
    ledger.quarantine("3_18", {"error": "three"})
    assert ledger.keys() == []
    assert ledger.quarantined() == {"3_17": {"error": "two"}, "3_18": {"error": "three"}}
    ledger.commit("3_17", RECORD)
    assert list(ledger.quarantined()) == ["3_18"]
    ledger.release("3_18")
    assert ledger.quarantined() == {}


@pytest.mark.parametrize("key", ["", "../3_17", "a/b", ".hidden", "x" * 201, "a b"])
def test_a_key_is_a_plain_file_name(tmp_path, key):
    with pytest.raises(ValueError, match="ledger key"):
        Ledger(tmp_path).commit(key, RECORD)


def test_every_flipped_byte_and_every_truncation_is_noticed(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.commit("3_17", RECORD)
    path = tmp_path / "3_17.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        for damaged in (
            whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :],
            whole[:position],
        ):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=r"3_17\.json is damaged"):
                ledger.read("3_17")
