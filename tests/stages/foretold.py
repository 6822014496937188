"""A plan and what then happens: the same tasks, or the plan is wrong."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.planning import plan_stages
from jpasbatch.stages.run import committed, mapping
from jpasbatch.stages.run.causes import MAKERS, without_places
from jpasbatch.stages.run.history import recorded_run
from jpasbatch.stages.run.plans import StagePlan
from jpasbatch.stages.run.workspace import Workspace
from tests.stages.tiny_run import serial

LOOKS = {"ingest: input hashes", "ingest: known ids", "infer: precision", "mock: realism"}
"""Tasks that look at something and make nothing; and the page of a mock."""


def tree(folder: Path) -> str:
    """Return a hash of everything below a folder: names, bytes, inodes and times of change."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        digest.update(f"{path.relative_to(folder)} {about.st_ino} {about.st_mtime_ns}\n".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def foretell(stages: tuple[str, ...], workspace: Workspace) -> dict[str, StagePlan]:
    """Return the plan, and check that making it changed nothing."""
    before = tree(workspace.folder)
    plans = plan_stages(stages, workspace)
    assert tree(workspace.folder) == before
    return plans


@contextmanager
def watched() -> Iterator[dict[str, set[str]]]:
    """Yield the tasks that are run within the block, by title; keys as plans have them."""
    seen: dict[str, set[str]] = {}
    real = mapping.run_each

    def run_each(meter, function, tasks, *rest):
        listed = list(tasks)
        if listed:
            seen.setdefault(meter.title, set()).update(_plain(meter.title, task.key) for task in listed)
        return real(meter, function, listed, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "run_each", run_each)
        patch.setattr(committed, "run_each", run_each)
        yield seen


def _plain(title: str, key: str) -> str:
    of_pixels = title.endswith((": partitions", ": counting", ": grown partitions"))
    return key.removeprefix("grown-").partition("-")[0] if of_pixels else key


def check(plans: dict[str, StagePlan], seen: dict[str, set[str]]) -> None:
    """Check that the tasks that ran are those of the plan: all of an exact one, or some of one that says at most."""
    told = {work.title: (plan, work) for plan in plans.values() for work in plan.work}
    assert seen.keys() - LOOKS <= told.keys()
    for title, (plan, work) in told.items():
        if work.keys is None:
            assert not plan.exact
        elif plan.exact:
            assert seen.get(title, set()) == set(work.keys), title
        else:
            assert seen.get(title, set()) <= set(work.keys), title


def plan_and_run(stages: tuple[str, ...], opened: Callable[[], Workspace]) -> dict[str, StagePlan]:
    """Plan, run, and check the one against the other; return the plan."""
    plans = foretell(stages, opened())
    workspace = opened()
    with watched() as seen, workspace.prepare(), recorded_run(workspace, "run", stages) as run:
        for stage in stages:
            before = workspace.record(stage)
            run.add(stage, before, run_stage(stage, workspace, serial()))
    check(plans, seen)
    for stage, plan in plans.items():
        if plan.exact:
            told = run.stages[stage]
            assert told["ran"] == plan.runs, stage
            assert _changes(stage, told.get("because", [])) == _changes(stage, plan.reasons), stage
    return plans


def _changes(stage: str, reasons: Iterable[str]) -> set[str]:
    """Return the reasons that name what changed, which a plan and the history of the run tell in the same words.

    Of what another stage made, the history tells which stage that was.
    """
    made = tuple(f"{part}:" for part in MAKERS.get(stage, {}))
    named = [line for line in reasons if " -> " in line and not line.startswith(made)]
    return {without_places(line) for line in (*named, *(line for line in reasons if "input file" in line))}


def change_text(path: Path, old: str, new: str) -> None:
    """Change a job file in one place."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
