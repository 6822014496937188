"""Runs a module of this folder that dies again and again, in a process of its own, and returns what it tells."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


def crashes(module: str, *arguments: str, code: int | None = None) -> list[dict[str, Any]]:
    """Return the lines of JSON that a module printed: one a crash; it must end with the code, where one is given."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.crash.{module}", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert code is None or found.returncode == code, found.stderr.decode()
    lines = [line for line in found.stdout.decode().splitlines() if line.startswith("{")]
    assert lines, found.stderr.decode()
    return [json.loads(line) for line in lines]
