"""Run verbs: load the job, open the cluster, hold the lease, call the stages, tell the user."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jpasbatch.compute.clusters.executor import Cluster, Executor
from jpasbatch.compute.clusters.pools import stages_by_cluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.compute.clusters.watching import kept_performance
from jpasbatch.errors import InputError
from jpasbatch.footprint.reading import read_coverage
from jpasbatch.job.job import Job, load_cluster
from jpasbatch.job.notify import NotifyOptions
from jpasbatch.mocks.options.table import load_checked_job, makes_test
from jpasbatch.photometry.carried.columns import check_carried
from jpasbatch.photometry.carried.rules import check_rules
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import catalogue_schema
from jpasbatch.priors.table import read_shares
from jpasbatch.products.registry import check_files, check_products, named_files
from jpasbatch.products.tallies import check_columns
from jpasbatch.stages.publish.command import check_gated, decide, not_decided
from jpasbatch.stages.request import Request
from jpasbatch.stages.run.history import recorded_run
from jpasbatch.stages.run.kept_log import LOGS
from jpasbatch.stages.run.metrics import written_metrics
from jpasbatch.stages.run.notification import Notice, notified
from jpasbatch.stages.run.provenance import write_provenance
from jpasbatch.stages.run.records import StageRecord
from jpasbatch.stages.run.reporting import report_stage
from jpasbatch.stages.run.stage_facts import StageFacts
from jpasbatch.stages.run.versions import has_versions, in_workshop
from jpasbatch.stages.run.workshop import open_workshop
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.stages.summarise.observed import completeness_of
from jpasbatch.storage.stores.opening import is_location

log = logging.getLogger(__name__)

IN_STORES = ("infer", "combine", "correct", "summarise")
"""Stages whose collection may lie in an object store."""

ORDER = (
    "fetch",
    "mock",
    "ingest",
    "foreign",
    "inspect",
    "train",
    "evaluate",
    "infer",
    "combine",
    "correct",
    "summarise",
)


def demo_job(train: bool = False) -> Path:
    """Return the job file of the demonstration, or of the one that trains; both come with the package."""
    name = "demo_training.toml" if train else "demo.toml"
    return Path(str(resources.files("jpasbatch.stages") / name))


def open_workspace(
    job_file: Path, output: Path | None, data: Path | None, allow_gaps: bool = False, sky: str | None = None
) -> Workspace:
    """Load a job and return its workspace; nothing is created yet.

    Parameters
    ----------
    job_file, output, data : Path
    allow_gaps : bool
    sky : str, optional
        Location of the collection in an object store; in the output folder without it.

    Raises
    ------
    InputError
        When the job is wrong, also where only its last stage would see that.
    """
    _check_encoding(job_file, output)
    job = load_checked_job(job_file, data)
    survey = load_survey(job.survey, job.catalogue.aperture)
    check_carried(job.catalogue.carry, survey)
    if job.classes:
        products = job.products.products(survey)
        check_products(products)
        carried = [column.published for column in job.catalogue.carry]
        check_columns([*catalogue_schema(survey).names, *carried], products)
    check_rules(job.catalogue.rules, job.catalogue.carry)
    _check_filter_tables(job)
    _check_product_files(job)
    if output is not None and is_location(str(output)):
        raise InputError(
            f"--output {output}: the driver needs a folder on a POSIX file system. Put the catalogue in an object "
            "store with `jpasbatch replicate JOB.toml s3://BUCKET/PREFIX`, and name it by --sky to infer and summarise"
        )
    if sky is not None and not is_location(sky):
        raise InputError(
            f"--sky {sky}: allowed is s3://BUCKET/PREFIX; a collection on disk is that of the output folder (--output)"
        )
    folder = (output or Path("runs") / job.name).resolve()
    if job.catalogue.input is not None:
        _check_apart(Path(job.catalogue.input), folder)
    return Workspace(job, survey, folder, allow_gaps, location=sky)


def _check_apart(root: Path, output: Path) -> None:
    """Refuse an output folder below the input folder: the next run would take its own files for tables.

    Raises
    ------
    InputError
    """
    if root.is_dir() and output.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"the output folder {output} lies within the input folder {root}, so that the next run would read what "
            "this one writes; name another one with --output"
        )


def _check_product_files(job: Job) -> None:
    for key, named in named_files(job.product_options).items():
        if not Path(named).is_file():
            raise InputError(f"{key} {named}: there is no such file")


def _check_filter_tables(job: Job) -> None:
    for table, named in (("catalogue", job.catalogue.filter_table), ("samples", job.samples.filter_table)):
        if named is not None and not Path(named).is_file():
            raise InputError(f"[{table}] filter_table = '{named}': there is no such file")


def _check_encoding(*paths: Path | None) -> None:
    """Refuse paths that libraries of tables could not open: their letters are none under the locale of this process."""
    for path in paths:
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"{str(path).encode('utf-8', 'backslashreplace').decode()}: the locale of this process does not have "
                "these letters; set LC_ALL=C.UTF-8, or unset PYTHONUTF8"
            ) from None


def requested_workspace(request: Request) -> Workspace:
    """Return the workspace that a request names; as `open_workspace`."""
    return open_workspace(request.job_file, request.output, request.data, request.allow_gaps, request.sky)


class Command(NamedTuple):
    """What a verb runs: these stages of a workspace, on this cluster."""

    workspace: Workspace
    stages: tuple[str, ...]
    cluster: Cluster


def make_command(request: Request, workspace: Workspace) -> Command:
    """Return what a verb runs; whoever plans it plans the same."""
    verb = request.verb
    # what waits for a service needs no workers
    serial = request.serial or verb == "fetch"
    cluster = SerialCluster() if serial else load_cluster(request.cluster_file)
    workspace = replace(workspace, incremental=verb == "update", stress=request.stress)
    stages = needed_stages(workspace) if verb in ("run", "update") else (verb,)
    return Command(workspace, stages, cluster)


def run_verb(
    request: Request,
    metrics: Path | None = None,
    as_json: bool = False,
    told: Sequence[NotifyOptions] = (),
) -> int:
    """Run one verb and print what came of it: for people, or the records of the stages as JSON, one a line.

    Parameters
    ----------
    request : Request
    metrics : Path, optional
        File of metrics for Prometheus.
    as_json : bool
    told : sequence of NotifyOptions
        Who is told how it ended (`jpasbatch.stages.run.notification`), also where nothing could begin.

    Returns
    -------
    int
        The exit code 0; anything else is an exception.
    """
    verb = request.verb
    if request.sky is not None and verb not in IN_STORES:
        raise InputError(
            f"--sky is for {', '.join(IN_STORES[:-1])} and {IN_STORES[-1]}: {verb} needs the collection in its output "
            "folder. Ingest there (and match tables of others: they go with the collection), put it in the store with "
            "`jpasbatch replicate`, then run infer and what follows it with --sky"
        )
    with notified(told, verb, request.job_file) as notice:
        workspace = requested_workspace(request)
        notice.job = workspace.job.name
        _run_command(verb, make_command(request, workspace), metrics, as_json, notice)
    return 0


def _check_given_files(workspace: Workspace, stages: Sequence[str]) -> None:
    """Refuse tables and masks that are wrong now, and not after everything is classified.

    Raises
    ------
    InputError
    """
    job = workspace.job
    if "correct" in stages and job.prior.kind == "table":
        read_shares(Path(job.prior.table), tuple(job.classes))
    if "summarise" in stages:
        read_coverage(job.product_options["area"])
        completeness_of(job)
        check_files(job.products.products(workspace.survey))


def _run_command(verb: str, command: Command, metrics: Path | None, as_json: bool, notice: Notice) -> None:
    """Run the stages of a command and print what came of each."""
    workspace, stages, cluster = command
    if stages[1:]:
        _check_given_files(workspace, stages)
    check_gated(workspace)
    folder = workspace.folder
    for stage in NEEDED.get(verb, ()):
        _refuse_damaged(in_workshop(workspace), stage)
    with (
        workspace.prepare(),
        written_metrics(metrics, workspace.job.name, verb) as displays,
        recorded_run(workspace, verb, stages) as run,
    ):
        notice.run = run
        made_in = run.workspace = open_workshop(workspace) if has_versions(workspace) else workspace
        for pool, group in stages_by_cluster(cluster, stages):
            report = workspace.folder / LOGS / f"{run.name}-{group[0]}.html"
            with open_cluster(pool) as executor, kept_performance(pool, executor, report):
                run.losses.append(executor.losses)
                for stage in group:
                    run.start(stage)
                    before = made_in.record(stage)
                    record = run_stage(stage, made_in, replace(executor, displays=displays))
                    run.add(stage, before, record)
                    if as_json:
                        print(json.dumps(record, sort_keys=True), flush=True)
                    else:
                        report_stage(stage, record)
        write_provenance(run, ORDER)
        if made_in is not workspace:
            whole = verb in ("run", "update")  # after one stage, others are of the catalogue before
            folder = decide(workspace, run, stages, as_json) if whole else not_decided(run, as_json)
    for stage, report in (("evaluate", "evaluation/evaluation.html"), ("summarise", "report.html")):
        if stage in stages:
            print(f"report: {folder / report}")


NEEDED = {
    "evaluate": ("train",),
    "infer": ("ingest", "train"),
    "correct": ("ingest", "infer"),
    "summarise": ("ingest", "infer", "correct"),
}
"""What a verb for one stage reads of what others published; `run` and `update` make that again themselves."""


def _refuse_damaged(workspace: Workspace, stage: str) -> None:
    """Refuse to go on from what an earlier stage published where it is not what was written.

    Raises
    ------
    InputError
    """
    if workspace.record(stage) is None:
        return
    if faults := workspace.faults(stage):
        raise InputError(
            f"{len(faults)} files that '{stage}' published are damaged, among them {faults[0].path}, which "
            f"{faults[0].what}; run `jpasbatch repair JOB.toml`, which makes them again"
        )


def compare_jobs(
    file: Path,
    output: Path | None = None,
    data: Path | None = None,
    cluster_file: Path | None = None,
    serial: bool = False,
    train: bool = False,
) -> int:
    """Compare the jobs that a file names, and print the score of each.

    Returns
    -------
    int
        The exit code 0; anything else is an exception.
    """
    from jpasbatch.job.comparison import load_comparison
    from jpasbatch.stages.evaluate.compare import run_compare
    from jpasbatch.stages.train.stage import run_train

    comparison = load_comparison(file, data)
    opened = [open_workspace(Path(path), None, data) for path in comparison.jobs]
    workspaces = {one.job.title or one.job.name: in_workshop(one) for one in opened}
    if len(workspaces) < len(opened):
        raise InputError(f"{file}: two of its jobs have the same title; titles name the classifiers")
    folder = (output or Path("runs") / comparison.name).resolve()
    cluster = SerialCluster() if serial else load_cluster(cluster_file)
    [(pool, _)] = stages_by_cluster(cluster, ["train" if train else "evaluate"])
    with open_cluster(pool) as executor:
        result = run_compare(comparison, workspaces, folder, executor, run_train if train else None)
    for title, score in result.scores.items():
        print(f"{title:<32} weighted f1 {score:.4f} on {comparison.sample}", flush=True)
    print(f"report: {result.page}")
    return 0


def needed_stages(workspace: Workspace) -> tuple[str, ...]:
    """Return the stages that the job's tables ask for, in order."""
    job = workspace.job
    without: set[str] = set()
    if job.fetch is None:
        without.add("fetch")
    if job.mock is None:
        without.add("mock")
    if job.committee.artefact is not None:
        without.add("train")
    if not job.classes:  # a catalogue for its own sake
        without |= {"train", "evaluate", "infer", "combine", "correct", "summarise"}
    if job.mock is None and job.catalogue.input is None and job.fetch is None:  # a committee for its own sake
        without |= {"ingest", "infer", "correct", "summarise"}
    if job.gates.zero_point is None or "ingest" in without:
        without.add("inspect")
    if job.prior.kind == "none":
        without.add("correct")
    if not job.foreign or "ingest" in without:
        without.add("foreign")
    if job.combination is None or "foreign" in without:
        without.add("combine")
    if not (job.samples.tests or job.samples.folds or makes_test(job)):
        without.add("evaluate")
    return tuple(stage for stage in ORDER if stage not in without)


