"""The page and its figures, from a synthetic summary; rendering is slow, so that one page serves many tests."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from jpasbatch.pages.confusion import Scores
from jpasbatch.pages.reliability import ReliabilityCurve
from jpasbatch.pages.spectra import example_spectra
from jpasbatch.pages.style import bin_label, class_colours, class_label, to_png, to_svg
from jpasbatch.products import plots
from jpasbatch.products.counts import CountOptions, CountTally
from jpasbatch.products.distributions import DistributionOptions, DistributionTally
from jpasbatch.products.examples import ExampleTally
from jpasbatch.products.report import (
    Number,
    QuarantineLine,
    ReportContent,
    StageLine,
    field_rows,
    render_report,
)
from jpasbatch.products.sky import SkyMap, SkyTally
from jpasbatch.products.targets.targets import TargetProgramme, TargetTally, select_targets

CLASSES = ("star", "galaxy", "qso_low", "qso_high")
BANNER = "Mock sky: for demonstration, not for science"


def content_of(survey, sky) -> ReportContent:
    table, photometry, record = sky
    programme = TargetProgramme(min_probability=0.3)
    edges = np.linspace(0.05, 0.95, 10)
    counts = np.array([0, 5, 9, 2, 4, 7, 8, 10, 30, 80])
    curve = ReliabilityCurve(
        "qso_high", np.where(counts > 0, edges, np.nan), np.where(counts > 0, edges, np.nan), counts, 0.0123
    )
    confusion = np.arange(48).reshape(3, 4, 4)
    confusion[0, 3] = 0  # a class without true objects
    return ReportContent(
        job="demo <script>alert(1)</script>",
        survey_name=survey.name,
        survey_title=survey.title,
        survey_fingerprint=survey.fingerprint,
        created="2027-01-15T12:00:00",
        classes=CLASSES,
        magnitude_bins=survey.magnitude_bins,
        reference_band=survey.reference_band,
        mock_title="Mock sky: for demonstration, not for science",
        numbers=(Number("committee", "8 members"),),
        warnings=("Submitter is blank & unknown.",),
        counts=CountTally.create(CountOptions(minimum_class_star=0.5, area_nside=512), 3)
        .add(record)
        .extract(),
        sky=SkyTally.create(CLASSES).add(record).extract(),
        distributions=DistributionTally.create(CLASSES, 3, DistributionOptions(colour_steps=30))
        .add(record)
        .extract(),
        examples=ExampleTally.create(("star", "galaxy", "qso_low", "qso_high"))
        .add(record, table, photometry)
        .extract()[:4],
        band_wavelengths=survey.wavelengths,
        band_widths=np.array([band.width for band in survey.bands]),
        reliability=(curve,),
        confusion=confusion,
        truth_note="Truth is known for 2,000 mock objects.",
        targets=(TargetTally.create(programme).add(select_targets(record, programme, 1)).extract(),),
        quarantine=(QuarantineLine("mask_flags", 61, "tile.fits row 131"),),
        provenance={"jpasbatch": "0.1.0", "committee": "ab" * 32},
        stages=(StageLine("infer", 12.34, 2000),),
    )


@pytest.fixture(scope="module")
def content(survey, sky) -> ReportContent:
    return content_of(survey, sky)


@pytest.fixture(scope="module")
def page(content) -> str:
    return render_report(content)


class Outline(HTMLParser):
    """Checks that elements close in order, and collects identifiers, links and figures."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self):
        super().__init__()
        self.open, self.identifiers, self.links, self.images = [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.identifiers += [values["id"]] if "id" in values else []
        self.links += [values[key] for key in ("href", "src", "xlink:href") if key in values]
        if tag == "svg":
            self.images.append(values)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def outline(page) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def test_page_is_well_formed(outline):
    assert outline.open == []
    assert len(outline.identifiers) == len(set(outline.identifiers))
    assert len(outline.images) == 10
    for image in outline.images:
        assert image["role"] == "img"
        assert len(image["aria-label"]) > 20


def test_page_is_self_contained(page, outline):
    for link in outline.links:
        assert link.startswith(("#", "data:"))
        if link.startswith("#"):
            assert link[1:] in outline.identifiers
    assert "<script" not in page
    assert not re.search(r"url\((?!['\"]?#)", page)
    assert "@import" not in page


def test_page_says_what_it_should(page, content, survey):
    assert BANNER in page
    assert "demo &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Submitter is blank &amp; unknown." in page
    assert survey.fingerprint in page
    assert "tile.fits row 131" in page
    assert "WQ_2027A1.fits" in page
    assert "0.0123" in page
    assert f"{content.counts.summed.value:,.1f} (+" in page
    assert "2027-01-15T12:00:00" in page
    assert "12.3" in page
    assert "ECE" in page
    words = re.findall(r"\w+", re.sub(r"<svg.*?</svg>", "", page, flags=re.S))
    assert not {"None", "nan", "inf"} & set(words)


def test_real_sky_without_truth_has_no_such_sections(content):
    short = dataclasses.replace(
        content,
        mock_title="",
        confusion=None,
        reliability=(),
        examples=(),
        distributions=None,
        quarantine=(),
        targets=(),
    )
    text = render_report(short)
    assert BANNER not in text
    assert 'id="confusion"' not in text
    assert 'id="reliability"' not in text
    assert 'href="#confusion"' not in text
    assert "No rows were set aside." in text
    assert text == render_report(short)


def test_survey_without_objects(content, survey, sky):
    table, photometry, record = sky
    none = record.slice(0, 0)
    empty = dataclasses.replace(
        content,
        counts=CountTally.create(CountOptions(minimum_class_star=0.5, area_nside=512), 3).add(none).extract(),
        sky=SkyTally.create(CLASSES).extract(),
        distributions=DistributionTally.create(CLASSES, 3).add(none).extract(),
        examples=ExampleTally.create(CLASSES)
        .add(none, table.slice(0, 0), photometry.select(slice(0)))
        .extract(),
        confusion=np.zeros((3, 4, 4), dtype=np.int64),
        reliability=(),
        targets=(),
    )
    text = render_report(empty)
    assert 'id="sky"' not in text
    assert "–" in text


def test_fields_add_up(content):
    rows = field_rows(content)
    counts = content.counts
    assert sum(row["above"] for row in rows) == counts.above_threshold.value
    assert sum(row["summed"] for row in rows) == pytest.approx(counts.summed.value)
    assert sum(row["area"] for row in rows) == pytest.approx(counts.measured_area_deg2)
    assert sum(row["targets"] for row in rows) == content.targets[0].number
    assert rows[0]["area"] == max(row["area"] for row in rows)


def test_unknown_stellarity_is_warned_about(content):
    counts = dataclasses.replace(content.counts, without_class_star=17)
    bare = dataclasses.replace(
        content,
        counts=counts,
        confusion=None,
        reliability=(),
        examples=(),
        distributions=None,
        sky=None,
        targets=(),
    )
    assert "17 of 2,000 objects have no stellarity" in render_report(bare)


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
    figure = plots.sky_map(sky, ("qso_high",))
    width = np.ptp(figure.axes[0].get_xlim())
    assert 3 < width < 8


def test_all_sky_map(tmp_path):
    sky = SkyMap(8, np.arange(0, 768, 3), CLASSES, np.ones((256, 4), dtype=np.int64))
    figure = plots.sky_map(sky, ("qso_low", "qso_high"))
    assert figure.axes[0].name == "mollweide"
    data = to_png(figure, dots_per_inch=40)
    assert data.startswith(b"\x89PNG")


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


def test_svg_follows_the_page_and_is_reproducible(content):
    def draw():
        return to_svg(plots.target_priorities(content.targets[0]), "one", 'priorities < & "')

    text = draw()
    assert text == draw()
    assert "currentColor" in text
    assert "aria-label='priorities &lt; &amp; \"'" in text
    assert "<title>priorities &lt; &amp;" in text
    assert set(re.findall(r'id="(\w+?)-', text)) == {"one"}


def test_missing_bands_are_drawn(content, survey):
    example = content.examples[0].spectrum
    flux = (float("nan"),) * len(survey.bands)
    blank = dataclasses.replace(example, flux=flux, flux_err=flux, true_class="", true_redshift=float("nan"))
    figure = example_spectra(
        (blank,), CLASSES, content.band_wavelengths, content.band_widths, ("a", "b", "c")
    )
    assert to_png(figure, dots_per_inch=30)


def test_texts_of_a_catalogue_are_no_formulas(content):
    hostile = dataclasses.replace(
        content.examples[0], object_id="a$_{$\\frac$" + "x" * 500, true_class="<script>$^$"
    )
    page = render_report(dataclasses.replace(content, examples=(hostile,)))
    assert "<script>" not in page
    assert "x" * 50 not in page


def test_a_sparse_sample_has_no_density(content):
    counts = dataclasses.replace(content.counts, area_deg2=float("nan"))
    page = render_report(
        dataclasses.replace(content, counts=counts, distributions=None, examples=(), sky=None)
    )
    assert "too sparse to measure an area" in page
    assert ">nan" not in page.lower()
