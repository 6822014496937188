"""Bad tables from the command line to the disk: refused with one clear message, or quarantined and counted."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from jpasbatch.cli import main
from jpasbatch.learning.description import TrainingFacts, describe_committee
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import matrix_of
from jpasbatch.stages.ingest import reading, whole_rows
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.artefacts import save_committee
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.tables.tables import write_cefca_tile

ROWS = 40
BANDS = 60
R_BAND = 58
FLUX, ERROR = "FLUX_APER_3_0", "FLUX_RELERR_APER_3_0"
# hats-import loops over the pixels of the highest order
JOB = """\
name = "trial"
survey = "jpas60"
[catalogue]
input = "{input}"
{more}
[catalogue.partitions]
highest_order = 4
margin_arcsec = 0
"""


pytestmark = pytest.mark.usefixtures("unchanged_process")


def make_rows(seed: int = 1, tile: int = 2406) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "tile_id": np.full(ROWS, tile),
        "number": np.arange(1, ROWS + 1),
        "ra": rng.uniform(214, 215, ROWS),
        "dec": rng.uniform(52, 53, ROWS),
        "flux": rng.lognormal(2, 1, (ROWS, BANDS)).astype(np.float32),
        "flux_err": rng.uniform(0.1, 1, (ROWS, BANDS)).astype(np.float32),
        "flags": np.zeros((ROWS, BANDS), int),
        "mask_flags": np.zeros((ROWS, BANDS), int),
        "class_star": np.linspace(0, 1, ROWS),
    }


@pytest.fixture
def tables(tmp_path):
    """Return the job's input folder."""
    folder = tmp_path / "tables"
    folder.mkdir()
    return folder


@pytest.fixture
def write(tables, survey):
    """Return a function that writes rows as a tile of the input folder."""

    def write_tile(name: str = "tile.fits", rows: dict[str, np.ndarray] | None = None) -> Path:
        path = tables / name
        write_cefca_tile(path, rows or make_rows(), survey)
        return path

    return write_tile


@pytest.fixture
def ingest(tmp_path, tables, capsys):
    """Return a function that ingests the input folder and returns the exit code and the messages."""

    def run(more: str = "") -> tuple[int, str]:
        job = tmp_path / "trial.toml"
        job.write_text(JOB.format(input=tables, more=more), encoding="utf-8")
        code = main(["ingest", str(job), "--output", str(tmp_path / "out"), "--serial"])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def refused(ingest, tmp_path):
    """Return a function that ingests, which must be refused with these words and publish nothing."""

    def run(*words: str, more: str = "") -> str:
        code, message = ingest(more)
        assert code == 2
        assert message.startswith("jpasbatch: ")
        assert "Traceback" not in message
        for word in words:
            assert word in message
        assert not (tmp_path / "out" / "sky" / "collection.properties").exists()
        assert not (tmp_path / "out" / "work" / "ingest.json").exists()
        return message

    return run


def rewrite(path: Path, change) -> None:
    """Write a tile anew, without checksums, after a change of its columns and bands.

    ``change(columns, filters)`` gets lists of `fits.Column` and may return None instead of the filters.
    """
    with fits.open(path, memmap=False) as hdus:
        assert all(hdu.data is not None for hdu in hdus[1:])  # columns are read when the data are
        columns = list(hdus[1].columns)
        filters = list(hdus["FILTER"].columns)
        filters = change(columns, filters)
        content = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name=hdus[1].name)]
        if filters is not None:
            content.append(fits.BinTableHDU.from_columns(filters, name="FILTER"))
        fits.HDUList(content).writeto(path, overwrite=True)


def replace(columns: list[fits.Column], name: str, array: np.ndarray, kind: str | None = None) -> None:
    """Put a column with another array, and perhaps of another format, in the place of one."""
    old = column(columns, name)
    new = fits.Column(name, kind or old.format, unit=old.unit, array=array)
    columns[columns.index(old)] = new


def column(columns: list[fits.Column], name: str) -> fits.Column:
    return next(one for one in columns if one.name == name)


# bands


def replace_band(path: Path, old: str, new: str) -> None:
    def change(columns, filters):
        names = np.array(column(filters, "NAME").array).astype(str)
        assert old in names
        replace(filters, "NAME", np.where(names == old, new, names))
        return filters

    rewrite(path, change)


