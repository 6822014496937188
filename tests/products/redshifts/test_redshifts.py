"""Numbers by redshift, and how good redshifts are: any partition, plain arithmetic, files and page."""

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jpasbatch.errors import InputError
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.redshifts import RedshiftRanges, Redshifts
from jpasbatch.learning.samples import ClassDefinition, label
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.products.counts.tally import CountOptions, CountTally
from jpasbatch.products.protocol import Findings, Partition, Setting
from jpasbatch.products.record import make_record, range_probabilities, record_probabilities, record_ranges
from jpasbatch.products.redshifts.distribution import spread_over_ranges
from jpasbatch.products.redshifts.product import RedshiftDistribution
from jpasbatch.products.redshifts.quality import GAUSSIAN, RedshiftQuality, residual_cells
from jpasbatch.products.redshifts.tally import CELLS
from jpasbatch.products.report import ReportContent, make_report
from tests.products.conftest import CLASSES
from tests.products.page_rules import broken_rules, lost_values

DEFINITIONS = {
    "star": ClassDefinition(("star",)),
    "galaxy": ClassDefinition(("galaxy",)),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, 10.0)),
}
RANGES = RedshiftRanges((0.0, 0.6, 1.1, 1.6, 2.1, 2.8, 3.6, 5.0))
OPTIONS = CountOptions(minimum_class_star=0.5)
MINIMUM = 0.1


@pytest.fixture(scope="module")
def partition(sky, survey) -> Partition:
    """Return the synthetic sky with redshifts of what may be a quasar, some of them wrong."""
    table, photometry, record = sky
    rng = np.random.default_rng(5)
    truth = table["true_redshift"].to_numpy().astype(np.float64) + rng.uniform(-0.2, 0.2, table.num_rows)
    table = table.set_column(
        table.schema.get_field_index("true_redshift"), "true_redshift", pa.array(truth.astype(np.float32))
    )
    probabilities = record_probabilities(record, CLASSES).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    rows = probabilities[:, 2:].sum(axis=1) >= MINIMUM
    density = rng.dirichlet(np.full(len(RANGES), 0.3), table.num_rows) + 1e-6
    right = rng.random(table.num_rows) < 0.8
    density[right, RANGES.position(truth)[right]] += 3.0
    density /= density.sum(axis=1, keepdims=True)
    judgement = Jury.plain().judge_votes(
        probabilities, ab_magnitude(photometry.flux[:, survey.reference_index])
    )
    found = (RANGES, Redshifts.of(RANGES, density[rows], rows))
    record = make_record(table, photometry, judgement, survey, CLASSES, found)
    labels = label(table["true_class"].to_numpy(zero_copy_only=False), truth, DEFINITIONS)
    return Partition(record, table, labels)


@pytest.fixture(scope="module")
def product(survey) -> RedshiftDistribution:
    return RedshiftDistribution(Setting(survey, DEFINITIONS, redshifts=RANGES), OPTIONS)


@pytest.fixture(scope="module")
def whole(product, partition):
    return product.add(product.create(), partition)


@pytest.fixture(scope="module")
def findings(product, partition) -> Findings:
    counted = CountTally.create(OPTIONS, len(product.setting.bins)).add(partition.predictions).extract()
    return Findings(product.setting, {"counts": counted}, "by construction")


def part(partition: Partition, start: int, length: int) -> Partition:
    rows = slice(start, start + length)
    return Partition(
        partition.predictions.slice(start, length),
        partition.photometry.slice(start, length),
        partition.labels[rows],
    )


def written(product, tally) -> str:
    return json.dumps(product.to_record(tally), allow_nan=False)


def test_the_schema_tells_the_ranges(partition):
    assert record_ranges(partition.predictions.schema) == RANGES
    density = range_probabilities(partition.predictions)
    assert density.shape == (partition.predictions.num_rows, len(RANGES))
    found = np.isfinite(partition.predictions["redshift"].to_numpy())
    assert (np.isfinite(density).all(axis=1) == found).all()
    assert 0 < found.sum() < len(found)
    sliced = partition.predictions.slice(3, 5)
    assert np.array_equal(range_probabilities(sliced), density[3:8], equal_nan=True)


