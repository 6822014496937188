"""Mutated tables of four formats: refused by name, or read; never another exception, never silent under a checksum."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import judge, mutate, read

KINDS = ("bare.csv", "bare.fits", "bare.parquet", "bare.vot", "sums.fits", "sums.parquet")


@pytest.fixture(scope="module")
def wanted(good) -> dict[str, pa.Table]:
    return {name: read(path, survey)[0] for name, (path, survey) in good.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_good_table_is_the_same(name, good, wanted):
    path, survey = good[name]
    assert judge(path, survey, wanted[name]) == ("same", "")


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**40))
def test_a_mutated_table_is_refused_or_read(name, seed, good, wanted, tmp_path):
    path, survey = good[name]
    mutated = tmp_path / name
    mutated.write_bytes(mutate(path.read_bytes(), np.random.default_rng(seed)))
    outcome, words = judge(mutated, survey, wanted[name])
    assert outcome != "traceback", words
    assert not (name.startswith("sums") and outcome == "changed")
