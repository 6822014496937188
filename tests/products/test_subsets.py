"""Numbers by class and subset."""

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.learning.novelty.novelty import SAFE, SUBSETS, UNKNOWN, UNSAFE
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.products.protocol import Findings, Partition, Setting
from jpasbatch.products.subsets import MANY_UNSAFE, Subsets, subset_numbers

CLASSES = ("star", "galaxy", "qso_low", "qso_high")


@pytest.fixture
def product(survey) -> Subsets:
    return Subsets(Setting(survey, {name: ClassDefinition((name,)) for name in CLASSES}))


def records(sky, share: float, seed: int = 1) -> tuple[pa.Table, np.ndarray]:
    """Return records with a share of unsafe objects, and their subsets."""
    record = sky[2]
    chances = [0.9 - share, 0.05, share, 0.05]
    subset = np.random.default_rng(seed).choice(len(SUBSETS), record.num_rows, p=chances)
    names = pa.array(np.array(SUBSETS)[subset])
    return record.set_column(record.column_names.index("subset"), "subset", names), subset


def counted(product, sky, record):
    labels = np.full(record.num_rows, -1, dtype=np.int16)
    return product.add(product.create(), Partition(record, sky[0], labels))


def findings_of(product, found) -> Findings:
    return Findings(product.setting, {"subsets": found}, "")


def test_every_object_is_counted_once_in_its_class_and_subset(product, sky):
    record, subset = records(sky, 0.02)
    found = counted(product, sky, record)
    predicted = np.array(record["predicted_class"].to_pylist())
    for row, name in enumerate(CLASSES):
        expected = np.bincount(subset[predicted == name], minlength=len(SUBSETS))
        assert found.by_class[row].tolist() == expected.tolist()
        sums = np.bincount(subset, record[f"probability_{name}"].to_numpy(), len(SUBSETS))
        assert found.expected[row] == pytest.approx(sums, rel=1e-6)
    assert found.predicted.sum() == record.num_rows
    outside = record["magnitude_bin"].to_numpy() < 0
    assert found.by_bin[-1].sum() == outside.sum() > 0
    summary = product.summary(found, findings_of(product, found))["subsets"]
    assert summary["by_class"]["galaxy"]["unsafe"]["number"] == found.by_class[1, UNSAFE]
    known = subset != UNKNOWN
    assert summary["unsafe_share"] == pytest.approx((subset[known] == UNSAFE).mean())


def test_parts_in_any_order_give_the_same(product, sky):
    record, _ = records(sky, 0.02)
    parts = [counted(product, sky, record.slice(start, 500)) for start in range(0, record.num_rows, 500)]
    whole = counted(product, sky, record)
    for order in (parts, parts[::-1]):
        merged = order[0]
        for one in order[1:]:
            merged = product.merge(merged, product.from_record(product.to_record(one)))
        assert product.to_record(merged) == product.to_record(whole)


def test_a_reader_is_warned_of_many_and_of_none_known(product, sky):
    few, many = (counted(product, sky, records(sky, share)[0]) for share in (0.01, 5 * MANY_UNSAFE))
    assert list(product.warnings(few, findings_of(product, few))) == []
    assert "unlike what was learnt" in " ".join(product.warnings(many, findings_of(product, many)))
    # the records of this sky were made without a committee that knows what is ordinary
    unknown = counted(product, sky, sky[2])
    assert "Of no object is it known" in " ".join(product.warnings(unknown, findings_of(product, unknown)))
    assert list(product.numbers(unknown, findings_of(product, unknown))) == []
    assert list(product.warnings(product.create(), findings_of(product, product.create()))) == []


@pytest.mark.parametrize(
    ("unsafe", "safe", "told"), [(1, 0, False), (3, 56, False), (3, 0, True), (60, 940, True)]
)
def test_nobody_is_warned_of_what_a_few_ordinary_objects_do(product, unsafe, safe, told):
    found = product.create()
    found.predicted[0, 0, UNSAFE], found.predicted[0, 0, SAFE] = unsafe, safe
    assert bool(list(product.warnings(found, findings_of(product, found)))) is told


def test_the_page_shows_both_tables(product, sky):
    found = counted(product, sky, records(sky, 0.02)[0])
    body = product.section(found, findings_of(product, found), {}).body
    assert f"{found.by_class[1, UNSAFE]:,}" in body
    assert "outside these" in body


def test_a_subset_that_there_is_not_is_refused(sky):
    record, _ = records(sky, 0.02)
    wrong = record.set_column(
        record.column_names.index("subset"), "subset", pa.array(["odd"] * record.num_rows)
    )
    with pytest.raises(ValueError, match="not among safe"):
        subset_numbers(wrong)
