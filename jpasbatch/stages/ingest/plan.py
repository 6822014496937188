"""What ``ingest`` would do: which files are read, and which partitions they touch."""

from __future__ import annotations

import tempfile

import numpy as np

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.stages.ingest.adoption import adoption_parts, is_published
from jpasbatch.stages.ingest.arrivals import GROWN, INDEXED, ExpectedGrowth
from jpasbatch.stages.ingest.inputs import InputChanges
from jpasbatch.stages.ingest.reading import CHECKED, table_names
from jpasbatch.stages.ingest.request import Asked, ask_ingest
from jpasbatch.stages.ingest.returning import RETURNED
from jpasbatch.stages.ingest.revision import prepare_revision, revision_identity
from jpasbatch.stages.ingest.sources import LISTED, listing_key
from jpasbatch.stages.ingest.stage import ask_changes
from jpasbatch.stages.ingest.whole_rows import REJECTED, rejecting, whole_rows_key
from jpasbatch.stages.run.changes import changed_files, reasons, shortened
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.mock_facts import MockSets
from jpasbatch.stages.run.mock_parts import makes_sets, set_folder
from jpasbatch.stages.run.partition_names import pixel_key
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    published_outlook,
    task_work,
    will_run,
)
from jpasbatch.stages.run.records import StageRecord, recorded, required, standing
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint

NOT_PUBLISHED = "the catalogue that it made is not the published one"


def plan_ingest(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``ingest`` would do.

    Input files are hashed. Where the catalogue would be revised, the new files are read and compared with what is known
    of the rows of all others, in a temporary folder: that alone tells which partitions are touched.

    Raises
    ------
    InputError
        Where the stage itself would refuse its input.
    """
    section = workspace.job.catalogue
    makers = will_run(before, "fetch", "mock") if section.input is None else []
    if makers:
        titles = (CHECKED, LISTED, *([REJECTED] if section.rejected == "whole" else []))
        work = tuple(Work(title, None, None) for title in titles)
        return StagePlan("ingest", (f"{makers[0]} makes its input",), work, False)
    if section.input is None and workspace.job.fetch is None and makes_sets(workspace.require("mock")):
        return _plan_adoption(workspace)
    executor = Executor(None, {}, 0.0)
    asked = ask_ingest(workspace, executor)
    record = recorded(workspace, IngestFacts)
    published = record is not None and is_published(workspace, record.facts.catalogue)
    if published and standing(workspace, IngestFacts, asked.identity):
        return StagePlan("ingest", outlook=published_outlook(open_catalogue(workspace.sky)))
    why = reasons(None if record is None else record.content, asked.parts)
    if record is not None:
        why += changed_files(record.facts.inputs or {}, asked.hashes)
        why += [] if published else [NOT_PUBLISHED]
    changes = ask_changes(workspace, asked, record)
    if record is not None and not changes.whole:
        return _plan_revision(workspace, asked, changes, record, why, executor)
    if workspace.incremental and record is not None:
        why.append(f"the whole catalogue, because {changes.whole}")
    run = planned_run(workspace, "ingest", asked.identity)
    names = list(table_names(list(asked.files.values())))
    listed = [listing_key(name) for name in names]
    work = [task_work(CHECKED, run, names), task_work(LISTED, run, listed)]
    keeps_rejected = workspace.job.catalogue.rejected == "whole"
    if keeps_rejected:  # of which files is known when they are read
        work.append(task_work(REJECTED, run, [whole_rows_key(name) for name in names]))
    return StagePlan("ingest", tuple(why), tuple(work), exact=not keeps_rejected)


def _plan_adoption(workspace: Workspace) -> StagePlan:
    mock = required(workspace, MockSets)
    name = workspace.job.catalogue.sample or mock.facts.catalogue
    made = open_catalogue(set_folder(workspace, mock.content, name, "[catalogue] sample"))
    parts, record = adoption_parts(workspace, made), recorded(workspace, IngestFacts)
    outlook = published_outlook(made)  # the same files get a second name
    published = record is not None and is_published(workspace, record.facts.catalogue)
    if published and standing(workspace, IngestFacts, fingerprint(**parts)):
        return StagePlan("ingest", outlook=outlook)
    why = reasons(None if record is None else record.content, parts) or [NOT_PUBLISHED]
    return StagePlan("ingest", tuple(why), outlook=outlook)


def _plan_revision(
    workspace: Workspace,
    asked: Asked,
    changes: InputChanges,
    record: StageRecord[IngestFacts],
    why: list[str],
    executor: Executor,
) -> StagePlan:
    """Return what becomes of the catalogue; what must be read for it is read, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="jpasbatch-plan-") as folder:
        run = Run(folder, "run")
        run.path.mkdir()
        revision = prepare_revision(workspace, asked, changes, record.facts, run, executor)
        commits = run.commits()
    outlook = _grown_outlook(revision.expected)
    real = planned_run(workspace, "ingest", revision_identity(record, asked.identity))
    keys = {
        CHECKED: [one.name for one in revision.records],
        RETURNED: sorted(key for key in commits if key.startswith("back-")),
        LISTED: sorted(key for key in commits if key.startswith("listed-")),
        INDEXED: sorted(key for key in commits if key.startswith("indexed-")),
    }
    if workspace.job.catalogue.rejected == "whole":
        keys[REJECTED] = list(rejecting(revision.records))
    work = [task_work(title, real, named) for title, named in keys.items() if named]
    if outlook.made:
        work.append(_grown_work(outlook, real))
    if emptied := [pixel_key(pixel) for pixel in sorted(revision.expected.emptied)]:
        why.append(f"partitions lose all of their rows: {shortened(emptied)}")
    return StagePlan("ingest", tuple(why), tuple(work), outlook=outlook)


def _grown_work(outlook: Outlook, run: Run) -> Work:
    keys = {f"grown-{pixel_key(pixel)}": pixel for pixel in sorted(outlook.made)}
    todo = task_work(GROWN, run, list(keys))
    assert todo.keys is not None
    chosen = [keys[key] for key in todo.keys]
    return Work(GROWN, tuple(map(pixel_key, chosen)), len(keys), outlook.rows(chosen))


def _grown_outlook(growth: ExpectedGrowth) -> Outlook:
    """Return the partitions that a growth leaves."""
    catalogue = growth.catalogue
    sums = np.concatenate([[0], np.cumsum(growth.before + growth.arriving)])
    held, made, kept = published_outlook(catalogue).kept, {}, {}
    for one in growth.plan:
        pixel, width = (one.order, one.pixel), 4 ** (catalogue.map_order - one.order)
        if one.touched:
            made[pixel] = int(sums[(one.pixel + 1) * width] - sums[one.pixel * width])
        else:
            kept[pixel] = held[pixel]
    return Outlook(kept, made, growth.differs)
