"""One contract for every tally: parts merged in any order give the whole, to the last bit."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.samples import ClassDefinition, label
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.accumulation import decode_counts, encode_counts, healpix_order, stable_hash
from jpasbatch.products.counts.tally import CountOptions, CountTally, poisson_count
from jpasbatch.products.distributions.tally import DistributionOptions, DistributionTally, cells
from jpasbatch.products.examples.product import Examples
from jpasbatch.products.examples.tally import UNDECIDED, ExampleTally
from jpasbatch.products.protocol import LookUp, Partition, Product, Setting
from jpasbatch.products.record import class_indices, record_schema
from jpasbatch.products.registry import PRODUCTS, ProductRequest, check_products, product_tables
from jpasbatch.products.sky.tally import SkyTally
from jpasbatch.products.tallies import Tallies, needed_columns
from jpasbatch.products.targets.candidates import find_candidates
from jpasbatch.products.targets.lists import TargetOptions
from jpasbatch.products.targets.targets import TargetProgramme, TargetTally

CLASSES = ("star", "galaxy", "qso_low", "qso_high")
DEFINITIONS = {
    "star": ClassDefinition(("star",)),
    "galaxy": ClassDefinition(("galaxy",)),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, 10.0)),
}
OPTIONS = CountOptions(minimum_class_star=0.5)
AXES = DistributionOptions(colour_steps=12)
PROGRAMME = TargetProgramme(min_probability=0.3)
WANTED = {"distributions": AXES, "targets": (PROGRAMME, TargetProgramme(trimester="2027B2"))}


def products_of(survey: Survey, **tables) -> tuple[Product, ...]:
    """Return all products, with the default of each table that is not given."""
    defaults = {table.name: table.default for table in product_tables()}
    return ProductRequest("jpas60", DEFINITIONS, 1, defaults | tables).products(survey)


def candidates_of(table: pa.Table, record: pa.Table) -> pa.Table:
    return find_candidates(partition_of(table, record), (PROGRAMME,), 1)


# name -> (empty tally, add a part of the sky, read back)
FAMILY: dict[str, tuple[Callable, Callable, Callable]] = {
    "counts": (
        lambda: CountTally.create(OPTIONS, 3),
        lambda tally, table, photometry, record: tally.add(record),
        lambda values: CountTally.from_dict(values, OPTIONS),
    ),
    "distributions": (
        lambda: DistributionTally.create(CLASSES, 3, AXES),
        lambda tally, table, photometry, record: tally.add(record),
        lambda values: DistributionTally.from_dict(values, AXES),
    ),
    "sky": (
        lambda: SkyTally.create(CLASSES, maximum_pixels=40),
        lambda tally, table, photometry, record: tally.add(record),
        SkyTally.from_dict,
    ),
    "examples": (
        lambda: ExampleTally.create(CLASSES, per_kind=2),
        lambda tally, table, photometry, record: tally.add(record),
        ExampleTally.from_dict,
    ),
    "targets": (
        lambda: TargetTally.create(PROGRAMME),
        lambda tally, table, photometry, record: tally.add(candidates_of(table, record)),
        lambda values: TargetTally.from_dict(values, PROGRAMME),
    ),
}
FAMILY_OF_ALL = "all products"


@pytest.fixture(params=[*FAMILY, FAMILY_OF_ALL], scope="module")
def family(request, survey):
    if request.param != FAMILY_OF_ALL:
        return FAMILY[request.param]
    products = products_of(survey, **WANTED)
    return (
        lambda: Tallies.create(products),
        lambda tally, table, photometry, record: tally.add(partition_of(table, record)),
        lambda values: Tallies.from_dict(values, products),
    )


def partition_of(table: pa.Table, record: pa.Table) -> Partition:
    truth = table["true_class"].to_numpy(zero_copy_only=False)
    labels = label(truth, table["true_redshift"].to_numpy(), DEFINITIONS)
    return Partition(record, table, labels)


def look_up_in(table: pa.Table) -> LookUp:
    """Return what reads rows of a table by identifier."""
    names = table["object_id"].to_pylist()
    return lambda objects, columns: table.take([names.index(name) for name in objects]).select(list(columns))


def extracted(tally, table: pa.Table):
    return tally.extract(look_up_in(table)) if isinstance(tally, Tallies) else tally.extract()


def written(tally) -> str:
    return json.dumps(tally.to_dict(), allow_nan=False)


def part(sky, start, length):
    table, photometry, record = sky
    rows = slice(start, start + length)
    return table.slice(start, length), photometry.select(rows), record.slice(start, length)


def test_any_partition_in_any_order_gives_the_same(family, sky):
    create, add, _ = family
    whole = written(add(create(), *sky))
    parts = [add(create(), *part(sky, start, length)) for start, length in ((0, 3), (3, 900), (903, 1097))]
    forward, backward = create(), create()
    for one in parts:
        forward = forward.merge(one)
    for one in reversed(parts):
        backward = one.merge(backward)
    assert written(forward) == written(backward) == whole
    assert written(add(add(create(), *part(sky, 0, 1000)), *part(sky, 1000, 1000))) == whole


def test_json_round_trip(family, sky):
    create, add, read = family
    tally = add(create(), *sky)
    again = read(json.loads(written(tally)))
    assert written(again) == written(tally)
    assert written(again.merge(create())) == written(tally)
    extracted(again, sky[0])


def test_empty_parts_change_nothing(family, sky):
    create, add, _ = family
    assert written(add(create(), *part(sky, 0, 0))) == written(create())
    extracted(create(), sky[0])


def test_counts_against_plain_arithmetic(sky):
    record = sky[2]
    tally = CountTally.create(OPTIONS, 3).add(record)
    summary = tally.extract()
    probability = sum(
        record[f"probability_{name}"].to_numpy().astype(float) for name in ("qso_low", "qso_high")
    )
    point_like = record["class_star"].to_numpy() > 0.5
    selected = point_like & (record["magnitude_g"].to_numpy() < 23)
    assert summary.summed.value == pytest.approx(probability[selected].sum(), abs=1e-6)
    assert summary.above_threshold.value == (selected & (probability > 0.5)).sum()
    assert sum(summary.by_class.values()) == pytest.approx(summary.summed.value)
    binned = point_like & (record["magnitude_bin"].to_numpy() == 1)
    assert summary.bins_above_threshold[1].value == (binned & (probability > 0.5)).sum()
    assert summary.bins_summed[1].value == pytest.approx(probability[binned].sum(), abs=1e-6)
    assert summary.objects == summary.pixel_objects.sum() == record.num_rows
    assert summary.pixel_summed.sum() == pytest.approx(summary.summed.value)


def test_too_few_objects_measure_no_area(sky):
    sparse = CountTally.create(OPTIONS, 3).add(sky[2].slice(0, 50)).extract()
    assert np.isnan(sparse.area_deg2)
    assert np.isnan(sparse.summed.per(sparse.area_deg2).value)
    assert sparse.measured_area_deg2 > 0


def test_area_of_a_square(sky_maker):
    table, _, record = sky_maker(rows=20_000)
    tally = CountTally.create(CountOptions(area_nside=1024), 3).add(record)
    true_area = 1.8 * 1.1 * np.cos(np.deg2rad(52.6))
    assert true_area < tally.extract().area_deg2 < 1.25 * true_area  # edge pixels count whole
    assert np.bitwise_count(tally.add(record).covered).sum() == np.bitwise_count(tally.covered).sum()
    known = CountTally.create(CountOptions(area_deg2=true_area), 3).add(record).extract()
    assert known.area_deg2 == true_area
    assert known.measured_area_deg2 != true_area
    assert table.num_rows == known.objects


def test_unknown_stellarity_is_counted(sky):
    record = sky[2]
    position = record.column_names.index("class_star")
    record = record.set_column(position, "class_star", pc.multiply(record["class_star"], np.float32(np.nan)))
    summary = CountTally.create(OPTIONS, 3).add(record).extract()
    assert summary.without_class_star == record.num_rows
    assert summary.summed.value == 0
    extended = CountTally.create(CountOptions(minimum_class_star=None), 3).add(record).extract()
    assert extended.without_class_star == 0
    assert extended.summed.value > 0


def test_poisson_intervals():
    # Gehrels 1986, ApJ 303, 336, tables 1 and 2: 1 sigma limits of 0, 1 and 100
    assert poisson_count(0).lower == 0
    assert poisson_count(0).upper == pytest.approx(1.841, abs=1e-3)
    assert (poisson_count(1).lower, poisson_count(1).upper) == pytest.approx((0.173, 3.300), abs=1e-3)
    assert (poisson_count(100).lower, poisson_count(100).upper) == pytest.approx((90.02, 111.03), abs=2e-2)
    assert np.isnan(poisson_count(3).per(0).value)
    assert poisson_count(3).per(2).value == 1.5


def test_sky_map_coarsens_until_it_fits(sky):
    record = sky[2]
    fine = SkyTally.create(CLASSES, maximum_pixels=100_000).add(record).extract()
    coarse = SkyTally.create(CLASSES, maximum_pixels=12).add(record).extract()
    assert fine.nside == 512
    assert coarse.nside < 512
    assert len(coarse.pixels) <= 12
    assert fine.counts.sum(axis=0).tolist() == coarse.counts.sum(axis=0).tolist()
    assert np.bincount(class_indices(record, CLASSES)).tolist() == coarse.counts.sum(axis=0).tolist()


def test_unknown_class_is_refused(sky):
    with pytest.raises(ValueError, match="not among star"):
        class_indices(sky[2], ("star",))


def test_distributions_count_every_binned_object_once(sky):
    record = sky[2]
    tally = DistributionTally.create(CLASSES, 3, AXES).add(record)
    binned = (record["magnitude_bin"].to_numpy() >= 0).sum()
    assert tally.colours.sum() + tally.without_colours.sum() == binned
    assert tally.confidence.sum() == binned
    magnitude = record["magnitude_r"].to_numpy()
    assert tally.magnitudes.sum() == ((magnitude >= 15) & (magnitude <= 25)).sum()
    result = tally.extract()
    assert len(result.colour_x_edges) == AXES.colour_steps + 1


def test_cells():
    values = np.array([-0.1, 0, 0.49, 0.5, 1.0, 1.1, np.nan, np.inf])
    assert cells(values, (0.0, 1.0), 2).tolist() == [-1, 0, 0, 1, 1, -1, -1, -1]


def test_examples_show_each_kind(sky, survey):
    table, photometry, record = sky
    product = Examples(Setting(survey, DEFINITIONS))
    tally = product.add(product.create(), partition_of(table, record))
    chosen = product.extract(tally, look_up_in(table)).spectra
    assert {one.kind for one in chosen} == {*CLASSES, UNDECIDED}
    assert len({(one.kind, one.magnitude_bin) for one in chosen}) == len(chosen)
    one = chosen[0]
    row = table["object_id"].to_pylist().index(one.title)
    assert one.flux == tuple(photometry.flux[row].tolist())
    assert one.true_class == table["true_class"][row].as_py()
    assert max(one.probabilities) > 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"nside": 48},
        {"area_nside": 64},
        {"classes": ()},
        {"threshold": 1.0},
        {"minimum_class_star": 2.0},
        {"area_deg2": -1.0},
    ],
)
def test_count_options_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CountOptions(**wrong)


def test_axes_are_checked():
    with pytest.raises(ValueError, match="colour_x_range"):
        DistributionOptions(colour_x_range=(2.0, 1.0))
    with pytest.raises(ValueError, match="colour_steps"):
        DistributionOptions(colour_steps=0)
    with pytest.raises(ValueError, match="per_kind"):
        ExampleTally.create(CLASSES, 0)
    with pytest.raises(ValueError, match="power of two"):
        healpix_order(0)


def test_tallies_of_different_options_do_not_merge():
    with pytest.raises(ValueError, match="count options"):
        CountTally.create(OPTIONS, 3).merge(CountTally.create(CountOptions(threshold=0.7), 3))
    with pytest.raises(ValueError, match="axes"):
        DistributionTally.from_dict(DistributionTally.create(CLASSES, 3, AXES).to_dict())


def test_counts_encode_and_hash_is_stable():
    counts = np.zeros((3, 4), dtype=np.int64)
    counts[1, 2] = 7
    assert decode_counts(encode_counts(counts)).tolist() == counts.tolist()
    assert stable_hash(["2406-15603"], "a").tolist() == stable_hash(["2406-15603"], "a").tolist()
    assert stable_hash(["2406-15603"], "a")[0] != stable_hash(["2406-15603"], "b")[0]
    assert stable_hash(["2406-15603"], "examples").tolist() == [EXPECTED_HASH]


EXPECTED_HASH = 15768371901630537234  # a change would change which examples every report shows


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"counts": CountOptions(classes=("agn",))}, "counts.classes names 'agn'"),
        ({"counts": CountOptions(band_role="z")}, "counts.band_role = 'z'"),
        ({"distributions": DistributionOptions(colour_x=("y", "g"))}, "colour_x = 'y'"),
        ({"targets": (TargetProgramme(classes=("lens",)),)}, r"targets\[0\].classes names .lens."),
        (
            {"targets": (TargetProgramme(min_probability_by_bin=(0.5,)),)},
            "min_probability_by_bin has 1 values",
        ),
    ],
)
def test_products_that_the_records_cannot_give_are_refused(survey, wrong, message):
    with pytest.raises(InputError, match=message):
        check_products(products_of(survey, **wrong))


def test_product_options(survey):
    check_products(products_of(survey, **WANTED))
    with pytest.raises(ValueError, match="same description"):
        TargetOptions((TargetProgramme(), TargetProgramme(min_probability=0.7)))


def test_products_have_names_and_tables_of_their_own():
    names = [product.name for product in PRODUCTS]
    assert len(set(names)) == len(names) >= 7
    tables = [table.name for table in product_tables()]
    assert len(set(tables)) == len(tables)


def test_no_product_reads_fluxes_of_all_objects(survey):
    columns = needed_columns(products_of(survey, **WANTED))
    assert columns.photometry == ("tile",)
    assert columns.truth
    assert not [name for name in columns.predictions if name not in record_schema(survey, CLASSES).names]


def test_a_product_needs_no_other_column_than_it_says(sky, survey):
    table, _, record = sky
    for product in products_of(survey, **WANTED):
        columns = product.columns()
        partition = partition_of(table, record.select(list(columns.predictions)))
        partition = dataclasses.replace(partition, photometry=table.select(list(columns.photometry)))
        whole = product.add(product.create(), partition_of(table, record))
        assert product.to_record(product.add(product.create(), partition)) == product.to_record(whole)


def test_targets_are_kept_beside_the_tally_of_a_partition(sky, survey):
    tallies = Tallies.create(products_of(survey, **WANTED)).add(partition_of(sky[0], sky[2]))
    assert list(tallies.parts()) == ["targets-0", "targets-1"]
    known = ["object_id", "key", "rule0_state", "rule0_priority"]  # others hold NaN, which equals nothing
    assert tallies.parts()["targets-0"].select(known).equals(candidates_of(sky[0], sky[2]).select(known))
    assert tallies.merge(tallies).parts() == {}


def test_tallies_of_other_options_do_not_merge(survey):
    one, other = (Tallies.create(products_of(survey, counts=CountOptions(threshold=at))) for at in (0.5, 0.6))
    with pytest.raises(ValueError, match="different products"):
        one.merge(other)


def test_shapes_are_compared_with_classes(sky):
    record = sky[2]
    found = DistributionTally.create(CLASSES, 3, AXES).add(record).extract()
    number, stellarity = record["magnitude_bin"].to_numpy(), record["class_star"].to_numpy()
    predicted = class_indices(record, CLASSES)
    galaxy = predicted == CLASSES.index("galaxy")
    for row, one in enumerate(found.shape_ratios()):
        inside = (number == row) & np.isfinite(stellarity)
        assert one["point"] == (inside & (stellarity > 0.5)).sum()
        assert one["extended"] == (inside & (stellarity <= 0.5)).sum()
        assert one["extended_class"] == (inside & galaxy).sum()
        assert one["point_class"] == (inside & ~galaxy).sum()
        if one["point_class"]:
            assert one["r_point"] == pytest.approx(one["point"] / one["point_class"])
    nobody = dataclasses.replace(found, options=dataclasses.replace(AXES, extended_classes=("moon",)))
    assert nobody.shape_ratios() == []
