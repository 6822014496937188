"""Stage ``fetch``: tables of a survey from a TAP service, tile by tile; a commit a tile.

A rerun asks for the tiles that lack a commit, whose query changed, or whose number of rows changed where the service
is asked for it. Only when every tile is there does the folder ``tables`` show them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import Facts, NoFacts
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.stages.fetch.passwords import ask_credentials
from jpasbatch.stages.fetch.publication import publish_tables
from jpasbatch.stages.fetch.queries import Tile, filter_query, wanted_tiles
from jpasbatch.stages.fetch.tables import FORM
from jpasbatch.stages.fetch.tiles import Piece, count_rows, fetch_bands, fetch_tile, piece_of, refuse_unknown
from jpasbatch.stages.run.commits import Made, Run, whole_commits
from jpasbatch.stages.run.committed import Commit, committed, run_on_disk
from jpasbatch.stages.run.records import StageRecord, finish
from jpasbatch.stages.run.stage_facts import FetchFacts
from jpasbatch.stages.run.workspace import SHORT, Workspace, stopwatch
from jpasbatch.storage.stores.ledger import fingerprint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BandOrder(Facts):
    """What the commit of a filter table tells: its columns, by which photometry knows the order of bands."""

    bands: dict[str, Any]


def run_fetch(workspace: Workspace, executor: Executor) -> StageRecord[FetchFacts]:
    """Fetch the job's tables and publish them; return the stage's record.

    Tasks wait for the service: they run in threads of this process, whatever the cluster is, and so the password never
    leaves it.

    Raises
    ------
    InputError
        When the job has no table ``[fetch]``, pyvo is missing, the service refuses a query or the user, has no such
        tile, cuts rows off, or gives other rows than it counts.
    TryAgainError
        When the service does not answer, or the run was interrupted.
    """
    options = workspace.job.fetch
    if options is None:
        raise InputError("the job has no table [fetch]: it says which tables to ask for (jobs/README.md)")
    run = run_on_disk(workspace, "fetch", service_identity(options))
    with stopwatch() as elapsed, warnings.catch_warnings():
        # once for all threads; services differ from the standards in harmless ways, each worth a warning
        warnings.simplefilter("ignore")
        facts, version = _fetch(workspace, options, run, replace(executor, client=None))
    return finish(workspace, facts, version, elapsed[0])


def _fetch(
    workspace: Workspace, options: FetchOptions, run: Run, executor: Executor
) -> tuple[FetchFacts, str]:
    service = open_service(options, run.path)
    service.delete_left()
    bands = _bands(run, service, options, executor)
    piece = partial(piece_of, options, bands=fingerprint(bands=bands), form=FORM)
    wanted = wanted_tiles(options)
    counts: dict[Tile, int] | None = None
    if wanted is None:
        wanted = list(counts := count_rows(service, options, None))
        if not wanted:
            raise InputError(f"{options.service}: {options.table} has no rows that meet [fetch] where")
    pieces = [piece(tile) for tile in wanted]
    done = _done(run, pieces, counts)
    lacking = [one.tile for one in pieces if one.key not in done]
    if counts is None:
        counts = count_rows(service, options, lacking) if lacking else {}
    empty = [tile for tile in lacking if tile not in counts]
    if empty:
        refuse_unknown(service, options, empty)
    pieces = [one for one in pieces if one.tile not in set(empty)]
    _try_query(service, [one for one in pieces if one.key not in done])
    log.info("fetch: %d tiles, %d of them are here", len(pieces), len(done))
    metadata = {"service": options.service, **({"FILTER": bands} if bands else {})}
    tasks = {one.key: (one, counts.get(one.tile, 0)) for one in pieces}
    commits = committed(
        run,
        "fetch: tiles",
        fetch_tile,
        tasks,
        replace(executor, threads=options.jobs_at_once),
        shared=(service, options, metadata, run.path),
    )
    records = commits.whole_of(NoFacts, "tiles")
    service.delete_left()
    return _publish(workspace, run, pieces, records, empty, commits.computed)


def open_service(options: FetchOptions, folder: Path) -> Any:
    """Return the service that a job names; nothing is asked of it yet.

    Raises
    ------
    InputError
        When pyvo is not installed.
    """
    try:
        import pyvo  # noqa: F401
    except ImportError:
        raise InputError("[fetch] needs pyvo: pip install 'jpasbatch[fetch]'") from None
    # they stand on requests, which comes with pyvo
    from jpasbatch.stages.fetch.service import Service
    from jpasbatch.stages.fetch.session import Session

    ask = None if options.login is None else partial(ask_credentials, options.login, options.service)
    session = Session(options.service, options.login, ask)
    return Service(options.service, session, folder, options.attempts, options.job_hours * 3600)


def _bands(run: Run, service: Any, options: FetchOptions, executor: Executor) -> dict[str, Any] | None:
    """Return the order of bands that the job's filter table holds, asked for once."""
    table = options.filter_table
    if table is None:
        return None
    key = bands_key(table)
    commits = committed(run, "fetch: filters", _commit_bands, {key: (service, table)}, executor)
    return commits.whole_of(BandOrder, "tables")[key].facts.bands


