"""Stage ``correct``: predictions in; class shares of the sky and posteriors out.

A committee learns from a sample in which classes are about as frequent as each other. On a sky they are not. Workers
count what the committee says of every object; the share of each class in each stratum is found from that; and
probabilities under these shares are published as an extension of the catalogue, beside the committee's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.table import read_shares
from jpasbatch.products.posteriors import posterior_schema, reference_role
from jpasbatch.stages.correct.partition import (
    Correction,
    Sky,
    cells_key,
    correct_partition,
    count_partition,
)
from jpasbatch.stages.correct.shares import (
    Search,
    complete_prior,
    find_shares,
    move_shares,
    read_reference,
    read_samples,
)
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.committees import StoredCommittee, find_committee
from jpasbatch.stages.run.partition_names import POSTERIORS, PREDICTIONS, Pixel, commit_names
from jpasbatch.stages.run.priors import read_prior
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import EMPTY
from jpasbatch.storage.catalogue.primary import published_partitions
from jpasbatch.storage.stores.artefacts import load_validation
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.stores.ledger import fingerprint


def run_correct(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Find the class shares of the sky, publish posteriors and return the stage's record.

    Raises
    ------
    InputError
        When nothing is published, the committee has no validation sample, or the survey does not report the magnitude
        of its reference band.
    """
    job = workspace.job
    if job.prior.kind == "none":
        raise InputError(f"job '{job.name}': [prior] kind = \"none\" asks for no correction")
    reference_role(workspace.survey)  # refuses a survey without one
    site = open_site(workspace)
    predictions = open_catalogue(current_extension(site.folder, PREDICTIONS))
    committee = find_committee(workspace)
    digest = load_validation(committee.version)[1]
    parts = {
        "prior": asdict(job.prior),
        "table": sha256_file(Path(job.prior.table)) if job.prior.table else None,
        "validation": digest,
        "decision": committee.manifest.decision,
        "seed": job.seed,
        "survey": repr(workspace.survey),
        "algorithms": algorithm_numbers("correct"),
    }
    identity = fingerprint(**parts, predictions=predictions.name, **site.identity)
    unchanged = workspace.unchanged("correct", identity)
    if unchanged and site.is_published(POSTERIORS, unchanged["posteriors"]):
        return unchanged
    site.check()
    with stopwatch() as elapsed:
        names = commit_names(predictions)
        sky = Sky(
            str(site.store), site.key(predictions.path.name), job.survey, tuple(committee.manifest.classes)
        )
        place = site.committee(committee.version)
        key = _find_prior(site, sky, names, (place, digest), executor)
        prior = read_prior(sky.store, key)
        posteriors, rows = _publish(site, (predictions, names), sky, key, committee, executor)
    content = {
        "posteriors": site.place(posteriors),
        "predictions": predictions.name,
        "prior": key,
        "numbers": dict(zip(sky.classes, prior.numbers.sum(axis=0).tolist(), strict=True)),
        "partitions": len(predictions.pixels),
        "rows_out": rows,
        "algorithms": parts["algorithms"],
    }
    return workspace.finish("correct", identity, elapsed[0], content)


def _find_prior(
    site: Site,
    sky: Sky,
    names: Mapping[Pixel, str],
    validated: tuple[str, str],
    executor: Executor,
) -> str:
    """Find the class shares, once for the same partitions and options; return the key of the file that holds them.

    ``validated`` is where the committee's version is, and the hash of what it says of its validation sample.
    """
    job = site.workspace.job
    table = read_shares(Path(job.prior.table), sky.classes) if job.prior.kind == "table" else None
    committee, sha256 = validated
    samples = read_samples(committee, sky.classes)
    strata = table.strata if table else Strata.fit(samples.sample.magnitude, job.prior)
    reference = read_reference(committee, sky.classes, job.prior.calibration, strata)
    counted = fingerprint(
        strata=strata.to_dict(),
        calibration=job.prior.calibration,
        validation=sha256,
        classes=sky.classes,
        survey=repr(site.workspace.survey),
        algorithms=algorithm_numbers("correct"),
    )
    counting = site.run("correct", counted)
    tasks = {name: (*pixel, name) for pixel, name in names.items()}
    shared = (sky, reference.measure, counting.folder)
    committed(counting, "correct: counting", count_partition, tasks, executor, shared=shared).whole(
        "partitions"
    )
    found = fingerprint(
        counted=counted,
        partitions=sorted(names.values()),
        prior=asdict(job.prior),
        shares=table.to_dict() if table else None,
        seed=job.seed,
    )
    run = site.run("correct", found)
    search = Search(
        sky.store,
        run.folder,
        sky.classes,
        committee,
        strata,
        tuple(sorted(samples.variants)),
        job.prior,
        table,
        job.seed,
    )
    cells = [cells_key(counting.folder, name) for name in sorted(names.values())]
    _search(run, search, cells, executor)
    return search.prior


def _search(run: Run, search: Search, cells: list[str], executor: Executor) -> None:
    """Find the class shares, how far they move, and put them together."""
    shared = (search,)
    committed(run, "correct: class shares", find_shares, {"shares": (cells,)}, executor, shared=shared).whole(
        "class shares"
    )
    moves = {name: (*arguments, name) for name, arguments in search.moves().items()}
    committed(run, "correct: errors of the shares", move_shares, moves, executor, shared=shared).whole(
        "errors of the shares"
    )
    committed(
        run, "correct: shares and errors", complete_prior, {"prior": ()}, executor, shared=shared
    ).whole("class shares")


def _publish(
    site: Site,
    source: tuple[Catalogue, dict[Pixel, str]],
    sky: Sky,
    prior: str,
    committee: StoredCommittee,
    executor: Executor,
) -> tuple[str, int]:
    """Publish the posteriors of every partition; return the version and its rows."""
    predictions, names = source
    identity = fingerprint(
        prior=prior, decision=committee.manifest.decision, algorithms=algorithm_numbers("correct")
    )
    run = site.run("correct", identity)
    decision = committee.manifest.make_jury().decision
    correction = Correction(sky, prior, decision, site.sky, site.staging_key(identity), identity)
    tasks = {name: (*pixel, name) for pixel, name in names.items()}
    shared = (correction,)
    commits = committed(run, "correct: partitions", correct_partition, tasks, executor, shared=shared)
    corrected = commits.whole("partitions")
    records = []
    for given in published_partitions(predictions):
        pixel = (given["order"], given["pixel"])
        record = dict(corrected[names[pixel]]) if pixel in names else EMPTY.record(pixel, "", identity)
        # rows of the catalogue that have no prediction have no posterior either
        records.append(record | {"quarantined": given["quarantined"]})
    provenance = {"fingerprint": identity, "job": site.workspace.job.name, "predictions": predictions.name}
    schema = posterior_schema(site.workspace.survey, sky.classes)
    version = site.publish(POSTERIORS, records, schema, provenance, open_catalogue(site.folder).rows)
    return version, sum(record["rows"] for record in records)
