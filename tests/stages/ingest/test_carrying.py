"""Columns that travel from tables into the catalogue, from the command line to the disk."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Column, Table

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.tables.cefca_tiles import write_cefca_tile
from jpasbatch.storage.tables.per_band import write_column_table
from tests.stages.ingest.test_surveys import JOB, ROWS

GAIA = np.array([(1 << 60) + row for row in range(ROWS)])
"""Identifiers that no floating point number holds."""

pytestmark = pytest.mark.usefixtures("unchanged_process")


def make_rows(survey, seed: int = 2, tile: int = 2406) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (ROWS, len(survey.bands))
    return {
        "tile_id": np.full(ROWS, tile),
        "number": np.arange(1, ROWS + 1) + tile * 100,
        "ra": rng.uniform(214, 215, ROWS),
        "dec": rng.uniform(52, 53, ROWS),
        "flux": rng.lognormal(2, 0.3, shape).astype(np.float32),
        "flux_err": rng.uniform(0.1, 1, shape).astype(np.float32),
        "flags": np.zeros(shape, int),
        "mask_flags": np.zeros(shape, int),
        "class_star": np.linspace(0, 1, ROWS),
    }


def write_fits(folder, name="a.fits", columns=(), spoil=False, **rows):
    """Write a tile of miniJPAS with further columns."""
    survey = load_survey("jpas60")
    content = make_rows(survey, **rows)
    if spoil:
        content["flux"][3, survey.reference_index] = -1.0
    folder.mkdir(exist_ok=True)
    path = folder / name
    write_cefca_tile(path, content, survey)
    with fits.open(path, memmap=False) as hdus:
        table = fits.BinTableHDU.from_columns(list(hdus[1].columns) + list(columns), name=hdus[1].name)
        fits.HDUList([fits.PrimaryHDU(), table, hdus["FILTER"]]).writeto(path, overwrite=True)
    return path


def gaia_columns():
    mask = np.ma.MaskedArray(GAIA, mask=np.arange(ROWS) == 2)
    return [
        fits.Column("SOURCE_ID", "K", null=-1, array=mask.filled(-1)),
        fits.Column(
            "PMRA", "E", unit="mas/yr", array=np.where(np.arange(ROWS) == 5, np.nan, np.arange(ROWS))
        ),
        fits.Column("MORPH", "8A", array=[f"type {row}" if row else "" for row in range(ROWS)]),
        fits.Column("VARIABLE", "L", array=np.arange(ROWS) % 2 == 0),
        fits.Column("PDF", "3E", array=np.arange(3 * ROWS).reshape(ROWS, 3)),
        fits.Column("PHOTOZ", "D", array=np.where(np.arange(ROWS) == 7, -99.0, 0.5)),
    ]


@pytest.fixture
def ingest(tmp_path, capsys):
    """Return a function that ingests the input folder and returns the exit code and the messages."""

    def run(more: str = "", survey: str = "jpas60", verb: str = "ingest") -> tuple[int, str]:
        job = tmp_path / "trial.toml"
        text = JOB.format(survey=survey, input=tmp_path / "tables", more=more)
        job.write_text(text, encoding="utf-8")
        code = main([verb, str(job), "--output", str(tmp_path / "out"), "--serial"])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def refused(ingest, tmp_path):
    """Return a function that ingests, which must be refused with these words and publish nothing."""

    def run(*words: str, more: str, survey: str = "jpas60") -> None:
        code, message = ingest(more, survey)
        assert code == 2
        for word in words:
            assert word in message
        assert not (tmp_path / "out" / "sky" / "collection.properties").exists()

    return run


def published(folder) -> pa.Table:
    catalogue = open_catalogue(folder / "out" / "sky")
    tables = [read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    return pa.concat_tables(tables).sort_by("object_id")


CARRY = """carry = ["SOURCE_ID", { column = "PMRA", name = "gaia_pmra" }, "MORPH", "VARIABLE", "PDF",
  { column = "PHOTOZ", missing = -99.0 }]"""


def test_every_type_travels_with_unit_and_nulls(ingest, tmp_path):
    """Identifiers beyond 2**53, truth values, texts and lists arrive as they are; what is missing is null."""
    write_fits(tmp_path / "tables", columns=gaia_columns(), spoil=True)
    code, message = ingest(CARRY)
    assert code == 0, message
    rows = published(tmp_path).sort_by("SOURCE_ID")
    kept = [row for row in range(ROWS) if row not in (2, 3)] + [2]  # row 3 has no flux; row 2 no identifier
    assert rows["SOURCE_ID"].to_pylist() == [int(GAIA[row]) if row != 2 else None for row in kept]
    assert rows["gaia_pmra"].to_pylist() == [None if row == 5 else float(row) for row in kept]
    assert rows["MORPH"].to_pylist() == [f"type {row}" if row else None for row in kept]
    assert rows["VARIABLE"].to_pylist() == [row % 2 == 0 for row in kept]
    assert rows["PDF"].to_pylist() == [[3.0 * row, 3.0 * row + 1, 3.0 * row + 2] for row in kept]
    assert rows["PHOTOZ"].to_pylist() == [None if row == 7 else 0.5 for row in kept]
    schema = rows.schema
    assert schema.field("gaia_pmra").metadata[b"unit"] == b"mas/yr"
    assert [str(schema.field(name).type) for name in ("SOURCE_ID", "VARIABLE", "PHOTOZ")] == [
        "int64",
        "bool",
        "double",
    ]
    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_bytes())
    assert record["carried"]["gaia_pmra"] == "float"


def test_nothing_changes_for_a_job_without(ingest, tmp_path):
    """Columns that nobody asks for leave no trace: not in the bytes, and not in the fingerprint."""
    write_fits(tmp_path / "tables")
    assert ingest()[0] == 0
    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_bytes())
    assert "carried" not in record
    assert "carry" not in json.dumps(record)
    from jpasbatch.photometry.table import catalogue_schema

    assert published(tmp_path).schema.names == ["_healpix_29", *catalogue_schema(load_survey("jpas60")).names]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (None, ("b.fits", "'PMRA'", "is missing")),
        (
            fits.Column("PMRA", "8A", array=["a"] * ROWS),
            ("b.fits", "'PMRA' holds string", "a.fits holds float"),
        ),
        (fits.Column("PMRA", "J", array=np.arange(ROWS)), ("b.fits", "holds int32", "a.fits holds float")),
        (
            fits.Column("PMRA", "E", unit="arcsec/yr", array=np.arange(ROWS)),
            ("'arcsec/yr'", "'mas/yr'"),
        ),
    ],
)
def test_files_that_disagree_are_refused_by_name(refused, tmp_path, second, words):
    """A column missing, or of another type or unit, in one of many files: its name, the file, found and wanted."""
    write_fits(tmp_path / "tables", "a.fits", gaia_columns())
    write_fits(tmp_path / "tables", "b.fits", [second] if second else [], tile=2407)
    refused(*words, more='carry = ["PMRA"]')


def test_narrow_types_are_widened_and_said(ingest, tmp_path):
    """A file with 32 bits beside one with 64: 64 in the catalogue, and a note."""
    one = [fits.Column("N", "J", array=np.arange(ROWS)), fits.Column("X", "E", array=np.full(ROWS, 0.1))]
    other = [fits.Column("N", "K", array=GAIA), fits.Column("X", "D", array=np.full(ROWS, 0.1))]
    write_fits(tmp_path / "tables", "a.fits", one)
    write_fits(tmp_path / "tables", "b.fits", other, tile=2407, seed=3)
    code, message = ingest('carry = ["N", "X"]')
    assert code == 0, message
    rows = published(tmp_path)
    assert sorted(rows["N"].to_pylist()) == sorted([*range(ROWS), *GAIA.tolist()])
    assert set(rows["X"].to_pylist()) == {0.1, float(np.float32(0.1))}
    notes = json.loads((tmp_path / "out" / "work" / "ingest.json").read_bytes())["notes"]
    assert any("N is widened from int32 to int64" in note for note in notes)
    assert any("X is widened from float to double" in note for note in notes)


@pytest.mark.parametrize(
    ("carry", "words"),
    [
        ('carry = ["FLUX"]', ("'FLUX'", "the catalogue has a column of that name")),
        ('carry = [{ column = "PMRA", name = "Ra" }]', ("'Ra'", "the catalogue has a column of that name")),
        ('carry = ["PMRA", { column = "PMDEC", name = "pmra" }]', ("two columns would have it",)),
        ('carry = ["pm.ra"]', ("'pm.ra'", "give the column another with name")),
        ('carry = ["PMRA", "PMRA"]', ("named twice",)),
        ('carry = [{ colum = "PMRA" }]', ("unknown key 'colum'", "allowed: column, name, missing")),
        ("carry = [3]", ("must be a table",)),
        (
            'rules = [{ column = "PMRA", reason = "moves", at_most = 5.0 }]',
            ("no column of that name travels",),
        ),
    ],
)
def test_names_that_cannot_be(refused, tmp_path, carry, words):
    """A name that the catalogue has, twice, or cannot have, is refused before a table is read."""
    write_fits(tmp_path / "tables")
    refused(*words, more=carry)


@pytest.mark.parametrize(
    ("columns", "arrives"),
    [('"*"', True), ('"pmra", "dec"', True), ('"t.x + 1 AS PmRA"', True), ('"ra", "pmra_error"', False)],
)
def test_what_is_not_fetched_cannot_travel(tmp_path, columns, arrives):
    """Columns that a TAP query does not ask for are missed before thousands of tiles are fetched."""
    job = tmp_path / "job.toml"
    job.write_text(f"""
