"""An update that dies at steps of its protocol: ``python -m tests.crash.revision_steps FOLDER [--every N] [--power]``.

The folder holds ``sky``: a job that was run, whose input files changed since. Each crash is that of a fork, in a copy.
A line of JSON a crash is printed, with what was wrong after it.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from tests.crash.dying import Dying
from tests.crash.steps import in_a_fork
from tests.stages.ingest.test_revision import catalogue, ingest, refused, rows_of


def dying_update(folder: Path, step: int, power: bool) -> list[str]:
    """Update and die at a step; return the names of all steps when it is never reached."""
    keepsakes = folder.with_name("keepsakes")
    shutil.rmtree(keepsakes, ignore_errors=True)
    keepsakes.mkdir()
    dying = Dying(folder / "run", keepsakes, step, power)
    dying.arm()
    ingest(folder)
    return dying.names


def whole(folder: Path) -> list[Any]:
    """Return what a reader finds: the version, and a text of all its rows."""
    found = catalogue(folder)
    return [found.name, json.dumps(rows_of(found), sort_keys=True)]


def finish(folder: Path) -> list[Any]:
    """Update to the end; return what readers find, the quarantine, and what a further update would make."""
    record = ingest(folder)
    told = sorted(map(list, refused(folder, record)))
    return [*whole(folder), told, ingest(folder)["new_partitions"]]


def crash(place: Path, step: int, power: bool, old: list[Any], new: list[Any]) -> dict[str, Any] | None:
    """Die at a step, look, and go on; return what was wrong, or None when there is no such step."""
    folder, answer = place / "crashed", place / "answer.json"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place / "sky", folder, symlinks=True)
    _, names = in_a_fork(lambda: dying_update(folder, step, power), answer)
    if names is not None:
        return None
    problems = []
    _, seen = in_a_fork(lambda: whole(folder), answer)
    if seen not in (old, new[:2]):
        problems.append("readers saw neither the old version nor the new one")
    _, left = in_a_fork(lambda: finish(folder), answer)
    if left is None:
        problems.append("the next run failed")
    elif left[1:] != new[1:]:
        problems.append("the next run left something else")
    return {"step": step, "power": power, "problems": problems}


def main() -> None:
    """Crash at every N-th step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--power", action="store_true")
    options = parser.parse_args()
    place = options.place
    answer = place / "answer.json"
    _, old = in_a_fork(lambda: whole(place / "sky"), answer)
    shutil.copytree(place / "sky", place / "done", symlinks=True)
    _, new = in_a_fork(lambda: finish(place / "done"), answer)
    assert old[1] != new[1]
    step = 0
    while (found := crash(place, step, options.power, old, new)) is not None:
        print(json.dumps(found), flush=True)
        step += options.every


if __name__ == "__main__":
    main()
