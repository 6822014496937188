"""Densities on the observed area, and the tables by pixel, tile and field that other programs read."""

import io
from dataclasses import replace

import healpy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jpasbatch.errors import InputError
from jpasbatch.footprint.completeness import Completeness
from jpasbatch.footprint.options import AreaOptions, CompletenessOptions
from jpasbatch.footprint.regions import drawn
from jpasbatch.footprint.shapes import Circle, Polygon
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.products.counts.place_tally import PlaceTally, tile_areas
from jpasbatch.products.counts.places import FILES, areas_of_tiles
from jpasbatch.products.counts.tally import CountOptions
from jpasbatch.products.protocol import Findings, Partition
from jpasbatch.products.registry import ProductRequest, check_tables, product_tables
from jpasbatch.products.report import ReportContent, make_report, product_warnings
from jpasbatch.products.targets.targets import TargetProgramme
from tests.footprint.conftest import BOX, box_corners, box_deg2, pixels_of, positions_in

CLASSES = ("star", "quasar")
DENSITY = 30_000
QUASARS = 0.1
WANTED = {
    "counts": CountOptions(classes=("quasar",), band_role="r", brighter_than=22.0, nside=64, area_nside=2048),
    "targets": (TargetProgramme(classes=("quasar",), min_probability=0.5, magnitude_role="r"),),
}
MEASURED = ("counts", "count_errors", "number_counts", "counts_by_place", "targets")


@pytest.fixture(scope="module")
def coverage():
    """Return a field with a hundred holes, a ninth of it."""
    ra, dec = np.meshgrid(np.arange(210.1, 212, 0.2), np.arange(50.05, 51, 0.1))
    holes = [Circle(*one, 0.0212) for one in zip(ra.ravel().tolist(), dec.ravel().tolist(), strict=True)]
    return drawn([Polygon("field", *box_corners(BOX))], 65536).without(drawn(holes, 65536))


@pytest.fixture(scope="module")
def rows(coverage):
    """Return objects all over the field, and four times as many false ones in its holes."""
    rng = np.random.default_rng(5)
    ra, dec = positions_in(BOX, int(DENSITY * box_deg2(BOX)), rng)
    false = positions_in(BOX, 4 * len(ra), rng)
    ghost = ~coverage.contains(pixels_of(*false))
    ra, dec = np.concatenate([ra, false[0][ghost]]), np.concatenate([dec, false[1][ghost]])
    number = len(ra)
    quasar = (rng.random(number) < QUASARS).astype(np.float32)
    magnitude = rng.choice([20.1, 23.1], number).astype(np.float32)
    record = pa.table(
        {
            "_healpix_29": pixels_of(ra, dec),
            "object_id": [f"{one}" for one in range(number)],
            "ra": ra,
            "dec": dec,
            "probability_star": 1 - quasar,
            "probability_quasar": quasar,
            "predicted_class": np.where(quasar > 0.5, "quasar", "star"),
            "magnitude_r": magnitude,
            "magnitude_err_r": np.zeros(number, np.float32),
            "magnitude_bin": np.zeros(number, np.int8),
            "class_star": np.ones(number, np.float32),
            "subset": ["safe"] * number,
        }
    )
    photometry = pa.table({"tile": np.where(ra < 211.2, "west", "east")})
    labels = quasar.astype(np.int16)
    return Partition(record, photometry, labels, coverage.contains(pixels_of(ra, dec)))


def products_of(survey, coverage=None, completeness=None, **tables):
    defaults = {table.name: table.default for table in product_tables()} | WANTED
    definitions = {name: ClassDefinition((name,)) for name in CLASSES}
    request = ProductRequest("jpas60", definitions, 1, defaults | tables)
    made = request.products(survey, None, coverage, completeness, {"job": "holes", "fingerprint": "ab12"})
    return {product.name: product for product in made if product.name in MEASURED}


def findings_of(products, *parts):
    found = {}
    for name, product in products.items():
        total = product.create()
        for part in parts:
            total = product.merge(
                total, product.from_record(product.to_record(product.add(product.create(), part)))
            )
        found[name] = product.extract(total, None)
    return Findings(next(iter(products.values())).setting, found, "")


def divided(rows, number):
    owner = np.random.default_rng(6).integers(0, number, len(rows.labels))
    for part in range(number):
        kept = np.flatnonzero(owner == part)
        tables = rows.predictions.take(kept), rows.photometry.take(kept)
        yield Partition(*tables, rows.labels[kept], rows.observed[kept])


@pytest.fixture(scope="module")
def products(survey, coverage):
    return products_of(survey, coverage)


@pytest.fixture(scope="module")
def findings(products, rows):
    return findings_of(products, rows)


@pytest.fixture(scope="module")
def files(products, findings):
    written = {}
    for name in ("number_counts", "counts_by_place"):
        made = products[name].files(findings.found[name], lambda _: iter(()), "2027-01-15T12:00:00", findings)
        for path, write in made.items():
            buffer = io.BytesIO()
            write(buffer)
            written[path] = buffer.getvalue()
    return written


