"""An observer's day: from a published sky to a list that WEAVE takes, and what changed since the last one."""

import hashlib
import io
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.products.publication import Version
from jpasbatch.products.tallies import check_columns
from jpasbatch.products.targets.published_list import with_photometry
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.summarise.versions import check_links, publish_version
from jpasbatch.storage.catalogue.collection import open_catalogue
from tests.blank_figures import leave_figures_blank
from tests.stages.tiny_run import serial, workspace_of

WHO = """
[submission]
leader_name_1         = "A. Leader"
leader_email          = "leader@institute.org"
contact_name_1        = "An Author"
contact_email         = "author@institute.org"
observing_programme   = "11331"
observing_constraints = "DACEB"
magnitude_comments    = { g = "gSDSS", r = "rSDSS", i = "iSDSS" }
"""
LIST = """
[[targets]]
classes         = ["star", "galaxy", "qso_low", "qso_high"]
description     = "QSO"
min_probability = 0.3
density         = "150 / deg2"
{more}

[[targets]]
classes         = ["star", "galaxy", "qso_low", "qso_high"]
description     = "QSO"
filler          = true
min_probability = 0.3
per_field       = 10
priorities      = [1.0, 3.0]
{more}
"""


def asked(folder, more="", who=WHO):
    """Write the job with two rules for one list, and return its workspace."""
    job = folder / "tiny.toml"
    text = job.read_text()
    job.write_text(text[: text.index("[[targets]]")] + LIST.format(more=more) + who)
    return workspace_of(folder)


@pytest.fixture
def out(capsys):
    return lambda: capsys.readouterr().out


@pytest.fixture(scope="module")
def listed(snapshots, tmp_path_factory):
    """Return an output folder with a list of today; tests must not change it."""
    folder = shutil.copytree(snapshots / "finished", tmp_path_factory.mktemp("listed") / "run")
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_blank(patch)
        run_stage("summarise", asked(folder), serial())
    return folder


def test_from_a_published_sky_to_a_submitted_list_and_its_diff(listed, tmp_path, out):
    folder = shutil.copytree(listed, tmp_path / "run", symlinks=True)
    link = folder / "targets" / "WQ_2027A1.fits"
    assert main(["targets", "check", str(link)]) == 0
    assert "can be submitted; 0 errors" in out()
    rows = fits.getdata(link, 1)
    assert len(rows) == 30 + 10  # on 0.2 deg2, and one field
    assert set(rows["TARGPROG"]) == {"QSO", "QSO|BW"}

    # five are observed tonight; the list of tomorrow leaves them out
    observed = tmp_path / "observed.csv"
    Table({"object_id": rows["TARGID"][:5]}).write(observed)
    first = link.resolve()
    before = first.read_bytes()
    run_stage("summarise", asked(folder, f'exclude = "{observed}"'), serial())
    assert link.is_symlink()
    assert link.resolve() != first
    assert first.read_bytes() == before  # versions are never overwritten
    assert main(["targets", "diff", str(first), str(link), "--json"]) == 0
    found = json.loads(out())
    changes = {one["target"]: one for one in found["changes"]}
    assert found["dropped"] == found["added"] == 5  # five others get their fibres
    for name in rows["TARGID"][:5]:
        assert changes[name]["kind"] == "dropped"
        assert changes[name]["why"] == "in the list of excluded objects"
    for one in found["changes"]:
        assert one["kind"] != "added" or one["why"] == "no fibre is left for it"
    assert all(one["why"] for one in found["changes"])
    assert main(["targets", "diff", str(link), str(link)]) == 0
    assert "0 added, 0 dropped, 0 changed" in out()

    # the job of yesterday gives the list of yesterday, which is there
    run_stage("summarise", asked(folder), serial())
    assert link.resolve() == first
    assert first.read_bytes() == before


def test_what_lies_beside_a_list(listed):
    link = listed / "targets" / "WQ_2027A1.fits"
    beside = link.resolve().parent
    names = [str(name) for name in fits.getdata(link, 1)["TARGID"]]
    for ending in ("csv", "vot"):
        table = Table.read(beside / f"WQ_2027A1.{ending}")
        assert [str(name) for name in table["object_id"]] == names
    assert pq.read_table(beside / "WQ_2027A1.parquet")["object_id"].to_pylist() == names
    candidates = pq.read_table(beside / "WQ_2027A1-candidates.parquet")
    assert candidates.filter(candidates["selected"])["object_id"].to_pylist() == names
    for name in (
        "probability_star",
        "committee_probability_star",
        "subset",
        "novelty",
        "reason",
        "rule",
        "subpriority",
    ):
        assert name in candidates.column_names
    assert set(candidates["reason"].to_pylist()) >= {"selected", "no fibre is left for it"}
    assert candidates.schema.metadata[b"jpasbatch.bands"].decode().split(",")[0] == "uJAVA"
    curve = Table.read(listed / "targets" / "WQ_2027A1-yield.ecsv")
    assert set(curve["rule"]) == {1, 2}
    assert (np.diff(curve["purity"][curve["rule"] == 1]) <= 1e-9).all()


