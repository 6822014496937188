"""A job with gates that dies at each step of a publication: ``python -m tests.crash.versions SNAPSHOTS FOLDER``.

Of each way in which what is public changes (a folder gets gates; a version is published, held, accepted; an earlier one
comes back) a copy dies before each step in turn, killed or as in a loss of power. Readers must find the whole of the
old version or the whole of the new one, and the same command must end it. A line of JSON a step is printed; with
``--every N`` each N-th step alone.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from jpasbatch.stages.run.versions import current_version, read_versions
from tests.crash.dying import Dying
from tests.crash.steps import in_a_fork
from tests.stages.publish.versions import change, command, decide, public
from tests.stages.tiny_run import workspace_of

GATES = "\n[gates]\ncounts = 0.2\n"


def gets_gates(folder: Path) -> None:
    """Decide on a folder that was published without versions."""
    decide(workspace_of(folder))


def goes_on(folder: Path) -> None:
    """Decide on what the workshop holds."""
    decide(workspace_of(folder))


def is_accepted(folder: Path) -> None:
    """Publish what is held, unless it is public already."""
    if [one.state for one in read_versions(folder)][-1] != "published":
        assert command(workspace_of(folder), "publish", "--accept", "looked at it") == 0


def goes_back(folder: Path) -> None:
    """Publish the first version again."""
    assert command(workspace_of(folder), "publish", "--version", "1") == 0


def prepared(snapshots: Path, place: Path, factors: tuple[float, ...], last: float | None) -> Path:
    """Return a folder with gates that decided on some versions, and whose workshop holds another one."""
    folder = Path(shutil.copytree(snapshots / "finished", place))
    job = folder / "tiny.toml"
    job.write_text(job.read_text() + GATES)
    if last is not None:
        workspace = workspace_of(folder)
        for factor in (None, *factors):
            decide(workspace, factor)
        change(_workshop(folder), last)
    return folder


def _workshop(folder: Path):
    return workspace_of(folder / "work" / "workshop", folder / "tiny.toml")


WAYS: dict[str, tuple[tuple[float, ...], float | None, Callable[[Path], None]]] = {
    "gates are set": ((), None, gets_gates),
    "published": ((), 1.1, goes_on),
    "held": ((), 1.5, goes_on),
    "superseded": ((1.5,), 1 / 1.5, goes_on),
    "accepted": ((1.5,), 1.0, is_accepted),
    "taken back": ((1.1,), 1.0, goes_back),
}


def seen(folder: Path) -> list[object]:
    """Return what an outsider reads."""
    return [public(folder)]


def states(folder: Path) -> list[object]:
    """Return what an outsider reads, and what became of the versions."""
    current = current_version(folder)
    return [
        public(folder),
        current and current.identity,
        [one.state for one in read_versions(folder) if one.is_there][-1],
    ]


def dying(folder: Path, act: Callable[[Path], None], step: int, power: bool) -> list[str]:
    """Act, and die at a step; return the names of all steps when it is never reached."""
    keepsakes = folder.with_name("keepsakes")
    keepsakes.mkdir()
    one = Dying(folder, keepsakes, step, power)
    one.arm()
    act(folder)
    return one.names


def main() -> int:
    """Print one line a crash, and return 1 when one of them was not survived."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("snapshots", type=Path)
    parser.add_argument("place", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--way", choices=WAYS, help="this one alone")
    options = parser.parse_args()
    place, bad = options.place.resolve(), 0
    answer = place / "answer"
    for way, (factors, last, act) in WAYS.items():
        if options.way not in (None, way):
            continue
        base = prepared(options.snapshots, place / way.replace(" ", "-"), factors, last)
        crash = place / "crash"

        def copied(base: Path = base, crash: Path = crash) -> Path:
            shutil.rmtree(crash, ignore_errors=True)
            return Path(shutil.copytree(base, crash / "run", symlinks=True))

        before = in_a_fork(lambda base=base: seen(base), answer)[1]
        folder = copied()
        status, names = in_a_fork(lambda folder=folder, act=act: dying(folder, act, -1, False), answer)
        assert status == 0, way
        after = in_a_fork(lambda folder=folder: states(folder), answer)[1]
        for turn, step in enumerate(range(0, len(names), options.every)):
            folder, power = copied(), turn % 2 == 1
            status, _ = in_a_fork(
                lambda folder=folder, act=act, step=step, power=power: dying(folder, act, step, power), answer
            )
            problems = [] if status == -9 else [f"ended with {status} and not by SIGKILL"]
            found = in_a_fork(lambda folder=folder: seen(folder), answer)[1]
            if found not in (before, after[:1]):
                problems.append("readers saw neither the old version nor the new one")
            status, _ = in_a_fork(lambda folder=folder, act=act: act(folder), answer)
            end = in_a_fork(lambda folder=folder: states(folder), answer)[1]
            if status != 0 or end != after:
                problems.append(f"the next run ended with {status} and another result")
            bad += bool(problems)
            line = {"way": way, "step": step, "name": names[step], "power": power, "problems": problems}
            print(json.dumps(line), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    sys.exit(main())
