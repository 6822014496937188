"""The verbs ``publish`` and ``discard`` on the command line."""

from __future__ import annotations

import argparse
from typing import Any

from jpasbatch.stages.run.arguments import add_job, add_notify

PUBLISH = "publish the version that a gate holds, or go back to an earlier one"
PUBLISH_TEXT = """\
Publishes the version that a gate of the job file holds back ([gates]), with the reason why: --accept "REASON". With
--version N it publishes version N instead, after every byte of it was verified: collection, report, counts and lists
all become those of that version, in one step."""
DISCARD = "drop the version that a gate holds: it is not published, and not made again from the same input"


def add_publish(verbs: Any, epilogue: str) -> None:
    """Add the two verbs.

    Parameters
    ----------
    verbs : what `argparse.ArgumentParser.add_subparsers` returned
    epilogue : str
        Meaning of the exit codes.
    """
    raw = argparse.RawDescriptionHelpFormatter
    publish = verbs.add_parser(
        "publish", help=PUBLISH, description=PUBLISH_TEXT, epilog=epilogue, formatter_class=raw
    )
    add_job(publish)
    publish.add_argument(
        "--accept", metavar="REASON", help="why it is published all the same; kept in the history"
    )
    publish.add_argument(
        "--version", type=int, metavar="N", help="publish this version, and not the held one"
    )
    discard = verbs.add_parser(
        "discard", help=DISCARD, description=DISCARD, epilog=epilogue, formatter_class=raw
    )
    add_job(discard)
    discard.add_argument("--reason", metavar="TEXT", help="why; kept in the history")
    for command in (publish, discard):
        command.add_argument("--json", action="store_true", help="print what came of it as one JSON object")
        add_notify(command)
        command.add_argument("--verbose", action="store_true", help="show tracebacks")
