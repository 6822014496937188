"""A list on its way to the disk: what it holds is read once, whoever asks for it."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.products.targets import published_list
from jpasbatch.products.targets.candidates import find_candidates
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.published_list import Kept, PublishedList, candidates_name
from jpasbatch.products.targets.targets import TargetTally
from jpasbatch.products.targets.weave import Submission

TABLES = [
    pa.table({"number": list(range(start, 5))}, metadata={b"part": b"%d" % start}) for start in (0, 3, 5)
]


@pytest.mark.parametrize("in_memory", [1, 10**6])
def test_tables_are_made_once_and_read_again_also_at_the_same_time(monkeypatch, in_memory):
    monkeypatch.setattr(published_list, "IN_MEMORY", in_memory)
    made = []
    kept = Kept(made.append(one) or one for one in TABLES)
    for one, other, true in zip(kept, kept, TABLES, strict=True):
        assert one.equals(true, check_metadata=True)
        assert other.equals(true, check_metadata=True)
    assert len(made) == len(TABLES)


def test_photometry_is_looked_up_once_for_the_identity_and_the_table(mock):
    rows, _ = mock
    rule = TargetProgramme(min_probability=0.3, density="20 / deg2")
    candidates = find_candidates(rows, (rule,), 3)
    summary = TargetTally.create(rule).add(candidates).extract()
    asked = []

    def look_up(objects, columns):
        asked.append(len(objects))
        return pa.table({"object_id": list(objects), "seen": [float(one) for one in objects.values()]})

    listed = PublishedList(summary, Submission(), lambda: iter([candidates]), look_up, {})
    version = listed.version()
    assert version.identity == listed.version().identity
    file = io.BytesIO()
    version.files[candidates_name(listed.stem)]("2027-01-15T00:00:00Z")(file)
    table = pq.read_table(file)
    assert asked == [summary.number]
    assert table.num_rows - table["seen"].null_count == summary.number