name = "fetched"
survey = "jpas60"
[fetch]
service = "https://example.org/tap"
table = "t"
columns = [{columns}]
[catalogue]
carry = ["PMRA"]
""")
    if arrives:
        assert load_job(job).catalogue.carry[0].column == "PMRA"
        return
    with pytest.raises(InputError, match=r"'PMRA' is not among fetch.columns"):
        load_job(job)


def test_rules_on_carried_columns_quarantine(ingest, tmp_path):
    """Rows that do not meet a rule go to quarantine with its reason; a missing value is kept unless the job says so."""
    write_fits(tmp_path / "tables", columns=gaia_columns())
    more = """carry = ["PMRA", "MORPH"]
rules = [{ column = "PMRA", reason = "it moves", at_most = 8.0 },
  { column = "MORPH", reason = "no known type", one_of = ["type 1", "type 5", "type 9"], unknown = "reject" }]"""
    code, message = ingest(more)
    assert code == 0, message
    assert sorted(published(tmp_path)["MORPH"].to_pylist()) == ["type 1", "type 5"]
    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_bytes())
    assert record["reasons"] == {"it moves": 3, "no known type": 7}


def test_an_update_must_fit_the_catalogue(ingest, tmp_path):
    """New tables bring the same columns; one of another type is refused, and the old version stays."""
    write_fits(tmp_path / "tables", "a.fits", gaia_columns())
    assert ingest('carry = ["PHOTOZ"]', verb="update")[0] == 0
    fine = [fits.Column("PHOTOZ", "E", array=np.full(ROWS, 0.25))]
    write_fits(tmp_path / "tables", "b.fits", fine, tile=2407, seed=3)
    code, message = ingest('carry = ["PHOTOZ"]', verb="update")
    assert code == 0, message
    assert published(tmp_path)["PHOTOZ"].to_pylist().count(0.25) == ROWS
    write_fits(
        tmp_path / "tables", "c.fits", [fits.Column("PHOTOZ", "8A", array=["z"] * ROWS)], tile=2408, seed=4
    )
    code, message = ingest('carry = ["PHOTOZ"]', verb="update")
    assert code == 2
    assert "c.fits" in message
    assert "the catalogue holds double" in message
    assert published(tmp_path).num_rows == 2 * ROWS


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".vot"])
def test_other_formats(ingest, tmp_path, ending):
    """Parquet, CSV and VOTable carry as FITS does; CSV has no types, so that 1 and 1.5 go together."""
    survey, folder = load_survey("splus12"), tmp_path / "tables"
    folder.mkdir()
    for number, tile in enumerate((2406, 2407)):
        path = folder / f"t{number}.parquet"
        rows = make_rows(survey, seed=number, tile=tile)
        rows.pop("flags")
        rows.pop("mask_flags")
        rows["teff"] = np.arange(ROWS) + (0.5 if number else 0.0) * (ending == ".csv")
        rows["label"] = np.array([f"kind {row}" for row in range(ROWS)])
        write_column_table(path, rows, survey)
        if ending != ".parquet":
            table = pq.read_table(path)
            found = Table()
            for field in table.schema:
                column = table[field.name].to_numpy(zero_copy_only=False)
                unit = (field.metadata or {}).get(b"unit", b"").decode()
                found[field.name] = Column(
                    column.astype(str) if column.dtype == object else column, unit=unit
                )
            found.write(path.with_suffix(ending), format="votable" if ending == ".vot" else "csv")
            path.unlink()
    if ending == ".csv":
        (folder / "t0.csv").write_text((folder / "t0.csv").read_text().replace(".0,kind", ",kind"))
    code, message = ingest('carry = ["teff", { column = "label", name = "kind" }]', survey="splus12")
    assert code == 0, message
    rows = published(tmp_path)
    assert rows.num_rows == 2 * ROWS
    assert set(rows["kind"].to_pylist()) == {f"kind {row}" for row in range(ROWS)}
    assert rows.schema.field("teff").type == pa.float64()
