"""What ``mock`` would do: which tables are written, or which partitions of which sets are made."""

from __future__ import annotations

from jpasbatch.mocks.options.table import required_mock
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.skies.objects import faintest_of
from jpasbatch.mocks.skies.places import limited_to
from jpasbatch.mocks.stages.mock import ask_tables, table_keys
from jpasbatch.mocks.stages.sets import ask_sets, set_is_whole, set_runs
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.mock_facts import MockSets, MockTables
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, task_work
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.ledger import fingerprint

TABLES = "mock: tables"
GONE = "files that it made are gone"


def plan_mock(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``mock`` would do.

    Raises
    ------
    InputError
        When the job has no ``[mock]``, or what it is made from is missing.
    """
    options = required_mock(workspace.job)
    if isinstance(options, TemplateSky):
        return _plan_sets(workspace, limited_to(options, faintest_of(workspace.survey)))
    parts = ask_tables(workspace, options)
    done = standing(workspace, MockTables, fingerprint(**parts))
    if done and all((workspace.folder / path).is_file() for path in done.facts.tables):
        return StagePlan("mock")
    keys = tuple(table_keys(options))
    why = reasons(workspace.record("mock"), parts) or [GONE]
    return StagePlan("mock", tuple(why), (Work(TABLES, keys, len(keys)),))


def _plan_sets(workspace: Workspace, options: TemplateSky) -> StagePlan:
    parts = ask_sets(workspace, options)
    done = standing(workspace, MockSets, fingerprint(**parts))
    if done and all(set_is_whole(workspace, made) for made in done.facts.sets.values()):
        return StagePlan("mock")
    work = [
        task_work(f"mock: {name}", run, keys) for name, (run, keys) in set_runs(workspace, options).items()
    ]
    why = reasons(workspace.record("mock"), parts) or [GONE]
    return StagePlan("mock", tuple(why), tuple(work))
