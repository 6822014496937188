"""Two updates at once, one of them killed: ``python -m tests.crash.updates SNAPSHOTS FOLDER --runs 20 --seed 1``.

A job was published; then a tile came, one changed, and one went. Two ``update``s begin within seconds of each
other, and at a random moment one of those that live is killed (SIGKILL). Updates follow, as a timer starts them,
until one finds nothing to do. Somebody looks at the pointer all the while. Odd seeds are of a job that publishes by
versions, even ones of a job without; each third seed runs on a local cluster, whose workers the killed driver leaves
behind. A line of JSON a run is printed. With ``--control`` leases keep nobody out, and both begin at the same time.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog

from jpasbatch import cli
from jpasbatch.stages.run.history import read_history
from jpasbatch.stages.run.versions import CURRENT, read_versions
from jpasbatch.storage.catalogue.collection import POINTER, current_extension, open_catalogue
from jpasbatch.storage.stores.artefacts import committee_version
from jpasbatch.storage.stores.files import Lease
from tests.blank_figures import leave_figures_blank
from tests.crash.judgement import data_files
from tests.stages.ingest.test_arrivals import JOB, write_tile

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 240.0  # seconds until an update must have ended
LOOK = 0.005  # seconds between looks at the pointer
ROWS = 120
GATES = "\n[gates]\nquarantined = 0.5\n"
CLUSTER = 'kind = "local"\nworkers = 2\nmemory_limit = "2 GiB"\n'
CONTROL = "--control"
UNDRAWN = "import sys; from tests.crash.updates import undrawn; sys.exit(undrawn(sys.argv[1:]))"
CATALOGUES = ("photometry", "predictions", "posteriors")
EXTENSIONS = CATALOGUES[1:]


@dataclass(frozen=True)
class Undisturbed:
    """What an update leaves that nothing disturbed, and how long it takes."""

    told: dict[str, Any]
    pointers: list[str]
    seconds: float


def prepare(snapshots: Path, folder: Path, gated: bool) -> Path:
    """Publish a job of four tiles, then change its input; return its folder."""
    committee = committee_version(snapshots / "trained" / "committee")
    for tile in range(1, 5):
        write_tile(folder / "tiles", tile, 178.5 + 1.5 * tile, rows=ROWS)
    (folder / "job.toml").write_text(JOB.format(committee=committee) + (GATES if gated else ""))
    (folder / "cluster.toml").write_text(CLUSTER)
    with update(folder, "first.txt", "--serial") as process:
        assert process.wait(PATIENCE) == 0, (folder / "first.txt").read_text()
    write_tile(folder / "tiles", 5, 186.0, rows=ROWS)
    write_tile(folder / "aside", 2, 181.5, rows=ROWS - 20).replace(folder / "tiles" / "2-1815-1.fits")
    (folder / "tiles" / "3-1830-1.fits").unlink()
    return folder


def undrawn(arguments: list[str]) -> int:
    """Run a command whose figures are blank, which would take most of its time; without leases where told so."""
    leave_figures_blank(pytest.MonkeyPatch())
    if arguments[-1] == CONTROL:
        Lease.__enter__ = lambda lease: lease  # type: ignore[method-assign]
        Lease.__exit__ = lambda *_: None  # type: ignore[method-assign]
    return cli.main([one for one in arguments if one != CONTROL])


@contextmanager
def update(folder: Path, log: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start an update in a session of its own; nothing of it is left at the end."""
    command = [sys.executable, "-W", "ignore", "-c", UNDRAWN, "update", str(folder / "job.toml")]
    command += ["--output", str(folder / "run"), "--data", str(folder), *options]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (folder / log).open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


