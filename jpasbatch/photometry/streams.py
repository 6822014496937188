"""Random numbers that belong to objects: the same for an object wherever, and beside whom, it is made.

A catalogue of 40 million objects is made in parts, on any number of workers, in any order. So no generator is
passed from object to object: each number is a hash of the seed, the object's id, the name of what is drawn and
a counter (a counter-based generator, as in Salmon et al. 2011, SC '11; the hash is the finaliser of SplitMix64,
Steele et al. 2014, OOPSLA '14). NumPy's own counter-based generators need an object of their own for each key,
at some microseconds each: too slow for one key an object.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit integers in place (SplitMix64's finaliser, a bijection) and return them.

    Parameters
    ----------
    values : ndarray of uint64
        Any shape; overwritten.
    """
    values ^= values >> np.uint64(30)
    values *= _FIRST
    values ^= values >> np.uint64(27)
    values *= _SECOND
    values ^= values >> np.uint64(31)
    return values


def _hash_of(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def counters(purpose: str, call: int, size: int) -> np.ndarray:
    """Return the constants (size,) uint64 that tell one use of an object's key from another."""
    start = mix(np.array([_hash_of(f"{purpose}/{call}")]))
    return mix(start + _GOLDEN * np.arange(1, size + 1, dtype=np.uint64))


class ObjectStreams:
    """One random stream an object.

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    ids : ndarray of int64, shape (n,)
        Of the objects; each is the same object wherever it occurs.
    """

    def __init__(self, seed: int, ids: np.ndarray) -> None:
        keys = np.ascontiguousarray(ids, dtype=np.int64).view(np.uint64) * _GOLDEN
        self.keys = mix(keys + mix(np.array([seed], dtype=np.uint64)))

    def __len__(self) -> int:
        return self.keys.size

    def __getitem__(self, rows: slice | np.ndarray) -> ObjectStreams:
        """Return the streams of some of the objects."""
        chosen = object.__new__(ObjectStreams)
        chosen.keys = self.keys[rows]
        return chosen

    def named(self, purpose: str) -> NamedStream:
        """Return the part of each stream that serves one purpose; other purposes never change it."""
        return NamedStream(self.keys, purpose)


class NamedStream:
    """Draws for one purpose, in the words of `numpy.random.Generator`; the first axis is the objects'.

    Each call draws anew. Two streams of one name give the same numbers in the same order of calls.
    """

    def __init__(self, keys: np.ndarray, purpose: str) -> None:
        self._keys, self._purpose, self._calls = keys, purpose, 0

    def bits(self, columns: int) -> np.ndarray:
        """Return uniform 64-bit integers, shape (n, columns), uint64."""
        constants = counters(self._purpose, self._calls, columns)
        self._calls += 1
        return mix(self._keys[:, None] + constants[None, :])

    def _unit(self, size: int | tuple[int, ...] | None) -> np.ndarray:
        """Uniform numbers in (0, 1), never the ends (52 bits and a half); shape (n,) or (n, columns)."""
        shape = (self._keys.size,) if size is None else (size,) if isinstance(size, int) else tuple(size)
        if shape[0] != self._keys.size or len(shape) > 2:
            raise ValueError(
                f"size = {size}: a stream of {self._keys.size} objects draws (n,) or (n, columns)"
            )
        words = self.bits(shape[1] if len(shape) == 2 else 1)
        words >>= np.uint64(12)
        return ((words.astype(np.float64) + 0.5) * 2.0**-52).reshape(shape)

    def uniform(
        self, low: Any = 0.0, high: Any = 1.0, size: int | tuple[int, ...] | None = None
    ) -> np.ndarray:
        """Return uniform numbers within (low, high), float64."""
        return low + (high - low) * self._unit(size)

    def normal(
        self, loc: Any = 0.0, scale: Any = 1.0, size: int | tuple[int, ...] | None = None
    ) -> np.ndarray:
        """Return Gaussian numbers, float64 (by the inverse of the distribution function)."""
        from scipy.special import ndtri

        return loc + scale * ndtri(self._unit(size))

    def exponential(self, scale: Any = 1.0, size: int | tuple[int, ...] | None = None) -> np.ndarray:
        """Return exponential numbers of mean `scale`, float64."""
        return -scale * np.log(self._unit(size))

    def integers(self, high: int | np.ndarray, size: int | None = None) -> np.ndarray:
        """Return whole numbers from 0 to high - 1, int64 (n,)."""
        return np.minimum((self._unit(size) * high).astype(np.int64), np.asarray(high) - 1)

    def choice(self, shares: np.ndarray) -> np.ndarray:
        """Return an index (n,) int64 drawn by shares, (k,) the same for all or (n, k) one row an object."""
        cumulative = np.cumsum(np.atleast_2d(shares), axis=1)
        drawn = self._unit(None) * cumulative[:, -1]
        return np.minimum((drawn[:, None] >= cumulative).sum(axis=1), cumulative.shape[1] - 1)


def gaussian_pairs(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn random words into two independent Gaussian numbers and a coarse uniform one, fast.

    Box and Muller (1958) in single precision; the radius has 24 bits, so that nothing beyond 5.8 sigma occurs.

    Parameters
    ----------
    words : ndarray of uint64
        Any shape.

    Returns
    -------
    first, second : ndarray of float32
    uniform : ndarray of uint16
        The lowest 16 bits, independent of both.
    """
    unit = np.float32(2.0**-24)
    radius = (words >> np.uint64(40)).astype(np.uint32).astype(np.float32)
    radius += np.float32(1.0)
    radius *= unit
    np.log(radius, out=radius)
    radius *= np.float32(-2.0)
    np.sqrt(radius, out=radius)
    angle = ((words >> np.uint64(16)) & np.uint64(0xFFFFFF)).astype(np.uint32).astype(np.float32)
    angle *= np.float32(2 * np.pi * 2.0**-24)
    second = np.sin(angle)
    second *= radius
    np.cos(angle, out=angle)
    angle *= radius
    return angle, second, words.astype(np.uint16)
