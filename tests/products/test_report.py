"""The page and its figures, from a synthetic summary; rendering is slow, so that one page serves many tests."""

import dataclasses
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from jpasbatch.footprint.coverage import Coverage
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.pages.confusion import Scores
from jpasbatch.pages.spectra import example_spectra
from jpasbatch.pages.style import bin_label, class_colours, class_label, to_svg
from jpasbatch.products.confusion import ConfusionSummary
from jpasbatch.products.counts.errors import CountErrors
from jpasbatch.products.counts.estimates import CountEstimate
from jpasbatch.products.counts.fields import field_rows
from jpasbatch.products.counts.place_tally import PlaceTally
from jpasbatch.products.counts.tally import CountOptions, CountTally
from jpasbatch.products.distributions.tally import DistributionOptions, DistributionTally
from jpasbatch.products.examples.tally import ExampleSpectra, ExampleTally
from jpasbatch.products.examples.unusual import UnusualSpectra
from jpasbatch.products.protocol import Findings, Partition
from jpasbatch.products.registry import ProductRequest, product_tables
from jpasbatch.products.reliability import ReliabilitySummary
from jpasbatch.products.report import QuarantineLine, Report, ReportContent, StageLine, make_report
from jpasbatch.products.sections import Number
from jpasbatch.products.sky.figure import density_maps, sky_map
from jpasbatch.products.sky.tally import SkyMap, SkyTally
from jpasbatch.products.targets.candidates import find_candidates
from jpasbatch.products.targets.figure import priority_numbers, target_priorities
from jpasbatch.products.targets.targets import TargetLists, TargetProgramme, TargetSummary, TargetTally
from tests.products.page_rules import Outline, broken_rules, lost_values, read_page

CLASSES = ("star", "galaxy", "qso_low", "qso_high")
ESTIMATE = CountEstimate(161.5, 14.25, 3.5, 5.25, float("nan"), 262.75, 158.0)
BANNER = "Mock sky: for demonstration, not for science"


def found_targets(record, table, programme) -> TargetSummary:
    rows = Partition(record, table, np.full(record.num_rows, -1, dtype=np.int16))
    return TargetTally.create(programme).add(find_candidates(rows, (programme,), 1)).extract()


def strange_spectra(product, record, table, photometry) -> tuple:
    """Return the spectra of a sky in which every hundredth object is unsafe."""
    novelty = np.where(np.arange(record.num_rows) % 100 == 0, 3.5, 0.5).astype(np.float32)
    subset = np.where(novelty > 2, "unsafe", "safe").tolist()
    for name, values in (("novelty", pa.array(novelty)), ("subset", pa.array(subset))):
        record = record.set_column(record.column_names.index(name), name, values)
    rows = Partition(record, table, np.full(record.num_rows, -1, dtype=np.int16))
    places = {name: row for row, name in enumerate(table["object_id"].to_pylist())}
    tally = product.add(product.create(), rows)
    return product.extract(tally, lambda wanted, names: table.take([places[one] for one in wanted])).spectra


