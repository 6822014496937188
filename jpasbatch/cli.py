"""The command line: ``jpasbatch VERB JOB.toml [--cluster FILE]``.

Flags say where and how, never what: the science is in the job file. Heavy libraries are imported when a verb
runs, so that ``--help`` answers at once.

Exit codes: 0 done; 2 configuration or input is wrong; 3 partitions are quarantined and nothing was published; 4 a gate
holds a new version back, or ``targets check`` found that a list cannot be submitted; 75 interrupted, locked or out of
space, run the same command again; 1 ``status``: a stage is not done, ``templates check``: a class cannot be made.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jpasbatch.compute.interruption import stop_on_signals
from jpasbatch.errors import INTERRUPTED, InputError, JpasbatchError, TryAgainError, disk_is_full, no_space
from jpasbatch.log_lines import say, start_log
from jpasbatch.stages.classify.arguments import add_check, add_classify
from jpasbatch.stages.publish.arguments import add_publish
from jpasbatch.stages.run.arguments import add_job, add_notify
from jpasbatch.stages.submit.arguments import add_targets, run_targets
from jpasbatch.standard_streams import settle_streams
from jpasbatch.version import __version__

VERBS = {
    "run": "all stages that the job needs, in order",
    "update": "all stages again, but of the catalogue only what new files, models or options changed",
    "fetch": "fetch the job's tables from a TAP service, tile by tile",
    "mock": "write the job's mock sky (or real spectra through the filters) as survey tables",
    "ingest": "check survey tables and partition them by HEALPix pixel (HATS)",
    "foreign": "match tables of others, and publish what they say beside the photometry",
    "inspect": "compare the colours of each tile with those of all tiles, to see zero points that are off",
    "train": "train the committee",
    "evaluate": "score the committee on labelled test samples: tables and a report",
    "infer": "classify every partition and publish the predictions",
    "combine": "combine our predictions with those of others, fitted to a labelled sample",
    "correct": "find the class mix of the sky and publish probabilities under it",
    "summarise": "QSO counts, calibration, target lists and the report",
    "status": "show what is done, missing or out of date",
}
IN_STORES = ("infer", "combine", "correct", "summarise")
SKY = "collection in an object store, where `replicate` put it (default: sky/ in the output folder)"
STRESS = (
    "also spoil the samples in stated ways (bands missing, wrong zero points, ...) and classify them again"
)
DRY_RUN = "only say what would be computed, why, where and how long it takes; nothing is written or started"
DEMO = "make a mock sky and run everything on it: nothing is needed, nothing is downloaded"
DEMO_TEXT = """\
Makes a mock sky of one square degree, classifies it with the committee that comes with the package, and leaves the
report, counts, target list and published collection: about a minute. Nothing is needed, nothing is downloaded."""
LOG_FORMAT = "lines of the log: text (default), or JSON objects with time, level, stage, run and message"
COMPARE = "put the evaluations of several jobs side by side: one table, one page"
REPAIR = "verify all that was published, and make what is damaged again from what is whole"
HISTORY = (
    "show the runs of a job: when, who, what was recomputed, counts, exit codes; or what changed between two"
)
PRUNE = "remove old versions, committees, runs and temporary files that nothing reaches any more"
REPLICATE = "publish the collection of an output folder in an object store, whole, and point at it last"
CLASSIFY = "classify the rows of any table that a survey file describes, without a job file"
CLASSIFY_TEXT = """\
Writes the same table, rows in order, with probabilities, class, entropy, novelty, subset, disagreement and quality
of each row. Rows that cannot be classified stay, with their reason. Tables are FITS, VOTable, Parquet or CSV, of any
size: a part of them is in memory at a time, but VOTable is read and written as a whole. Probabilities are the
committee's own, under the class mix that it learnt, not that of the sky."""
TEMPLATES = "say what a folder of public template data is good for"
CHECK_TABLES = "say all that is wrong with tables, before anything is imported"
CHECK_TABLES_TEXT = """\
Reads every file to its end as ingest would, and tells all that is wrong with all of them: why a file would be
refused, how many rows would go to quarantine and why, which values would be doubted, whether ids occur twice. Nothing
is imported. Ends with 2 where a file would be refused or no row is usable."""
CHECK = "read every file of the folder, and say which classes can be made and what is lacking or damaged"
EPILOGUE = """\
exit codes: 0 done | 2 configuration or input is wrong | 3 partitions quarantined, not published
            4 a gate holds the new version back: look, then `publish` or `discard`
            75 interrupted, locked or disk full: run the same command again | 1 status: a stage is not done
            4 targets check: a list cannot be submitted as it is"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="jpasbatch",
        description="Whole-survey classification of J-PAS photometry: catalogues in; QSO counts, calibration "
        "and WEAVE target lists out.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jpasbatch {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, text in VERBS.items():
        command = verbs.add_parser(
            verb,
            help=text,
            description=text,
            epilog=EPILOGUE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("job", type=Path, metavar="JOB.toml", help="job file: the science")
        _add_places(command)
        if verb == "status":
            command.add_argument("--verify", action="store_true", help="hash every byte that was published")
            command.add_argument("--json", action="store_true", help="print the state as one JSON object")
        else:
            command.add_argument("--dry-run", action="store_true", help=DRY_RUN)
            command.add_argument(
                "--json",
                action="store_true",
                help="print what came of each stage as JSON, one a line; with --dry-run the plan",
            )
        if verb in (*IN_STORES, "run", "update", "foreign"):  # these three refuse it, and say what to do
            command.add_argument(
                "--sky",
                metavar="s3://BUCKET/PREFIX",
                help=SKY if verb in IN_STORES else argparse.SUPPRESS,
            )
        if verb == "evaluate":
            command.add_argument("--stress", action="store_true", help=STRESS)
    raw = argparse.RawDescriptionHelpFormatter
    compare = verbs.add_parser(
        "compare", help=COMPARE, description=COMPARE, epilog=EPILOGUE, formatter_class=raw
    )
    compare.add_argument("comparison", type=Path, metavar="FILE.toml", help="which jobs, on which samples")
    compare.add_argument(
        "--train", action="store_true", help="first train the committees that are missing or out of date"
    )
    _add_places(compare, publishes=False)
    mend = verbs.add_parser("repair", help=REPAIR, description=REPAIR, epilog=EPILOGUE, formatter_class=raw)
    mend.add_argument("job", type=Path, metavar="JOB.toml", help="job file: the science")
    _add_places(mend, publishes=False)
    mend.add_argument("--json", action="store_true", help="print what was damaged as one JSON object")
    add_notify(mend)
    _add_history(verbs.add_parser("history", help=HISTORY, description=HISTORY))
    _add_prune(verbs.add_parser("prune", help=PRUNE, description=PRUNE, epilog=EPILOGUE, formatter_class=raw))
    _add_replicate(
        verbs.add_parser(
            "replicate", help=REPLICATE, description=REPLICATE, epilog=EPILOGUE, formatter_class=raw
        )
    )
    add_classify(
        verbs.add_parser(
            "classify", help=CLASSIFY, description=CLASSIFY_TEXT, epilog=EPILOGUE, formatter_class=raw
        )
    )
    add_check(
        verbs.add_parser(
            "check", help=CHECK_TABLES, description=CHECK_TABLES_TEXT, epilog=EPILOGUE, formatter_class=raw
        )
    )
    add_targets(verbs, EPILOGUE)
    add_publish(verbs, EPILOGUE)
    demo = verbs.add_parser("demo", help=DEMO, description=DEMO_TEXT)
    demo.add_argument("--train", action="store_true", help="train a committee of its own first: some minutes")
    _add_places(demo)
    _add_templates(verbs.add_parser("templates", help=TEMPLATES, description=TEMPLATES))
    return parser


def _add_history(command: argparse.ArgumentParser) -> None:
    add_job(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--last", type=int, metavar="N", help="only the N newest runs")
    which.add_argument(
        "--diff", type=int, nargs=2, metavar=("A", "B"), help="what changed from run A to run B"
    )
    command.add_argument("--why", action="store_true", help="also say why each run computed what it did")
    command.add_argument("--json", action="store_true", help="print it as JSON")
    command.add_argument("--verbose", action="store_true", help="show tracebacks")


def _add_replicate(command: argparse.ArgumentParser) -> None:
    add_job(command)
    command.add_argument(
        "location", metavar="s3://BUCKET/PREFIX", help="where the pointer of the collection will be"
    )
    command.add_argument("--verbose", action="store_true", help="show tracebacks")


def _add_prune(command: argparse.ArgumentParser) -> None:
    add_job(command)
    command.add_argument(
        "--keep-days",
        type=float,
        default=30.0,
        metavar="N",
        help="keep what was reached or changed in the last N days (default 30)",
    )
    command.add_argument(
        "--keep",
        type=int,
        default=1,
        metavar="N",
        help="keep the N newest old versions of each kind (default 1)",
    )
    command.add_argument(
        "--sky", metavar="s3://BUCKET/PREFIX", help="prune this collection, and not the folder"
    )
    command.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    command.add_argument("--verbose", action="store_true", help="show tracebacks")
    _add_log_format(command)


def _add_templates(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help=CHECK, description=CHECK)
    check.add_argument("folder", type=Path, metavar="FOLDER", help="laid out as in docs/template_pack.md")
    check.add_argument("--verbose", action="store_true", help="show tracebacks")


def _add_places(command: argparse.ArgumentParser, publishes: bool = True) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--cluster", type=Path, metavar="FILE", help="cluster file; two local processes without it"
    )
    command.add_argument(
        "--output", type=Path, metavar="FOLDER", help="output folder (default: runs/NAME, or demo)"
    )
    command.add_argument("--data", type=Path, metavar="FOLDER", help="what {data} stands for in the job file")
    where.add_argument("--serial", action="store_true", help="run in this process, for debugging")
    if publishes:
        command.add_argument(
            "--allow-gaps", action="store_true", help="publish although partitions are quarantined"
        )
        command.add_argument(
            "--metrics",
            type=Path,
            metavar="FILE",
            help="write metrics for Prometheus here (deploy/README.md)",
        )
        add_notify(command)
    command.add_argument("--verbose", action="store_true", help="log the details, and show tracebacks")
    _add_log_format(command)


def _add_log_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log-format", choices=("text", "json"), default="text", help=LOG_FORMAT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    settle_streams()
    options = build_parser().parse_args(arguments)
    start_log(getattr(options, "log_format", "text"), options.verbose)
    try:
        with stop_on_signals():
            return _run(options)
    except JpasbatchError as error:
        if options.verbose:
            logging.getLogger("jpasbatch").exception("stopped")
        return _stopped(error)
    except OSError as error:
        if options.verbose:
            logging.getLogger("jpasbatch").exception("stopped")
        refused = f"the system refused: {error}; repair that and run the same command again"
        return _stopped(no_space(error) if disk_is_full(error) else TryAgainError(refused))
    except KeyboardInterrupt:
        again = "interrupted; what is committed is kept: run the same command again to go on"
        return _stopped(TryAgainError(again, INTERRUPTED))


def _stopped(error: JpasbatchError) -> int:
    """Say what stopped a command, its state first, and return the exit code."""
    say(f"{error.state}: {error}" if error.state else str(error))
    return error.exit_code


def _run(options: argparse.Namespace) -> int:
    if options.verb == "templates":
        from jpasbatch.mocks.stages.templates import show_templates

        return show_templates(options.folder)
    if options.verb == "classify":
        return _classify(options)
    if options.verb == "check":
        from jpasbatch.stages.check.command import check_command

        return check_command(
            options.tables,
            options.survey,
            _cuts(options, duplicates=options.duplicates),
            aperture=options.aperture,
            filter_table=options.filter_table,
            as_json=options.json,
        )
    if options.verb == "targets":
        return run_targets(options)
    if options.verb == "compare":
        from jpasbatch.stages.pipeline import compare_jobs

        return compare_jobs(
            options.comparison, options.output, options.data, options.cluster, options.serial, options.train
        )
    from jpasbatch.job.notify import load_notify
    from jpasbatch.stages.pipeline import demo_job, open_workspace, run_verb
    from jpasbatch.stages.state import repair_job, show_status

    if options.verb == "replicate":
        from jpasbatch.stages.keep.replicate import replicate_job

        workspace = open_workspace(options.job, options.output, options.data)
        return replicate_job(workspace, options.location)
    if options.verb == "repair":
        return repair_job(
            options.job,
            options.output,
            options.data,
            options.cluster,
            options.serial,
            options.json,
            load_notify(options.notify),
        )
    if options.verb == "history":
        from jpasbatch.stages.keep.history import diff_history, show_history

        workspace = open_workspace(options.job, options.output, options.data)
        if options.diff:
            return diff_history(workspace, *options.diff, as_json=options.json)
        if options.last is not None and options.last < 1:
            raise InputError(f"--last {options.last}: allowed is 1 or more")
        return show_history(workspace, options.last, options.json, options.why)
    if options.verb in ("publish", "discard"):
        from jpasbatch.stages.publish.command import discard_job, publish_job
        from jpasbatch.stages.run.notification import notified

        with notified(load_notify(options.notify), options.verb, options.job) as notice:
            workspace = open_workspace(options.job, options.output, options.data)
            if options.verb == "discard":
                return discard_job(workspace, options.reason, options.json, notice)
            return publish_job(workspace, options.accept, options.version, options.json, notice)
    if options.verb == "prune":
        from jpasbatch.stages.keep.prune_command import prune_job

        workspace = open_workspace(options.job, options.output, options.data, sky=options.sky)
        return prune_job(workspace, options.keep_days, options.keep, options.dry_run)

    job_file = demo_job(options.train) if options.verb == "demo" else options.job
    if options.verb == "status":
        return show_status(job_file, options.output, options.data, options.verify, options.json)
    told = load_notify(options.notify)
    if getattr(options, "dry_run", False):
        from jpasbatch.stages.planning import show_plan

        return show_plan(
            options.verb,
            job_file,
            output=options.output,
            data=options.data,
            cluster_file=options.cluster,
            serial=options.serial,
            sky=getattr(options, "sky", None),
            stress=getattr(options, "stress", False),
            as_json=options.json,
        )
    return run_verb(
        "run" if options.verb == "demo" else options.verb,
        job_file,
        output=options.output or (Path(_demo_folder(options.train)) if options.verb == "demo" else None),
        data=options.data,
        cluster_file=options.cluster,
        serial=options.serial,
        allow_gaps=options.allow_gaps,
        metrics=options.metrics,
        sky=getattr(options, "sky", None),
        stress=getattr(options, "stress", False),
        as_json=getattr(options, "json", False),
        told=told,
    )


def _demo_folder(train: bool) -> str:
    return "demo-training" if train else "demo"


def _cuts(options: argparse.Namespace, **further: Any) -> Any:
    """Return the quality cuts of a command without a job file."""
    from jpasbatch.photometry.normalisation import QualityCuts

    try:
        return QualityCuts(
            flags=options.flags, mask_flags=options.mask_flags, flagged=options.flagged, **further
        )
    except ValueError as error:
        raise InputError(f"--{str(error).replace('_', '-')}") from None


def _classify(options: argparse.Namespace) -> int:
    from jpasbatch.stages.classify.command import classify_command
    from jpasbatch.stages.classify.stage import ClassifyOptions

    how = ClassifyOptions(_cuts(options), options.prefix, options.filter_table, options.overwrite)
    return classify_command(
        options.tables,
        options.committee,
        options.survey,
        options.output,
        how,
        aperture=options.aperture,
        as_json=options.json,
    )
