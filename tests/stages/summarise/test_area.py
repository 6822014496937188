"""The observed area through the stage: what workers find inside, and masks that are of another sky."""

import json

import healpy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jpasbatch.errors import InputError
from jpasbatch.footprint.coverage import Coverage
from jpasbatch.products.counts.places import FILES
from jpasbatch.stages.pipeline import run_stage, run_verb
from jpasbatch.stages.request import Request
from jpasbatch.stages.summarise.observed import share_coverage
from jpasbatch.storage.stores.folder import FolderStore
from tests.footprint.conftest import box_deg2
from tests.stages.tiny_run import serial, workspace_of


def positions_of(folder):
    files = sorted((folder / "sky").glob("predictions-*/dataset/**/Npix=*.parquet"))
    table = pa.concat_tables([pq.ParquetFile(path).read(columns=["ra", "dec"]) for path in files])
    return table["ra"].to_numpy(), table["dec"].to_numpy()


def with_tables(folder, text):
    """Write the job with further tables, and without the area that it gives."""
    job = folder / "tiny.toml"
    plain = job.read_text().replace("area_deg2     = 0.2\n", "")
    job.write_text(plain.replace("[[targets]]", f"{text}\n[[targets]]"))
    return workspace_of(folder)


def write_box(path, box):
    Table({"ra": np.array(box)[[0, 1, 1, 0]], "dec": np.array(box)[[2, 2, 3, 3]]}).write(path)
    return path


@pytest.fixture
def half(finished_copy):
    """Return limits of a box that holds the eastern half of the objects."""
    ra, dec = positions_of(finished_copy)
    return float(np.median(ra)), float(ra.max()) + 0.01, float(dec.min()) - 0.01, float(dec.max()) + 0.01


def test_half_of_the_field_is_half_of_all_numbers(finished_copy, half):
    ra, _ = positions_of(finished_copy)
    write_box(finished_copy / "field.csv", half)
    Table({"tile_id": ["90001", "90002"], "m50": [23.0, 23.5], "k": [5.0, 6.0]}).write(
        finished_copy / "deep.csv"
    )
    workspace = with_tables(
        finished_copy,
        f'[area]\nkind = "regions"\nfile = "{finished_copy}/field.csv"\n'
        f'[completeness]\nfile = "{finished_copy}/deep.csv"\nband_role = "r"\n[number_counts]\nband_role = "r"',
    )
    record = run_stage("summarise", workspace, serial())
    counts = json.loads((finished_copy / "summary.json").read_text())["counts"]
    assert counts["area_kind"] == "effective area"
    assert counts["area_deg2"] == pytest.approx(box_deg2(half), rel=5e-3)
    assert counts["objects"] == (ra > half[0]).sum()
    assert counts["objects"] + counts["outside_area"] == len(ra)
    assert set(FILES) <= set(record["files"])
    table = Table.read(finished_copy / "counts" / "number_counts.ecsv")
    assert table["number"].sum() < counts["objects"] + 1
    assert 0 < table["completeness"].min() < 0.5 < table["completeness"].max() <= 1
    assert table.meta["job"] == "tiny"
    assert table.meta["correct_fingerprint"] == workspace.require("correct")["fingerprint"][:12]
    objects = healpy.read_map(finished_copy / "counts" / "density_map.fits", field=2, nest=True)
    assert objects[objects > 0].sum() == counts["objects"]
    assert run_stage("summarise", workspace, serial()) == record  # nothing has changed
    for path in (finished_copy / "work" / "summarise").glob("*/coverage/*.npz"):
        path.unlink()  # tallies that are committed need it no more
    (finished_copy / "report.html").unlink()
    again = run_stage("summarise", workspace, serial())
    assert again["files"]["counts/density_map.parquet"] != ""
    assert json.loads((finished_copy / "summary.json").read_text())["counts"] == counts


@pytest.mark.slow
def test_another_mask_is_another_result(finished_copy, half):
    path = write_box(finished_copy / "field.csv", half)
    workspace = with_tables(finished_copy, f'[area]\nkind = "regions"\nfile = "{path}"')
    first = run_stage("summarise", workspace, serial())
    path.unlink()
    write_box(path, (half[0] + 0.1, *half[1:]))
    second = run_stage("summarise", workspace, serial())
    assert second["counts"]["objects"] < first["counts"]["objects"]
    assert second["fingerprint"] != first["fingerprint"]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((14.26, 14.4, 52.4, 52.8), r"the catalogue lies outside of what was observed.*may be in hours"),
        ((150.0, 151.0, 2.0, 3.0), r"Observed is about ra 149\.8 to 151\.2"),
    ],
)
def test_a_mask_of_another_sky_is_refused(finished_copy, box, message):
    path = write_box(finished_copy / "field.csv", box)
    workspace = with_tables(finished_copy, f'[area]\nkind = "regions"\nfile = "{path}"')
    before = (finished_copy / "report.html").read_bytes()
    with pytest.raises(InputError, match=message):
        run_stage("summarise", workspace, serial())
    assert (finished_copy / "report.html").read_bytes() == before


def test_a_mask_without_any_object_is_refused(finished_copy):
    ra, dec = positions_of(finished_copy)
    box = (ra[0] + 1e-5, ra[0] + 4e-3, dec[0] + 1e-5, dec[0] + 4e-3)
    assert not ((ra > box[0]) & (ra < box[1]) & (dec > box[2]) & (dec < box[3])).any()
    path = write_box(finished_copy / "field.csv", box)
    workspace = with_tables(finished_copy, f'[area]\nkind = "regions"\nfile = "{path}"')
    with pytest.raises(InputError, match=r"none of the .* objects lies in the observed part"):
        run_stage("summarise", workspace, serial())


def test_a_mask_that_is_wrong_stops_a_run_before_it_begins(trained_copy):
    job = trained_copy / "tiny.toml"
    (trained_copy / "field.csv").write_text("ra,dec\n1,1\n")
    with_tables(trained_copy, f'[area]\nkind = "regions"\nfile = "{trained_copy}/field.csv"')
    with pytest.raises(InputError, match="three at least"):
        run_verb(Request("run", job, trained_copy, serial=True))
    assert not (trained_copy / "work" / "infer.json").exists()
    (trained_copy / "field.csv").unlink()
    with pytest.raises(InputError, match=r"\[area\] file .*there is no such file"):
        run_verb(Request("run", job, trained_copy, serial=True))


def test_what_partitions_have_of_the_mask_is_written_once(tmp_path, monkeypatch):
    coverage = Coverage.of_pixels(np.array([3, 40]), np.array([1.0, 0.5]), 4)
    store, names = FolderStore(tmp_path), {(0, 0): "0_0-ab", (1, 10): "1_10-cd", (1, 30): "1_30-ef"}
    share_coverage(coverage, store, names)
    found = {name: Coverage.from_bytes(store.read(f"coverage/{name}.npz")) for name in names.values()}
    assert found["0_0-ab"].areas(4)[0].tolist() == [3]
    assert found["1_10-cd"].areas(4)[0].tolist() == [40]
    assert not len(found["1_30-ef"].starts)
    monkeypatch.setattr(FolderStore, "put", lambda *_: pytest.fail("it is there"))
    share_coverage(coverage, store, names)
