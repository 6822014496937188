"""What ``foreign`` would do: which tables of others are read and matched again."""

from __future__ import annotations

from pathlib import Path

from jpasbatch.stages.ingest.foreign.stage import all_published, foreign_parts, hash_tables, table_keys
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.ingest_facts import ForeignFacts
from jpasbatch.stages.run.partition_names import partition_of
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    lacking,
    published_outlook,
    will_run,
)
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.tables.tables import list_tables

TABLES, PARTITIONS = "foreign: tables", "foreign: partitions"
UNFINISHED = "what it published is not there"


def plan_foreign(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``foreign`` would do: a table is matched with a version of the catalogue, and with all of it.

    Raises
    ------
    InputError
        Where the stage itself would refuse its input.
    """
    tables = workspace.job.foreign
    if will_run(before, "ingest"):
        listed = [list_tables(Path(one.table)) for one in tables]
        work = [
            Work(TABLES, tuple(key for paths in listed for key in table_keys(paths)), None),
            Work(PARTITIONS, None, None),
        ]
        return StagePlan("foreign", ("ingest makes another catalogue",), tuple(work), exact=False)
    site = open_site(workspace)
    photometry = open_catalogue(site.folder)
    files = {one.name: hash_tables(one) for one in tables}
    parts = {one.name: foreign_parts(one, files[one.name], workspace, photometry.name) for one in tables}
    identities = {name: fingerprint(**asked) for name, asked in parts.items()}
    done = standing(workspace, ForeignFacts, fingerprint(tables=identities))
    if done and all_published(site, tables, done.facts):
        return StagePlan("foreign")
    why = reasons(workspace.record("foreign"), parts) or [UNFINISHED]
    sky, keys, pixels = published_outlook(photometry), [], []
    for one in tables:
        run = planned_run(workspace, "foreign", identities[one.name])
        keys += lacking(run, table_keys(files[one.name]))
        pixels += _unmatched(run, sky)
    read = sum(map(len, files.values()))
    work = (
        Work(TABLES, tuple(keys), read),
        Work(PARTITIONS, tuple(pixels), len(tables) * len(sky.pixels)),
    )
    return StagePlan("foreign", tuple(why), work)


def _unmatched(run: Run, sky: Outlook) -> list[str]:
    missing = lacking(run, list(sky.names().values()))
    return [partition_of(name) for name in missing]
