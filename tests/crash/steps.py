"""Infer that dies at each step of its protocol: ``python -m tests.crash.steps SNAPSHOTS FOLDER [--all]``.

One process imports everything once and is forked for each crash, so that a crash costs a fraction of a second. In
the fork infer starts where an earlier version is published and a newer one is to be (so that readers have something
to lose), dies, and is looked at as readers would; then it runs again to its end, and the result is compared. A line
of JSON a step is printed. Without ``--all``, each function's kind of step is taken once, and with ``--every N`` each
N-th of these. ``--careless`` leaves out the flush of a finished version: the control, which a loss of power must show.
"""

import argparse
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hats.io.validation  # noqa: F401
import onnxruntime  # noqa: F401

from jpasbatch import cli
from jpasbatch.stages.infer import stage as infer
from jpasbatch.stages.run.partition_names import PREDICTIONS
from jpasbatch.storage.catalogue import assembly as catalogue_assembly
from jpasbatch.storage.catalogue.collection import current_extension
from tests.crash.dying import Dying
from tests.crash.judgement import data_files

NEWER = {"infer": 1_000_000}
"""Number of an algorithm that makes another fingerprint than that of the earlier version."""


def in_a_fork(function: Callable[[], Any], answer: Path) -> tuple[int, Any]:
    """Call a function in a fork of this process; return its exit status and what it returned (JSON)."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            answer.write_text(json.dumps(function()))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    found = json.loads(answer.read_text()) if answer.exists() else None
    answer.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status), found


def run_infer(folder: Path, careless: bool = False) -> int:
    """Run infer as the command line does, with the newer fingerprint."""
    infer.algorithm_numbers = lambda *names: NEWER
    if careless:
        catalogue_assembly.fsync_tree = lambda _: None
    return cli.main(["infer", str(folder / "tiny.toml"), "--output", str(folder), "--serial"])


def dying_infer(folder: Path, step: int, power: bool, careless: bool) -> list[str]:
    """Run infer and die at a step; return the names of all steps when it is never reached."""
    keepsakes = folder.with_name("keepsakes")
    keepsakes.mkdir()
    dying = Dying(folder, keepsakes, step, power)
    dying.arm()
    assert run_infer(folder, careless) == 0
    return dying.names


def seen(folder: Path) -> dict[str, Any]:
    """Return what a reader of the collection finds: the version, and the hashes of its partitions."""
    version = current_extension(folder / "sky", PREDICTIONS)
    return {"version": version.name, "files": data_files(version)}


def finished(folder: Path) -> dict[str, Any]:
    """Run infer again to its end, and once more; return what readers find and what was computed in vain."""
    code = run_infer(folder)
    found = seen(folder)
    return {
        **found,
        "code": code,
        "again": run_infer(folder),
        "kept": seen(folder) == found,
        "unfinished": (folder / "sky" / ".building").exists(),
    }


@dataclass(frozen=True)
class Crash:
    """Where infer dies: before which step, with the power, and with the control's carelessness or not."""

    step: int
    power: bool = False
    careless: bool = False

    def infer(self, base: Path, place: Path) -> tuple[Path, int, Any]:
        """Copy a folder and run infer in the copy; return the copy, the exit status, and the names of all steps."""
        shutil.rmtree(place, ignore_errors=True)
        folder = Path(shutil.copytree(base, place / "run"))
        died = in_a_fork(lambda: dying_infer(folder, self.step, self.power, self.careless), place / "answer")
        return folder, *died


def survive(crash: Crash, base: Path, place: Path, wanted: tuple[Any, Any]) -> list[str]:
    """Die at one step, look, finish, and return what was wrong."""
    folder, status, _ = crash.infer(base, place)
    before, after = wanted
    code, found = in_a_fork(lambda: seen(folder), place / "answer")
    problems = [] if status == -9 else [f"ended with {status} and not by SIGKILL"]
    if code != 0 or found not in (before, after):
        problems.append("readers saw neither the old version nor the new one")
    code, end = in_a_fork(lambda: finished(folder), place / "answer")
    if code != 0 or {key: end[key] for key in after} != after:
        problems.append("the next run ended with another result")
    elif (end["code"], end["again"], end["kept"], end["unfinished"]) != (0, 0, True, False):
        problems.append(f"the next runs: {end}")
    return problems


def main() -> int:
    """Print one line a crash, and return 1 when one of them was not survived."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("snapshots", type=Path)
    parser.add_argument("place", type=Path)
    parser.add_argument("--all", action="store_true", help="every step, killed and without power")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--careless", action="store_true")
    options = parser.parse_args()
    base, place = options.snapshots / "finished", options.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    before = in_a_fork(lambda: seen(base), place / "answer")[1]
    folder, _, names = Crash(-1, careless=options.careless).infer(base, place / "crash")
    after = in_a_fork(lambda: seen(folder), place / "answer")[1]
    assert before["version"] != after["version"]
    first = {name: number for number, name in reversed(list(enumerate(names)))}
    chosen = range(len(names)) if options.all else sorted(first.values())[:: options.every]
    bad = 0
    for turn, step in enumerate(chosen):
        for power in (False, True) if options.all else (turn % 2 == 0 or options.careless,):
            problems = survive(Crash(step, power, options.careless), base, place / "crash", (before, after))
            bad += bool(problems)
            line = {"step": step, "name": names[step], "power": power, "problems": problems}
            print(json.dumps(line), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
