import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import BANDS_KEY, catalogue_schema, photometry_from_table, quarantine_schema


def _table(survey, photometry, fixed=True, metadata=True):
    schema = catalogue_schema(survey)
    kind = schema.field("flux").type if fixed else pa.list_(pa.float32())
    columns = {
        name: pa.array(list(getattr(photometry, name)), pa.list_(pa.float32())).cast(kind)
        for name in ("flux", "flux_err")
    }
    return pa.table(columns, metadata=schema.metadata if metadata else None)


def test_the_schema_names_survey_and_bands(survey):
    schema = catalogue_schema(survey)
    assert schema.field("flux").type == pa.list_(pa.float32(), 60)
    assert schema.metadata[b"jpasbatch.survey"] == b"jpas60"
    assert schema.metadata[BANDS_KEY].decode().split(",") == list(survey.band_names)
    assert quarantine_schema().names == ["object_id", "ra", "dec", "reason", "source", "row"]


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("metadata", [True, False])
def test_arrays_come_back_from_either_kind_of_list(survey, photometry, fixed, metadata):
    found = photometry_from_table(_table(survey, photometry, fixed, metadata), survey)
    np.testing.assert_array_equal(found.flux, photometry.flux)
    np.testing.assert_array_equal(found.flux_err, photometry.flux_err)


@pytest.mark.parametrize("fixed", [True, False])
def test_slices_and_several_chunks(survey, photometry, fixed):
    table = _table(survey, photometry, fixed)
    np.testing.assert_array_equal(
        photometry_from_table(table.slice(7, 11), survey).flux, photometry.flux[7:18]
    )
    twice = pa.concat_tables([table.slice(30), table.slice(2, 3)])
    expected = np.concatenate([photometry.flux[30:], photometry.flux[2:5]])
    np.testing.assert_array_equal(photometry_from_table(twice, survey).flux, expected)
    assert photometry_from_table(table.slice(0, 0), survey).flux.shape == (0, 60)


def test_one_chunk_is_not_copied(survey, photometry):
    table = _table(survey, photometry)
    values = table.column("flux").chunk(0).values.to_numpy()
    assert np.shares_memory(photometry_from_table(table, survey).flux, values)


def test_null_within_a_vector_is_not_observed(survey):
    row = [None, *np.ones(59)]
    flux = pa.array([row], pa.list_(pa.float32(), 60))
    found = photometry_from_table(pa.table({"flux": flux, "flux_err": flux}), survey)
    assert np.isnan(found.flux[0, 0])
    assert (found.flux[0, 1:] == 1).all()


def test_wrong_band_order_is_refused(survey, photometry):
    table = _table(survey, photometry)
    names = list(survey.band_names)
    names[0], names[1] = names[1], names[0]
    with pytest.raises(InputError, match="wrong band order"):
        photometry_from_table(table.replace_schema_metadata({BANDS_KEY: ",".join(names).encode()}), survey)


def test_another_survey_is_refused(survey, photometry):
    with pytest.raises(InputError, match="another survey"):
        photometry_from_table(_table(survey, photometry), load_survey("nepw14"))


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 57), pa.list_(pa.float32())])
def test_vectors_of_another_length_are_refused(survey, kind):
    short = pa.array([np.ones(57, np.float32)] * 2, kind)
    with pytest.raises(InputError, match="60 values a row"):
        photometry_from_table(pa.table({"flux": short, "flux_err": short}), survey)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1.0, 2.0]), "must be a list"),
        (pa.array([None, None], pa.list_(pa.float32(), 60)), "2 rows hold null"),
        (pa.array([["x"] * 60], pa.list_(pa.string(), 60)), "must hold float32"),
    ],
)
def test_other_columns_are_refused(survey, column, message):
    with pytest.raises(InputError, match=message):
        photometry_from_table(pa.table({"flux": column, "flux_err": column}), survey)


def test_a_missing_column_is_named(survey):
    with pytest.raises(InputError, match=r"'flux' is missing; the table has ra"):
        photometry_from_table(pa.table({"ra": [1.0]}), survey)