def content_of(survey, sky) -> ReportContent:
    table, photometry, record = sky
    programme = TargetProgramme(min_probability=0.3)
    confusion = np.arange(48).reshape(3, 4, 4)
    confusion[0, 3] = 0  # a class without true objects
    tables = {table.name: table.default for table in product_tables()} | {"targets": (programme,)}
    definitions = {
        name: ClassDefinition((name,)) if limits is None else ClassDefinition(("qso",), limits)
        for name, limits in zip(CLASSES, (None, None, (0.0, 2.1), (2.1, 10.0)), strict=True)
    }
    products = ProductRequest(survey.name, definitions, 1, tables).products(survey)
    targets = found_targets(record, table, programme)
    numbers = next(product for product in products if product.name == "number_counts")
    rows = Partition(record, table, np.full(record.num_rows, -1, dtype=np.int16))
    whole = rows
    counted = numbers.extract(numbers.add(numbers.create(), rows), None)
    places = next(product for product in products if product.name == "counts_by_place")
    by_place = places.add(places.create(), rows)
    thresholds = next(product for product in products if product.name == "expected")
    calibration = next(product for product in products if product.name == "reliability")
    known = dataclasses.replace(rows, labels=np.arange(record.num_rows, dtype=np.int16) % 4)
    calibrated = calibration.extract(calibration.add(calibration.create(), known), None)
    above = thresholds.add(thresholds.create(), rows).extract()
    published = next(product for product in products if product.name == "literature")
    others = published.extract(published.add(published.create(), rows), None)
    without = next(product for product in products if product.name == "redshifts")
    subsets = next(product for product in products if product.name == "subsets")
    strange = next(product for product in products if product.name == "unusual")
    chosen = ExampleTally.create(CLASSES).add(record).extract()[:4]
    rows = [table["object_id"].to_pylist().index(one.object_id) for one in chosen]
    found = {
        "counts": CountTally.create(CountOptions(minimum_class_star=0.5, area_nside=512), 3)
        .add(record)
        .extract(),
        "count_errors": CountErrors(ESTIMATE, (ESTIMATE, ESTIMATE, ESTIMATE), True),
        "number_counts": counted,
        "counts_by_place": by_place,
        "expected": above,
        "literature": others,
        "redshifts": without.extract(without.create(), None),
        "subsets": subsets.add(subsets.create(), whole),
        "unusual": UnusualSpectra(strange_spectra(strange, record, table, photometry)),
        "sky": SkyTally.create(CLASSES).add(record).extract(),
        "distributions": DistributionTally.create(CLASSES, 3, DistributionOptions(colour_steps=30))
        .add(record)
        .extract(),
        "examples": ExampleSpectra.of(chosen, table.take(rows), photometry.select(rows)),
        "reliability": calibrated,
        "confusion": ConfusionSummary(confusion.transpose(0, 2, 1), np.full((4, 4), 125)),
        "targets": TargetLists((targets,)),
    }
    return ReportContent(
        job="demo <script>alert(1)</script>",
        created="2027-01-15T12:00:00",
        mock_title="Mock sky: for demonstration, not for science",
        products=products,
        findings=Findings(products[0].setting, found, "by construction of the mock sky"),
        numbers=(Number("committee", "8 members"),),
        warnings=("Submitter is blank & unknown.",),
        quarantine=(QuarantineLine("mask_flags", 61, "tile.fits row 131"),),
        provenance={"jpasbatch": "0.1.0", "committee": "ab" * 32},
        stages=(StageLine("infer", 12.34, 2000),),
    )


def changed(content: ReportContent, without: tuple[str, ...] = (), **found) -> ReportContent:
    """Return the content without some products, or with others of their findings."""
    findings = content.findings
    kept = {name: one for name, one in (findings.found | found).items() if name not in without}
    return dataclasses.replace(
        content,
        products=tuple(product for product in content.products if product.name in kept),
        findings=Findings(findings.setting, kept, findings.origin_of_truth),
    )


@pytest.fixture(scope="module")
def content(survey, sky) -> ReportContent:
    return content_of(survey, sky)


@pytest.fixture(scope="module")
def report(content) -> Report:
    return make_report(content)


@pytest.fixture(scope="module")
def page(report) -> str:
    return report.page


@pytest.fixture(scope="module")
def outline(page) -> Outline:
    return read_page(page)


def test_the_page_keeps_all_rules(page, report):
    assert broken_rules(page, report.numbers) == []


def test_numbers_of_figures_are_what_is_drawn(content):
    drawn = 0
    for product in content.products:
        figures = product.figures(content.findings.found[product.name], content.findings)
        for name, figure in figures.items():
            assert lost_values(figure) == [], name
            drawn += 1
    assert drawn == 15


