"""What ``foreign`` would do: which tables of others are read and matched again."""

from __future__ import annotations

from jpasbatch.stages.ingest.foreign.stage import foreign_parts, table_keys
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    lacking,
    published_outlook,
    standing_record,
    will_run,
)
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint

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
        work = [
            Work(TABLES, tuple(key for one in tables for key in table_keys(one)), None),
            Work(PARTITIONS, None, None),
        ]
        return StagePlan("foreign", ("ingest makes another catalogue",), tuple(work), exact=False)
    site = open_site(workspace)
    photometry = open_catalogue(site.folder)
    parts = {one.name: foreign_parts(one, workspace, photometry.name) for one in tables}
    identities = {name: fingerprint(**asked) for name, asked in parts.items()}
    standing = standing_record(workspace, "foreign", fingerprint(tables=identities))
    if standing and all(
        site.is_published(one.extension, standing["tables"][one.name]["extension"]) for one in tables
    ):
        return StagePlan("foreign")
    why = reasons(workspace.record("foreign"), parts) or [UNFINISHED]
    sky, keys, pixels = published_outlook(photometry), [], []
    for one in tables:
        run = planned_run(workspace, "foreign", identities[one.name])
        keys += lacking(run, list(table_keys(one)))
        pixels += _unmatched(run, sky)
    read = sum(len(table_keys(one)) for one in tables)
    work = (
        Work(TABLES, tuple(keys), read),
        Work(PARTITIONS, tuple(pixels), len(tables) * len(sky.pixels)),
    )
    return StagePlan("foreign", tuple(why), work)


def _unmatched(run: Run, sky: Outlook) -> list[str]:
    missing = lacking(run, list(sky.names().values()))
    return [name.partition("-")[0] for name in missing]
