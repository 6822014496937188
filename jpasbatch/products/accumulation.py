"""What every tally shares: pixel arithmetic, exact sums, stable hashes, and a compact JSON form.

A tally is a frozen dataclass with ``create``, ``add``, ``merge``, ``extract``, ``to_dict`` and ``from_dict``.
``merge`` is commutative and associative to the last bit, so that a survey gives the same numbers however its
partitions were cut and in whatever order they came back: probabilities are therefore summed as integers
(`jpasbatch.learning.exact_sums`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

HEALPIX_ORDER = 29

SKY_DEG2 = 4 * np.pi * (180 / np.pi) ** 2
"""Area of the whole sky."""


def healpix_order(nside: int, key: str = "nside") -> int:
    """Return the order of a HEALPix grid, ``nside = 2**order``.

    Raises
    ------
    ValueError
        When ``nside`` is no power of two between 1 and 2**29; the message starts with ``key``.
    """
    if nside < 1 or nside & (nside - 1) or nside > 2**HEALPIX_ORDER:
        raise ValueError(f"{key} is {nside}: it must be a power of two between 1 and 2**{HEALPIX_ORDER}")
    return nside.bit_length() - 1


def parent_pixels(healpix_29: np.ndarray, nside: int) -> np.ndarray:
    """Return the nested pixel at ``nside`` of each order-29 pixel, int64 (n,)."""
    return np.asarray(healpix_29, dtype=np.int64) >> (2 * (HEALPIX_ORDER - healpix_order(nside)))


def sum_by_pixel(pixels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum rows that share a pixel.

    Parameters
    ----------
    pixels : int64 (n,)
    values : int64 (n, columns)

    Returns
    -------
    unique : int64 (p,), ascending
    sums : int64 (p, columns)
    """
    unique, inverse = np.unique(np.asarray(pixels, dtype=np.int64), return_inverse=True)
    sums = np.zeros((len(unique), values.shape[1]), dtype=np.int64)
    np.add.at(sums, inverse, values)
    return unique, sums


def with_rows(wanted: np.ndarray, pixels: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return the rows of wanted pixels, int64 (w, columns); zeros where there were none.

    Parameters
    ----------
    wanted : int64 (w,), ascending
        All of ``pixels`` and more.
    pixels : int64 (p,), ascending
    sums : int64 (p, columns)

    Raises
    ------
    ValueError
        When a pixel is not among the wanted ones: its objects would be lost.
    """
    lost = np.setdiff1d(pixels, wanted)
    if len(lost):
        raise ValueError(f"{len(lost)} pixels hold objects and were not observed, {lost[0]} first")
    rows = np.zeros((len(wanted), sums.shape[1]), dtype=np.int64)
    rows[np.searchsorted(wanted, pixels)] = sums
    return rows


def widened(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Return an array with zeros at the end of an axis, so that it has this length there."""
    missing = length - array.shape[axis]
    return (
        np.pad(array, [(0, missing if number == axis else 0) for number in range(array.ndim)])
        if missing
        else array
    )


def stable_hash(identifiers: Iterable[str], salt: str) -> np.ndarray:
    """Hash identifiers to uint64 (n,), the same on every machine and in every run.

    Parameters
    ----------
    identifiers : iterable of str
    salt : str
        Separates uses (examples, sub-priorities of two programmes) so that their choices are independent.
    """
    key = hashlib.blake2b(salt.encode(), digest_size=16).digest()
    digests = (
        hashlib.blake2b(name.encode(), digest_size=8, key=key, usedforsecurity=False).digest()
        for name in identifiers
    )
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def encode_counts(counts: np.ndarray) -> dict[str, list[int]]:
    """Return an integer array as JSON-able shape, positions and values of what is not zero."""
    flat = counts.ravel()
    position = np.flatnonzero(flat)
    return {"shape": list(counts.shape), "at": position.tolist(), "counts": flat[position].tolist()}


def decode_counts(encoded: Mapping[str, Any]) -> np.ndarray:
    """Return the int64 array that `encode_counts` wrote."""
    counts = np.zeros(tuple(encoded["shape"]), dtype=np.int64)
    counts.ravel()[np.asarray(encoded["at"], dtype=np.int64)] = encoded["counts"]
    return counts


def require_equal(mine: Any, other: Any, what: str) -> None:
    """Refuse to merge tallies that counted different things.

    Raises
    ------
    ValueError
        When ``mine`` and ``other`` differ.
    """
    if mine != other:
        raise ValueError(f"tallies with different {what} cannot be merged: {mine} and {other}")
