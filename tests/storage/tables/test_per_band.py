"""Tables of columns as a survey publishes them: what was written is what ingest reads."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.tables.per_band import ORIGIN_KEY, write_column_table
from jpasbatch.storage.tables.tables import iterate_raw, write_published
from tests.mocks.small_survey import small_survey

ROWS = 30


def rows_of(survey, seed=1):
    rng = np.random.default_rng(seed)
    flux = rng.lognormal(2.0, 1.0, (ROWS, len(survey.bands))).astype(np.float32)
    error = (0.1 * flux).astype(np.float32)
    others = [band for band in range(len(survey.bands)) if band != survey.reference_index]
    flux[3:6, others[0]], error[3:6, others[0]] = 0.0, np.nan
    flux[7:9, others[1]], error[7:9, others[1]] = np.nan, np.nan
    return {
        "number": np.arange(100, 100 + ROWS),
        "ra": rng.uniform(260, 280, ROWS),
        "dec": rng.uniform(60, 70, ROWS),
        "flux": flux,
        "flux_err": error,
        "true_class": np.where(np.arange(ROWS) % 2, "agn", "sfg"),
        "true_redshift": rng.uniform(0.1, 3, ROWS).astype(np.float32),
        "parent_id": np.array([f"sfg-{row:05d}" for row in range(ROWS)]),
        "agn_fraction": rng.uniform(0, 1, ROWS).astype(np.float32),
    }


def read(path, survey):
    (raw,) = iterate_raw(path, survey)
    result = normalise(raw, survey, QualityCuts())
    assert result.rejected.num_rows == 0
    return result.accepted


SURVEYS = {
    "magnitudes": small_survey(),
    "magnitudes with sentinels": small_survey(non_detection=99.0, not_observed=-99.0),
    "fluxes": small_survey("flux"),
    "relative errors": small_survey("flux", error_kind="relative", non_detection=-1.0),
    "nepw44": load_survey("nepw44"),
    "nepw14": load_survey("nepw14"),
}


@pytest.mark.parametrize("name", SURVEYS)
def test_what_was_written_is_read(tmp_path, name):
    survey, path = SURVEYS[name], tmp_path / "table.parquet"
    rows = rows_of(survey)
    write_column_table(path, rows, survey)
    table = read(path, survey)
    assert table["object_id"].to_pylist() == [str(number) for number in rows["number"]]
    np.testing.assert_allclose(table["ra"].to_numpy(), rows["ra"])
    assert table["true_class"].to_pylist() == rows["true_class"].tolist()
    np.testing.assert_allclose(table["true_redshift"].to_numpy(), rows["true_redshift"], rtol=1e-6)
    photometry = photometry_from_table(table, survey)
    form = survey.catalogue.forms[0]
    tells_them_apart = form.kind == "flux" or form.non_detection is not None
    expected = rows["flux"] if tells_them_apart else np.where(rows["flux"] == 0, np.nan, rows["flux"])
    np.testing.assert_allclose(photometry.flux, expected, rtol=2e-5)
    np.testing.assert_allclose(photometry.flux_err, rows["flux_err"], rtol=2e-5)
    raw = pq.read_table(path)
    assert raw["parent_id"].to_pylist() == rows["parent_id"].tolist()
    np.testing.assert_array_equal(raw["agn_fraction"].to_numpy(), rows["agn_fraction"])


def test_the_same_rows_give_the_same_bytes(tmp_path):
    survey = SURVEYS["magnitudes"]
    for name in ("one", "other"):
        write_column_table(tmp_path / f"{name}.parquet", rows_of(survey), survey)
    assert sha256_file(tmp_path / "one.parquet") == sha256_file(tmp_path / "other.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.parquet", "other.parquet"]


def test_a_mock_says_in_its_file_that_it_is_one(tmp_path):
    survey = SURVEYS["magnitudes"]
    path = write_published(tmp_path, "t", rows_of(survey), survey, "mock, broadband")
    assert pq.read_schema(path).metadata[ORIGIN_KEY] == b"mock, broadband"
    assert read(path, survey).num_rows == ROWS


def test_the_layout_decides_the_form(tmp_path):
    assert write_published(tmp_path, "t", rows_of(SURVEYS["fluxes"]), SURVEYS["fluxes"]).suffix == ".parquet"
    vectors = load_survey("jpas60")
    rows = {key: value for key, value in rows_of(vectors).items() if key not in ("parent_id", "agn_fraction")}
    rows["tile_id"] = np.full(ROWS, 7)
    path = write_published(tmp_path, "t", rows, vectors)
    assert path.suffix == ".fits"
    assert read(path, vectors)["object_id"].to_pylist()[0] == "7-100"


def test_what_cannot_be_written_is_refused(tmp_path):
    survey = SURVEYS["magnitudes"]
    with pytest.raises(ValueError, match="does not publish a table of columns"):
        write_column_table(tmp_path / "t.parquet", rows_of(load_survey("jpas60")), load_survey("jpas60"))
    rows = rows_of(survey)
    with pytest.raises(ValueError, match="must have the shape"):
        write_column_table(tmp_path / "t.parquet", rows | {"flux": rows["flux"][:, 1:]}, survey)
    with pytest.raises(ValueError, match="column 'g_value': survey 'small' declares one"):
        write_column_table(tmp_path / "t.parquet", rows | {"g_value": rows["ra"]}, survey)
    assert not list(tmp_path.iterdir())