def test_a_band_that_the_filter_table_lacks(write, refused):
    replace_band(write(), "J0450", "J9999")
    refused("tile.fits", "1 of the 60 bands", "missing", "J0450")


def test_a_band_that_the_filter_table_names_twice(write, refused):
    replace_band(write(), "J0450", "J0460")
    refused("tile.fits", "twice", "j0460")


def test_vectors_shorter_than_the_filter_table(write, refused):
    def change(columns, filters):
        replace(columns, FLUX, column(columns, FLUX).array[:, :-1], f"{BANDS - 1}E")
        return filters

    rewrite(write(), change)
    refused("tile.fits", FLUX, "length 59", "60 bands")


def test_vectors_without_an_order(write, refused):
    rewrite(write(), lambda columns, filters: None)
    refused("tile.fits", "order of bands", "FILTER", "filter_table")


def test_a_filter_table_of_another_survey(write, refused, tmp_path):
    rewrite(write(), lambda columns, filters: None)
    listed = tmp_path / "filters.csv"
    names = [f"{number},N{number:04d}" for number in range(1, BANDS + 1)]
    listed.write_text("\n".join(["FILTER_ID,name", *names]) + "\n", encoding="utf-8")
    refused("60 of the 60 bands", "'jpas60'", more=f'filter_table = "{listed}"')


def test_a_table_of_another_survey(write, ingest, tmp_path, capsys):
    write()
    job = tmp_path / "other.toml"
    job.write_text(f'name = "other"\nsurvey = "nepw14"\n[catalogue]\ninput = "{tmp_path / "tables"}"\n')
    assert main(["ingest", str(job), "--output", str(tmp_path / "out"), "--serial"]) == 2
    message = capsys.readouterr().err
    assert "tile.fits" in message
    assert "is missing; the file has TILE_ID" in message


# units


def state_unit(path: Path, name: str, unit: str | None) -> None:
    def change(columns, filters):
        column(columns, name).unit = unit
        return filters

    rewrite(path, change)


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        (FLUX, None, ("states no unit", "required")),
        (FLUX, "furlong", ("'furlong'", FLUX)),
        (FLUX, "mag", ("must hold a flux", "magnitude")),
        (FLUX, "erg/s", ("'erg/s'", FLUX)),
        (ERROR, "uJy", ("must be a ratio", "'uJy'")),
        ("ALPHA_J2000", "rad", ("'rad'", "must be in deg")),
        ("DELTA_J2000", "hourangle", ("'hourangle'", "must be in deg")),
    ],
)
def test_units(write, refused, name, unit, words):
    state_unit(write(), name, unit)
    refused("tile.fits", *words)


# coordinates


def test_radians(write, refused):
    def change(columns, filters):
        for name in ("ALPHA_J2000", "DELTA_J2000"):
            column(columns, name).unit = None
            replace(columns, name, np.radians(column(columns, name).array))
        return filters

    rewrite(write(), change)
    refused("tile.fits", "radians", "degrees")


def test_positions_in_single_precision(write, refused):
    def change(columns, filters):
        positions = column(columns, "ALPHA_J2000").array
        replace(columns, "ALPHA_J2000", positions.astype(np.float32), "E")
        return filters

    rewrite(write(), change)
    refused("tile.fits", "ALPHA_J2000", "float64")


def test_too_many_impossible_positions(write, refused):
    rows = make_rows()
    rows["ra"][:8] = np.nan
    rows["dec"][8:16] = 91.0
    write(rows=rows)
    refused("16 of 40 rows", "ra not finite: 8", "dec out of range: 8", "maximum_rejected_fraction")


# identifiers


def test_an_id_twice_in_a_file(write, refused):
    rows = make_rows()
    rows["number"][30] = rows["number"][3]
    write(rows=rows)
    refused("tile.fits", "1 rows repeat an id", "'2406-4'", "'quarantine'")


def test_an_id_in_two_files(write, refused):
    write("first.fits")
    rows = make_rows(seed=2)
    rows["number"] += ROWS - 2
    write("second.fits", rows)
    message = refused("'2406-39'", "1 more", "second.fits", '"quarantine"')
    assert "first.fits" not in message


def test_one_file_under_two_names(write, refused, tables):
    path = write()
    (tables / "copy.fits").symlink_to(path)
    refused("one file is listed twice", "copy.fits", "tile.fits")