def test_numbers_of_figures_are_files_beside_the_page(report, outline):
    assert set(report.numbers) == {link for link in outline.links if link.startswith("report/")}
    for name, data in report.numbers.items():
        table = csv.read_csv(pa.BufferReader(data))
        assert table.num_rows, name
        for field in table.schema:
            if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
                assert field.name.endswith(")"), (name, field.name)


def test_pictures_without_lines_say_what_their_numbers_say(content):
    """Matrices are drawn as texts, and colours as pictures: these are looked at apart."""
    findings = content.findings
    products = {one.name: one for one in content.products}
    matrices = products["confusion"].figures(findings.found["confusion"], findings)["confusion"]
    shares = matrices.numbers["of the true class (share)"]
    told = {text.get_text() for panel in matrices.drawing.panels for text in panel.figure.axes[0].texts}
    assert {"–" if np.isnan(one) else f"{100 * one:.1f} %" for one in shares} <= told
    assert {f"{one:,}" for one in matrices.numbers["objects (number)"]} <= told
    colours = products["distributions"].figures(findings.found["distributions"], findings)["colours"]
    cells = sum(
        int((image.get_array()[..., 3] > 0).sum())
        for panel in colours.drawing.panels
        for image in panel.figure.axes[0].images
    )
    assert cells == len(colours.numbers["objects (number)"]) > 100


def test_page_says_what_it_should(page, content, survey):
    assert BANNER in page
    assert "demo &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Submitter is blank &amp; unknown." in page
    assert survey.fingerprint in page
    assert "tile.fits row 131" in page
    assert "WQ_2027A1.fits" in page
    one = content.findings.found["reliability"].scores["committee"][-23]  # of all objects
    assert f"{one.value:.4f} ± {one.error:.4f} <small>({one.if_perfect:.4f})</small>" in page
    assert "161.5 (+" in page  # with all its errors
    assert "14.2 from counting, 3.5 from the size of the validation sample" in page
    assert "from field to field unknown" in page
    assert "262.8" in page  # the committee's own sum
    assert ">158<" in page
    assert "2027-01-15T12:00:00" in page
    assert "12.3" in page
    assert "ECE" in page
    assert "Purity and completeness at any threshold" in page
    assert not re.search("(lines|marks): the truth", page)  # which is not known here
    words = re.findall(r"\w+", re.sub(r"<svg.*?</svg>", "", page, flags=re.S))
    assert not {"None", "nan", "inf"} & set(words)


@pytest.mark.usefixtures("blank_figures")
def test_real_sky_without_truth_has_no_such_sections(content):
    short = changed(content, without=("confusion", "reliability", "examples", "distributions", "targets"))
    short = dataclasses.replace(short, mock_title="", quarantine=())
    text = make_report(short).page
    assert BANNER not in text
    assert 'id="confusion"' not in text
    assert 'id="reliability"' not in text
    assert 'href="#confusion"' not in text
    assert "No rows were set aside." in text
    assert text == make_report(short).page


def test_the_headline_has_an_interval_and_the_truth(content):
    counts, errors = (content.findings.found[name] for name in ("counts", "count_errors"))
    counted = next(product for product in content.products if product.name == "counts")

    def headline(**found) -> Number:
        numbers = counted.numbers(found["counts"], Findings(content.findings.setting, found, ""))
        return next(one for one in numbers if one.label.startswith("QSOs"))

    interval, area = errors.selected.interval, counts.area_deg2
    corrected = headline(counts=counts, count_errors=errors)
    assert corrected.value == f"{161.5 / area:,.1f}"
    assert f"{interval.lower / area:,.1f} to {interval.upper / area:,.1f}" in corrected.note
    assert f"true: {158 / area:,.1f}; the committee's own sum: {262.75 / area:,.1f}" in corrected.note
    own = dataclasses.replace(errors, corrected=False)
    raw = headline(counts=counts, count_errors=own)
    assert raw.value == f"{counts.summed.value / area:,.1f}"
    assert f"{counts.summed.lower / area:,.1f} to {counts.summed.upper / area:,.1f}" in raw.note
    assert "sum of the committee's own probabilities" in raw.note
    without = dataclasses.replace(counts, area_deg2=float("nan"))
    number = headline(counts=without, count_errors=errors)
    assert (number.label, number.value) == ("QSOs", "161.5")
    assert "true: 158.0" in number.note
    told = counted.headline(counts, Findings(content.findings.setting, {"count_errors": errors}, ""))
    assert told["summed_probability"]["true_per_deg2"] == pytest.approx(158 / area)
    assert told["summed_probability"]["committee_per_deg2"] == pytest.approx(262.75 / area)


