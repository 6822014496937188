"""Number counts: the same of any partitions, with errors, in files that other programs read."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.products.counts.number_counts import FILES, NumberCounts, count_table
from jpasbatch.products.counts.number_tally import NumberCountOptions
from jpasbatch.products.protocol import Findings, Partition, Setting
from tests.priors.conftest import CLASSES, draw
from tests.products.test_count_errors import DEFINITIONS, counted

OPTIONS = NumberCountOptions(band_role="r", brightest=18.0, faintest=23.0, width=0.5)


@pytest.fixture(scope="module")
def validation():
    return draw(np.random.default_rng(1), (5000, 5000, 5000), (0.5, 0.5, 0.5)).sample()


@pytest.fixture(scope="module")
def sky():
    return draw(np.random.default_rng(2), (3000, 12_000, 400), (0.9, 0.1, 0.9))


@pytest.fixture(scope="module")
def product_and_rows(validation, survey, sky):
    errors, rows = counted(sky, validation, survey, redraws=3)
    table = rows.predictions
    for number, name in enumerate(CLASSES[:2]):
        own = sky.probabilities[:, number].astype(np.float32)
        table = table.append_column(f"committee_probability_{name}", [own])
    product = NumberCounts(Setting(survey, DEFINITIONS, 0, True, errors.setting.prior), OPTIONS)
    return product, Partition(table, rows.photometry, rows.labels)


@pytest.fixture(scope="module")
def found(product_and_rows):
    product, rows = product_and_rows
    return product.extract(product.add(product.create(), rows), None)


@pytest.mark.parametrize("parts", [2, 50])
def test_any_partitions_give_the_same_tally(product_and_rows, parts):
    product, whole = product_and_rows
    owner = np.random.default_rng(6).integers(0, parts, len(whole.labels))
    total = product.create()
    for part in range(parts):
        rows = np.flatnonzero(owner == part)
        piece = Partition(whole.predictions.take(rows), whole.photometry, whole.labels[rows])
        tally = product.add(product.create(), piece)
        total = product.merge(total, product.from_record(product.to_record(tally)))
    assert product.to_record(total) == product.to_record(product.add(product.create(), whole))


def test_numbers_are_those_of_the_sky(found, sky):
    bins = np.digitize(sky.magnitude, OPTIONS.edges) - 1
    for number in range(3):
        true = np.bincount(bins[sky.labels == number], minlength=10)
        assert found.true[:, number].tolist() == true.tolist()
        pull = (found.number[:, number] - true) / np.maximum(found.error[:, number], 1.0)
        assert np.abs(pull).max() < 4.5
        assert found.cumulative[-1, number] == pytest.approx(found.number[:, number].sum())
        assert found.cumulative_error[0, number] == pytest.approx(found.error[0, number])
        assert found.cumulative_error[-1, number] > found.error[:, number].max()
    assert found.committee[:, 2].sum() > 2 * found.true[:, 2].sum()


def test_a_bin_with_an_unknown_class_has_no_truth(product_and_rows, sky):
    product, rows = product_and_rows
    labels = rows.labels.copy()
    labels[np.flatnonzero((sky.magnitude > 20.0) & (sky.magnitude < 20.5))[0]] = -1
    partition = Partition(rows.predictions, rows.photometry, labels)
    found = product.extract(product.add(product.create(), partition), None)
    assert np.isnan(found.true[4]).all()
    assert np.isfinite(np.delete(found.true, 4, axis=0)).all()


def test_the_terms_of_an_error_have_columns_of_their_own(found):
    table = count_table(found, CLASSES, 2.0, np.full(len(found.edges) - 1, np.nan))
    terms = [table[f"error_{name}"].to_numpy() for name in ("counting", "calibration", "systematic")]
    assert np.isfinite(terms[0]).any()
    assert np.sqrt(np.nansum(np.square(terms), axis=0)) == pytest.approx(
        table["error"].to_numpy(), nan_ok=True
    )


def test_files_are_read_by_others(product_and_rows, found, tmp_path):
    from astropy.table import Table

    product, _ = product_and_rows
    findings, files = Findings(product.setting, {}, ""), {}
    for name, write in product.files(found, lambda _: iter(()), "2027-01-15T12:00:00", findings).items():
        buffer = io.BytesIO()
        write(buffer)
        files[name] = buffer.getvalue()
    assert tuple(files) == FILES
    path = tmp_path / "number_counts.ecsv"
    path.write_bytes(files[FILES[0]])
    table = Table.read(path)
    assert len(table) == 30
    assert str(table["brightest"].unit) == "mag"
    assert table.meta["band"] == "r"
    assert table.meta["created"] == "2027-01-15T12:00:00"
    columns = pq.read_table(io.BytesIO(files[FILES[1]]))
    assert columns.column_names == table.colnames
    assert np.allclose(columns["number"].to_numpy(), table["number"])
    quasars = table[table["class"] == "quasar"]
    assert quasars["number"].sum() == pytest.approx(found.number[:, 2].sum())


def test_without_correction_there_are_no_errors(product_and_rows, survey):
    _, rows = product_and_rows
    own = NumberCounts(Setting(survey, DEFINITIONS), OPTIONS)
    found = own.extract(own.add(own.create(), rows), None)
    assert np.isnan(found.error).all()
    assert found.number == pytest.approx(found.committee)


@pytest.mark.parametrize(
    "options", [{"brightest": 20.0, "faintest": 20.0}, {"width": 0.3, "faintest": 17.0}, {"brightest": 24.5}]
)
def test_bins_that_are_none(options):
    with pytest.raises(ValueError, match="a whole number of bins"):
        NumberCountOptions(**options)