def service_identity(options: FetchOptions) -> str:
    """Return the fingerprint of what all tiles have in common."""
    return fingerprint(service=options.service, table=options.table)


def bands_key(table: str) -> str:
    """Return the key of the order of bands that a filter table holds."""
    return f"filters.{fingerprint(query=filter_query(table))[:16]}"


def _commit_bands(service: Any, table: str) -> Made:
    bands = fetch_bands(service, table)
    return Made(len(bands["NAME"]), BandOrder(bands))


def _done(run: Run, pieces: Sequence[Piece], counts: Mapping[Tile, int] | None) -> set[str]:
    """Return the keys of tiles that are here and as the service counts them, and forget the others."""
    done = whole_commits(run, [one.key for one in pieces])
    if counts is None:
        return done
    records = run.ledger.records(done)
    for piece in pieces:
        if piece.key in done and records[piece.key]["rows"] != counts[piece.tile]:
            found = records[piece.key]["rows"]
            log.info("fetch: tile %s has %d rows now, and had %d", piece.tile, counts[piece.tile], found)
            run.ledger.forget(piece.key)
            done.remove(piece.key)
    return done


def _try_query(service: Any, lacking: Sequence[Piece]) -> None:
    """Ask for one row before a thousand tiles are refused for the same reason."""
    if len(lacking) > 1:
        service.ask(f"one row of tile {lacking[0].tile}", lacking[0].query, 1, lambda answer: answer.rows)


def _publish(
    workspace: Workspace,
    run: Run,
    pieces: Sequence[Piece],
    commits: Mapping[str, Commit[NoFacts]],
    empty: Sequence[Tile],
    computed: int,
) -> tuple[FetchFacts, str]:
    if not pieces:
        raise InputError("no tile has rows that meet [fetch] where; nothing was published")
    version = fingerprint(files=[commits[one.key].files for one in pieces])
    files = {f"{one.name}.parquet": run.path / f"{one.key}.parquet" for one in pieces}
    folder = publish_tables(files, workspace.folder, version[:SHORT])
    _forget_replaced(run, pieces)
    facts = FetchFacts(
        tables=folder.name,
        tiles=len(pieces),
        fetched=computed,
        empty=tuple(empty),
        rows=sum(commits[one.key].rows for one in pieces),
        bytes=sum(path.stat().st_size for path in files.values()),
    )
    return facts, version


def _forget_replaced(run: Run, pieces: Sequence[Piece]) -> None:
    """Remove what older queries gave for the tiles that are published now."""
    current, names = {one.key for one in pieces}, {one.name for one in pieces}
    for key in list(run.commits()):
        name, _, digest = key.rpartition(".")
        if key not in current and name in names and digest:
            run.ledger.forget(key)
            (run.path / f"{key}.parquet").unlink(missing_ok=True)