def test_a_copy_of_a_file(write, refused, tables):
    (tables / "copy.fits").write_bytes(write().read_bytes())
    refused("'2406-1'", "39 more", "tile.fits")


def test_a_link_that_leads_nowhere(write, refused, tables):
    write()
    (tables / "gone.fits").symlink_to(tables / "nowhere.fits")
    refused("gone.fits", "leads nowhere")


# files


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_a_truncated_file(write, refused, share):
    write("a_good_one.fits")
    path = write("tile.fits", make_rows(tile=2407))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = refused("1 of the input files could not be processed", "tile.fits")
    assert "a_good_one" not in message


def test_a_damaged_file(write, refused):
    path = write()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused("tile.fits", "damaged", "does not hold")


def test_a_file_without_rows(write, refused):
    write(rows={name: values[:0] for name, values in make_rows().items()})
    refused("No rows to import", "tile.fits (0 rows)")


def test_a_text_that_calls_itself_fits(tables, refused):
    (tables / "notes.fits").write_text("SIMPLE  = perhaps")
    refused("notes.fits", "has no end")


def test_a_missing_column(write, refused):
    def change(columns, filters):
        columns.remove(column(columns, "MASK_FLAGS"))
        return filters

    rewrite(write(), change)
    refused("tile.fits", "'MASK_FLAGS' is missing", "the file has TILE_ID")


@pytest.mark.parametrize("name", ["tile (1).fits", "tuile é.fits", "-tile.fits", "x" * 180 + ".fits"])
def test_names_that_are_hard_to_bear(write, refused, name):
    rows = make_rows()
    rows["flags"][:] = 4
    write(name, rows)
    refused("No rows to import")


def test_reasons_can_be_read_when_no_row_is_left(write, refused, tmp_path):
    rows = make_rows()
    rows["flags"][:30, 5] = 4
    rows["mask_flags"][30:, 5] = 1
    write(rows=rows)
    refused("No rows to import", "quarantine", "tile.fits (40 rows)", "flags: 30, mask_flags: 10")
    (written,) = (tmp_path / "out" / "quarantine").glob("ingest-*.parquet")
    assert sorted(pq.read_table(written)["reason"].to_pylist()) == ["flags"] * 30 + ["mask_flags"] * 10


# a committee of another survey


def describe(survey, classes):
    """Return the manifest of a committee without members."""
    features = make_features("relative_flux", survey)
    return describe_committee(survey, features, classes, [], Jury.plain(), TrainingFacts()).to_json()


def test_a_committee_of_another_survey(write, tmp_path, tables, capsys):
    other = load_survey("nepw14")
    classes = {"star": ClassDefinition(("star",)), "agn": ClassDefinition(("qso",))}
    manifest = describe(other, classes)
    save_committee(tmp_path / "committee", manifest, b"never read")
    write()
    job = tmp_path / "trial.toml"
    more = f'filter_table = "{tables / "tile.fits"}"\n[committee]\nartefact = "{tmp_path / "committee"}"'
    job.write_text(JOB.format(input=tables, more=more), encoding="utf-8")
    assert main(["infer", str(job), "--output", str(tmp_path / "out"), "--serial"]) == 2
    message = capsys.readouterr().err
    for word in ("committee was trained on survey 'nepw14'", "this is 'jpas60'", "14 bands against 60"):
        assert word in message
    # before anything is computed, or even looked for
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert {one for one in found if not one.startswith(("work/history/", "work/logs"))} == {
        "work",
        "work/lease",
        "work/history",
    }


def test_a_committee_that_was_changed(tmp_path, tables, capsys, survey):
    classes = {"star": ClassDefinition(("star",)), "qso": ClassDefinition(("qso",))}
    manifest = describe(survey, classes)
    saved = save_committee(tmp_path / "committee", manifest, b"a graph")
    (saved / "committee.onnx").write_bytes(b"b graph")
    job = tmp_path / "trial.toml"
    more = f'[committee]\nartefact = "{tmp_path / "committee"}"'
    job.write_text(JOB.format(input=tables, more=more), encoding="utf-8")
    assert main(["infer", str(job), "--output", str(tmp_path / "out"), "--serial"]) == 2
    assert "truncated or changed" in capsys.readouterr().err


