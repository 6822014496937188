"""Tables in memory get what the command writes, and come back in kind."""

import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import QTable, Table

import jpasbatch as jb
from jpasbatch.committees import registry
from jpasbatch.interface import classification
from jpasbatch.stages.classify.stage import classify_tables

ADDED = (
    "probability_star",
    "probability_qso_high",
    "predicted_class",
    "entropy",
    "novelty",
    "subset",
    "quality",
    "reason",
)


@pytest.fixture(scope="module")
def folder(snapshots):
    return snapshots / "trained" / "committee"


@pytest.fixture(scope="module")
def committee(folder):
    return jb.load_committee(folder)


@pytest.fixture(scope="module")
def tile(snapshots):
    return min((snapshots / "trained" / "work" / "mock").glob("*/survey/*.fits"))


@pytest.fixture(scope="module")
def written(tile, committee, tmp_path_factory) -> pa.Table:
    """Return what the command makes of the tile."""
    path = tmp_path_factory.mktemp("written") / "t.parquet"
    classify_tables([tile], path, committee.named)
    return pq.read_table(path)


@pytest.fixture
def table(tile):
    return jb.read_table(tile)


def cells(column) -> list:
    """Return the cells of a column of any kind, None where nothing is."""
    values = column.to_pylist() if hasattr(column, "to_pylist") else np.ma.asarray(column).tolist()
    return [None if one is None or one is pd.NA or one != one or one == "" else one for one in values]


def assert_same(found, written):
    for name in ADDED:
        assert cells(found[name]) == cells(written[name]), name


def test_a_table_of_astropy(table, committee, written, monkeypatch):
    monkeypatch.setattr(classification, "CHUNK_ROWS", 97)
    before = table.copy()
    found = jb.classify(table, committee)
    assert type(found) is Table
    assert_same(found, written)
    assert found.colnames[: len(table.colnames)] == table.colnames
    assert table.colnames == before.colnames
    assert table.meta == before.meta
    assert found.meta["JBFINGER"] == committee.fingerprint
    assert found["predicted_class"].mask.sum() == sum(1 for one in cells(written["reason"]) if one)
    quantities = jb.classify(QTable(table), committee)
    assert type(quantities) is QTable
    assert_same(quantities, written)


def test_a_masked_table(table, committee, written):
    masked = Table(table, masked=True)
    assert_same(jb.classify(masked, committee), written)
    masked["FLUX_APER_3_0"].mask[3, committee.survey.reference_index] = True
    masked["NUMBER"].mask[5] = True
    found = jb.classify(masked, committee)
    assert cells(found["reason"])[3] == "reference band not observed"
    assert cells(found["reason"])[5] == "id missing"
    assert np.isnan(found["probability_star"][3])


def test_a_path(tile, folder, written):
    assert_same(jb.classify(tile, folder), written)
    assert_same(jb.classify(str(tile), str(folder), "jpas60"), written)


def test_a_table_of_arrow(written, committee):
    table = written.drop_columns(
        [name for name in written.column_names if name not in written.column_names[:11]]
    )
    found = jb.classify(table, committee)
    assert isinstance(found, pa.Table)
    assert_same(found, written)
    assert found.schema.metadata[b"jpasbatch.fingerprint"].decode() == committee.fingerprint
    assert found.schema.metadata[b"FILTER"] == written.schema.metadata[b"FILTER"]
    with pytest.raises(jb.InputError, match="--prefix"):
        jb.classify(found, committee)
    again = jb.classify(found, committee, prefix="b_")
    assert again["b_entropy"].equals(again["entropy"])


def test_a_frame_of_pandas(table, committee, written):
    columns = {name: list(table[name]) if table[name].ndim > 1 else table[name] for name in table.colnames}
    frame = pd.DataFrame(
        {name: np.asarray(one) if not isinstance(one, list) else one for name, one in columns.items()}
    )
    frame.index = [f"row {number}" for number in range(len(frame))]
    frame["other"] = [{"any": "thing"}] * len(frame)
    with pytest.raises(jb.InputError, match="order of bands"):
        jb.classify(frame, committee)
    found = jb.classify(frame, committee, bands=committee.survey.band_names)
    assert isinstance(found, pd.DataFrame)
    assert_same(found, written)
    assert found.index.equals(frame.index)
    assert "entropy" not in frame.columns
    frame.attrs["FILTER"] = ",".join(committee.survey.band_names)
    assert_same(jb.classify(frame, committee), written)
    with pytest.raises(jb.InputError, match="'NUMBER' names more than one"):
        jb.classify(pd.concat([frame, frame[["NUMBER"]]], axis=1), committee)
    with pytest.raises(jb.InputError, match="no text for a name"):
        jb.classify(frame.rename(columns={"other": 7}), committee)


def test_rows_in_any_order_and_any_selection(table, committee):
    whole, order = jb.classify(table, committee), np.random.default_rng(3).permutation(len(table))[:50]
    some = jb.classify(table[order], committee)
    for name in ADDED:
        assert cells(some[name]) == cells(whole[name][order])


