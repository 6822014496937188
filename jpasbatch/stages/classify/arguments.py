"""Arguments of the verbs that read tables without a job file."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_classify(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``classify``."""
    add = command.add_argument
    add("tables", type=Path, nargs="+", metavar="TABLE", help="table, or folder of tables")
    add(
        "--committee",
        metavar="FOLDER|NAME",
        help="output folder of a run that trained one, or a committee of the package (default: that of the survey)",
    )
    add(
        "--survey",
        metavar="NAME|FILE",
        help="survey of the tables (default: that of the committee, or the one whose columns they have)",
    )
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="one file for all rows: .fits, .vot, .xml, .parquet, .csv or .ecsv (default: NAME-classified of the same "
        "kind for each table, in the current folder)",
    )
    add("--overwrite", action="store_true", help="replace an output that is there")
    add(
        "--prefix", default="", metavar="TEXT", help="put this before the names of the columns that are added"
    )
    _add_reading(command)
    add("--json", action="store_true", help="print what was done as one JSON object")
    add("--verbose", action="store_true", help="log the details, and show tracebacks")


def _add_reading(command: argparse.ArgumentParser) -> None:
    """Add what says how tables are read without a job file."""
    add = command.add_argument
    add(
        "--filter-table",
        type=Path,
        metavar="FILE.csv",
        help="which band is where in vectors, for tables without a table FILTER",
    )
    add("--flags", type=int, default=0, metavar="BITS", help="bits of FLAGS that a row may have (default 0)")
    add("--mask-flags", type=int, default=0, metavar="BITS", help="the same of MASK_FLAGS")
    add(
        "--flagged",
        choices=["row", "band"],
        default="row",
        help="what other bits take out: the row, or the band that has them (default row)",
    )
    add("--aperture", default="", metavar="NAME", help="in which fluxes are read (default: the survey's own)")


def add_check(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``check``."""
    add = command.add_argument
    add("tables", type=Path, nargs="+", metavar="TABLE", help="table, or folder of tables")
    add("--survey", required=True, metavar="NAME|FILE", help="survey of the tables")
    add(
        "--duplicates",
        choices=["refuse", "quarantine"],
        default="refuse",
        help="what ids that occur twice are",
    )
    _add_reading(command)
    add("--json", action="store_true", help="print what was found as one JSON object")
    add("--verbose", action="store_true", help="log the details, and show tracebacks")
