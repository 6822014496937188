"""Vectors of varying length in FITS: what a descriptor says must lie within the heap; a scale of 0 is no scale."""

import struct
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import plain_rows
from jpasbatch.errors import InputError
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.tables import iterate_raw, write_cefca_tile

ROWS = 5


@pytest.fixture
def table(tmp_path, survey) -> Path:
    """Write a table with a column of vectors of 0 to 4 numbers besides its own."""
    path = tmp_path / "heap.fits"
    write_cefca_tile(path, plain_rows(survey, ROWS, np.random.default_rng(1)), survey)
    cells = np.empty(ROWS, dtype=object)
    for row in range(ROWS):
        cells[row] = np.arange(row, dtype=np.float32)
    with fits.open(path) as hdus:
        varying = fits.Column("PROFILE", "PE()", array=cells)
        columns = fits.ColDefs([*hdus[1].columns, varying])
        objects = fits.BinTableHDU.from_columns(columns, name="objects")
        written = fits.HDUList([fits.PrimaryHDU(), objects, fits.BinTableHDU(hdus[2].data, name="FILTER")])
        written.writeto(path, overwrite=True)
    return path


def read_both(path: Path, survey) -> list[list[float] | None]:
    """Read a table for what is known of it, and whole; return the vectors."""
    for raw in iterate_raw(path, survey):
        assert len(raw) == ROWS
    with open_complete(path, survey, 2) as complete:
        return [cell for piece in complete.pieces for cell in piece["PROFILE"].to_pylist()]


def test_vectors_that_lie_in_the_heap_are_read(table, survey):
    assert read_both(table, survey) == [list(map(float, range(row))) for row in range(ROWS)]


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
@example(1, 37)
@example(11, 0)
@example(0, -1)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_vector_outside_the_heap_is_damage(table, survey, number, offset):
    heap = 4 * sum(range(ROWS))
    good = table.read_bytes()
    with fits.open(table) as hdus:
        begin = hdus[1].fileinfo()["datLoc"] + 3 * hdus[1].header["NAXIS1"] - 8  # the third row ends with it
    assert struct.unpack_from(">ii", good, begin) == (2, 4)
    changed = bytearray(good)
    struct.pack_into(">ii", changed, begin, number, offset)
    path = table.with_name("changed.fits")
    path.write_bytes(changed)
    if number == 0 or (number > 0 and offset >= 0 and offset + 4 * number <= heap):
        read_both(path, survey)
        return
    for reader in (iterate_raw(path, survey), whole(path, survey)):
        with pytest.raises(InputError, match=r"changed\.fits: is damaged.*'PROFILE' has a vector of"):
            list(reader)


def whole(path: Path, survey):
    with open_complete(path, survey, 2) as complete:
        yield from complete.pieces


def test_a_scale_of_0_is_damage(table, survey):
    with fits.open(table, mode="update") as hdus:
        hdus[1].header["TSCAL3"] = 0.0
    with pytest.raises(InputError, match="TSCAL of column 'ALPHA_J2000' is 0"):
        list(iterate_raw(table, survey))