@pytest.mark.usefixtures("blank_figures")
def test_uncorrected_counts_say_so(content):
    own = dataclasses.replace(content.findings.found["count_errors"], corrected=False)
    text = make_report(changed(content, count_errors=own)).page
    assert "Probabilities are the committee's own" in text
    assert f"{content.findings.found['counts'].summed.value:,.1f} (+" in text
    assert "not corrected" not in text


@pytest.mark.usefixtures("blank_figures")
def test_survey_without_objects(content, sky):
    none = sky[2].slice(0, 0)
    empty = changed(
        content,
        counts=CountTally.create(CountOptions(minimum_class_star=0.5, area_nside=512), 3).add(none).extract(),
        sky=SkyTally.create(CLASSES).extract(),
        counts_by_place=PlaceTally.create(4),
        distributions=DistributionTally.create(CLASSES, 3).add(none).extract(),
        examples=ExampleSpectra(()),
        confusion=ConfusionSummary(np.zeros((3, 4, 4), np.int64), np.zeros((4, 4), np.int64)),
        reliability=ReliabilitySummary(()),
        targets=TargetLists(()),
    )
    assert ExampleTally.create(CLASSES).add(none).extract() == ()
    text = make_report(empty).page
    assert 'id="sky"' not in text
    assert "–" in text


def test_fields_add_up(content):
    counts, targets = content.findings.found["counts"], content.findings.found["targets"]
    rows = field_rows(counts, targets)
    assert sum(row["above"] for row in rows) == counts.above_threshold.value
    assert sum(row["summed"] for row in rows) == pytest.approx(counts.summed.value)
    assert sum(row["area"] for row in rows) == pytest.approx(counts.area_deg2)
    assert sum(row["targets"] for row in rows) == targets.lists[0].number
    assert rows[0]["area"] == max(row["area"] for row in rows)


@pytest.mark.usefixtures("blank_figures")
def test_unknown_stellarity_is_warned_about(content):
    counts = dataclasses.replace(content.findings.found["counts"], without_class_star=17)
    others = ("confusion", "reliability", "examples", "distributions", "sky", "targets")
    bare = changed(content, others, counts=counts)
    assert "17 of 2,000 objects have no stellarity" in make_report(bare).page


@pytest.mark.parametrize("centre", [0.0, 214.5, 359.9])
def test_sky_maps_over_the_meridian(centre):
    import healpy

    rng = np.random.default_rng(1)
    pixels = np.unique(
        healpy.ang2pix(
            128, (centre + rng.uniform(-2, 2, 900)) % 360, rng.uniform(-2, 2, 900), nest=True, lonlat=True
        )
    )
    sky = SkyMap(128, pixels, CLASSES, np.ones((len(pixels), 4), dtype=np.int64))
    maps = density_maps(sky, ("qso_high",), None, None)
    assert not maps[0].measured
    figure = sky_map(maps, None).panels[0].figure
    width = np.ptp(figure.axes[0].get_xlim())
    assert 3 < width < 8


