"""The most unusual objects: the same in any partition, and the strangest of each class."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.products.examples.unusual import SHOWN_OF_CLASS, Unusual, UnusualSpectra
from jpasbatch.products.protocol import Findings, Partition, Setting

CLASSES = ("star", "galaxy", "qso_low", "qso_high")
SUBSETS = np.array(["safe", "extrapolation", "unsafe", "unknown"])


@pytest.fixture(scope="module")
def product(survey) -> Unusual:
    return Unusual(Setting(survey, {name: ClassDefinition((name,)) for name in CLASSES}))


def partition_of(sky, novelty, subset) -> Partition:
    table, _, record = sky
    for name, values in (("novelty", pa.array(novelty, pa.float32())), ("subset", pa.array(subset))):
        record = record.set_column(record.column_names.index(name), name, values)
    return Partition(record, table, np.full(record.num_rows, -1, dtype=np.int16))


def part(rows: Partition, where: np.ndarray) -> Partition:
    return Partition(rows.predictions.filter(pa.array(where)), rows.photometry, rows.labels[where])


@settings(max_examples=8)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_any_partition_in_any_order_gives_the_strangest(product, sky, seed, parts):
    rng = np.random.default_rng(seed)
    rows = sky[2].num_rows
    # many are equally strange, as where the quantiles of ordinary objects end
    novelty = rng.choice([2.1, 2.5, 4.0, 4.0, 5.0, np.inf, np.nan], rows).astype(np.float32)
    whole = partition_of(sky, novelty, SUBSETS[rng.integers(0, 4, rows)].tolist())
    number = rng.integers(0, parts, rows)
    tally = product.create()
    for one in rng.permutation(parts):
        added = product.add(product.create(), part(whole, number == one))
        tally = product.merge(product.from_record(json.loads(json.dumps(product.to_record(added)))), tally)
    assert product.to_record(tally) == product.to_record(product.add(product.create(), whole))
    chosen = tally.extract()
    records = whole.predictions.to_pylist()
    for name in CLASSES:
        of_class = [one for one in records if (one["subset"], one["predicted_class"]) == ("unsafe", name)]
        found = [one.object_id for one in chosen if one.kind == name]
        strange = {one["object_id"]: np.nan_to_num(one["novelty"], nan=0.0) for one in of_class}
        expected = sorted(strange.values(), reverse=True)[:SHOWN_OF_CLASS]
        assert [strange[one] for one in found] == expected


def test_the_page_says_how_strange_they_are(product, sky):
    rows = sky[2].num_rows
    novelty = np.where(np.arange(rows) == 7, 3.456, 0.2)
    whole = partition_of(sky, novelty, np.where(novelty > 2, "unsafe", "safe").tolist())
    places = {name: row for row, name in enumerate(sky[0]["object_id"].to_pylist())}
    asked: list[str] = []

    def look_up(wanted, columns):
        asked.extend(wanted)
        return sky[0].take([places[one] for one in wanted])

    found = product.extract(product.add(product.create(), whole), look_up)
    assert len(asked) == len(found.spectra) == 1  # no other fluxes are read
    assert found.spectra[0].remark == "novelty 3.46"
    figure = product.figures(found, Findings(product.setting, {}, ""))["unusual"]
    assert "novelty 3.46" in figure.drawing.panels[0].remark
    assert set(figure.numbers["remark"]) == {"novelty 3.46"}
    axes = figure.drawing.panels[0].figure.axes[0]
    flux = figure.numbers["flux density (1e-17 erg s-1 cm-2 Angstrom-1)"]
    low, high = axes.get_ylim()
    assert low <= np.nanmin(flux)
    assert np.nanmax(flux) <= high  # a band that stands out is not cut off


def test_without_unsafe_objects_there_is_no_gallery(product, sky):
    rows = sky[2].num_rows
    whole = partition_of(sky, np.full(rows, np.nan), ["unknown"] * rows)
    found = product.extract(product.add(product.create(), whole), None)
    assert found == UnusualSpectra(())
    assert product.figures(found, Findings(product.setting, {}, "")) == {}
    assert product.section(found, Findings(product.setting, {}, ""), {}) is None