def test_an_output_folder_below_the_input_is_refused_before_anything_is_written(
    write, tmp_path, tables, capsys
):
    write()
    job = tmp_path / "trial.toml"
    job.write_text(JOB.format(input=tables, more=""), encoding="utf-8")
    for output in (tables, tables / "runs" / "trial"):
        assert main(["ingest", str(job), "--output", str(output), "--serial"]) == 2
        assert "lies within the input folder" in capsys.readouterr().err
    assert {path.suffix for path in tables.rglob("*")} == {".fits"}


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_path_is_not_the_working_directory(empty, tmp_path, capsys):
    job = tmp_path / "trial.toml"
    job.write_text(JOB.format(input=empty, more=""), encoding="utf-8")
    assert main(["ingest", str(job), "--output", str(tmp_path / "out"), "--serial"]) == 2
    assert "[catalogue] input" in (message := capsys.readouterr().err)
    assert "a path is missing" in message


# quarantine: all kinds of bad rows at once, because an import takes its time

BAD_ROWS = {
    "ra not finite": [0],
    "ra out of range": [1],
    "dec not finite": [2],
    "dec out of range": [3, 4],
    "flags": [5],
    "mask_flags": [6],
    "reference flux not positive": [7],
    "reference band not observed": [8],
    "duplicate id": [12],  # of row 11
}


def first_rows() -> dict[str, np.ndarray]:
    rows = make_rows()
    rows["ra"][:2] = np.nan, 400.0
    rows["dec"][2:5] = np.inf, 90.5, -91.0
    rows["flags"][5, 7] = 4
    rows["mask_flags"][6, 59] = 1
    rows["flux"][7, R_BAND] = -1.0
    rows["flux"][8, R_BAND] = rows["flux_err"][8, R_BAND] = np.nan
    rows["number"][12] = rows["number"][11]
    return rows


def second_rows() -> dict[str, np.ndarray]:
    rows = make_rows(seed=2)
    rows["number"] += 100
    rows["number"][20] = 21  # of the first file
    rows["ra"][21] = np.nan
    return rows


def reverse_bands(columns: list[fits.Column], filters: list[fits.Column]) -> list[fits.Column]:
    """Turn the order of bands in vectors and filter table round; the table still says which is which."""
    vectors = [one.name for one in columns if np.ndim(one.array) == 2]
    assert {FLUX, ERROR, "FLAGS", "MASK_FLAGS"} <= set(vectors)
    for name in vectors:
        replace(columns, name, np.array(column(columns, name).array)[:, ::-1])
    for name in ("NAME", "WAVELENGTH"):
        replace(filters, name, np.array(column(filters, name).array)[::-1])
    return filters


def check_whole_rows(out: Path, record: dict, found: dict[tuple[str, int], str]) -> None:
    """Check that every rejected row is there with all columns of its file, as the file has them."""
    assert record["whole_rows"]["rows"] == len(found) == record["quarantined"]
    files = sorted((out / record["whole_rows"]["folder"]).glob("*.parquet"))
    assert record["whole_rows"]["files"] == len(files) == 2
    kept = {}
    for table in map(pq.read_table, files):
        for row in table.to_pylist():
            kept[row["quarantine_source"], row["quarantine_row"]] = row
    assert {key: row["quarantine_reason"] for key, row in kept.items()} == found
    for (source, number), row in kept.items():
        with fits.open(source) as hdus:
            original = hdus[1].data[number]
            assert {*row} == {
                *hdus[1].columns.names,
                "quarantine_reason",
                "quarantine_source",
                "quarantine_row",
            }
            for name in hdus[1].columns.names:
                np.testing.assert_array_equal(np.array(row[name]), np.array(original[name]))


