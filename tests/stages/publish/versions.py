"""Versions of a finished job that no stage has to make, and what an outsider reads of them."""

import json
import os
from pathlib import Path

from jpasbatch.cli import main
from jpasbatch.stages.publish.stage import Decision, publish_or_hold
from jpasbatch.stages.run.seals import seal_stage
from jpasbatch.stages.run.workshop import open_workshop
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import sha256_file, write_atomically

STAGES = ("ingest", "infer", "correct", "summarise")


def public(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that an outsider reads, by name."""
    found = {}
    for place, folders, files in os.walk(folder, followlinks=True):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in ("work", "versions")]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place) / name for name in files if name[0] != "." and name != "tiny.toml"):
            found[path.relative_to(folder).as_posix()] = sha256_file(path)
    return found


def change(workshop: Workspace, factor: float) -> None:
    """Let the workshop hold another version, as `summarise` leaves it: other counts, and another record."""
    path = workshop.folder / "summary.json"
    summary = json.loads(path.read_text())
    for subsets in summary["subsets"]["by_class"].values():
        for one in subsets.values():
            one["summed_probability"] *= factor
    write_atomically(path, json.dumps(summary).encode())
    record = workshop.require("summarise")
    record |= {"fingerprint": f"{factor}{record['fingerprint']}"}
    record["files"]["summary.json"] = sha256_file(path)
    write_atomically(workshop.folder / "work" / "summarise.json", json.dumps(record).encode())
    seal_stage(workshop.folder, "summarise", record)


def decide(workspace: Workspace, factor: float | None = None) -> Decision:
    """Decide what becomes of the workshop, after it was changed where a factor is given."""
    workshop = open_workshop(workspace)
    if factor is not None:
        change(workshop, factor)
    return publish_or_hold(workspace, workshop, STAGES)


def command(workspace: Workspace, *words: str) -> int:
    """Run a verb of the command line on the job; return its exit code."""
    verb, *options = words
    folder = workspace.folder
    return main([verb, str(folder / "tiny.toml"), "--output", str(folder), *options])
