"""What is asked of a TAP service, in ADQL (IVOA Astronomical Data Query Language 2.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.regular_files import read_text

Tile = int | str
"""A value of the column that divides a table."""

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
LISTED_AT_MOST = 200
"""Tiles that one query names: of more, all tiles are counted at once."""

ALL = "all"


def literal(value: Tile) -> str:
    """Return a value as ADQL writes it: a number, or text in quotes."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def tile_query(options: FetchOptions, tile: Tile) -> str:
    """Return the query of the rows of one tile."""
    columns = ", ".join(options.columns) or "*"
    order = f" ORDER BY {', '.join(options.order)}" if options.order else ""
    return f"SELECT {columns} FROM {options.table} WHERE {_condition(options, _is(options, tile))}{order}"


def count_query(options: FetchOptions, tile: Tile) -> str:
    """Return the query of the number of rows of one tile, ``n``."""
    return f"SELECT COUNT(*) AS n FROM {options.table} WHERE {_condition(options, _is(options, tile))}"


def counts_query(options: FetchOptions, tiles: Sequence[Tile] | None, conditions: bool = True) -> str:
    """Return the query of the number of rows of each tile: columns ``tile`` and ``n``.

    Parameters
    ----------
    options : FetchOptions
    tiles : sequence of int or str, optional
        Only these; all without it, and also when they are many.
    conditions : bool
        Whether only rows count that meet the job's condition.
    """
    column = options.tile_column
    listed = ""
    if tiles is not None and len(tiles) <= LISTED_AT_MOST:
        listed = f"{column} IN ({', '.join(map(literal, tiles))})"
    condition = _condition(options, listed) if conditions else listed
    where = f" WHERE {condition}" if condition else ""
    return f"SELECT {column} AS tile, COUNT(*) AS n FROM {options.table}{where} GROUP BY {column}"


def filter_query(table: str) -> str:
    """Return the query of the bands of vectors."""
    return f"SELECT filter_id, name FROM {table} ORDER BY filter_id"


def _is(options: FetchOptions, tile: Tile) -> str:
    return f"{options.tile_column} = {literal(tile)}"


def _condition(options: FetchOptions, condition: str) -> str:
    # the job's own condition may hold an OR
    return " AND ".join(part for part in (condition, f"({options.where})" if options.where else "") if part)


def tile_name(tile: Tile) -> str:
    """Return the name of a tile's file: itself, or with other characters replaced and made unique."""
    text = str(tile)
    if PLAIN.fullmatch(text):
        return text
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:60]
    return f"tile_{plain}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def wanted_tiles(options: FetchOptions) -> list[Tile] | None:
    """Return the tiles that a job names, or None for all.

    Raises
    ------
    InputError
        When the file of tiles is missing, cannot be read, is empty, or names one twice.
    """
    if options.tiles == ALL:
        return None
    if not isinstance(options.tiles, str):
        return list(options.tiles)
    path = Path(options.tiles)
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f'[fetch] tiles = {options.tiles!r}: the file cannot be read ({error}); allowed are a list, "all", or a '
            "text file with a tile a line"
        ) from None
    tiles = [_from_line(line.partition("#")[0].strip()) for line in lines if line.partition("#")[0].strip()]
    names = [str(tile) for tile in tiles]
    if len(set(names)) < len(names):
        first = next(name for index, name in enumerate(names) if name in names[:index])
        raise InputError(f"{path}: the tile {first} is listed twice")
    if not tiles:
        raise InputError(f"{path}: names no tile; write one a line")
    return tiles


def _from_line(line: str) -> Tile:
    """Return the tile of a line: digits are a number, unless they stand in quotes."""
    if re.fullmatch(r"[+-]?\d{1,18}", line):
        return int(line)
    quoted = re.fullmatch(r"'(.*)'|\"(.*)\"", line)
    return next(one for one in quoted.groups() if one is not None) if quoted else line
