"""Runs of infer under random kills, and what they left: ``python -m tests.crash.kill_runs --log FILE``.

A run starts with a catalogue and a committee. Parts of it are killed or frozen at random moments, and the same
command is run again, until it publishes. Odd runs are on a local cluster, whose scheduler and nannies live in the
driver; even ones on a scheduler and nannies of their own. ``--control`` does the same to a naive protocol,
``--totals`` adds up a log. Every run has its own seed, which repeats it as far as the machine is as fast.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hats.io.validation import is_valid_catalog

from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue.collection import current_extension
from tests.crash.harness import Harness
from tests.crash.judgement import FAULTS, data_files, judge
from tests.crash.naive_infer import naive_version
from tests.crash.separate_cluster import PATIENCE, SeparateCluster, freeze, kill, separate_cluster
from tests.stages.tiny_run import serial, tiny_run, workspace_of

ADDRESS = (
    'kind = "address"\nscheduler = "tcp://127.0.0.1:{port}"\ninsecure = true\nno_workers_timeout = 12.0\n'
)
SHARE_FROZEN = 0.1
MOST_STARTS = 40


@dataclass
class Disturbed:
    """One run: its command, where it runs, and who decides what is hit when."""

    harness: Harness
    cluster: SeparateCluster | None
    chance: random.Random

    def strike(self, process: Any) -> None:
        """Kill or freeze one part, whatever lives."""
        strikes = self._strikes(process)
        kind = self.chance.choice(sorted(strikes))
        if strikes[kind]():
            self.harness.kills.append(kind)

    def _strikes(self, process: Any) -> dict[str, Callable[[], bool]]:
        own = {"worker": self.harness.workers(process)}
        parts = own if self.cluster is None else self.cluster.victims()
        frozen = self.cluster is not None and self.chance.random() < SHARE_FROZEN
        if frozen and parts:  # an earlier strike may have left nothing to freeze
            hosts = [[nanny, *self.harness.workers(nanny)] for nanny in parts.get("nanny", [])]
            found = {f"frozen {kind}": lambda kind=kind: freeze([self._one(parts[kind])]) for kind in parts}
            return found | ({"frozen host": lambda: freeze(self._one(hosts))} if hosts else {})
        found = {
            kind: lambda kind=kind: kill(self._one(parts[kind])) for kind, living in parts.items() if living
        }
        return found | {"driver": lambda: self._kill_driver(process), "all": lambda: self._kill_all(process)}

    def _written(self) -> int:
        """Return how many files there are of partitions and of unfinished versions, under either protocol."""
        places = (".staging", ".building", "predictions-naive")
        return sum(
            len(files) for place in places for *_, files in os.walk(self.harness.folder / "sky" / place)
        )

    def _wait_for_work(self, process: Any) -> None:
        before = self._written()
        self.harness.wait_for(process, lambda: self._written() > before)

    def _one(self, living: list[Any]) -> Any:
        return self.chance.choice(living)

    def _kill_driver(self, process: Any) -> bool:
        before = len(self.harness.kills)
        self.harness.kill_driver(process)
        return bool(self.harness.kills[before:] and self.harness.kills.pop())

    def _kill_all(self, process: Any) -> bool:
        before = len(self.harness.kills)
        self.harness.kill_all(process)
        if self.cluster is not None:
            self.cluster.kill_all()
        return bool(self.harness.kills[before:] and self.harness.kills.pop())

    def run(self, kills: int) -> list[int]:
        """Start the command until it publishes, and strike so many times; return its exit codes (-9: killed)."""
        codes: list[int] = []
        while not codes or codes[-1] != 0:
            assert len(codes) < MOST_STARTS, f"exit codes {codes}: {self.harness.output}"
            if self.cluster is not None:
                self.cluster.heal()
            with self.harness.start() as process:
                if self.chance.random() < 0.8:  # otherwise also while it starts
                    self._wait_for_work(process)
                while process.poll() is None and len(self.harness.kills) < kills:
                    time.sleep(self.chance.uniform(0, 1.2))
                    if process.poll() is None:
                        self.strike(process)
                    if self.cluster is not None and self.chance.random() < 0.5:
                        self.cluster.heal()  # under a driver that may still run, as a batch system does
                codes.append(process.wait(2 * PATIENCE))
            assert codes[-1] in (-9, *self.harness.codes), f"exit code {codes[-1]}: {self.harness.output}"
        return codes


def kill_run(snapshots: Path, folder: Path, seed: int, separate: bool, module: str) -> dict[str, Any]:
    """Do one run in a new folder and return what was done to it, and the faults of what it published."""
    chance = random.Random(seed)
    shutil.copytree(snapshots / "trained", folder)
    start = time.monotonic()
    with ExitStack() as stack:
        cluster = stack.enter_context(separate_cluster()) if separate else None
        text = {"cluster": ADDRESS.format(port=cluster.port)} if cluster is not None else {}
        harness = Harness(folder, module, **text)
        codes = Disturbed(harness, cluster, chance).run(kills=chance.randint(5, 9))
    wanted = current_extension(snapshots / "finished" / "sky", "predictions")
    if module == "naive_infer":
        faults = judge(naive_version(folder / "sky"), wanted)
    else:
        faults = judge(current_extension(folder / "sky", "predictions"), wanted) | remains(folder, wanted)
    return {
        "seed": seed,
        "cluster": "separate" if separate else "local",
        "module": module,
        "kills": dict(sorted(Counter(harness.kills).items())),
        "codes": codes,
        "faults": faults,
        "seconds": round(time.monotonic() - start, 1),
    }


def remains(folder: Path, wanted: Path) -> dict[str, int]:
    """Count what else must not be: an invalid or second version, unfinished work, partitions computed again."""
    version = current_extension(folder / "sky", "predictions")
    files = data_files(version)
    recomputed = run_stage("infer", workspace_of(folder), serial())["recomputed"]
    return {
        "invalid": int(not is_valid_catalog(version, strict=True) or version.name != wanted.name),
        "second version": len(
            [path for path in (folder / "sky").glob("predictions-*[!s]") if path != version]
        ),
        "unfinished": int((folder / "sky" / ".building").exists()),
        "recomputed": recomputed + int(data_files(version) != files),
    }


def totals(log: Path) -> str:
    """Return a table of the runs in a log."""
    runs = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [
        "| protocol | cluster | runs | bad runs | strikes | by kind | " + " | ".join(FAULTS) + " | other |"
    ]
    lines.append("|" + "---|" * (7 + len(FAULTS)))
    groups = sorted({(run["module"], run["cluster"]) for run in runs})
    for module, cluster in groups:
        these = [run for run in runs if (run["module"], run["cluster"]) == (module, cluster)]
        kills, faults = Counter[str](), Counter[str]()
        for run in these:
            kills.update(run["kills"])
            faults.update(run["faults"])
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(kills.items()))
        other = sum(number for fault, number in faults.items() if fault not in FAULTS)
        bad = sum(any(run["faults"].values()) for run in these)
        cells = [module.removesuffix("_infer"), cluster, len(these), bad, kills.total(), kinds]
        lines.append(
            "| " + " | ".join(map(str, [*cells, *(faults[fault] for fault in FAULTS), other])) + " |"
        )
    return "\n".join(lines)


def main() -> int:
    """Do some runs, append each to the log, and print the totals of the log."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True, help="a line of JSON a run is appended")
    parser.add_argument("--snapshots", type=Path, help="folder of the tiny run, made when absent")
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on")
    parser.add_argument("--control", action="store_true", help="the naive protocol")
    parser.add_argument("--totals", action="store_true", help="no runs, totals only")
    options = parser.parse_args()
    if not options.totals:
        module = "naive_infer" if options.control else "slow_infer"
        base = options.snapshots or Path(tempfile.mkdtemp())
        base.mkdir(parents=True, exist_ok=True)
        snapshots = tiny_run(base)
        for seed in range(options.seed, options.seed + options.runs):
            with tempfile.TemporaryDirectory() as folder:
                run = kill_run(snapshots, Path(folder) / "run", seed, seed % 2 == 0, module)
            with options.log.open("a") as file:
                file.write(json.dumps(run) + "\n")
            print(json.dumps(run), flush=True)
    print(totals(options.log))
    return 0


if __name__ == "__main__":
    sys.exit(main())