def test_all_sky_map(tmp_path):
    sky = SkyMap(8, np.arange(0, 768, 3), CLASSES, np.ones((256, 4), dtype=np.int64))
    coverage = Coverage.of_pixels(np.arange(0, 768, 3), np.full(256, 0.5), 8)
    maps = density_maps(sky, ("qso_low", "qso_high"), None, coverage)
    panel = sky_map(maps, coverage).panels[1]
    figure = panel.figure
    assert figure.axes[0].name == "mollweide"
    assert "graticule of 30°" in panel.remark
    assert to_svg(figure, "sky", "The whole sky").count("<svg") == 1


def test_scores():
    confusion = np.array([[[8, 2, 0], [0, 0, 0], [1, 0, 9]]])
    scores = Scores.of(confusion)
    assert scores.completeness[0] == pytest.approx([0.8, np.nan, 0.9], nan_ok=True)
    assert scores.purity[0] == pytest.approx([8 / 9, 0, 1])
    assert scores.f1[0] == pytest.approx([2 * 8 / 19, np.nan, 18 / 19], nan_ok=True)
    empty = Scores.of(np.zeros((1, 2, 2), dtype=int))
    assert np.isnan([empty.purity, empty.completeness, empty.f1]).all()


def test_colours_are_the_same_in_every_figure():
    assert class_colours(CLASSES)["star"] == class_colours(("sfg", "star"))["star"]
    assert len(set(class_colours(("a", "b", "star", "c")).values())) == 4
    assert list(class_colours(("sfg", "agn"))) == ["sfg", "agn"]


def test_labels():
    assert class_label("qso_high") == "QSO high"
    assert bin_label("r", (20.0, 22.5)) == "20 < r ≤ 22.5"


def test_lists_know_the_area_and_the_error_that_all_share(content):
    found = content.findings.completed(content.products).found
    before, one = content.findings.found["targets"].lists[0], found["targets"].lists[0]
    assert one.area_deg2 == found["counts"].area_deg2
    moved = found["expected"].variance[-1, -1, 0]  # of two classes that are counted
    assert one.shift == pytest.approx(np.hypot(3.5, 5.25) / moved)
    assert before.interval[0] > one.interval[0]
    assert before.expected == one.expected


def test_svg_follows_the_page_and_is_reproducible(content):
    def draw():
        numbers = priority_numbers(content.findings.found["targets"].lists[0])
        return to_svg(target_priorities(numbers).panels[0].figure, "one", 'priorities < & "')

    text = draw()
    assert text == draw()
    assert "currentColor" in text
    assert "aria-label='priorities &lt; &amp; \"'" in text
    assert "<title>priorities &lt; &amp;" in text
    assert set(re.findall(r'id="(\w+?)-', text)) == {"one"}


def test_missing_bands_are_drawn(content, survey):
    example = content.findings.found["examples"].spectra[0]
    flux = (float("nan"),) * len(survey.bands)
    blank = dataclasses.replace(example, flux=flux, flux_err=flux, true_class="", true_redshift=float("nan"))
    widths = np.array([band.width for band in survey.bands])
    drawing = example_spectra((blank,), CLASSES, survey.wavelengths, widths, ("a", "b", "c"))
    assert to_svg(drawing.panels[0].figure, "blank", "No band was observed")


@pytest.mark.usefixtures("blank_figures")
def test_texts_of_a_catalogue_are_no_formulas(content):
    example = content.findings.found["examples"].spectra[0]
    hostile = dataclasses.replace(example, title="a$_{$\\frac$" + "x" * 500, true_class="<script>$^$")
    page = make_report(changed(content, examples=ExampleSpectra((hostile,)))).page
    assert "<script>" not in page
    assert "x" * 50 not in page
    assert "a$_{$\\frac$" in page


@pytest.mark.usefixtures("blank_figures")
def test_a_sparse_sample_has_no_density(content):
    counts = dataclasses.replace(content.findings.found["counts"], area_deg2=float("nan"))
    page = make_report(changed(content, ("distributions", "examples"), counts=counts)).page
    assert "too sparse to measure an area" in page
    assert ">nan" not in page.lower()
