"""What a commit says of a partition: the same JSON as ever, and nothing of another type."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.partition_facts import KEYS, partition_facts
from jpasbatch.storage.catalogue.partitions import EMPTY, StagedPartition

STAGED = StagedPartition("sky/.staging/ab/one.parquet", "cd" * 32, 7, 99, "stamp")


def test_a_commit_has_the_keys_that_it_always_had():
    facts = STAGED.facts((5, 77), "sky", "ab", quarantined=2)
    assert facts.to_record() == {
        "order": 5,
        "pixel": 77,
        "rows": 7,
        "bytes": 99,
        "sha256": "cd" * 32,
        "path": ".staging/ab/one.parquet",
        "fingerprint": "ab",
        "quarantined": 2,
    }
    assert facts.healpix == (5, 77)
    assert EMPTY.facts((5, 77), "sky", "ab").path == ""
    commit = {**json.loads(json.dumps(facts.to_record())), "files": {"one": "stamp"}, "more": 1}
    assert partition_facts(commit) == facts
    assert partition_facts(facts) is facts


@given(st.sampled_from(KEYS), st.sampled_from([None, [], {}, "x", 1.5, float("nan")]))
def test_a_value_of_another_type_is_refused_by_its_key(key, value):
    record = STAGED.facts((5, 77), "sky", "ab").to_record() | {key: value}
    if isinstance(value, str) and isinstance(getattr(STAGED.facts((5, 77), "sky", "ab"), key), str):
        assert getattr(partition_facts(record), key) == value
        return
    with pytest.raises(InputError, match=rf"record is damaged \({key}: .*Nothing was published"):
        partition_facts(record)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key):
    record = STAGED.facts((5, 77), "sky", "ab").to_record()
    del record[key]
    with pytest.raises(InputError, match=f"record lacks {key}: "):
        partition_facts(record)
