"""Commits are built upon only while their files are what was committed."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.table import quarantine_schema
from jpasbatch.stages.run.commits import hash_files, publish_quarantine, whole_commits
from jpasbatch.storage.stores.ledger import Ledger


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger")
    for key in "abc":
        path = tmp_path / f"{key}.bin"
        path.write_bytes(key.encode() * 100)
        ledger.commit(key, {"rows": 1, "files": hash_files(tmp_path, [path])})
    ledger.commit("empty", {"rows": 0, "files": {}})
    return ledger


def test_whole_commits_stay(ledger, tmp_path):
    assert sorted(whole_commits(ledger, tmp_path)) == ["a", "b", "c", "empty"]
    assert list(whole_commits(Ledger(tmp_path / "none"), tmp_path)) == []


def test_commits_of_damaged_files_are_forgotten(ledger, tmp_path, caplog):
    (tmp_path / "a.bin").unlink()
    (tmp_path / "b.bin").write_bytes(b"b" * 99)
    assert sorted(whole_commits(ledger, tmp_path)) == ["c", "empty"]
    assert ledger.keys() == ["c", "empty"]
    assert "a.bin is missing or damaged; it is computed again" in caplog.text


def test_a_damaged_record_is_an_error(ledger, tmp_path):
    (tmp_path / "ledger" / "a.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        whole_commits(ledger, tmp_path)


def test_the_quarantine_holds_all_parts(tmp_path):
    parts = []
    for number, reasons in enumerate((["flags", "flags"], [], ["dec out of range"])):
        columns = {
            "object_id": [f"{number}-{row}" for row in range(len(reasons))],
            "ra": [1.0] * len(reasons),
            "dec": [2.0] * len(reasons),
            "reason": reasons,
            "source": ["a.fits"] * len(reasons),
            "row": list(range(len(reasons))),
        }
        parts.append(tmp_path / f"{number}.parquet")
        pq.write_table(pa.table(columns, schema=quarantine_schema()), parts[-1])
    target = tmp_path / "quarantine" / "ingest.parquet"
    assert publish_quarantine(parts, target) == {"dec out of range": 1, "flags": 2}
    assert pq.read_table(target)["object_id"].to_pylist() == ["0-0", "0-1", "2-0"]
    assert publish_quarantine([], target) == {}
    assert pq.read_table(target).schema.equals(quarantine_schema())
    assert [path.name for path in target.parent.iterdir()] == ["ingest.parquet"]
