"""Arguments that verbs on a job have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_job(command: argparse.ArgumentParser) -> None:
    """Add the job file, where its results are, and what ``{data}`` stands for in it."""
    command.add_argument("job", type=Path, metavar="JOB.toml", help="job file: the science")
    command.add_argument("--output", type=Path, metavar="FOLDER", help="output folder (default: runs/NAME)")
    command.add_argument("--data", type=Path, metavar="FOLDER", help="what {data} stands for in the job file")


def add_notify(command: argparse.ArgumentParser) -> None:
    """Let a verb tell people how it ended."""
    command.add_argument(
        "--notify", type=Path, metavar="FILE", help="who is told how the run ended (deploy/notify.toml)"
    )