def test_bad_rows_are_quarantined_and_counted(write, ingest, tmp_path, survey):
    first = write("first.fits", first_rows())
    second = write("second.fits", second_rows())
    rewrite(second, reverse_bands)
    with fits.open(second) as hdus:
        assert hdus["FILTER"].data["NAME"][BANDS - 1 - R_BAND] == "rSDSS"
    policy = '[catalogue.cuts]\nduplicates = "quarantine"'
    code, message = ingest(policy)
    assert (code, message) == (0, "")

    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_text())
    expected = {reason: len(rows) for reason, rows in BAD_ROWS.items()}
    expected["duplicate id"] += 1
    expected["ra not finite"] += 1
    assert record["reasons"] == expected
    assert record["quarantined"] == sum(expected.values()) == 12
    assert (record["files"], record["rows_in"], record["rows_out"]) == (2, 2 * ROWS, 2 * ROWS - 12)

    (path,) = (tmp_path / "out" / "quarantine").glob("ingest-*.parquet")
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == 12
    found = {(row["source"], row["row"]): row["reason"] for row in rows}
    named = {(str(first), row): reason for reason, bad in BAD_ROWS.items() for row in bad}
    # the later row of an id in two files is found only when all files were checked
    assert found == named | {(str(second), 20): "duplicate id", (str(second), 21): "ra not finite"}

    check_whole_rows(tmp_path / "out", record, found)
    catalogue = open_catalogue(tmp_path / "out" / "sky")
    read = ["object_id", "ra", "flux"]
    (accepted,) = [read_partition(catalogue.partition_path(*pixel), read) for pixel in catalogue.pixels]
    bad_rows = [row for rows in BAD_ROWS.values() for row in rows]
    good = {
        f"2406-{number}": flux
        for rows, bad in ((first_rows(), bad_rows), (second_rows(), [20, 21]))
        for index, (number, flux) in enumerate(zip(rows["number"], rows["flux"], strict=True))
        if index not in bad
    }
    assert sorted(accepted["object_id"].to_pylist()) == sorted(good)
    flux = matrix_of(accepted, "flux", BANDS)
    for identifier, row in zip(accepted["object_id"].to_pylist(), flux, strict=True):
        np.testing.assert_allclose(row, good[identifier], rtol=1e-6)

    # a bad file beside good ones leaves what was published alone
    published = (tmp_path / "out" / "sky" / "collection.properties").read_bytes()
    (second.parent / "third.fits").write_bytes(b"")
    code, message = ingest(policy)
    assert code == 2
    assert "third.fits" in message
    assert (tmp_path / "out" / "sky" / "collection.properties").read_bytes() == published
    assert json.loads((tmp_path / "out" / "work" / "ingest.json").read_text()) == record


def test_hard_names_are_ingested_too(write, ingest, tmp_path):
    write("tuile é (1).fits")
    assert ingest() == (0, "")
    assert json.loads((tmp_path / "out" / "work" / "ingest.json").read_text())["rows_out"] == ROWS


# files that change


@pytest.mark.parametrize("when", ["hashed", "read"])
@pytest.mark.parametrize("what", ["table", "filters"])
def test_what_was_hashed_is_what_is_read(write, refused, ingest, tmp_path, monkeypatch, when, what):
    path, listed = write(), tmp_path / "filters.csv"
    names = [band.name for band in load_survey("jpas60").bands]
    listed.write_text(
        "\n".join(["FILTER_ID,name", *(f"{n},{name}" for n, name in enumerate(names, 1))]) + "\n"
    )
    changed, more = {"table": path, "filters": listed}[what], f'filter_table = "{listed}"'
    before = changed.read_bytes()
    write_cefca_tile(tmp_path / "other.fits", make_rows(seed=2), load_survey("jpas60"))
    after = (tmp_path / "other.fits").read_bytes() if what == "table" else before + b"\n"
    assert after != before
    real, writes = reading.iterate_raw, [after]

    def iterate(*arguments, **options):
        if when == "hashed":
            changed.write_bytes(after)
        for raw in real(*arguments, **options):
            yield raw
            if writes:
                changed.write_bytes(writes.pop())

    with monkeypatch.context() as patched:
        patched.setattr(reading, "iterate_raw", iterate)
        refused(changed.name, "changed while it was read", "try again", more=more)
    assert ingest(more)[0] == 0, "the file as it is now is another input"
    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_text())
    assert record["inputs"]["tile.fits"] == sha256_file(path)


def test_rejected_rows_are_those_of_the_file_that_was_hashed(write, ingest, tmp_path, monkeypatch):
    rows = make_rows()
    rows["flux"][3] = np.nan
    path = write(rows=rows)
    real = whole_rows._write

    def write_then_change(*arguments):
        written = real(*arguments)
        path.write_bytes(path.read_bytes() + b"\0" * 2880)
        return written

    monkeypatch.setattr(whole_rows, "_write", write_then_change)
    code, message = ingest()
    assert code == 2
    assert "changed while it was read" in message
    assert not (tmp_path / "out" / "work" / "ingest.json").exists()
