"""Stage ``summarise``: predictions in; the products and the report out.

Every partition is tallied on a worker; tallies are small, come back through the store of the run (files, or objects:
`jpasbatch.stages.run.site`), and are added one at a time, so that the driver holds few of them and the sum.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.footprint.coverage import Coverage
from jpasbatch.footprint.reading import read_coverage
from jpasbatch.job.job import Job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.prior import Prior
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.protocol import Findings, Product
from jpasbatch.products.record import record_ranges
from jpasbatch.products.registry import PRODUCTS, ProductRequest, check_files, check_products, named_files
from jpasbatch.products.tallies import Tallies, check_columns, needed_columns
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.partition_names import POSTERIORS, PREDICTIONS, Pixel, tally_names
from jpasbatch.stages.run.priors import read_prior
from jpasbatch.stages.run.records import StageRecord, finish, required, unchanged
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.stage_facts import CorrectFacts, SummariseFacts
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.stages.summarise.earlier import Earlier
from jpasbatch.stages.summarise.observed import completeness_of, share_coverage, with_observed
from jpasbatch.stages.summarise.publishing import write_products, write_report
from jpasbatch.stages.summarise.rows import Files, read_rows, row_reader
from jpasbatch.stages.summarise.summary import (
    Outcome,
    headlines,
    origin_of_truth,
    summary_values,
    table_provenance,
)
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import parquet_bytes, partition_file
from jpasbatch.storage.stores.files import sha256_file, write_atomically
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.store import Store, object_missing, read_object


def run_summarise(workspace: Workspace, executor: Executor) -> StageRecord[SummariseFacts]:
    """Tally the published predictions, write the products and return the stage's record.

    Raises
    ------
    InputError
        When nothing is published, or the predictions are of other classes than the job's.
    """
    job = workspace.job
    site = open_site(workspace)
    sky = open_sky(site)
    predictions = sky.predictions
    _check_classes(predictions.schema, job)
    request = replace(job.products, redshifts=record_ranges(predictions.schema))
    products = request.products(workspace.survey)
    check_products(products)
    check_columns(sky.photometry.schema.names, products)
    parts = tally_parts(workspace, request)
    base = fingerprint(**parts)
    given = given_versions(site, sky)
    identity = fingerprint(base=base, **given)
    named = {**parts, **given, "algorithms": algorithm_numbers("tally", "summarise")}
    done = unchanged(workspace, SummariseFacts, identity, named)
    if done and products_are_whole(workspace.folder, done.facts.files):
        return done
    # what is tallied belongs to the bytes of a partition, and not to the version of the catalogue
    run, names = site.run("summarise", base), tally_names(sky.photometry, predictions, sky.posteriors)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with stopwatch() as elapsed:
        coverage, completeness = read_coverage(job.product_options["area"]), completeness_of(job)
        earlier = Earlier.of(workspace)
        told = table_provenance(workspace, earlier, identity)
        products = request.products(workspace.survey, sky.prior, coverage, completeness, told)
        check_products(products)
        check_files(products)
        total = _tally(site, sky, (request, products), names, run, executor)
        look_up = row_reader(site.store, site.key(sky.photometry.path.name), sky.photometry)
        found = Findings(products[0].setting, total.extract(look_up), origin_of_truth(workspace))
        findings = found.completed(products)
        _check_overlap(findings, coverage)
        outcome = Outcome(workspace, products, findings, earlier, created)
        files = write_products(outcome, _Parts(run.inside, names), look_up)
        files += write_report(outcome, identity)
    seconds = elapsed[0]
    text = json.dumps(summary_values(outcome, seconds), indent=1, sort_keys=True) + "\n"
    write_atomically(workspace.folder / "summary.json", text.encode())
    written = [*files, workspace.folder / "summary.json"]
    facts = SummariseFacts(
        headlines=headlines(outcome),
        files={str(path.relative_to(workspace.folder)): sha256_file(path) for path in written},
        partitions=len(predictions.pixels),
        rows_out=predictions.rows,
    )
    return finish(workspace, facts, identity, seconds, named, named["algorithms"])


class _Sky(NamedTuple):
    """The catalogues that are summarised, and the class shares where probabilities are corrected."""

    photometry: Catalogue
    predictions: Catalogue
    posteriors: Catalogue | None
    prior: Prior | None


def open_sky(site: Site) -> _Sky:
    """Open what is published.

    Raises
    ------
    InputError
        When something is missing, or the posteriors are not of these predictions.
    """
    photometry = open_catalogue(site.folder)
    predictions = open_catalogue(current_extension(site.folder, PREDICTIONS))
    if site.workspace.job.prior.kind == "none":
        return _Sky(photometry, predictions, None, None)
    corrected = required(site.workspace, CorrectFacts).facts
    posteriors = open_catalogue(current_extension(site.folder, POSTERIORS))
    if corrected.predictions != predictions.name:
        raise InputError(
            "the posteriors that are published are of other predictions: run `jpasbatch correct JOB.toml` (or `run`) "
            "again"
        )
    return _Sky(photometry, predictions, posteriors, read_prior(str(site.store), corrected.prior))


def given_versions(site: Site, sky: _Sky) -> dict[str, Any]:
    """Return what else decides the products: which versions are summarised, by name."""
    return {
        "predictions": sky.predictions.name,
        "photometry": sky.photometry.name,
        "posteriors": sky.posteriors.name if sky.posteriors else None,
        "algorithms": algorithm_numbers("summarise"),
        **site.identity,
    }


def tally_parts(workspace: Workspace, request: ProductRequest) -> dict[str, Any]:
    """Return all that decides what a partition adds, and how it is shown, by name."""
    job = workspace.job
    tables = job.product_options
    # what workers find inside depends on how the driver drew the mask
    drawn = ("summarise",) if tables["area"].masked else ()
    ranges = {} if request.redshifts is None else {"redshifts": repr(request.redshifts)}
    return {
        "job": job.model_dump(include={"name", "title", "classes", "seed"}),
        "products": [product.name for product in PRODUCTS],
        "tables": {name: repr(value) for name, value in tables.items()},
        # what the package itself holds for a table that a job names
        "options": [repr(product.options_of(tables)) for product in PRODUCTS],
        "files": {key: sha256_file(Path(path)) for key, path in named_files(tables).items()},
        "survey": workspace.survey_text("summarise"),
        "algorithms": algorithm_numbers("tally", *drawn),
        **ranges,
    }


def _check_overlap(findings: Findings, coverage: Coverage | None) -> None:
    """Refuse a coverage without any object: its densities would all be 0."""
    counts = findings.get(CountSummary)
    if coverage is not None and counts is not None and counts.outside and not counts.objects:
        raise InputError(
            f"[area]: none of the {counts.outside:,} objects lies in the observed part of the sky, of "
            f"{coverage.area_deg2:.4g} deg2; allowed is a file of the same catalogue, with right ascension in degrees "
            "and pixels in the order that it says"
        )


def _check_classes(schema: pa.Schema, job: Job) -> None:
    found = [name.removeprefix("probability_") for name in schema.names if name.startswith("probability_")]
    if found != list(job.classes):
        raise InputError(
            f"the published predictions are of the classes {', '.join(found)}, job '{job.name}' has "
            f"{', '.join(job.classes)}; run infer with this job first"
        )
    if (job.redshifts is None) != (record_ranges(schema) is None):
        raise InputError(
            f"the published predictions have {'no ' if job.redshifts else ''}redshifts, job '{job.name}' has "
            f"{'a' if job.redshifts else 'no'} table [redshifts]; run infer with this job first"
        )


def products_are_whole(folder: Path, files: dict[str, str]) -> bool:
    """Return whether all files that a record names are there, with the bytes that it recorded."""
    return all(
        (folder / name).is_file() and sha256_file(folder / name) == digest for name, digest in files.items()
    )


def _tally(
    site: Site,
    sky: _Sky,
    asked: tuple[ProductRequest, tuple[Product, ...]],
    names: dict[Pixel, str],
    run: Run,
    executor: Executor,
) -> Tallies:
    request, products = asked
    given = (sky.photometry, sky.predictions, sky.posteriors)
    versions = [None if catalogue is None else site.key(catalogue.path.name) for catalogue in given]
    tasks = {name: (pixel, name) for pixel, name in names.items()}
    site.check()
    shared = (request, run, *versions)
    if (coverage := products[0].setting.coverage) is not None:
        share_coverage(coverage, run.inside, names)
    title = "summarise: partitions"
    commits = committed(run, title, tally_partition, tasks, executor, shared=shared)
    commits.measure(site.workspace, "summarise")
    commits.whole("partitions")
    place = run.inside
    total = Tallies.create(products)
    for key, data in place.read_each(_tally_key(name) for name in names.values()):
        if data is None:
            raise object_missing(place, key)
        total = total.merge(Tallies.from_dict(json.loads(data), products))
    return total


def _tally_key(name: str) -> str:
    return f"tallies/{name}.json"


def _part_key(part: str, name: str) -> str:
    return f"{part}/{name}.parquet"


def tally_partition(
    request: ProductRequest,
    run: Run,
    photometry: str,
    predictions: str,
    posteriors: str | None,
    pixel: Pixel,
    name: str,
) -> Made:
    """Tally one partition of the published predictions, and keep the parts that products ask for.

    Catalogues are named as versions, so that all partitions are tallied of the same ones.

    Parameters
    ----------
    request : ProductRequest
    run : Run
    photometry, predictions, posteriors : str
        Keys of the versions in its store; no posteriors where probabilities are not corrected.
    pixel : (int, int)
    name : str
        Of the commit; files are named after it.
    """
    products = request.products(load_survey(request.survey))
    file = partition_file(*pixel).as_posix()
    corrected = None if posteriors is None else f"{posteriors}/{file}"
    files = Files(f"{predictions}/{file}", f"{photometry}/{file}", corrected)
    rows = read_rows(run.store, files, needed_columns(products), products[0].setting)
    if request.tables["area"].masked:
        rows = with_observed(rows, run.inside, name)
    tallies = Tallies.create(products).add(rows)
    written = {_part_key(part, name): parquet_bytes(table) for part, table in tallies.parts().items()}
    written[_tally_key(name)] = json.dumps(tallies.to_dict()).encode()
    place = run.inside
    for key, data in written.items():
        place.put(key, data)
    return Made(rows.predictions.num_rows, files=[f"{run.folder}/{key}" for key in written])


class _Parts:
    """Reads what products left of each partition, in the order of the sky. See `jpasbatch.products.protocol.Parts`."""

    def __init__(self, run: Store, names: dict[Pixel, str]) -> None:
        self.run, self.names = run, [names[pixel] for pixel in sorted(names, key=_sky_order)]

    def __call__(self, part: str) -> Iterator[pa.Table]:
        for name in self.names:
            yield pq.read_table(pa.BufferReader(read_object(self.run, _part_key(part, name))))


def _sky_order(partition: tuple[int, int]) -> tuple[int, int]:
    order, pixel = partition
    return pixel << 2 * (29 - order), order
