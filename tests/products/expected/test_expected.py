"""Purity and completeness at any threshold: what probabilities promise, and what comes of it."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jpasbatch.products.counts.tally import CountOptions, CountSummary
from jpasbatch.products.expected.product import Expected, Request, threshold_table
from jpasbatch.products.expected.tally import ExpectedOptions, ThresholdTally, cell_edges
from jpasbatch.products.protocol import Findings, Partition, Setting
from tests.priors.conftest import CLASSES, draw
from tests.products.test_count_errors import DEFINITIONS, counted
from tests.products.test_tallies import DEFINITIONS as FOUR
from tests.products.test_tallies import partition_of

COUNTS = CountOptions(classes=("quasar",), band_role="r", brighter_than=22.5)
REQUEST = Request(ExpectedOptions(), COUNTS)


@pytest.fixture(scope="module")
def rows(survey):
    """Return a sky with probabilities under its own mix."""
    validation = draw(np.random.default_rng(1), (5000, 5000, 5000), (0.5, 0.5, 0.5)).sample()
    sky = draw(np.random.default_rng(2), (3000, 12_000, 1500), (0.9, 0.1, 0.9))
    return counted(sky, validation, survey)[1]


@pytest.fixture(scope="module")
def product(survey):
    return Expected(Setting(survey, DEFINITIONS, 0, True), REQUEST)


@pytest.fixture(scope="module")
def found(product, rows):
    return product.extract(product.add(product.create(), rows), None)


@pytest.mark.parametrize("parts", [2, 50])
def test_any_partitions_give_the_same_tally(product, rows, parts):
    owner = np.random.default_rng(6).integers(0, parts, len(rows.labels))
    total = product.create()
    for part in range(parts):
        chosen = np.flatnonzero(owner == part)
        piece = Partition(rows.predictions.take(chosen), rows.photometry, rows.labels[chosen])
        tally = product.add(product.create(), piece)
        total = product.merge(product.from_record(product.to_record(tally)), total)
    assert product.to_record(total) == product.to_record(product.add(product.create(), rows))


def test_numbers_are_those_of_a_direct_count(product, rows, found):
    probability = rows.predictions["probability_quasar"].to_numpy().astype(np.float64)
    bright = rows.predictions["magnitude_r"].to_numpy() < 22.5
    groups = {0: rows.predictions["magnitude_bin"].to_numpy() == 0, 3: np.full(len(bright), True), 4: bright}
    assert product.groups[3:] == ("all", "counted")
    for group, chosen in groups.items():
        for place, threshold in ((0, -1.0), (30, 0.3), (95, 0.95)):
            above = chosen & (probability > threshold)
            true = (rows.labels == 2) & above
            assert found.selected[group, 2, place] == above.sum()
            assert found.true[group, 2, place] == true.sum()
            assert found.expected[group, 2, place] == pytest.approx(probability[above].sum(), abs=1e-4)
            assert found.purity[group, 2, place] == pytest.approx(probability[above].mean(), abs=1e-6)
            share = probability[above].sum() / probability[chosen].sum()
            assert found.completeness[group, 2, place] == pytest.approx(share, abs=1e-6)
            assert found.true_purity[group, 2, place] == true.sum() / above.sum()
            assert (
                found.true_completeness[group, 2, place] == true.sum() / ((rows.labels == 2) & chosen).sum()
            )


def test_what_is_expected_comes_true(found):
    for group in range(5):
        for quantity, true, error in (
            (found.purity, found.true_purity, found.purity_error),
            (found.completeness, found.true_completeness, found.completeness_error),
        ):
            pull = (quantity - true)[group, :, 10:91:20] / np.maximum(error[group, :, 10:91:20], 0.004)
            assert np.abs(pull).max() < 5.0


def test_scatter_is_that_of_skies_whose_classes_are_drawn_again():
    rng = np.random.default_rng(3)
    probability = rng.beta(0.4, 1.2, 4000)
    none, all_known = np.zeros(4000, dtype=int), np.full(4000, True)
    purity, completeness, curves = [], [], None
    for _ in range(300):
        tally = ThresholdTally.create(2, 1, 10)
        tally.add(none, probability[:, None], rng.random((4000, 1)) < probability[:, None], all_known)
        curves = tally.extract()
        purity.append(curves.true_purity[0, 0, 6])
        completeness.append(curves.true_completeness[0, 0, 6])
    assert np.std(purity) == pytest.approx(curves.purity_error[0, 0, 6], rel=0.15)
    assert np.std(completeness) == pytest.approx(curves.completeness_error[0, 0, 6], rel=0.15)
    assert np.mean(purity) == pytest.approx(curves.purity[0, 0, 6], abs=0.002)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32)),
    st.sampled_from([10, 100, 1000]),
)
def test_a_threshold_is_exclusive_whatever_the_probabilities(probability, cells):
    values = probability.astype(np.float64)
    tally = ThresholdTally.create(2, 1, cells)
    tally.add(
        np.zeros(len(values), int),
        values[:, None],
        np.zeros((len(values), 1), bool),
        np.zeros(len(values), bool),
    )
    curves = tally.extract()
    above = [(values > threshold).sum() for threshold in cell_edges(cells)[1:-1]]
    assert curves.selected[0, 0, 1:].tolist() == above
    assert curves.selected[0, 0, 0] == len(values)
    assert np.isnan(curves.true[0]).all()
    assert curves.expected[0, 0, 0] == pytest.approx(values.sum(), abs=1e-6)


def test_counted_classes_are_added_up(sky, survey):
    table, _, record = sky
    several = Expected(Setting(survey, FOUR), Request(ExpectedOptions(thresholds=10), CountOptions()))
    assert several.probabilities == (*FOUR, "qso_low+qso_high")
    found = several.add(several.create(), partition_of(table, record)).extract()
    expected, selected = found.expected[3, :, 0], found.selected[3, :, 0]
    assert expected[4] == pytest.approx(expected[2] + expected[3], abs=1e-3)
    assert selected.tolist() == [record.num_rows] * 5
    both = record["probability_qso_low"].to_numpy() + record["probability_qso_high"].to_numpy()
    assert found.selected[3, 4, 5] == (both.astype(np.float64) > 0.5).sum()
    assert found.true[3, 4, 0] == found.true[3, 2:4, 0].sum()


def test_a_group_with_an_unknown_class_has_no_truth(product, rows):
    labels = rows.labels.copy()
    labels[np.flatnonzero(rows.predictions["magnitude_bin"].to_numpy() == 0)[0]] = -1
    partition = Partition(rows.predictions, rows.photometry, labels)
    found = product.add(product.create(), partition).extract()
    assert np.isnan(found.true[[0, 3, 4]]).all()
    assert np.isfinite(found.true[[1, 2]]).all()


def test_files_hold_units_densities_and_provenance(product, found, survey, tmp_path):
    from astropy.table import Table

    findings = Findings(product.setting, {"counts": _summary(2.5)}, "")
    files = {}
    for name, write in product.files(found, None, "2027-01-15T12:00:00", findings).items():
        buffer = io.BytesIO()
        write(buffer)
        files[name] = buffer.getvalue()
    assert list(files) == ["expected/thresholds.ecsv", "expected/thresholds.parquet"]
    path = tmp_path / "thresholds.ecsv"
    path.write_bytes(files["expected/thresholds.ecsv"])
    table = Table.read(path)
    assert len(table) == 3 * 5 * 100
    assert str(table["selected_per_deg2"].unit) == "1 / deg2"
    assert table.meta["created"] == "2027-01-15T12:00:00"
    assert table.meta["probabilities"] == "under the class mix of this sky"
    row = table[(table["class"] == "quasar") & (table["group"] == "counted") & (table["threshold"] == 0.3)]
    assert row["selected"][0] == found.selected[4, 2, 30]
    assert row["expected_per_deg2"][0] == pytest.approx(found.expected[4, 2, 30] / 2.5)
    columns = pq.read_table(io.BytesIO(files["expected/thresholds.parquet"]))
    assert columns.column_names == table.colnames
    assert columns.schema.field("selected_per_deg2").metadata == {b"unit": b"deg-2"}
    assert columns.schema.metadata[b"jpasbatch.survey"] == survey.name.encode()
    assert np.allclose(columns["purity"].to_numpy(), table["purity"], equal_nan=True)


def _summary(area_deg2):
    from jpasbatch.products.counts.tally import CountTally

    empty = CountTally.create(CountOptions(area_deg2=area_deg2), 3).extract()
    assert isinstance(empty, CountSummary)
    return empty


def test_without_an_area_there_are_no_densities(product, found):
    table = threshold_table(found, product.groups, product.probabilities, float("nan"))
    assert np.isnan(table["selected_per_deg2"].to_numpy()).all()
    assert table["selected"].to_numpy().max() > 0


def test_summary_tells_some_thresholds(product, found):
    told = product.summary(found, Findings(product.setting, {}, ""))["expected"]["quasar"]["counted"]
    assert [one["threshold"] for one in told] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert told[2]["purity"] == pytest.approx(found.purity[4, 2, 50])
    assert {"true_purity", "true_completeness", "purity_error"} <= told[0].keys()
    assert CLASSES[2] == "quasar"


@pytest.mark.parametrize("wrong", [5, 105, 2000])
def test_thresholds_are_checked(wrong):
    with pytest.raises(ValueError, match="thresholds"):
        ExpectedOptions(thresholds=wrong)
