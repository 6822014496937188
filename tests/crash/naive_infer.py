"""The control: the same command with the protocol that everybody writes first.

Partitions are written in place, and skipped when the file exists. The harness must catch what that does
under kills; otherwise it would prove nothing about the real one.
"""

import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jpasbatch import cli
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.infer import stage as infer
from jpasbatch.stages.infer.partition import COLUMNS, classify
from jpasbatch.stages.run import commits, committed
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.storage.catalogue.partitions import (
    COMPRESSION,
    ROW_GROUP_ROWS,
    encodings,
    partition_file,
    read_partition,
)

PAUSE = 0.4  # seconds


def naive_commit(
    run: commits.Run, function: Callable[..., Any], key: str, arguments: tuple
) -> dict[str, Any]:
    """Write a partition in place unless it is there."""
    inference, order, pixel, _ = arguments
    folder = Path(inference.store)
    target = naive_version(folder / inference.sky) / partition_file(order, pixel)
    if target.exists():
        return {"rows": 0}
    survey = load_survey(inference.survey)
    committee = open_committee(inference.committee, survey, inference.options)
    path = folder / inference.catalogue / partition_file(order, pixel)
    table = read_partition(path, list(COLUMNS))
    records, _ = classify(table, survey, committee)
    buffer = io.BytesIO()
    pq.write_table(records, buffer, row_group_size=ROW_GROUP_ROWS, **COMPRESSION, **encodings(records.schema))
    data = buffer.getvalue()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        time.sleep(PAUSE)
        file.write(data[len(data) // 2 :])
    return {"rows": records.num_rows}


def naive_version(sky: Path) -> Path:
    return sky / "predictions-naive"


def naive_publish(site: Any, *_: Any) -> tuple[str, list[dict[str, Any]]]:
    """Publish whatever lies there."""
    return naive_version(site.folder).name, []


def main(arguments: Sequence[str]) -> int:
    """Run a command with the naive protocol."""
    commits.commit_task = naive_commit
    committed.whole_commits = lambda *_: set()
    infer._publish = naive_publish
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
