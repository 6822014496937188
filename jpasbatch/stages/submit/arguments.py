"""The verb ``targets`` on the command line; its libraries are imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TARGETS = "check target lists before they are submitted, and compare two of them"
CHECK = "say all that is wrong with WEAVE target catalogues, whoever wrote them, by row and column"
DIFF = "say which targets were added, dropped or changed between two lists, and why"


def add_targets(verbs: Any, epilogue: str) -> None:
    """Add the verb, and what can be done with target lists.

    Parameters
    ----------
    verbs : what `argparse.ArgumentParser.add_subparsers` returned
    epilogue : str
        Meaning of the exit codes.
    """
    raw = argparse.RawDescriptionHelpFormatter
    command = verbs.add_parser(
        "targets", help=TARGETS, description=TARGETS, epilog=epilogue, formatter_class=raw
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help=CHECK, description=CHECK, epilog=epilogue, formatter_class=raw)
    check.add_argument("files", type=Path, nargs="+", metavar="FILE.fits", help="WEAVE target catalogue")
    check.add_argument(
        "--template",
        type=Path,
        metavar="FILE.fits",
        help="template of the survey (default: the built-in columns)",
    )
    check.add_argument("--json", action="store_true", help="print one JSON object a file")
    diff = actions.add_parser("diff", help=DIFF, description=DIFF)
    diff.add_argument("old", type=Path, metavar="OLD.fits", help="list that was")
    diff.add_argument("new", type=Path, metavar="NEW.fits", help="list that is")
    diff.add_argument("--json", action="store_true", help="print what changed as one JSON object")
    for action in (check, diff):
        action.add_argument("--verbose", action="store_true", help="show tracebacks")


def run_targets(options: argparse.Namespace) -> int:
    """Do what was asked for, and return the exit code."""
    if options.action == "check":
        from jpasbatch.stages.submit.check import check_targets

        return check_targets(options.files, options.template, options.json)
    from jpasbatch.stages.submit.diff import compare_targets

    return compare_targets(options.old, options.new, options.json)
