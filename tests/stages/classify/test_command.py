"""The command line of classify: defaults, messages, exit codes, and what is printed."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.cli import main
from jpasbatch.committees import registry
from jpasbatch.errors import InputError
from jpasbatch.stages.classify.recognition import recognise_survey
from jpasbatch.storage.stores.artefacts import committee_version
from jpasbatch.storage.tables.complete.table import band_metadata
from tests.photometry.real_table import magnitude_columns, make_raw


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch, unchanged_process):
    """Work in an empty folder, and put back what a command sets for its whole process."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shipped(committee_folder, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("package")
    shutil.copytree(committee_version(committee_folder), home / "jpas60")
    monkeypatch.setattr(registry, "home", lambda: home)


def test_a_table_and_nothing_else(shipped, tiles, tmp_path, capsys, caplog):
    caplog.set_level("INFO", logger="jpasbatch")
    assert main(["classify", str(tiles[0])]) == 0
    shown = capsys.readouterr()
    (output,) = tmp_path.iterdir()
    assert output.name == f"{tiles[0].stem}-classified.fits"
    assert "the table is of survey jpas60" in caplog.text
    assert f"{output.name}: " in shown.out
    for words in (
        " classified, ",
        "classes: star ",
        "not classified: flags ",
        "not that of the sky",
        "warning: ",
    ):
        assert words in shown.out
    assert main(["classify", str(tiles[0])]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["classify", str(tiles[0]), "--overwrite"]) == 0


