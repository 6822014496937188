"""The table of refused rows holds those of all parts."""

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.photometry.table import quarantine_schema
from jpasbatch.stages.run.quarantine import publish_quarantine


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
