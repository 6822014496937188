"""Stage ``correct``: predictions in; class shares of the sky and posteriors out.

A committee learns from a sample in which classes are about as frequent as each other. On a sky they are not. Workers
count what the committee says of every object; the share of each class in each stratum is found from that; and
probabilities under these shares are published as an extension of the catalogue, beside the committee's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.table import ShareTable, read_shares
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
)
from jpasbatch.stages.correct.validation import (
    TASK,
    TITLE,
    AskedValidation,
    ValidationSource,
    ask_validation,
    judge_sample,
    read_validation,
)
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.committees import StoredCommittee, find_committee
from jpasbatch.stages.run.partition_names import POSTERIORS, PREDICTIONS, Pixel, commit_names
from jpasbatch.stages.run.priors import read_prior
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.stage_facts import CorrectFacts, ValidationFacts
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.catalogue.partitions import EMPTY
from jpasbatch.storage.catalogue.primary import published_partitions
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.stores.ledger import fingerprint

TOGETHER = 8
"""Partitions that a worker is given at once: each takes a hundredth of a second or two."""


def run_correct(workspace: Workspace, executor: Executor) -> StageRecord[CorrectFacts]:
    """Find the class shares of the sky, publish posteriors and return the stage's record.

    Raises
    ------
    InputError
        When nothing is published, the committee has no validation sample, or the survey does not report the magnitude
        of its reference band.
    """
    job = workspace.job
    committee, validation, parts = ask_correct(workspace)
    site = open_site(workspace)
    predictions = open_catalogue(current_extension(site.folder, PREDICTIONS))
    told = {**parts, "predictions": predictions.name, **site.identity}
    identity = fingerprint(**told)
    same = unchanged(workspace, CorrectFacts, identity, told)
    if same and site.is_published(POSTERIORS, same.facts.posteriors):
        return same
    site.check()
    with stopwatch() as elapsed:
        names = commit_names(predictions)
        sky = Sky(
            str(site.store), site.key(predictions.path.name), job.survey, tuple(committee.manifest.classes)
        )
        place = site.committee(committee.version)
        source, judged = _judge_validation(site, place, validation, executor)
        key = _find_prior(site, sky, names, (source, validation.digest), executor)
        prior = read_prior(sky.store, key)
        posteriors, rows = _publish(site, (predictions, names), sky, key, committee, executor)
    facts = CorrectFacts(
        posteriors=site.place(posteriors),
        predictions=predictions.name,
        prior=key,
        numbers=dict(zip(sky.classes, prior.numbers.sum(axis=0).tolist(), strict=True)),
        partitions=len(predictions.pixels),
        rows_out=rows,
        validation=judged,
    )
    return finish(workspace, facts, identity, elapsed[0], told, parts["algorithms"])


class Asked(NamedTuple):
    """What decides the posteriors: committee, validation sample, and all by name."""

    committee: StoredCommittee
    validation: AskedValidation
    parts: dict[str, Any]


def ask_correct(workspace: Workspace) -> Asked:
    """Return what the job asks of this stage; nothing is computed yet. Errors are those of `run_correct`."""
    job = workspace.job
    if job.prior.kind == "none":
        raise InputError(f"job '{job.name}': [prior] kind = \"none\" asks for no correction")
    reference_role(workspace.survey)  # refuses a survey without one
    committee = find_committee(workspace)
    validation = ask_validation(workspace, committee)
    parts = {
        "prior": asdict(job.prior),
        "table": sha256_file(Path(job.prior.table)) if job.prior.table else None,
        "validation": validation.digest,
        "decision": committee.manifest.decision,
        "seed": job.seed,
        "survey": workspace.survey_text("correct"),
        "algorithms": algorithm_numbers("correct"),
    }
    return Asked(committee, validation, parts)


def _judge_validation(
    site: Site, committee: str, validation: AskedValidation, executor: Executor
) -> tuple[ValidationSource, ValidationFacts | None]:
    """Have the committee judge the labelled objects that the job names, if it does.

    Return where the validation sample lies, and what came of these objects.
    """
    if not validation.files:
        return ValidationSource(committee), None
    run = site.run("correct", validation.digest)
    source = validation.judged(run)
    tasks = {TASK: (site.workspace.job, committee, validation, source)}
    commits = committed(run, TITLE, judge_sample, tasks, executor)
    commits.measure(site.workspace, "correct")
    return source, commits.whole_of(ValidationFacts, "labelled objects")[TASK].facts


def _find_prior(
    site: Site,
    sky: Sky,
    names: Mapping[Pixel, str],
    validated: tuple[ValidationSource, str],
    executor: Executor,
) -> str:
    """Find the class shares, once for the same partitions and options; return the key of the file that holds them.

    ``validated`` is where the validation sample lies, and what changes with it.
    """
    asked = ask_shares(site.workspace, sky.classes, validated)
    validation, _ = validated
    reference = read_reference(validation, sky.classes, site.workspace.job.prior.calibration, asked.strata)
    counting = site.run("correct", asked.counted)
    tasks = {name: (*pixel, name) for pixel, name in names.items()}
    shared = (sky, reference.measure, counting.folder)
    commits = committed(
        counting, "correct: counting", count_partition, tasks, executor, shared=shared, together=TOGETHER
    )
    commits.measure(site.workspace, "correct")
    commits.whole("partitions")
    run = site.run("correct", asked.found(site.workspace.job, names.values()))
    search = asked.search(run, sky.classes, validation, site.workspace.job)
    cells = [cells_key(counting.folder, name) for name in sorted(names.values())]
    _search(site.workspace, run, search, cells, executor)
    return search.prior


class Shares(NamedTuple):
    """What decides the class shares beside the partitions.

    ``counted`` is the fingerprint of what is counted in a partition.
    """

    table: ShareTable | None
    strata: Strata
    variants: tuple[str, ...]
    counted: str

    def found(self, job: Job, names: Iterable[str]) -> str:
        """Return the fingerprint of the shares that partitions of these names have."""
        return fingerprint(
            counted=self.counted,
            partitions=sorted(names),
            prior=asdict(job.prior),
            shares=self.table.to_dict() if self.table else None,
            seed=job.seed,
        )

    def search(self, run: Run, classes: tuple[str, ...], validation: ValidationSource, job: Job) -> Search:
        """Return what the tasks of a run need to find them."""
        return Search(
            run.place,
            run.folder,
            classes,
            validation,
            self.strata,
            self.variants,
            job.prior,
            self.table,
            job.seed,
        )


def ask_shares(
    workspace: Workspace, classes: tuple[str, ...], validated: tuple[ValidationSource, str]
) -> Shares:
    """Return what the job asks of the class shares; ``validated`` is as for `_find_prior`."""
    job = workspace.job
    table = read_shares(Path(job.prior.table), classes) if job.prior.kind == "table" else None
    source, digest = validated
    samples = read_validation(source, classes)
    strata = table.strata if table else Strata.fit(samples.sample.magnitude, job.prior)
    counted = fingerprint(
        strata=strata.to_dict(),
        calibration=job.prior.calibration,
        validation=digest,
        classes=classes,
        survey=workspace.survey_text("correct"),
        algorithms=algorithm_numbers("correct"),
    )
    return Shares(table, strata, tuple(sorted(samples.variants)), counted)


def _search(workspace: Workspace, run: Run, search: Search, cells: list[str], executor: Executor) -> None:
    """Find the class shares, how far they move, and put them together."""
    moves = {name: (*arguments, name) for name, arguments in search.moves().items()}
    steps: tuple[tuple[str, Callable[..., Made], Mapping[str, tuple[Any, ...]]], ...] = (
        ("class shares", find_shares, {"shares": (cells,)}),
        ("errors of the shares", move_shares, moves),
        ("shares and errors", complete_prior, {"prior": ()}),
    )
    for what, function, tasks in steps:
        commits = committed(run, f"correct: {what}", function, tasks, executor, shared=(search,))
        commits.measure(workspace, "correct")
        commits.whole(what)


def posterior_identity(prior: str, committee: StoredCommittee) -> str:
    """Return the fingerprint of the posteriors of any partition; ``prior`` is the key of the class shares."""
    return fingerprint(
        prior=prior, decision=committee.manifest.decision, algorithms=algorithm_numbers("correct")
    )


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
    identity = posterior_identity(prior, committee)
    run = site.run("correct", identity)
    decision = committee.manifest.make_jury().decision
    correction = Correction(sky, prior, decision, site.sky, site.staging_key(identity), identity)
    tasks = {name: (*pixel, name) for pixel, name in names.items()}
    shared = (correction,)
    commits = committed(
        run, "correct: partitions", correct_partition, tasks, executor, shared=shared, together=TOGETHER
    )
    commits.measure(site.workspace, "correct")
    corrected = commits.whole_of(PartitionFacts, "partitions")
    records = []
    for given in published_partitions(predictions):
        pixel = given.healpix
        record = corrected[names[pixel]].facts if pixel in names else EMPTY.facts(pixel, "", identity)
        # rows of the catalogue that have no prediction have no posterior either
        records.append(replace(record, quarantined=given.quarantined))
    provenance = {"fingerprint": identity, "job": site.workspace.job.name, "predictions": predictions.name}
    schema = posterior_schema(site.workspace.survey, sky.classes)
    version = site.publish(POSTERIORS, records, schema, provenance, open_catalogue(site.folder).rows)
    return version, sum(record.rows for record in records)