def test_the_density_is_right_with_the_mask_and_wrong_without(survey, rows, coverage, findings):
    expected = DENSITY * QUASARS / 2
    noise = np.sqrt(expected / box_deg2(BOX))
    masked = findings.found["counts"]
    assert masked.area_kind == "effective area"
    assert masked.area_deg2 == pytest.approx(box_deg2(BOX) - 100 * np.pi * 0.0212**2, rel=1e-3)
    assert masked.summed.value / masked.area_deg2 == pytest.approx(expected, abs=4 * noise)
    bare = findings_of(products_of(survey), replace(rows, observed=None)).found["counts"]
    assert bare.area_kind == "occupied"
    assert bare.summed.value / bare.area_deg2 > expected + 10 * noise
    assert masked.objects + masked.outside == bare.objects
    assert masked.outside == (~rows.observed).sum()
    counts, errors = findings.found["number_counts"], findings.found["count_errors"]
    assert counts.number.sum() == masked.objects
    assert errors.selected.value == pytest.approx(masked.summed.value)
    assert (
        sum(one.observed for one in findings.found["targets"].lists)
        < findings.found["targets"].lists[0].number
    )


@pytest.mark.parametrize("number", [2, 50])
def test_any_partitions_give_the_same(products, rows, number):
    for product in products.values():
        whole = product.add(product.create(), rows)
        total = product.create()
        for part in divided(rows, number):
            total = product.merge(
                total, product.from_record(product.to_record(product.add(product.create(), part)))
            )
        assert product.to_record(total) == product.to_record(product.from_record(product.to_record(whole)))


def test_the_map_is_read_by_healpy(files, findings, coverage, tmp_path):
    path = tmp_path / "density_map.fits"
    path.write_bytes(files["counts/density_map.fits"])
    names = Table.read(path, hdu=1).colnames
    maps, header = healpy.read_map(path, field=None, nest=True, h=True)
    header = dict(header)
    assert (header["INDXSCHM"], header["ORDERING"], header["NSIDE"], header["COORDSYS"]) == (
        "EXPLICIT",
        "NESTED",
        64,
        "C",
    )
    assert header[f"TUNIT{names.index('density') + 1}"] == "deg-2"
    columns = dict(zip(names[1:], maps, strict=True))
    pixels, areas = coverage.areas(64)
    seen = np.flatnonzero(columns["area"] > 0)
    assert seen.tolist() == pixels.tolist()
    assert columns["area"][seen] == pytest.approx(areas)
    assert columns["observed_fraction"][seen] == pytest.approx(areas / healpy.nside2pixarea(64, degrees=True))
    counts = findings.found["counts"]
    assert columns["number_quasar"][seen].sum() == pytest.approx(counts.summed.value)
    assert columns["objects"][seen].sum() == counts.objects
    assert columns["density"][seen] == pytest.approx(columns["number_quasar"][seen] / areas)
    as_ring = healpy.read_map(path, field=names.index("density") - 1, nest=False)
    assert np.nanmax(np.where(as_ring == healpy.UNSEEN, np.nan, as_ring)) == columns["density"][seen].max()
    table = pq.read_table(io.BytesIO(files["counts/density_map.parquet"]))
    assert table["density"].to_numpy() == pytest.approx(columns["density"][seen])
    assert table.schema.field("area").metadata[b"unit"] == b"deg2"
    assert table.schema.metadata[b"jpasbatch.area"] == b"effective area"
    assert table.schema.metadata[b"jpasbatch.fingerprint"] == b"ab12"


@pytest.mark.parametrize("name", ["tiles", "fields"])
def test_tables_have_units_and_provenance(files, tmp_path, name):
    path = tmp_path / f"{name}.ecsv"
    path.write_bytes(files[f"counts/{name}.ecsv"])
    table = Table.read(path)
    assert str(table["area"].unit) == "deg2"
    assert table["density"].unit.to_string("fits") == "deg-2"
    assert table.meta["job"] == "holes"
    assert table.meta["area"] == "effective area"
    columns = pq.read_table(io.BytesIO(files[f"counts/{name}.parquet"]))
    assert columns.column_names == table.colnames
    assert columns.schema.metadata[b"jpasbatch.job"] == b"holes"
    assert columns["area"].to_numpy() == pytest.approx(np.asarray(table["area"]))


def test_tiles_share_the_area(files, coverage, findings, rows):
    tiles = pq.read_table(io.BytesIO(files["counts/tiles.parquet"])).to_pydict()
    assert tiles["tile_id"] == ["east", "west"]
    tally, counts = (findings.found[name] for name in ("counts_by_place", "counts"))
    unclaimed = areas_of_tiles(tally, counts, findings)[1]  # of slivers at the edge without an object
    assert 0 < unclaimed < 1e-3
    assert sum(tiles["area"]) + unclaimed == pytest.approx(coverage.area_deg2)
    assert tiles["area"][1] == pytest.approx(0.6 * coverage.area_deg2, rel=0.02)
    assert sum(tiles["objects"]) == findings.found["counts"].objects
    assert tiles["error_quasar"] == pytest.approx(
        np.sqrt(tiles["number_quasar"])
    )  # all probabilities are 0 or 1
    expected = DENSITY * QUASARS / 2
    for density, error in zip(tiles["density"], tiles["density_error"], strict=True):
        assert density == pytest.approx(expected, abs=4 * error)