def test_every_column_of_those_on_the_list_lies_beside_it(listed):
    candidates = pq.read_table(
        (listed / "targets" / "WQ_2027A1.fits").resolve().with_name("WQ_2027A1-candidates.parquet")
    )
    photometry = open_catalogue(listed / "sky")
    assert set(photometry.schema.names) <= set(candidates.column_names)
    paths = (photometry.partition_path(*pixel) for pixel in photometry.pixels)
    every = pa.concat_tables([pq.read_table(path, columns=["object_id", "flux", "tile"]) for path in paths])
    flux = dict(zip(*(every[name].to_pylist() for name in ("object_id", "flux")), strict=True))
    columns = (candidates[name].to_pylist() for name in ("object_id", "selected", "flux", "tile"))
    for name, selected, values, tile in zip(*columns, strict=True):
        assert (tile is not None) == selected
        np.testing.assert_array_equal(values, flux[name] if selected else None)


def test_fluxes_are_read_of_those_on_the_list_and_of_no_others():
    asked_for = []

    def look_up(objects, columns):
        asked_for.append((dict(objects), columns))
        vector = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2.0 * len(objects))), 2)
        return pa.table({"object_id": list(objects), "flux": vector, "tile": ["1"] * len(objects)})

    listed = pa.table(
        {
            "object_id": ["a", "b", "c", "d"],
            "_healpix_29": [4, 3, 2, 1],
            "selected": [True, False, True, False],
        }
    )
    found = with_photometry(listed, look_up)
    assert asked_for == [({"a": 4, "c": 2}, None)]
    assert found["flux"].to_pylist() == [[0.0, 1.0], None, [2.0, 3.0], None]
    assert found["tile"].to_pylist() == ["1", None, "1", None]
    nobody = listed.set_column(2, "selected", pa.array([False] * 4))
    assert with_photometry(nobody, look_up)["flux"].null_count == 4


def test_a_list_is_a_hats_catalogue_too(listed):
    link = listed / "targets" / "WQ_2027A1.fits"
    catalogue = open_catalogue(link.resolve().with_name("WQ_2027A1-hats"))
    table = pa.concat_tables([pq.read_table(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels])
    assert table["object_id"].to_pylist() == [str(name) for name in fits.getdata(link, 1)["TARGID"]]
    assert catalogue.rows == table.num_rows


@pytest.mark.slow
# lsdb 0.11.1 sets an option, when it is imported, that pandas 3.1 deprecates; nested-pandas 0.7.2 passes on a
# keyword that pandas 3.1 deprecates, whenever lsdb drops a column.
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_lsdb_opens_a_list(listed):
    import lsdb

    beside = (listed / "targets" / "WQ_2027A1.fits").resolve()
    whole = lsdb.open_catalog(beside.with_name("WQ_2027A1-hats")).compute(progress_bar=False)
    assert set(whole["object_id"]) == {str(name) for name in fits.getdata(beside, 1)["TARGID"]}


@pytest.mark.slow
def test_a_list_that_cannot_be_submitted_says_so(finished_copy, out):
    run_stage("summarise", asked(finished_copy, who=""), serial())
    summary = json.loads((finished_copy / "summary.json").read_text())
    assert any("cannot be submitted" in text for text in summary["warnings"])
    assert summary["targets"]["WQ_2027A1.fits"]["submittable"] is False
    assert main(["targets", "check", str(finished_copy / "targets" / "WQ_2027A1.fits"), "--json"]) == 4
    found = json.loads(out())
    assert found["submittable"] is False
    assert {"blank-card", "progtemp-value"} <= {one["rule"] for one in found["faults"]}


def test_a_damaged_version_is_written_again_as_it_was(tmp_path):
    made = []

    def maker(created):
        made.append(created)
        return lambda file: file.write(f"of {created}".encode())

    version = Version(
        "targets/WQ", "0123456789abcdef", {"list.fits": maker}, "targets/list.fits", "list.fits"
    )
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "list.fits").write_text("of before there were versions")
    file, link = publish_version(tmp_path, version, "today")
    assert link.read_text() == "of today"
    file.write_text("damaged")
    publish_version(tmp_path, version, "tomorrow")
    assert link.read_text() == "of today"
    publish_version(tmp_path, version, "tomorrow")
    assert made == ["today", "today"]
    (file.parent / "version.json").write_text("{")
    publish_version(tmp_path, version, "later")
    assert link.read_text() == "of later"
    assert not list((tmp_path / "targets").rglob("*.tmp"))


def test_a_file_in_the_place_of_the_link_stops_summarise(finished_copy):
    """Nothing of the run is published: neither the list nor the tables beside it."""
    link = finished_copy / "targets" / "WQ_2027A1.fits"
    link.unlink()
    link.write_bytes(b"of somebody")
    counts = sorted((path, path.stat().st_mtime_ns) for path in (finished_copy / "counts").iterdir())
    with pytest.raises(InputError, match=r"WQ_2027A1\.fits: is a file that was not published here"):
        run_stage("summarise", workspace_of(finished_copy), serial())
    assert link.read_bytes() == b"of somebody"
    assert sorted((path, path.stat().st_mtime_ns) for path in (finished_copy / "counts").iterdir()) == counts


