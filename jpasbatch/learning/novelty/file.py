"""The file in which a committee keeps what it knows of ordinary objects: arrays, read with a bound and checked."""

from __future__ import annotations

import io
from typing import Any
from zipfile import BadZipFile

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.novelty.ordinary import HIGHEST, MOST_SPECTRA, SIGNS, Levels, Ordinary

MOST_BYTES = 16 * 2**20
MOST_ELEMENTS = 2**21

_REFUSED = "what the committee knows of ordinary objects:"


def ordinary_to_bytes(ordinary: Ordinary) -> bytes:
    """Return what is ordinary as a file of arrays."""
    arrays = {
        "basis": ordinary.basis,
        "seen": ordinary.seen,
        "limits": ordinary.limits,
        "fewest_bands": np.int64(ordinary.fewest_bands),
    }
    for name, one in ordinary.levels.items():
        arrays |= {f"{name}_centre": one.centre, f"{name}_value": one.value}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def ordinary_from_bytes(data: bytes, classes: int, bands: int) -> Ordinary:
    """Return what `ordinary_to_bytes` wrote.

    Raises
    ------
    InputError
        When the file is too large, cannot be read, or is not of this many classes and bands.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"{_REFUSED} {len(data)} bytes, allowed are {MOST_BYTES}; train again")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files if _is_small(arrays, name)}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{_REFUSED} it cannot be read ({error}); train again") from None
    try:
        made = Ordinary(
            found["basis"],
            found["seen"],
            found["limits"],
            int(found["fewest_bands"]),
            {
                name: Levels(found[f"{name}_centre"], found[f"{name}_value"])
                for name in (*SIGNS, HIGHEST)
                if f"{name}_centre" in found
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{_REFUSED} {error!r} is missing or wrong; train again") from None
    _check(made, classes, bands)
    return made


def _check(ordinary: Ordinary, classes: int, bands: int) -> None:
    rank = ordinary.basis.shape[-1] if ordinary.basis.ndim == 3 else 0
    shapes = ordinary.basis.shape, ordinary.seen.shape, ordinary.limits.shape
    kinds = ordinary.basis.dtype, ordinary.seen.dtype, ordinary.limits.dtype
    required = {"misfit", "band", HIGHEST}
    if (
        not 0 < rank <= MOST_SPECTRA
        or shapes != ((classes, bands, rank), (classes, bands), (classes, 2))
        or kinds != (np.float64, np.bool_, np.float64)
        or not (np.isfinite(ordinary.basis).all() and np.isfinite(ordinary.limits).all())
        or not required <= ordinary.levels.keys()
        or not all(
            one.is_valid(1 if name == "disagreement" else classes) for name, one in ordinary.levels.items()
        )
    ):
        raise InputError(
            f"{_REFUSED} its arrays are not those of {classes} classes and {bands} bands; train again"
        )


def _is_small(arrays: Any, name: str) -> bool:
    """Whether an array of a file is as small as it must be, before all of it is in memory.

    Raises
    ------
    ValueError
        When it is not.
    """
    size = arrays.zip.getinfo(f"{name}.npy").file_size
    if size > 8 * MOST_ELEMENTS:
        raise ValueError(f"{name} has {size} bytes")
    return True