def test_any_partition_in_any_order_gives_the_same(product, partition, whole):
    parts = [
        product.add(product.create(), part(partition, start, length))
        for start, length in ((0, 3), (3, 900), (903, 0), (903, 1097))
    ]
    forward, backward = product.create(), product.create()
    for one in parts:
        forward = product.merge(forward, one)
    for one in reversed(parts):
        backward = product.merge(one, backward)
    again = product.from_record(json.loads(written(product, whole)))
    assert written(product, forward) == written(product, backward) == written(product, whole)
    assert written(product, again) == written(product, whole)


def test_it_needs_no_other_column_than_it_says(product, partition, whole):
    columns = product.columns()
    few = replace(
        partition,
        predictions=partition.predictions.select(list(columns.predictions)),
        photometry=partition.photometry.select(list(columns.photometry)),
    )
    assert written(product, product.add(product.create(), few)) == written(product, whole)


def test_numbers_against_plain_arithmetic(product, partition, whole):
    found = product.extract(whole, None)
    record, everything = partition.predictions, -2
    probabilities = record_probabilities(record, CLASSES[2:]).astype(np.float64)
    has = np.isfinite(record["redshift"].to_numpy())
    # what is a quasar stays one, below and above z = 2.1 alike
    split = RANGES.limits.index(2.1)
    assert found.number[everything, :split].sum() == pytest.approx(probabilities[has, 0].sum(), abs=1e-4)
    assert found.number[everything, split:].sum() == pytest.approx(probabilities[has, 1].sum(), abs=1e-4)
    assert found.left_out[everything] == pytest.approx(probabilities[~has].sum(), abs=1e-4)
    assert found.objects[everything] == has.sum()
    quasars = partition.labels >= 2
    true = partition.photometry["true_redshift"].to_numpy()
    assert found.true[everything].tolist() == np.histogram(true[quasars], RANGES.limits)[0].tolist()
    seen = quasars & has
    off = (record["redshift"].to_numpy()[seen] - true[seen]) / (1 + true[seen])
    quality = found.quality[everything]
    assert quality.quasars == seen.sum()
    assert quality.outliers == pytest.approx(np.mean(np.abs(off) > 0.15))
    assert quality.wrong == pytest.approx(np.mean(np.abs(off) > 0.05))
    assert quality.bias == pytest.approx(np.median(off), abs=2e-3)
    spread = GAUSSIAN * np.median(np.abs(off - np.median(off)))
    assert quality.scatter == pytest.approx(spread, abs=3e-3)
    low, high = (record[name].to_numpy()[seen] for name in ("redshift_low", "redshift_high"))
    assert quality.coverage == pytest.approx(np.mean((low <= true[seen]) & (true[seen] <= high)))
    assert found.confused.sum() == seen.sum()


def test_the_counted_group_is_that_of_the_counts(product, partition, whole):
    record = partition.predictions
    chosen = (record["class_star"].to_numpy() > 0.5) & (record["magnitude_g"].to_numpy() < 23)
    found = product.extract(whole, None)
    probabilities = record_probabilities(record, CLASSES[2:]).astype(np.float64)[chosen]
    assert found.number[-1].sum() + found.left_out[-1] == pytest.approx(probabilities.sum(), abs=1e-4)


def test_unknown_truth_is_not_zero(product, partition):
    unknown = replace(partition, labels=np.full(len(partition.labels), -1, dtype=np.int16))
    found = product.extract(product.add(product.create(), unknown), None)
    assert np.isnan(found.true).all()
    assert found.quality[-2].quasars == 0
    assert np.isnan(found.quality[-2].scatter)
    missing = pa.array(np.full(len(partition.labels), np.nan, dtype=np.float32))
    table = partition.photometry.set_column(
        partition.photometry.schema.get_field_index("true_redshift"), "true_redshift", missing
    )
    found = product.extract(product.add(product.create(), replace(partition, photometry=table)), None)
    assert np.isnan(found.true_number[-2])


