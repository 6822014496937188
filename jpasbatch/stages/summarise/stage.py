"""Stage ``summarise``: predictions in; counts, calibration, target lists and the report out.

Every partition is tallied on a worker; tallies are small, come back through the store of the run (files, or objects:
`jpasbatch.stages.run.site`), and are added one at a time, so that the driver holds few of them and the sum.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.cluster import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.products.report import render_report
from jpasbatch.products.survey_tally import check_products
from jpasbatch.products.targets.targets import select_targets, target_schema
from jpasbatch.products.targets.weave import weave_file_name, write_weave_catalogue
from jpasbatch.products.targets.weave_template import WeaveTemplate, read_template
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.partition_names import PREDICTIONS, tally_names
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.stages.summarise.summary import report_content, summary_values
from jpasbatch.stages.summarise.tallies import Tallies, align
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import parquet_bytes, partition_file, read_stored_partition
from jpasbatch.storage.stores.files import sha256_file, write_atomically, written_aside
from jpasbatch.storage.stores.ledger import code_fingerprint, fingerprint
from jpasbatch.storage.stores.store import Store, object_missing, read_object

COLUMNS = ("object_id", "flux", "flux_err", "true_class", "true_redshift")
CODE = ("pages", "products", "scoring", "learning", "photometry", "stages.summarise")


def run_summarise(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Tally the published predictions, write the products and return the stage's record.

    Raises
    ------
    InputError
        When nothing is published, or the predictions are of other classes than the job's.
    """
    job = workspace.job
    site = open_site(workspace)
    predictions = open_catalogue(current_extension(site.folder, PREDICTIONS))
    photometry = open_catalogue(site.folder)
    _check_classes(predictions.schema, job)
    check_products(job.products, workspace.survey, tuple(job.classes))
    base = fingerprint(
        job=job.model_dump(
            include={"name", "title", "classes", "counts", "distributions", "targets", "seed"}
        ),
        submission=repr(job.submission),
        template=sha256_file(Path(job.submission.template)) if job.submission.template else None,
        survey=repr(workspace.survey),
        code=code_fingerprint(*CODE),
    )
    identity = fingerprint(
        base=base, predictions=predictions.name, photometry=photometry.name, **site.identity
    )
    unchanged = workspace.unchanged("summarise", identity)
    if unchanged and _products_are_whole(workspace.folder, unchanged["files"]):
        return unchanged
    # what is tallied belongs to the bytes of a partition, and not to the version of the catalogue
    run, names = site.run("summarise", base), tally_names(photometry, predictions)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with stopwatch() as elapsed:
        tallies = _tally(site, (photometry, predictions), names, run, executor)
        files = [
            _publish(
                workspace.folder / "targets" / weave_file_name(programme),
                _target_writer(job, (run.inside, names), n, created),
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
    site: Site,
    catalogues: tuple[Catalogue, Catalogue],
    names: dict[tuple[int, int], str],
    run: Run,
    executor: Executor,
) -> Tallies:
    job = site.workspace.job
    versions = [site.key(catalogue.path.name) for catalogue in catalogues]
    tasks = {name: (pixel, name) for pixel, name in names.items()}
    site.check()
    shared = (job, run, *versions)
    title = "summarise: partitions"
    committed(run, title, tally_partition, tasks, executor, shared=shared).whole("partitions")
    total, place = Tallies.create(job, site.workspace.survey), run.inside
    for key, data in place.read_each(_tally_key(name) for name in names.values()):
        if data is None:
            raise object_missing(place, key)
        total = total.merge(Tallies.from_dict(json.loads(data), job))
    return total


def _tally_key(name: str) -> str:
    return f"tallies/{name}.json"


def _targets_key(programme: int, name: str) -> str:
    return f"targets-{programme}/{name}.parquet"


def tally_partition(
    job: Job, run: Run, photometry: str, predictions: str, pixel: tuple[int, int], name: str
) -> Made:
    """Tally one partition of the published predictions and select its targets.

    Both catalogues are named as versions, so that all partitions are tallied of the same ones.

    Parameters
    ----------
    job : Job
    run : Run
    photometry, predictions : str
        Keys of the versions in its store.
    pixel : (int, int)
    name : str
        Of the commit; files are named after it.
    """
    survey, site, place = load_survey(job.survey), run.store, run.inside
    file = partition_file(*pixel).as_posix()
    records = read_stored_partition(site, f"{predictions}/{file}")
    table = read_stored_partition(site, f"{photometry}/{file}", COLUMNS)
    tallies = Tallies.of_partition(records, align(table, records), job, survey)
    parts = [_tally_key(name)]
    for number, programme in enumerate(job.targets):
        parts.append(_targets_key(number, name))
        place.put(parts[-1], parquet_bytes(select_targets(records, programme, job.seed)))
    place.put(parts[0], json.dumps(tallies.to_dict()).encode())
    return Made(records.num_rows, files=[f"{run.folder}/{part}" for part in parts])


def _target_writer(
    job: Job, source: tuple[Store, dict[tuple[int, int], str]], number: int, created: str
) -> Callable[[BinaryIO], object]:
    """Return a function that writes the target catalogue of one programme, partition by partition."""
    run, names = source

    def chunks() -> Iterator[pa.Table]:
        for pixel in sorted(names, key=_sky_order):
            part = read_object(run, _targets_key(number, names[pixel]))
            yield pq.read_table(pa.BufferReader(part), schema=target_schema())

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


def _sky_order(partition: tuple[int, int]) -> tuple[int, int]:
    order, pixel = partition
    return pixel << 2 * (29 - order), order


def _publish(target: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Write a file aside, fsync it and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(target) as aside, aside.open("w+b") as file:
        write(file)
    return target