def stage_function(stage: str) -> Callable[[Workspace, Executor], StageRecord[StageFacts]]:
    """Return the function of a stage; its libraries are imported now and not before."""
    if stage == "fetch":
        from jpasbatch.stages.fetch.stage import run_fetch as function
    elif stage == "mock":
        from jpasbatch.mocks.stages.mock import run_mock as function
    elif stage == "ingest":
        from jpasbatch.stages.ingest.stage import run_ingest as function
    elif stage == "foreign":
        from jpasbatch.stages.ingest.foreign.stage import run_foreign as function
    elif stage == "inspect":
        from jpasbatch.stages.inspect.stage import run_inspect as function
    elif stage == "train":
        from jpasbatch.stages.train.stage import run_train as function
    elif stage == "evaluate":
        from jpasbatch.stages.evaluate.stage import run_evaluate as function
    elif stage == "infer":
        from jpasbatch.stages.infer.stage import run_infer as function
    elif stage == "combine":
        from jpasbatch.stages.evaluate.combine import run_combine as function
    elif stage == "correct":
        from jpasbatch.stages.correct.stage import run_correct as function
    elif stage == "summarise":
        from jpasbatch.stages.summarise.stage import run_summarise as function
    else:
        raise ValueError(f"no stage '{stage}'; stages are {', '.join(ORDER)}")
    return function


def run_stage(stage: str, workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Run one stage and return its record as JSON."""
    log.info("%s: started", stage)
    return dict(stage_function(stage)(workspace, executor).content)
