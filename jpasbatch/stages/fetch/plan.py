"""What ``fetch`` would do, as far as that is known without asking the service."""

from __future__ import annotations

from jpasbatch.errors import InputError
from jpasbatch.stages.fetch.queries import wanted_tiles
from jpasbatch.stages.fetch.stage import bands_key, service_identity
from jpasbatch.stages.fetch.tables import FORM
from jpasbatch.stages.fetch.tiles import piece_of
from jpasbatch.stages.run.changes import FIRST
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, lacking
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.ledger import fingerprint

TITLE = "fetch: tiles"


def plan_fetch(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``fetch`` would do; the service is not asked.

    Raises
    ------
    InputError
        When the job has no table ``[fetch]``, or its file of tiles is wrong.
    """
    options = workspace.job.fetch
    if options is None:
        raise InputError("the job has no table [fetch]: it says which tables to ask for (jobs/README.md)")
    wanted = wanted_tiles(options)
    if wanted is None:
        why = "the service alone knows which tiles it has, and a plan does not ask it"
        return StagePlan("fetch", (why,), (Work(TITLE, None, None),), exact=False)
    run = planned_run(workspace, "fetch", service_identity(options))
    bands, why = None, [FIRST] if workspace.record("fetch") is None else []
    if options.filter_table is not None:
        commit = run.ledger.read(bands_key(options.filter_table))
        if commit is None:
            why.append("the order of the bands is not here")
            return StagePlan("fetch", tuple(why), (Work(TITLE, None, len(wanted)),), exact=False)
        bands = commit["bands"]
    pieces = [piece_of(options, tile, fingerprint(bands=bands), FORM) for tile in wanted]
    todo = tuple(lacking(run, [piece.key for piece in pieces]))
    if not todo and not why:
        return StagePlan("fetch")
    why += [f"{len(todo):,} tiles are not here as they are asked for"] if todo else []
    # tiles without rows are never here; the service is asked for them each time
    return StagePlan("fetch", tuple(why), (Work(TITLE, todo, len(pieces)),), exact=False)
