"""What ``ingest`` would do: which files are read, and which partitions they touch."""

from __future__ import annotations

import tempfile

import numpy as np

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.stages.ingest.adoption import adoption_parts, is_published
from jpasbatch.stages.ingest.arrivals import ExpectedGrowth, expect_growth, new_files
from jpasbatch.stages.ingest.carrying import carried_schema
from jpasbatch.stages.ingest.request import Asked, ask_ingest
from jpasbatch.stages.ingest.stage import read_tables, table_names
from jpasbatch.stages.run.changes import changed_files, changed_parts, reasons
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.mock_parts import makes_sets, set_folder
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    pixel_key,
    published_outlook,
    standing_record,
    task_work,
    will_run,
)
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint

CHECKED, INDEXED, GROWN = "ingest: checked tables", "ingest: new rows", "ingest: grown partitions"
NOT_PUBLISHED = "the catalogue that it made is not the published one"


def plan_ingest(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``ingest`` would do.

    Input files are hashed. Where the catalogue would grow, the new files are read and the ids of all partitions are
    compared with theirs, in a temporary folder: that alone tells which partitions they touch.

    Raises
    ------
    InputError
        Where the stage itself would refuse its input.
    """
    section = workspace.job.catalogue
    makers = will_run(before, "fetch", "mock") if section.input is None else []
    if makers:
        return StagePlan("ingest", (f"{makers[0]} makes its input",), (Work(CHECKED, None, None),), False)
    if section.input is None and workspace.job.fetch is None and makes_sets(workspace.require("mock")):
        return _plan_adoption(workspace)
    executor = Executor(None, {}, 0.0)
    asked = ask_ingest(workspace, executor)
    record = workspace.record("ingest")
    published = record is not None and is_published(workspace, record["catalogue"])
    if published and standing_record(workspace, "ingest", asked.identity):
        return StagePlan("ingest", outlook=published_outlook(open_catalogue(workspace.sky)))
    why = reasons(record, asked.parts)
    if record is not None:
        why += changed_files(record.get("inputs", {}), asked.hashes)
        why += [] if published else [NOT_PUBLISHED]
    changed = changed_parts(record, asked.parts)
    arrived, reason = new_files(record, changed, asked.hashes, section.overlaps is not None)
    if arrived and published and workspace.incremental:
        return _plan_growth(workspace, asked, arrived, why, executor)
    why += [f"the whole catalogue, because {reason}"] if workspace.incremental and record and reason else []
    run = planned_run(workspace, "ingest", asked.identity)
    names = list(table_names(list(asked.files.values())))
    return StagePlan("ingest", tuple(why), (task_work(CHECKED, run, names),))


def _plan_adoption(workspace: Workspace) -> StagePlan:
    mock = workspace.require("mock")
    name = workspace.job.catalogue.sample or mock["catalogue"]
    made = open_catalogue(set_folder(workspace, mock, name, "[catalogue] sample"))
    parts, record = adoption_parts(workspace, made), workspace.record("ingest")
    outlook = published_outlook(made)  # the same files get a second name
    published = record is not None and is_published(workspace, record["catalogue"])
    if published and standing_record(workspace, "ingest", fingerprint(**parts)):
        return StagePlan("ingest", outlook=outlook)
    why = reasons(record, parts) or [NOT_PUBLISHED]
    return StagePlan("ingest", tuple(why), outlook=outlook)


def _plan_growth(
    workspace: Workspace, asked: Asked, arrived: list[str], why: list[str], executor: Executor
) -> StagePlan:
    files = [asked.files[label] for label in arrived]
    with tempfile.TemporaryDirectory(prefix="jpasbatch-plan-") as folder:
        run = Run(folder, "run")
        run.path.mkdir()
        there = open_catalogue(workspace.sky).schema
        carried, _ = carried_schema(files, workspace, executor, there)
        records = read_tables(files, asked.filter_table, workspace, run, executor, carried)
        accepted = [run.path / "accepted" / record["name"] for record in records if record["accepted"]]
        growth = expect_growth(workspace, accepted, run, asked.identity, executor)
    outlook = _grown_outlook(growth)
    real = planned_run(workspace, "ingest", asked.identity)
    work = (
        task_work(CHECKED, real, list(table_names(files))),
        task_work(INDEXED, real, [f"indexed-{path.name}" for path in accepted]),
        _grown_work(outlook, real),
    )
    return StagePlan("ingest", tuple(why), work, outlook=outlook)


def _grown_work(outlook: Outlook, run: Run) -> Work:
    keys = {f"grown-{pixel_key(pixel)}": pixel for pixel in sorted(outlook.made)}
    todo = task_work(GROWN, run, list(keys))
    assert todo.keys is not None
    chosen = [keys[key] for key in todo.keys]
    return Work(GROWN, tuple(map(pixel_key, chosen)), len(keys), outlook.rows(chosen))


def _grown_outlook(growth: ExpectedGrowth) -> Outlook:
    """Return the partitions that a growth leaves; rows of those that it makes count superseded rows too."""
    catalogue = growth.catalogue
    sums = np.concatenate([[0], np.cumsum(catalogue.counts() + growth.counts)])
    held, made, kept = published_outlook(catalogue).kept, {}, {}
    for one in growth.plan:
        pixel, width = (one.order, one.pixel), 4 ** (catalogue.map_order - one.order)
        if one.touched:
            made[pixel] = int(sums[(one.pixel + 1) * width] - sums[one.pixel * width])
        else:
            kept[pixel] = held[pixel]
    # an object that comes again as it was leaves the bytes of its partition as they are
    return Outlook(kept, made, differs=not growth.shrunk)