def test_what_stands_in_the_place_of_a_link_is_kept(tmp_path):
    """A file of somebody, or a folder, is refused; a copy of ours, as folders without links hold it, is not."""
    maker = {"list.fits": lambda created: lambda file: file.write(b"ours")}
    version = Version("targets/WQ", "0123456789abcdef", maker, "targets/list.fits", "list.fits")
    _, link = publish_version(tmp_path, version, "today")
    check_links(tmp_path, [version], {})
    link.unlink()
    check_links(tmp_path, [version], {})
    link.write_bytes(b"ours")
    check_links(tmp_path, [version], {})
    link.write_bytes(b"of somebody")
    with pytest.raises(InputError, match=r"list\.fits: is a file that was not published here.*move it away"):
        check_links(tmp_path, [version], {})
    assert link.read_bytes() == b"of somebody"
    check_links(tmp_path, [version], {"targets/list.fits": hashlib.sha256(b"of somebody").hexdigest()})
    link.unlink()
    link.mkdir()
    with pytest.raises(InputError, match=r"list\.fits: is no file, and stands in the place of the link"):
        check_links(tmp_path, [version], {})


def test_a_damaged_catalogue_is_written_again_as_it_was(tmp_path):
    index = np.arange(5, dtype=np.int64) << 58  # a base pixel each
    rows = pa.table(
        {
            "_healpix_29": index,
            "object_id": list("abcde"),
            "ra": np.arange(5.0),
            "dec": np.arange(5.0),
            "priority": np.ones(5, np.float32),
        }
    )
    version = Version(
        "targets/WQ",
        "0123456789abcdef",
        {"list.fits": lambda created: lambda file: file.write(b"list")},
        "targets/list.fits",
        "list.fits",
        {"list-hats": lambda: iter([rows.slice(0, 2), rows.slice(2)])},
    )
    first = publish_version(tmp_path, version, "2027-01-15T12:00:00+00:00")
    before = {path: path.read_bytes() for path in first}
    assert sum(path.suffix == ".parquet" for path in first) == 5
    next(path for path in first if path.name == "Npix=2.parquet").write_bytes(b"damaged")
    next(path for path in first if path.name == "partition_info.csv").unlink()
    assert publish_version(tmp_path, version, "2027-01-16T12:00:00+00:00") == first
    assert {path: path.read_bytes() for path in first} == before
    backwards = replace(
        version, identity="f" * 16, catalogues={"list-hats": lambda: iter([rows.take([1, 0])])}
    )
    with pytest.raises(InputError, match="not ascending"):
        publish_version(tmp_path, backwards, "2027-01-15T12:00:00+00:00")
    assert sorted(path.name for path in (tmp_path / "targets" / "WQ").iterdir()) == ["0123456789ab"]


def test_columns_that_the_catalogue_lacks_are_refused_at_once(finished_copy):
    veto = 'vetoes = [{ columns = ["pmra"], above = 5.0 }]'
    with pytest.raises(InputError, match="reads the column 'pmra'"):  # before anything runs
        asked(finished_copy, veto)
    job = finished_copy / "tiny.toml"
    job.write_text(
        job.read_text().replace("[catalogue.cuts]", '[catalogue]\ncarry = ["pmra"]\n[catalogue.cuts]')
    )
    workspace = workspace_of(finished_copy)
    schema = open_catalogue(finished_copy / "sky").schema
    with pytest.raises(InputError, match="reads the column 'pmra'"):  # the catalogue is of before
        check_columns(schema.names, workspace.job.products.products(workspace.survey))


def test_what_is_no_list(tmp_path, capsys):
    (tmp_path / "list.fits").write_text("no list")
    assert main(["targets", "check", str(tmp_path / "list.fits")]) == 4
    for arguments in (
        ["check", str(tmp_path)],
        ["diff", str(tmp_path / "list.fits"), str(tmp_path / "other.fits")],
    ):
        assert main(["targets", *arguments]) == 2
    assert "is no target list" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts is not installed")
@pytest.mark.slow
def test_stilts_reads_and_writes_a_list(listed, tmp_path):
    link = listed / "targets" / "WQ_2027A1.fits"
    copy = tmp_path / "copy.fits"
    subprocess.run(["stilts", "tpipe", f"in={link}", f"out={copy}"], check=True, capture_output=True)
    one, other = Table.read(io.BytesIO(link.read_bytes()), hdu=1), Table.read(copy, hdu=1)
    assert one.colnames == other.colnames
    for name in one.colnames:
        mine, theirs = (
            np.ma.filled(table[name], "" if table[name].dtype.kind in "SU" else -1) for table in (one, other)
        )
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), name
