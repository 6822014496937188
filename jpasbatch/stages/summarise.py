"""Stage ``summarise``: predictions in; counts, calibration, target lists and the report out.

Every partition is tallied on a worker; tallies are small, come back through files, and are added one at a
time, so that the driver holds one of them and the sum.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.config import Job
from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import load_survey
from jpasbatch.products.report import render_report
from jpasbatch.products.survey_tally import check_products
from jpasbatch.products.targets import select_targets, target_schema
from jpasbatch.products.weave import weave_file_name, write_weave_catalogue
from jpasbatch.products.weave_template import WeaveTemplate, read_template
from jpasbatch.stages.commits import hash_files, whole_commits
from jpasbatch.stages.infer import PREDICTIONS, partition_name
from jpasbatch.stages.mapping import map_tasks, require_all
from jpasbatch.stages.summary import report_content, summary_values
from jpasbatch.stages.tallies import Tallies, align
from jpasbatch.stages.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue import (
    Catalogue,
    current_extension,
    open_catalogue,
    partition_file,
    read_partition,
)
from jpasbatch.storage.files import sha256_file, write_atomically, written_aside
from jpasbatch.storage.ledger import Ledger, code_fingerprint, fingerprint

COLUMNS = ("object_id", "flux", "flux_err", "true_class", "true_redshift")
CODE = ("products", "learning", "photometry", "stages.summarise", "stages.summary", "stages.tallies")


def run_summarise(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Tally the published predictions, write the products and return the stage's record.

    Raises
    ------
    InputError
        When nothing is published, or the predictions are of other classes than the job's.
    """
    job = workspace.job
    predictions = open_catalogue(current_extension(workspace.sky, PREDICTIONS))
    photometry = open_catalogue(workspace.sky)
    _check_classes(predictions.schema, job)
    check_products(job.products, workspace.survey, tuple(job.classes))
    identity = fingerprint(
        predictions=predictions.name,
        photometry=photometry.name,
        job=job.model_dump(
            include={"name", "title", "classes", "counts", "distributions", "targets", "seed"}
        ),
        submission=repr(job.submission),
        template=sha256_file(Path(job.submission.template)) if job.submission.template else None,
        survey=repr(workspace.survey),
        code=code_fingerprint(*CODE),
    )
    unchanged = workspace.unchanged("summarise", identity)
    if unchanged and _products_are_whole(workspace.folder, unchanged["files"]):
        return unchanged
    folder = workspace.run_folder("summarise", identity)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with stopwatch() as elapsed:
        tallies = _tally(workspace, (photometry, predictions), folder, executor)
        files = [
            _publish(
                workspace.folder / "targets" / weave_file_name(programme),
                _target_writer(job, folder, n, created),
            )
            for n, programme in enumerate(job.targets)
        ]
        records = _stage_records(workspace)
        page = render_report(report_content(workspace, tallies, records, created, identity))
        write_atomically(workspace.folder / "report.html", page.encode())
    seconds = elapsed[0]
    values = summary_values(
        workspace, tallies, {**records, "summarise": {"seconds": round(seconds, 2)}}, created
    )
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    write_atomically(workspace.folder / "summary.json", text.encode())
    products = [*files, workspace.folder / "report.html", workspace.folder / "summary.json"]
    content = {
        "files": {str(path.relative_to(workspace.folder)): sha256_file(path) for path in products},
        "partitions": len(predictions.pixels),
        "rows_out": predictions.rows,
        "counts": values["counts"],
        "targets": {name: facts["number"] for name, facts in values["targets"].items()},
    }
    return workspace.finish("summarise", identity, seconds, content)


def _check_classes(schema: pa.Schema, job: Job) -> None:
    found = [name.removeprefix("probability_") for name in schema.names if name.startswith("probability_")]
    if found != list(job.classes):
        raise InputError(
            f"the published predictions are of the classes {', '.join(found)}, job '{job.name}' has "
            f"{', '.join(job.classes)}; run infer with this job first"
        )


