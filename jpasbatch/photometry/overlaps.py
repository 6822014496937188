"""One object, one row: rows of several tiles that are one object, and which of them is kept.

Tiles overlap, and an object there has a row in each of them. Two rows are *linked* when they come from different
tiles (or files), lie within a radius, and each is the nearest to the other in its tile: two objects of one tile are two
objects, however close, since its detection told them apart. Then the rows are gone through, the best first; each that
was not dropped is kept, and those linked to it are dropped. So a row is dropped only for a better one within the
radius, no two rows that are kept are linked, and neither the order of rows nor that of files matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from annotated_types import Interval, MinLen

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.identifiers import hash_identifiers

MOST_NEIGHBOURS = 50
"""Pairs a row, on average, above which positions are taken for wrong: real skies have far less than one."""

LINKS = "other_ids"
"""Column of the catalogue with the ids of the rows that were dropped for a row."""

ARCSEC = np.pi / 180 / 3600


@dataclass(frozen=True)
class OverlapOptions(Options):
    """How rows of overlapping tiles become one row an object: the table ``[catalogue.overlaps]``.

    Attributes
    ----------
    radius_arcsec : float
        Rows farther apart are two objects. Six times the scatter of a coordinate in a tile, and less than the seeing.
        Of positions that scatter by 0.1 arcsec in each coordinate, one pair in 8,000 is farther apart than 0.6 arcsec.
    keep : tuple of {"flags", "bands", "error"}
        What makes a row the better one, the first that differs: fewer bits set in ``flags`` and ``mask_flags``; more
        bands observed; a smaller error of the flux in the reference band, which a deeper tile has. If nothing differs,
        a hash of the id decides.
    """

    radius_arcsec: Annotated[float, Interval(gt=0, le=5)] = 0.6
    keep: Annotated[tuple[Literal["flags", "bands", "error"], ...], MinLen(1)] = ("flags", "bands", "error")

    def check_relations(self) -> None:
        """Refuse a criterion that is named twice."""
        if len(set(self.keep)) != len(self.keep):
            raise ValueError(f"keep: found {list(self.keep)}; each of flags, bands and error may stand once")


class Links(NamedTuple):
    """Pairs of rows that are one object.

    Attributes
    ----------
    one, other : ndarray of int64, shape (l,)
        Numbers of the rows.
    separation : ndarray of float64, shape (l,)
        Arcsec.
    """

    one: np.ndarray
    other: np.ndarray
    separation: np.ndarray


def quality(flags: np.ndarray, mask_flags: np.ndarray, flux_err: np.ndarray, reference: int) -> np.ndarray:
    """Return what rows are compared by, float64 (n, 3): in each column a smaller number is better.

    Parameters
    ----------
    flags, mask_flags : ndarray of int32, shape (n,)
    flux_err : ndarray of float32, shape (n, bands)
        NaN where a band was not observed.
    reference : int
        Position of the reference band.

    Returns
    -------
    ndarray
        In the order of ``keep``: bits set, bands missing, error in the reference band (microjansky).
    """
    bits = sum(np.bitwise_count(word.view(np.uint32)).astype(np.float64) for word in (flags, mask_flags))
    error = flux_err[:, reference].astype(np.float64)
    missing = np.isnan(flux_err).sum(axis=1).astype(np.float64)
    return np.stack([bits, missing, np.where(np.isnan(error), np.inf, error)], axis=1)


def link_rows(
    ra: np.ndarray, dec: np.ndarray, source: np.ndarray, identifiers: pa.Array, radius_arcsec: float
) -> Links:
    """Return the pairs of rows of different sources that are each other's nearest within a radius.

    Parameters
    ----------
    ra, dec : ndarray of float64, shape (n,)
        Degrees.
    source : ndarray of int64, shape (n,)
        Tile and file of each row, as a number.
    identifiers : pyarrow.Array of string, shape (n,)
        Decide between two rows that are equally near.
    radius_arcsec : float

    Raises
    ------
    InputError
        If very many rows lie at one place.
    """
    pairs, chord = _close_pairs(ra, dec, radius_arcsec)
    apart = source[pairs[:, 0]] != source[pairs[:, 1]]
    pairs, chord = pairs[apart], chord[apart]
    rank = _ranks(identifiers, np.unique(pairs), len(ra))
    mutual = np.ones(len(pairs), dtype=bool)
    for here, there in ((0, 1), (1, 0)):
        mutual &= _is_nearest(pairs[:, here], pairs[:, there], pairs, chord, source, rank)
    pairs, chord = pairs[mutual], chord[mutual]
    return Links(pairs[:, 0], pairs[:, 1], 2 * np.arcsin(chord / 2) / ARCSEC)


def _close_pairs(ra: np.ndarray, dec: np.ndarray, radius_arcsec: float) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs within a radius, int64 (p, 2), and the chords between them on the unit sphere, float64 (p,)."""
    from scipy.spatial import KDTree

    alpha, delta = np.radians(ra), np.radians(dec)
    points = np.stack([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1)
    limit = 2 * np.sin(radius_arcsec * ARCSEC / 2)
    tree, wide = KDTree(points), limit * (1 + 1e-9)
    found = (tree.count_neighbors(tree, wide) - len(ra)) // 2 if len(ra) else 0
    if found > MOST_NEIGHBOURS * max(len(ra), 100):
        raise InputError(
            f"[catalogue.overlaps]: {found} pairs of {len(ra)} rows lie within {radius_arcsec} arcsec of each other; "
            f"allowed are {MOST_NEIGHBOURS} a row. The positions are wrong, or the radius is too large: look at "
            f"objects near ra {ra[0]:.4f}, dec {dec[0]:.4f}"
        )
    pairs = tree.query_pairs(wide, output_type="ndarray").astype(np.int64)
    chord = np.sqrt(((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2).sum(axis=1))
    near = chord <= limit
    return pairs[near], chord[near]


def _ranks(identifiers: pa.Array, rows: np.ndarray, number: int) -> np.ndarray:
    """Return the place of some rows in the order of the hashes of their ids, int64 (number,); 0 for the others."""
    names = identifiers.take(pa.array(rows)).to_pylist()
    rank = np.zeros(number, dtype=np.int64)
    rank[rows[np.lexsort((np.array(names, dtype=str), hash_identifiers(names)))]] = np.arange(len(rows))
    return rank


def _is_nearest(
    here: np.ndarray,
    there: np.ndarray,
    pairs: np.ndarray,
    chord: np.ndarray,
    source: np.ndarray,
    rank: np.ndarray,
) -> np.ndarray:
    """Return where no other row of the source of ``there`` is nearer to ``here``, bool (p,)."""
    # each pair is seen from both of its ends
    ends, others = (np.concatenate([pairs[:, one], pairs[:, 1 - one]]) for one in (0, 1))
    order = np.lexsort((rank[others], np.concatenate([chord, chord]), source[others], ends))
    ends, others = ends[order], others[order]
    first = np.ones(len(ends), dtype=bool)
    first[1:] = (ends[1:] != ends[:-1]) | (source[others[1:]] != source[others[:-1]])
    width = np.int64(len(rank))
    return np.isin(here * width + there, (ends * width + others)[first])


def choose_rows(
    links: Links, qualities: np.ndarray, identifiers: pa.Array, keep: tuple[str, ...]
) -> np.ndarray:
    """Return the link by which each row was dropped, int64 (n,): -1 for rows that are kept.

    Parameters
    ----------
    links : Links
    qualities : ndarray of float64, shape (n, 3)
        See `quality`.
    identifiers : pyarrow.Array of string, shape (n,)
    keep : tuple of str
        See `OverlapOptions`.
    """
    number = len(qualities)
    rank = _ranks(identifiers, np.arange(number), number)
    columns = [qualities[:, ("flags", "bands", "error").index(name)] for name in keep]
    best_first = np.lexsort((rank, *reversed(columns)))
    ends = np.concatenate([links.one, links.other])
    order = np.argsort(ends, kind="stable")
    bounds = np.searchsorted(ends[order], np.arange(number + 1)).tolist()
    neighbours = np.concatenate([links.other, links.one])[order].tolist()
    through = (order % max(len(links.one), 1)).tolist()
    dropped, settled = [-1] * number, [False] * number
    for row in best_first.tolist():
        if settled[row]:
            continue
        settled[row] = True
        for place in range(bounds[row], bounds[row + 1]):
            if not settled[neighbours[place]]:
                settled[neighbours[place]] = True
                dropped[neighbours[place]] = through[place]
    return np.array(dropped, dtype=np.int64)
