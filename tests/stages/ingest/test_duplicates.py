"""Duplicate ids across files, against a dictionary that holds them all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.stages.ingest import duplicates
from jpasbatch.stages.ingest.duplicates import find_duplicates, hash_identifiers


def write(folder, tables):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, identifiers in enumerate(tables):
        paths.append(folder / f"{number}.parquet")
        pq.write_table(pa.table({"object_id": pa.array(identifiers, pa.string())}), paths[-1])
    return paths


def expected(paths, tables):
    seen, found = set(), {}
    for path, identifiers in zip(paths, tables, strict=True):
        for row, identifier in enumerate(identifiers):
            if identifier in seen:
                found.setdefault(path, []).append((row, identifier))
            seen.add(identifier)
    return found


@given(st.lists(st.lists(st.text("ab1-é", max_size=3), max_size=30), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_later_row_is_found(tmp_path, tables):
    paths = write(tmp_path, tables)
    assert find_duplicates(paths, tmp_path / "scratch") == expected(paths, tables)
    assert not (tmp_path / "scratch").exists()


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_that_share_a_hash_are_not_taken_for_equal(tmp_path, tables):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "hash_identifiers", lambda texts: hash_identifiers(["same"] * len(texts)))
        paths = write(tmp_path, tables)
        assert find_duplicates(paths, tmp_path / "scratch") == expected(paths, tables)


def test_rows_beyond_a_batch_keep_their_number(tmp_path):
    many = [f"a-{number}" for number in range(200_010)]
    tables = [[*many, many[5]], ["b", many[200_005]]]
    paths = write(tmp_path, tables)
    assert find_duplicates(paths, tmp_path / "scratch") == {
        paths[0]: [(200_010, "a-5")],
        paths[1]: [(1, "a-200005")],
    }


def test_scratch_of_a_crash_is_no_input(tmp_path):
    paths = write(tmp_path, [["a"], ["b"]])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for bucket in range(duplicates.BUCKETS):
        (scratch / f"{bucket:02d}").write_bytes(b"\0" * 2 * duplicates.ENTRY.itemsize)
    assert find_duplicates(paths, scratch) == {}


def test_hashes_are_stable():
    assert hash_identifiers([]).tolist() == []
    assert hash_identifiers(["2406-15603"]).tolist() == hash_identifiers(["x", "2406-15603"])[1:].tolist()