def test_fields_have_the_same_density(files, coverage):
    fields = pq.read_table(io.BytesIO(files["counts/fields.parquet"])).to_pydict()
    assert sum(fields["area"]) == pytest.approx(coverage.area_deg2)
    inside = np.array(fields["area"]) > 0.1
    assert np.array(fields["density"])[inside] == pytest.approx(DENSITY * QUASARS / 2, rel=0.2)
    assert np.array(fields["target_density"])[inside] == pytest.approx(DENSITY * QUASARS, rel=0.2)


def test_cells_that_two_tiles_have_are_shared_as_their_objects():
    tally = PlaceTally.of(
        np.zeros(8, np.int64),
        np.array([7, 7, 7, 7, 9, 9, 9, 9]),
        np.array(["a", *["b"] * 7]),
        np.zeros((8, 3), np.int64),
    )
    areas, unclaimed = tile_areas(tally, np.array([5, 7, 9]), np.array([0.5, 1.0, 2.0]))
    assert areas.tolist() == [0.25, 2.75]
    assert unclaimed == 0.5


def test_densities_if_complete_stand_beside_the_observed_ones(survey, rows, coverage):
    known = Completeness(("east", "west"), (22.0, 23.0), (4.0, 6.0), "r")
    options = {"number_counts": replace(products_of(survey)["number_counts"].options, band_role="r")}
    products = products_of(survey, coverage, known, **options)
    findings = findings_of(products, rows)
    product = products["number_counts"]
    product.check()
    made = product.files(findings.found["number_counts"], lambda _: iter(()), "", findings)
    buffer = io.BytesIO()
    made["counts/number_counts.parquet"](buffer)
    table = pq.read_table(buffer).to_pandas().query("`class` == 'star'")
    assert table["completeness"].iloc[0] == pytest.approx(1.0)
    bright, faint = (table[table["brightest"] == one].iloc[0] for one in (20.0, 23.0))
    assert bright["density_if_complete"] == pytest.approx(bright["density"], rel=1e-2)
    assert 0.1 < faint["completeness"] < 0.5
    assert faint["density_if_complete"] == pytest.approx(faint["density"] / faint["completeness"])
    assert np.isnan(table["density_if_complete"].iloc[-1])  # what is missing is nearly all
    assert np.isfinite(table["density"]).all()
    other = products_of(survey, coverage, replace(known, band_role="g"), **options)
    with pytest.raises(InputError, match=r"\[completeness\] band_role = 'g'"):
        other["number_counts"].check()
    strange = products_of(survey, coverage, replace(known, tiles=("east", "north")), **options)
    with pytest.raises(InputError, match="'west' first"):
        strange["number_counts"].files(
            findings.found["number_counts"], None, "", replace_setting(findings, strange)
        )


def replace_setting(findings, products):
    return Findings(products["counts"].setting, findings.found, "")


def test_the_page_says_what_the_area_is(survey, rows, coverage, products, findings, blank_figures):
    kept = tuple(products.values())
    page = make_report(ReportContent("holes", "2027", "", kept, findings)).page
    assert "Effective area" in page
    assert f"{findings.found['counts'].outside:,} objects lie outside of it" in page
    assert "targets of <code>" in page
    assert all(name in page for name in FILES)
    summary = products["counts"].summary(findings.found["counts"], findings)["counts"]
    assert not any("reaches beyond" in text for text in product_warnings(kept, findings))
    assert summary["area_kind"] == "effective area"
    assert summary["outside_area"] == findings.found["counts"].outside
    footprint = findings_of(products_of(survey, replace(coverage, name="footprint")), rows)
    warnings = product_warnings(kept, footprint)
    assert any("footprint of a MOC" in text for text in warnings)
    assert any("lie outside of the observed part" in text for text in warnings)


def test_a_pixel_that_was_observed_and_holds_nothing_has_a_row(survey, rows, coverage):
    east = rows.predictions["ra"].to_numpy() > 211.5
    part = Partition(
        rows.predictions.filter(pa.array(east)),
        rows.photometry.filter(pa.array(east)),
        rows.labels[east],
        rows.observed[east],
    )
    findings = findings_of(products_of(survey, coverage), part)
    found = findings.found["counts"]
    assert found.pixels.tolist() == coverage.areas(64)[0].tolist()
    assert (found.pixel_objects == 0).any()
    assert found.pixel_area_deg2.sum() == pytest.approx(coverage.area_deg2)
    product = products_of(survey, coverage)["counts"]
    assert any("reaches beyond the catalogue" in text for text in product.warnings(found, findings))


def test_an_area_is_given_once():
    tables = {table.name: table.default for table in product_tables()} | {
        "area": AreaOptions("given", area_deg2=2.0)
    }
    with pytest.raises(ValueError, match=r"counts\.area_deg2 = 1 and \[area\] kind = 'given'"):
        check_tables(tables | {"counts": CountOptions(area_deg2=1.0)}, ())
    check_tables(tables, ())
    assert CompletenessOptions().file == ""
