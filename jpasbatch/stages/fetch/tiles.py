"""Which tiles there are, how many rows each has, and the task that fetches one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.stages.fetch.answers import Answer
from jpasbatch.stages.fetch.failures import TemporaryError
from jpasbatch.stages.fetch.queries import (
    Tile,
    count_query,
    counts_query,
    filter_query,
    tile_name,
    tile_query,
)
from jpasbatch.stages.fetch.service import Service
from jpasbatch.stages.fetch.tables import write_answer
from jpasbatch.stages.run.commits import Made
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.tables.columns import band_names_by_id

log = logging.getLogger(__name__)

MOST_TILES = 1_000_000
MOST_BANDS = 10_000
NAMED = 5
"""Tiles that a message names."""


@dataclass(frozen=True)
class Piece:
    """A tile as it is asked for.

    Attributes
    ----------
    tile : int or str
    query : str
    name : str
        Of its file, without the extension.
    key : str
        Of its commit: another query has another one.
    """

    tile: Tile
    query: str
    name: str
    key: str


def piece_of(options: FetchOptions, tile: Tile, bands: str, form: int) -> Piece:
    """Return a tile as it is asked for.

    Parameters
    ----------
    options : FetchOptions
    tile : int or str
    bands : str
        Fingerprint of the order of bands, which its file holds.
    form : int
        Of the files.
    """
    query, name = tile_query(options, tile), tile_name(tile)
    return Piece(
        tile, query, name, f"{name}.{fingerprint(tile=tile, query=query, bands=bands, form=form)[:16]}"
    )


def count_rows(
    service: Service, options: FetchOptions, tiles: Sequence[Tile] | None, conditions: bool = True
) -> dict[Tile, int]:
    """Return the number of rows of each tile, in the order of the tiles; those without rows are left out.

    Parameters
    ----------
    service : Service
    options : FetchOptions
    tiles : sequence, optional
        Of these at least; of all without it.
    conditions : bool
        Whether only rows count that meet the job's condition.

    Raises
    ------
    InputError
        When rows belong to no tile, or the service does not list all tiles.
    """
    query = counts_query(options, tiles, conditions)
    counts = service.ask("the number of rows of each tile", query, MOST_TILES, _counts)
    if None in counts and tiles is None:
        raise InputError(
            f"{options.table}: {counts[None]} rows have no {options.tile_column}, and would belong to no tile; leave "
            f'them out with [fetch] where = "{options.tile_column} IS NOT NULL", or divide by another tile_column'
        )
    found = {tile: number for tile, number in counts.items() if tile is not None}
    if tiles is None:
        return dict(sorted(found.items(), key=lambda item: (isinstance(item[0], str), item[0])))
    return {tile: found[tile] for tile in tiles if tile in found}


def _counts(answer: Answer) -> dict[Tile | None, int]:
    if answer.overflow:
        raise InputError(
            f"the service lists {answer.rows} tiles and no more; name those that are wanted in [fetch] tiles"
        )
    tiles, numbers = answer.column("tile"), np.ma.getdata(answer.column("n"))
    gone = np.ma.getmaskarray(tiles)
    if gone.ndim > 1 or tiles.dtype.kind not in "iuOUS":
        raise InputError("[fetch] tile_column: holds neither whole numbers nor text, and cannot name tiles")
    values = [None if lost else _tile(value) for value, lost in zip(np.ma.getdata(tiles), gone, strict=True)]
    return dict(zip(values, map(int, numbers), strict=True))


def _tile(value: Any) -> Tile | None:
    if isinstance(value, int | np.integer):
        return int(value)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text or None


def refuse_unknown(service: Service, options: FetchOptions, absent: Sequence[Tile]) -> None:
    """Refuse tiles that the table does not have, as far as no condition is the reason.

    Parameters
    ----------
    service : Service
    options : FetchOptions
    absent : sequence
        Tiles that were asked for and have no rows.

    Raises
    ------
    InputError
        When one has no rows whatever they are.
    """
    there = count_rows(service, options, absent, conditions=False) if options.where else {}
    unknown = [tile for tile in absent if tile not in there]
    if unknown:
        named = ", ".join(str(tile) for tile in unknown[:NAMED])
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise InputError(
            f"{service.address}: {options.table} has no rows with {options.tile_column} = {named}{more}; see [fetch] "
            "tiles"
        )
    log.warning("fetch: no row of %d tiles meets [fetch] where; they have no file", len(absent))


def fetch_bands(service: Service, table: str) -> dict[str, Any]:
    """Return the order of bands in vectors, as files keep it: the lists FILTER_ID and NAME.

    Raises
    ------
    InputError
        When the table has not the two columns, holds an id twice, or is cut off.
    """

    def read(answer: Answer) -> dict[str, Any]:
        if answer.overflow:
            raise InputError(f"has more than {MOST_BANDS} rows, or is cut off; see [fetch] filter_table")
        numbers = [int(one) for one in np.ma.getdata(answer.column("filter_id"))]
        found = {"FILTER_ID": numbers, "NAME": [_plain(one) for one in np.ma.getdata(answer.column("name"))]}
        band_names_by_id(found, table)
        return found

    return service.ask(f"the table of filters {table}", filter_query(table), MOST_BANDS, read)


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()


def fetch_tile(
    service: Service,
    options: FetchOptions,
    metadata: Mapping[str, Any],
    folder: Path,
    piece: Piece,
    rows: int,
) -> Made:
    """Fetch one tile and write its table; the number of rows is the one that the service counted.

    Parameters
    ----------
    service : Service
    options : FetchOptions
    metadata : mapping
        That every file gets.
    folder : Path
        Of the files.
    piece : Piece
    rows : int
        That the service counted.

    Raises
    ------
    InputError
        When the service cuts the tile off, gives other rows than it counts, or refuses the query.
    """
    path = folder / f"{piece.key}.parquet"
    counted = rows

    def use(answer: Answer) -> int:
        if answer.overflow and answer.rows <= counted:
            raise InputError(_cut_off(answer, counted))
        if answer.rows != counted:
            raise TemporaryError(
                f"the service counts {counted} rows and gave {answer.rows}; nothing of the tile was kept",
                InputError,
            )
        write_answer(answer, path, {**metadata, "query": piece.query, "rows": answer.rows})
        return answer.rows

    def attempt() -> int:
        nonlocal counted
        try:
            return service.ask_once(piece.query, counted + 1, use)
        except TemporaryError as error:
            if error.final is InputError and not error.known_no_more:
                # the table may have changed since its rows were counted
                counted = service.ask_once(count_query(options, piece.tile), 2, _count)
            raise

    written = service.insist(f"tile {piece.tile}", attempt)
    facts = {"tile": piece.tile, "name": piece.name, "query": piece.query, "counted": counted}
    return Made(written, facts, [path], told={"bytes": path.stat().st_size})


def _cut_off(answer: Answer, counted: int) -> str:
    return (
        f"the service cut the table off after {answer.rows} of {counted} rows (OVERFLOW: its own limit on rows); "
        "divide the table by a [fetch] tile_column with smaller pieces, or ask its operators for a higher limit"
    )


def _count(answer: Answer) -> int:
    return int(np.ma.getdata(answer.column("n"))[0])