def test_one_row_and_none(table, committee):
    for count in (0, 1):
        found = jb.classify(table[:count], committee)
        assert len(found) == count
        assert "probability_star" in found.colnames


def test_arrays(table, committee):
    rng = np.random.default_rng(1)
    flux = rng.lognormal(2, 1, (30, 60))
    error = 0.1 * flux
    flux[4, committee.survey.reference_index] = np.nan
    found = jb.classify((flux, error), committee)
    assert found.colnames[0] == "probability_star"
    probabilities = committee.predict_proba((flux, error))
    assert probabilities.dtype == np.float64
    assert probabilities.shape == (30, len(committee.classes_))
    assert np.isnan(probabilities[4]).all()
    np.testing.assert_allclose(np.delete(probabilities, 4, axis=0).sum(axis=1), 1)
    np.testing.assert_array_equal(found["probability_star"], probabilities[:, 0].astype(np.float32))
    np.testing.assert_array_equal(committee.predict_proba(np.hstack([flux, error])), probabilities)
    photometry = jb.Photometry(flux.astype(np.float32), error.astype(np.float32))
    np.testing.assert_array_equal(committee.predict_proba(photometry), probabilities)
    assert committee.predict_proba((flux[:0], error[:0])).shape == (0, 4)


def test_errors_that_are_none_are_unknown(committee):
    flux = np.full((4, 60), 5.0)
    errors = np.full((4, 60), 0.5)
    known = committee.predict_proba((flux[:1], np.full((1, 60), np.nan)))
    for wrong in (0.0, -1.0, np.inf):
        errors[:] = wrong
        np.testing.assert_array_equal(committee.predict_proba((flux, errors)), np.repeat(known, 4, axis=0))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((np.ones((2, 59)), np.ones((2, 59))), "(n, 60)"),
        ((np.ones((2, 60)), np.ones((3, 60))), "(n, 60)"),
        ((np.ones((2, 60)),), "(flux, flux_err)"),
        (np.ones((2, 60)), "(n, 120)"),
        (np.ones(120), "(n, 120)"),
        ((np.full((2, 60), "a"), np.ones((2, 60))), "must be numbers"),
        ([1, 2], "found list"),
        (np.zeros(3, dtype=[("FLUX", "f8")]), "found ndarray"),
        (None, "found NoneType"),
    ],
)
def test_what_is_no_table(given, words, committee):
    with pytest.raises(jb.InputError) as caught:
        jb.classify(given, committee)
    assert words in str(caught.value)


def test_the_default_of_the_survey_that_a_table_names(table, tile, written, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "home", lambda: tmp_path)
    with pytest.raises(jb.InputError, match="no committee for survey 'jpas60' comes with this package"):
        jb.classify(table)
    shutil.copytree(folder, tmp_path / "jpas60")
    for one in (table, tile, written.drop_columns(written.column_names[11:])):
        assert_same(jb.classify(one), written)
    del table.meta["JBSURVEY"]
    with pytest.raises(jb.InputError, match="neither a survey nor a committee"):
        jb.classify(table)


def test_units_must_be_stated(table, committee):
    table["FLUX_APER_3_0"].unit = None
    with pytest.raises(jb.InputError, match="states no unit"):
        jb.classify(table, committee)


def test_bands_must_be_those_of_the_survey(table, committee):
    del table.meta["FILTER"]
    with pytest.raises(jb.InputError, match="order of bands"):
        jb.classify(table, committee)
    with pytest.raises(jb.InputError, match="missing from its filter table"):
        jb.classify(table, committee, bands=[*committee.survey.band_names[:-1], "other"])
    order = np.random.default_rng(1).permutation(60)
    shuffled = table.copy()
    for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0"):
        shuffled[name] = table[name][:, order]
    found = [
        jb.classify(one, committee, bands=names)
        for one, names in (
            (table, committee.survey.band_names),
            (shuffled, [committee.survey.band_names[place] for place in order]),
        )
    ]
    for name in ADDED:
        assert cells(found[0][name]) == cells(found[1][name])


def test_cuts(table, committee):
    strict, lenient = (
        jb.classify(table, committee, cuts=cuts) for cuts in (None, jb.QualityCuts(2**31 - 1, 2**31 - 1))
    )
    assert {"flags", "mask_flags"} <= set(cells(strict["reason"]))
    assert not {"flags", "mask_flags"} & set(cells(lenient["reason"]))


def test_committees(folder, committee):
    assert committee.classes_.tolist() == ["star", "galaxy", "qso_low", "qso_high"]
    assert "jpas60" in repr(committee)
    assert len(committee.warnings) == 1
    assert committee.of_survey("jpas60").fingerprint == committee.fingerprint
    with pytest.raises(jb.InputError, match="trained on survey 'jpas60'"):
        committee.of_survey("nepw14")
    with pytest.raises(jb.InputError, match="neither a folder nor the name"):
        jb.load_committee(folder / "absent")