def _products_are_whole(folder: Path, files: dict[str, str]) -> bool:
    return all(
        (folder / name).is_file() and sha256_file(folder / name) == digest for name, digest in files.items()
    )


def _stage_records(workspace: Workspace) -> dict[str, dict[str, Any]]:
    records = {stage: workspace.record(stage) for stage in ("mock", "ingest", "train", "infer")}
    return {stage: record for stage, record in records.items() if record is not None}


def _tally(
    workspace: Workspace, catalogues: tuple[Catalogue, Catalogue], folder: Path, executor: Executor
) -> Tallies:
    ledger = Ledger(folder / "ledger")
    done = whole_commits(ledger, folder)
    photometry, predictions = (str(catalogue.path) for catalogue in catalogues)
    pixels = catalogues[1].pixels
    tasks = [
        Task(name, (workspace.job, photometry, predictions, (order, pixel), str(folder)))
        for order, pixel in pixels
        if (name := partition_name(order, pixel)) not in done
    ]
    _, troubles = map_tasks("summarise: partitions", tally_partition, tasks, executor)
    require_all(troubles, "partitions")
    total = Tallies.create(workspace.job, workspace.survey)
    for order, pixel in pixels:
        values = json.loads((folder / "tallies" / f"{partition_name(order, pixel)}.json").read_bytes())
        total = total.merge(Tallies.from_dict(values, workspace.job))
    return total


def tally_partition(
    job: Job, photometry: str, predictions: str, pixel: tuple[int, int], folder: str
) -> dict[str, Any]:
    """Tally one partition of the published predictions and select its targets, then commit.

    Both catalogues are named as versions, so that all partitions are tallied of the same ones.

    Returns
    -------
    dict
        ``rows``.
    """
    survey, name = load_survey(job.survey), partition_name(*pixel)
    records = read_partition(Path(predictions) / partition_file(*pixel))
    table = read_partition(Path(photometry) / partition_file(*pixel), list(COLUMNS))
    tallies = Tallies.of_partition(records, align(table, records), job, survey)
    parts = [Path(folder) / "tallies" / f"{name}.json"]
    for number, programme in enumerate(job.targets):
        found = select_targets(records, programme, job.seed)
        part = Path(folder) / f"targets-{number}" / f"{name}.parquet"
        parts.append(_publish(part, lambda file, found=found: pq.write_table(found, file)))
    parts[0].parent.mkdir(parents=True, exist_ok=True)
    write_atomically(parts[0], json.dumps(tallies.to_dict()).encode())
    commit = {"rows": records.num_rows, "files": hash_files(Path(folder), parts)}
    Ledger(Path(folder) / "ledger").commit(name, commit)
    return {"rows": records.num_rows}


def _target_writer(job: Job, folder: Path, number: int, created: str) -> Callable[[BinaryIO], object]:
    """Return a function that writes the target catalogue of one programme, partition by partition."""

    def chunks() -> Iterator[pa.Table]:
        for path in sorted((folder / f"targets-{number}").glob("*.parquet"), key=_partition_order):
            yield pq.read_table(path, schema=target_schema())

    def write(file: BinaryIO) -> object:
        template = _template(job.submission.template)
        return write_weave_catalogue(file, chunks(), job.targets[number], job.submission, created, template)

    return write


def _template(path: str) -> WeaveTemplate | None:
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            return read_template(file)
    except OSError as error:
        raise InputError(f"submission.template: cannot read {path} ({error.strerror})") from error


def _partition_order(path: Path) -> tuple[int, ...]:
    order, pixel = (int(part) for part in path.stem.split("_"))
    return pixel << 2 * (29 - order), order


def _publish(target: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Write a file aside, fsync it and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(target) as aside, aside.open("w+b") as file:
        write(file)
    return target
