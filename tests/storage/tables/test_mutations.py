"""Mutated tables of four formats: refused by name, or read; never another exception, never silent under a checksum."""

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import good_tables, judge, mutate, read
from jpasbatch.photometry.survey import Survey

KINDS = ("bare.csv", "bare.fits", "bare.parquet", "bare.vot", "sums.fits", "sums.parquet")


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, tuple[Path, Survey]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy doubts a unit that CEFCA writes
        return good_tables(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def wanted(tables) -> dict[str, pa.Table]:
    return {name: read(path, survey)[0] for name, (path, survey) in tables.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_good_table_is_the_same(name, tables, wanted):
    path, survey = tables[name]
    assert judge(path, survey, wanted[name]) == ("same", "")


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**40))
def test_a_mutated_table_is_refused_or_read(name, seed, tables, wanted, tmp_path):
    path, survey = tables[name]
    mutated = tmp_path / name
    mutated.write_bytes(mutate(path.read_bytes(), np.random.default_rng(seed)))
    outcome, words = judge(mutated, survey, wanted[name])
    assert outcome != "traceback", words
    assert not (name.startswith("sums") and outcome == "changed")
