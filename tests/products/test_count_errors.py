"""Counts with errors: sums over any partitions, and errors that hold on skies that are drawn again."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.priors.options import PriorOptions
from jpasbatch.products.counts.errors import CountedWithErrors
from jpasbatch.products.counts.tally import CountOptions
from jpasbatch.products.protocol import Partition, Setting
from tests.priors.conftest import CLASSES, corrected, draw, found_prior

DEFINITIONS = {name: ClassDefinition((name,)) for name in CLASSES}
OPTIONS = CountOptions(classes=("quasar",), band_role="r", brighter_than=22.5, nside=64, area_nside=512)


@pytest.fixture(scope="module")
def validation():
    return draw(np.random.default_rng(1), (5000, 5000, 5000), (0.5, 0.5, 0.5)).sample()


def counted(sky, validation, survey, redraws=0):
    """Return the product, and the objects of a sky as it reads them."""
    chosen = PriorOptions(redraws=redraws, bin_width=1.0)
    prior, stratum = found_prior(sky, validation, chosen)
    posteriors = corrected(prior, sky, stratum).astype(np.float32)
    rng = np.random.default_rng(4)
    columns = {
        **{f"probability_{name}": posteriors[:, number] for number, name in enumerate(CLASSES)},
        "committee_probability_quasar": sky.probabilities[:, 2].astype(np.float32),
        "_healpix_29": rng.integers(0, 30 * 4**23, len(sky.labels)),
        "magnitude_r": sky.magnitude.astype(np.float32),
        "magnitude_bin": np.digitize(sky.magnitude, [20.0, 22.5]).astype(np.int8),
        "class_star": sky.class_star.astype(np.float32),
        "stratum": stratum,
    }
    product = CountedWithErrors(Setting(survey, DEFINITIONS, 0, True, prior), OPTIONS)
    return product, Partition(pa.table(columns), pa.table({}), sky.labels.astype(np.int16))


@pytest.mark.parametrize("parts", [1, 2, 50])
def test_any_partitions_give_the_same_tally(validation, survey, parts):
    sky = draw(np.random.default_rng(2), (300, 1200, 60), (0.9, 0.1, 0.9))
    product, whole = counted(sky, validation, survey)
    owner = np.random.default_rng(6).integers(0, parts, len(sky.labels))
    total = product.create()
    for part in range(parts):
        rows = np.flatnonzero(owner == part)
        piece = Partition(whole.predictions.take(rows), whole.photometry, whole.labels[rows])
        tally = product.from_record(product.to_record(product.add(product.create(), piece)))
        total = product.merge(total, tally)
    assert product.to_record(total) == product.to_record(product.add(product.create(), whole))


def test_estimates_hold_truth_and_the_committees_own_sum(validation, survey):
    sky = draw(np.random.default_rng(2), (3000, 12_000, 400), (0.9, 0.1, 0.9))
    product, rows = counted(sky, validation, survey, redraws=4)
    found = product.extract(product.add(product.create(), rows), None)
    selected = sky.magnitude < 22.5
    assert found.corrected
    assert found.selected.true == (sky.labels[selected] == 2).sum()
    assert found.selected.committee == pytest.approx(sky.probabilities[selected, 2].sum(), rel=1e-5)
    assert found.selected.committee > 2 * found.selected.true
    assert abs(found.selected.value - found.selected.true) < 4 * found.selected.counting
    assert 0 < found.selected.calibration < found.selected.counting * 5
    assert found.selected.field_to_field >= 0
    assert sum(one.true for one in found.bins) == (sky.labels == 2).sum()
    interval = found.selected.interval
    assert interval.lower < found.selected.value < interval.upper


def test_counting_errors_hold(validation, survey):
    rng = np.random.default_rng(12)
    found, told = [], []
    for _ in range(32):
        numbers = tuple(int(rng.poisson(mean)) for mean in (500, 2000, 120))
        product, rows = counted(draw(rng, numbers, (0.9, 0.1, 0.9)), validation, survey)
        estimate = product.extract(product.add(product.create(), rows), None).selected
        found.append(estimate.value)
        told.append(estimate.counting)
    assert np.mean(told) == pytest.approx(np.std(found), rel=0.35)  # of 32 draws, known to 13 %
    assert np.mean(told) > np.sqrt(np.mean(found))  # more than the counting of what is surely a quasar


def test_truth_that_is_not_known_of_all_is_not_told(validation, survey):
    sky = draw(np.random.default_rng(2), (300, 1200, 60), (0.9, 0.1, 0.9))
    product, rows = counted(sky, validation, survey)
    labels = rows.labels.copy()
    labels[np.flatnonzero(sky.magnitude < 20)[0]] = -1
    found = product.extract(product.add(product.create(), replace(rows, labels=labels)), None)
    assert np.isnan(found.selected.true)
    assert np.isnan(found.bins[0].true)
    assert not np.isnan(found.bins[2].true)