def test_several_tables_into_one_or_into_their_own(tiles, committee_folder, tmp_path, capsys):
    command = ["classify", *map(str, tiles), "--committee", str(committee_folder), "--json"]
    assert main([*command, "--output", "all.parquet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"][0]["rows"] == pq.ParquetFile("all.parquet").metadata.num_rows
    assert told["survey"] == "jpas60"
    assert told["fingerprint"][:12] in told["committee"]
    assert len(told["warnings"]) == 1
    assert main(command) == 0
    own = json.loads(capsys.readouterr().out)["outputs"]
    assert sum(one["rows"] for one in own) == told["outputs"][0]["rows"]
    assert sorted(path.name for path in tmp_path.glob("*.fits")) == [
        f"{tile.stem}-classified.fits" for tile in tiles
    ]
    assert main(["classify", str(tiles[0].parent), *command[-3:], "--output", "folder.fits"]) == 0


def refused(capsys, arguments, *words):
    assert main(["classify", *map(str, arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("jpasbatch: ")
    assert "Traceback" not in shown.err + shown.out
    for word in words:
        assert word in shown.err


def test_what_is_wrong_is_told(tiles, committee_folder, tmp_path, capsys):
    tile, committee = tiles[0], ("--committee", committee_folder)
    refused(capsys, ["absent.fits", *committee], "absent.fits", "no such file")
    refused(capsys, [tile, "--committee", "absent"], "'absent'", "neither a folder nor the name")
    refused(capsys, [tile, "--survey", "absent"], "'absent'", "jpas60")
    refused(capsys, [tile, tile, *committee], "named twice")
    refused(capsys, [tile, *committee, "--flags", "-1"], "--flags", "0 to 2147483647")
    refused(capsys, [tile, *committee, "--aperture", "9_9"], "'9_9'")
    refused(capsys, [tile, *committee, "--output", "out.txt"], "out.txt", ".parquet")
    refused(capsys, [tile, *committee, "--filter-table", "absent.csv"], "absent.csv")
    copy = tmp_path / "copy" / tile.name
    copy.parent.mkdir()
    shutil.copy(tile, copy)
    refused(capsys, [tile, copy, *committee], f"{tile.stem}-classified.fits", "two tables of the same name")
    copy.write_bytes(tile.read_bytes()[:-3000])
    refused(capsys, [copy, *committee], "truncated")
    refused(capsys, [copy], "truncated")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_full_disk_is_tried_again_later(tiles, committee_folder, capsys, monkeypatch, tmp_path):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jpasbatch.storage.tables.output.fits.FitsFile.write", full)
    assert main(["classify", str(tiles[0]), "--committee", str(committee_folder)]) == 75
    assert "disk is full" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_survey_is_known_by_its_columns(tiles, tmp_path):
    assert recognise_survey(tiles[0]).name == "jpas60"
    pq.write_table(pa.table({"a": [1]}), "other.parquet")
    with pytest.raises(InputError, match=r"columns of no survey.*--survey FILE.toml") as caught:
        recognise_survey(tmp_path / "other.parquet")
    for words in ("jpas60: ", "nepw14: column 'AKR_ID' is missing"):
        assert words in str(caught.value)
    (tmp_path / "notes.fits").write_text("no FITS")
    with pytest.raises(InputError, match=r"^.*notes.fits: is not a readable FITS file") as caught:
        recognise_survey(tmp_path / "notes.fits")
    assert "nepw14" not in str(caught.value)


def write_j_pas(path):
    """Write a table of J-PAS, with 57 bands."""
    raw = make_raw(magnitude_columns())
    fields = [
        pa.field(name, _vectors(one).type, metadata={"unit": raw.units.get(name, "")})
        for name, one in raw.columns.items()
    ]
    schema = pa.schema(fields, metadata=band_metadata(raw.band_names))
    table = pa.Table.from_arrays([_vectors(one) for one in raw.columns.values()], schema=schema)
    pq.write_table(table, path)


def test_j_pas_is_known_by_its_bands():
    write_j_pas("jpas.parquet")
    assert recognise_survey(Path("jpas.parquet")).name == "jpas57"


def test_a_committee_of_another_survey(committee_folder, capsys):
    write_j_pas("jpas.parquet")
    committee = ["--committee", str(committee_folder)]
    words = ("committee was trained on survey 'jpas60'", "this is 'jpas57'", "60 bands against 57")
    refused(capsys, ["jpas.parquet", "--survey", "jpas57", *committee], *words)
    # without a name the survey is that of the committee, whose aperture and bands the table lacks
    refused(capsys, ["jpas.parquet", *committee], "jpas.parquet", "3_0_cor")
    refused(
        capsys,
        ["jpas.parquet", *committee, "--aperture", "3_0_cor"],
        "these are the bands of survey = 'jpas57'",
    )
    assert [path.name for path in Path().iterdir()] == ["jpas.parquet"]


def _vectors(column):
    flat = pa.array(column.ravel())
    return flat if column.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, column.shape[1])


def test_a_table_without_rows_is_of_a_survey_too(rows):
    pq.write_table(rows.slice(0, 0), "empty.parquet")
    assert recognise_survey("empty.parquet").name == "jpas60"
    assert np.size(rows["NUMBER"]) > 0


def test_csv_of_something_else_is_of_no_survey(tmp_path, capsys):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    refused(
        capsys, ["other.csv"], "columns of no survey", "nepw14: column 'AKR_ID' is missing; the file has a, b"
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("stilts") is None, reason="needs stilts, TOPCAT's engine")
@pytest.mark.parametrize("ending", ["fits", "vot"])
def test_topcat_reads_what_is_written(tiles, committee_folder, tmp_path, capsys, ending):
    output = tmp_path / f"out.{ending}"
    command = [
        "classify",
        *map(str, tiles),
        "--committee",
        str(committee_folder),
        "--output",
        str(output),
        "--json",
    ]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)["outputs"][0]

    def stilts(*arguments):
        done = subprocess.run(["stilts", *arguments], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout + done.stderr

    assert f"rows: {told['rows']}" in stilts("tpipe", f"in={output}", "omode=count")
    for name, count in told["classes"].items():
        cut = f"select 'equals(predicted_class, \"{name}\")'"
        assert f"rows: {count}" in stilts("tpipe", f"in={output}", f"cmd={cut}", "omode=count")
    refused_rows = stilts("tpipe", f"in={output}", "cmd=select NULL_probability_star", "omode=count")
    assert f"rows: {sum(told['refused'].values())}" in refused_rows
    assert ending != "vot" or "ERROR" not in stilts("votlint", str(output))