class Reader:
    """Looks at the pointer of a job all the while, and remembers what it led to."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.seen: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.wait(LOOK):
            now = pointer(self.run)
            if now not in self.seen[-1:]:
                self.seen.append(now)


def pointer(run: Path) -> str:
    """Return what a reader of the moment is led to."""
    if (run / CURRENT).is_symlink():
        return (run / CURRENT).readlink().name
    return (run / "sky" / POINTER).read_text()


def left(folder: Path) -> dict[str, Any]:
    """Return what is published: versions and bytes of catalogues, objects, counts, lists, and what is left over."""
    sky = folder / "run" / "sky"
    places = {"photometry": open_catalogue(sky).path}
    places |= {name: current_extension(sky, name) for name in EXTENSIONS}
    objects = {
        name: [one for file in sorted((place / "dataset").rglob("*.parquet")) for one in _objects(file)]
        for name, place in places.items()
    }
    summary = json.loads((folder / "run" / "summary.json").read_text())
    return {
        "names": {name: place.name for name, place in places.items()},
        "files": {name: data_files(place) for name, place in places.items()},
        "rows": {name: len(ids) for name, ids in objects.items()},
        "once": all(len(set(ids)) == len(ids) for ids in objects.values()),
        "valid": all(is_valid_catalog(place, strict=True) for place in places.values()),
        "counts": summary["counts"],
        "lists": {
            path.relative_to(folder).as_posix(): str(pq.read_table(path).to_pylist())
            for path in sorted((folder / "run" / "targets").rglob("*/*/*.parquet"))
        },
        "building": (sky / ".building").exists(),
        "versions": {name: len(list(sky.glob(f"{name}-*[0-9a-f]"))) for name in CATALOGUES},
        "states": [one.state for one in read_versions(folder / "run")],
    }


def _objects(file: Path) -> list[int]:
    with pq.ParquetFile(file, page_checksum_verification=True) as opened:
        return opened.read(["object_id"]).column(0).to_pylist()


def undisturbed(base: Path, folder: Path) -> Undisturbed:
    """Update a copy, once and alone."""
    shutil.copytree(base, folder, symlinks=True)
    begun = time.monotonic()
    with Reader(folder / "run") as reader, update(folder, "alone.txt", "--serial") as process:
        assert process.wait(PATIENCE) == 0, (folder / "alone.txt").read_text()
        seconds = time.monotonic() - begun
    assert len(reader.seen) >= 2
    return Undisturbed(left(folder), reader.seen, seconds)


def disturb(base: Path, folder: Path, wanted: Undisturbed, seed: int, control: bool) -> dict[str, Any]:
    """Let two updates begin in a copy, kill one, run again what is to be run again, and return what was found."""
    chance = random.Random(seed)
    shutil.copytree(base, folder, symlinks=True)
    where = ["--cluster", str(folder / "cluster.toml")] if seed % 3 == 0 else ["--serial"]
    where += [CONTROL] if control else []
    codes: list[int] = []
    with Reader(folder / "run") as reader:
        with update(folder, "one.txt", *where) as one:
            time.sleep(0 if control else chance.uniform(0, 0.5 * wanted.seconds))
            with update(folder, "two.txt", *where) as two:
                time.sleep(chance.uniform(0, 0.8 * wanted.seconds))
                living = [process for process in (one, two) if process.poll() is None]
                victim = chance.choice(living) if living else None
                if victim is not None:
                    victim.kill()
                codes += [process.wait(PATIENCE) for process in (one, two)]
        while codes.count(0) < 2:  # the last one finds nothing to do
            assert len(codes) < 6, (codes, _said(folder))
            with update(folder, "again.txt", "--serial") as again:
                codes.append(again.wait(PATIENCE))
    last = read_history(folder / "run")[-1]
    return {
        "seed": seed,
        "gates": (folder / "run" / CURRENT).is_symlink(),
        "where": where[0].removeprefix("--"),
        "killed": {None: "neither", one: "first", two: "second"}[victim],
        "codes": codes,
        "moves": len(reader.seen) - 1,
        "problems": problems(left(folder), reader.seen, wanted, codes, last),
    }


def _said(folder: Path) -> str:
    return "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.txt")))


def problems(
    found: dict[str, Any], pointers: list[str], wanted: Undisturbed, codes: list[int], last: dict[str, Any]
) -> list[str]:
    """Return what is not as an undisturbed update leaves it."""
    told = [f"{key} differ" for key in wanted.told if found[key] != wanted.told[key]]
    if pointers != wanted.pointers:
        told.append(f"readers were led to {pointers}")
    if set(codes) - {0, 75, -signal.SIGKILL}:
        told.append(f"exit codes {codes}")
    if last.get("exit_code") != 0 or any(stage.get("ran") for stage in last["results"].values()):
        told.append("the last update did not find everything done")
    return told


def main() -> int:
    """Print one line a run, and what came of all; return 1 when one of them was not as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("snapshots", type=Path, help="folder of the tiny run")
    parser.add_argument("place", type=Path)
    parser.add_argument("--runs", type=int, default=20, help="in which one was killed")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on")
    parser.add_argument(CONTROL, action="store_true", help="leases keep nobody out")
    options = parser.parse_args()
    place, bad, kinds = options.place.resolve(), 0, Counter[str]()
    seed, ended = options.seed, 0
    bases = {gated: prepare(options.snapshots, place / f"base-{gated:d}", gated) for gated in (False, True)}
    wanted = {gated: undisturbed(base, place / f"alone-{gated:d}") for gated, base in bases.items()}
    while ended < options.runs:
        gated = seed % 2 == 1
        found = disturb(bases[gated], place / "run", wanted[gated], seed, options.control)
        ended += found["killed"] != "neither"  # both may have ended before
        bad += bool(found["problems"])
        kinds[f"{found['killed']} killed"] += 1
        print(json.dumps(found), flush=True)
        if not found["problems"]:  # what went wrong stays to be looked at
            shutil.rmtree(place / "run")
        else:
            (place / "run").rename(place / f"bad-{seed}")
        seed += 1
    print(f"{kinds.total()} runs, {bad} bad; {dict(sorted(kinds.items()))}")
    return int(bad > 0)


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    sys.exit(main())
