"""Verbs and flags of the command line, as argparse takes them. `jpasbatch.cli` runs them.

Flags say where and how, never what: the science is in the job file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from jpasbatch.stages.classify.arguments import add_check, add_classify
from jpasbatch.stages.publish.arguments import add_publish
from jpasbatch.stages.run.arguments import add_job, add_notify
from jpasbatch.stages.submit.arguments import add_targets
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
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="jpasbatch",
        description="Whole-survey classification of J-PAS photometry: catalogues in; QSO counts, calibration "
        "and WEAVE target lists out.",
        epilog=EPILOGUE,
        formatter_class=raw,
    )
    parser.add_argument("--version", action="version", version=f"jpasbatch {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def add(verb: str, text: str, description: str = "") -> argparse.ArgumentParser:
        return verbs.add_parser(
            verb, help=text, description=description or text, epilog=EPILOGUE, formatter_class=raw
        )

    for verb, text in VERBS.items():
        _add_stages(add(verb, text), verb)
    _add_compare(add("compare", COMPARE))
    _add_repair(add("repair", REPAIR))
    _add_history(verbs.add_parser("history", help=HISTORY, description=HISTORY))
    _add_prune(add("prune", PRUNE))
    _add_replicate(add("replicate", REPLICATE))
    add_classify(add("classify", CLASSIFY, CLASSIFY_TEXT))
    add_check(add("check", CHECK_TABLES, CHECK_TABLES_TEXT))
    add_targets(verbs, EPILOGUE)
    add_publish(verbs, EPILOGUE)
    demo = verbs.add_parser("demo", help=DEMO, description=DEMO_TEXT)
    demo.add_argument("--train", action="store_true", help="train a committee of its own first: some minutes")
    _add_places(demo)
    _add_templates(verbs.add_parser("templates", help=TEMPLATES, description=TEMPLATES))
    return parser


def _add_stages(command: argparse.ArgumentParser, verb: str) -> None:
    """Add the arguments of a verb that runs stages of a job, or shows their state."""
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


def _add_compare(command: argparse.ArgumentParser) -> None:
    command.add_argument("comparison", type=Path, metavar="FILE.toml", help="which jobs, on which samples")
    command.add_argument(
        "--train", action="store_true", help="first train the committees that are missing or out of date"
    )
    _add_places(command, publishes=False)


def _add_repair(command: argparse.ArgumentParser) -> None:
    command.add_argument("job", type=Path, metavar="JOB.toml", help="job file: the science")
    _add_places(command, publishes=False)
    command.add_argument("--json", action="store_true", help="print what was damaged as one JSON object")
    add_notify(command)


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
