"""Tables and skies of which the observed area is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from jpasbatch.footprint.coverage import ORDER, Coverage

BOX = (210.0, 212.0, 50.0, 51.0)
"""Limits of a field in right ascension and declination, degrees."""


def positions_in(
    box: tuple[float, ...], number: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions that are uniform on the sphere between meridians and parallels, degrees."""
    sines = np.sin(np.radians(box[2:]))
    return rng.uniform(*box[:2], number), np.degrees(np.arcsin(rng.uniform(*sines, number)))


def box_deg2(box: tuple[float, ...]) -> float:
    """Return the area between meridians and parallels."""
    sines = np.sin(np.radians(box[2:]))
    return float(np.radians(box[1] - box[0]) * (sines[1] - sines[0]) * (180 / np.pi) ** 2)


def box_corners(box: tuple[float, ...], steps: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a polygon that follows meridians and parallels closely."""
    along = np.linspace(box[0], box[1], steps)
    return np.concatenate([along, along[::-1]]), np.repeat([box[2], box[3]], steps)


def pixels_of(ra: np.ndarray, dec: np.ndarray, nside: int = 2**ORDER) -> np.ndarray:
    """Return nested pixels of positions, int64."""
    import healpy

    return np.asarray(healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True), dtype=np.int64)


def assert_same(one: Coverage, other: Coverage) -> None:
    """Fail where two coverages differ."""
    for name in ("starts", "stops", "fractions"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes columns to a file and returns where it is."""

    def written(name: str, **columns) -> Path:
        path = tmp_path / name
        Table(columns).write(path, overwrite=True)
        return path

    return written