def test_files_and_page(product, whole, findings):
    found = product.extract(whole, None)
    files = product.files(found, None, "2027-01-15T12:00:00", findings)
    assert list(files) == [
        f"counts/{stem}.{end}" for stem in ("redshifts", "redshift_quality") for end in ("ecsv", "parquet")
    ]
    target = io.BytesIO()
    files["counts/redshifts.parquet"](target)
    table = pq.read_table(pa.BufferReader(target.getvalue()))
    assert table.num_rows == len(product.groups) * len(RANGES)
    assert table.schema.field("per_deg2").metadata[b"unit"] == b"deg-2"
    density = table["number"].to_numpy() / findings.found["counts"].area_deg2
    assert table["per_deg2"].to_numpy() == pytest.approx(density, nan_ok=True)
    figures = product.figures(found, findings)
    section = product.section(found, findings, dict.fromkeys(figures, ""))
    assert section is not None
    shown = Findings(product.setting, {**findings.found, "redshifts": found}, "by construction")
    report = make_report(ReportContent("redshifts", "2027", "", (product,), shown))
    assert broken_rules(report.page, report.numbers) == []
    assert [lost_values(figure) for figure in figures.values()] == [[], []]
    assert "nan" not in section.body.lower().replace("candidate", "")
    told = product.summary(found, findings)["redshifts"]
    assert set(told) == set(product.groups)
    assert told["all"]["quasars"] == found.quality[-2].quasars


def test_many_quasars_without_a_redshift_are_a_warning(product, partition, whole, findings):
    found = product.extract(whole, None)
    left_out, number = found.left_out[-2], found.number[-2].sum()
    assert list(product.warnings(replace(found, left_out=0.1 * found.number.sum(axis=1)), findings)) == []
    (text,) = product.warnings(replace(found, left_out=found.number.sum(axis=1)), findings)
    assert f"{number:,.0f} of {2 * number:,.0f} expected quasars have no redshift" in text
    assert bool(list(product.warnings(found, findings))) == (left_out > 0.1 * (number + left_out))


def test_a_job_without_redshifts_reads_and_shows_nothing(survey, partition, findings):
    product = RedshiftDistribution(Setting(survey, DEFINITIONS), OPTIONS)
    assert not product.columns().predictions
    assert not product.columns().truth
    found = product.extract(product.add(product.create(), partition), None)
    assert not product.figures(found, findings)
    assert not list(product.warnings(found, findings))
    assert product.section(found, findings, {}) is None
    assert not product.summary(found, findings)
    assert not product.files(found, None, "", findings)


def test_classes_beyond_the_ranges_are_refused(survey):
    far = DEFINITIONS | {"qso_far": ClassDefinition(("qso",), (10.0, 12.0))}
    product = RedshiftDistribution(Setting(survey, far, redshifts=RANGES), OPTIONS)
    with pytest.raises(InputError, match=r"'qso_far' is at redshifts 10 to 12.*0 to 5"):
        product.check()


@given(
    arrays(np.float64, (4, len(RANGES)), elements=st.floats(0.0, 1.0)),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_nothing_is_lost_where_probability_is_spread(density, low, high):
    probabilities = np.column_stack([np.full(4, low), np.full(4, (1.0 - low) * high)])
    weights, left_out = spread_over_ranges(probabilities, density, RANGES, [(0.0, 2.1), (2.1, np.inf)])
    assert (weights >= 0).all()
    assert weights.sum(axis=1) + left_out == pytest.approx(probabilities.sum(axis=1))


@given(st.lists(st.floats(-0.9, 3.9), min_size=1, max_size=60))
def test_quality_of_any_redshifts(off):
    values = np.array(off)
    histogram = np.bincount(residual_cells(values, CELLS), minlength=CELLS)
    quality = RedshiftQuality.of(histogram, 0)
    assert quality.quasars == len(off)
    assert 0.0 <= quality.outliers <= quality.wrong <= 1.0
    assert quality.scatter >= 0.0
    assert -1.0 <= quality.bias <= 1.0
    assert quality.coverage == 0.0


def test_scatter_of_a_gaussian(rng):
    values = rng.normal(0.003, 0.02, 20_000)
    values[:400] = 2.0  # outliers hardly move it
    histogram = np.bincount(residual_cells(values, CELLS), minlength=CELLS)
    quality = RedshiftQuality.of(histogram, 13_600)
    assert quality.scatter == pytest.approx(0.0206, abs=4e-4)
    assert quality.bias == pytest.approx(0.0035, abs=4e-4)
    assert quality.outliers == pytest.approx(0.02)
    assert quality.coverage == pytest.approx(0.68)
