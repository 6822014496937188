"""Reading a FITS table takes the memory of a piece, however long the table is."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.tables import iterate_raw, write_cefca_tile

ROWS, CHUNK = 20_000, 1_000
MIB = 1 << 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc, which is Linux's")


@pytest.fixture(scope="module")
def long_table(tmp_path_factory, survey) -> Path:
    """Return a table of 22 MiB with text, logical values and numbers above 32767, which astropy converts."""
    rng = np.random.default_rng(1)
    shape = (ROWS, len(survey.bands))
    path = tmp_path_factory.mktemp("long") / "long.fits"
    rows = {
        "tile_id": np.full(ROWS, 2406),
        "number": np.arange(ROWS),
        "ra": rng.uniform(214, 215, ROWS),
        "dec": rng.uniform(52, 53, ROWS),
        "flux": rng.lognormal(2, 1, shape).astype(np.float32),
        "flux_err": np.ones(shape, np.float32),
        "flags": np.zeros(shape, np.int16),
        "mask_flags": np.zeros(shape, np.int16),
        "class_star": np.ones(ROWS),
        "true_class": np.full(ROWS, "star", object),
    }
    write_cefca_tile(path, rows, survey)
    with fits.open(path, memmap=False) as hdus:
        further = [
            fits.Column("COMMENTS", "200A", array=np.full(ROWS, "x" * 200, "S200")),
            fits.Column("GOOD", "L", array=np.ones(ROWS, bool)),
            fits.Column("COUNTS", "60I", bzero=32768, array=np.full((ROWS, 60), 40_000, np.uint16)),
        ]
        hdus[1] = fits.BinTableHDU.from_columns([*hdus[1].columns, *further], name=hdus[1].name)
        hdus.writeto(path, overwrite=True, checksum=True)
    return path


def mapped() -> int:
    """Return bytes of mapped files that are in memory of this process."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if "RssFile" in line]
    return 1024 * int(line.split()[1])


def every_piece(path, survey):
    with open_complete(path, survey, CHUNK) as table:
        yield from table.pieces


@pytest.mark.parametrize("read", [lambda path, survey: iterate_raw(path, survey, CHUNK), every_piece])
def test_reading_a_long_table_takes_the_memory_of_a_piece(read, long_table, survey):
    assert long_table.stat().st_size > 20 * MIB
    for _ in zip(range(2), read(long_table, survey), strict=False):  # modules are loaded
        pass
    before, most, pieces = mapped(), 0, 0
    tracemalloc.start()
    try:
        for _ in read(long_table, survey):
            most, pieces = max(most, mapped() - before), pieces + 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pieces == ROWS // CHUNK
    assert most < 4 * MIB  # of 22: pages of a piece
    assert peak < 14 * MIB  # of which 4 are for checksums, and two pieces of 1.1 MiB several times each
