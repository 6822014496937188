"""Vetoes on columns that travel: from a survey table with proper motions to a target list, by the command line."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from jpasbatch.cli import main

JOB = """
name   = "vetoed"
survey = "jpas60"
[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}
[catalogue]
input = "{tables}"
carry = [{{ column = "GAIA_PMRA", name = "pmra" }}, {{ column = "GAIA_PMRA_ERROR", name = "pmra_error" }}]
[catalogue.cuts]
maximum_rejected_fraction = 0.2
[catalogue.partitions]
highest_order = 4
[committee]
artefact = "{committee}"
[prior]
kind = "none"
[counts]
classes   = ["qso_low", "qso_high"]
area_deg2 = 0.2
[[targets]]
classes         = ["star", "galaxy", "qso_low", "qso_high"]
min_probability = 0.3
{veto}
"""
VETO = 'vetoes = [{ columns = ["pmra"], errors = ["pmra_error"], above = 3.0 }]'


def write_tables(tiles: list[Path], folder: Path) -> dict[str, str]:
    """Write tiles with what Gaia says, and return it by id: "moves", "stays" or "unknown"."""
    kinds, found = np.array(["moves", "stays", "unknown"]), {}
    folder.mkdir()
    for tile in tiles:
        with fits.open(tile) as file:
            rows = file[1]
            kind = kinds[np.arange(len(rows.data)) % 3]
            motion = np.where(kind == "moves", -20.0, 0.3)
            motion[kind == "unknown"] = np.nan
            columns = [
                fits.Column("GAIA_PMRA", "D", unit="mas/yr", array=motion),
                fits.Column("GAIA_PMRA_ERROR", "E", unit="mas/yr", array=np.full(len(kind), 0.5)),
            ]
            table = fits.BinTableHDU.from_columns(rows.columns + fits.ColDefs(columns), name=rows.name)
            fits.HDUList([fits.PrimaryHDU(), table, file[2]]).writeto(folder / tile.name)
            names = [
                f"{one}-{other}" for one, other in zip(rows.data["TILE_ID"], rows.data["NUMBER"], strict=True)
            ]
            found |= dict(zip(names, kind.tolist(), strict=True))
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged_process")
def test_what_moves_gets_no_fibre(snapshots, tmp_path):
    tiles = sorted((snapshots / "trained" / "work" / "mock").glob("*/survey/*.fits"))
    kinds = write_tables(tiles, tmp_path / "tables")
    job, output = tmp_path / "vetoed.toml", tmp_path / "run"
    given = {"tables": tmp_path / "tables", "committee": snapshots / "trained" / "committee"}
    job.write_text(JOB.format(veto="", **given))
    assert main(["run", str(job), "--output", str(output), "--serial"]) == 0
    link = output / "targets" / "WQ_2027A1.fits"
    listed = {kinds[name] for name in fits.getdata(link, 1)["TARGID"]}
    assert listed == {"moves", "stays", "unknown"}

    before = shutil.copy(link.resolve(), tmp_path / "before.fits")
    job.write_text(JOB.format(veto=VETO, **given))
    assert main(["run", str(job), "--output", str(output), "--serial"]) == 0
    names = [str(name) for name in fits.getdata(link, 1)["TARGID"]]
    assert {kinds[name] for name in names} == {"stays", "unknown"}  # without a measurement an object stays
    assert set(names) == {name for name in fits.getdata(before, 1)["TARGID"] if kinds[name] != "moves"}
    candidates = pq.read_table(link.resolve().parent / "WQ_2027A1-candidates.parquet")
    why = dict(zip(candidates["object_id"].to_pylist(), candidates["reason"].to_pylist(), strict=True))
    moved = {str(name) for name in fits.getdata(before, 1)["TARGID"] if kinds[name] == "moves"}
    assert {why[name] for name in moved} == {"vetoed by a measurement"}
    assert "vetoed by a measurement" not in {why[name] for name in why if kinds[name] != "moves"}
