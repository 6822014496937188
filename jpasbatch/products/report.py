"""The report of a job: one HTML page that holds all it shows, figures included, and needs no script.

`ReportContent` says what a page can show; a part that is None or empty has no section. All values are plain
arrays, tables and the summaries of this room, so that a page can be made again from a stored summary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.confusion import Scores, confusion_matrices, score_bars
from jpasbatch.pages.page import count_text, render_page
from jpasbatch.pages.reliability import ReliabilityCurve, reliability
from jpasbatch.pages.spectra import example_spectra
from jpasbatch.pages.style import bin_label, class_colours, to_svg
from jpasbatch.products import plots
from jpasbatch.products.accumulation import sum_by_pixel
from jpasbatch.products.counts import CountSummary, PoissonCount
from jpasbatch.products.distributions import Distributions
from jpasbatch.products.examples import Example
from jpasbatch.products.sky import SkyMap
from jpasbatch.products.targets.targets import FIELD_NSIDE, TargetSummary
from jpasbatch.products.targets.weave import weave_file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIELD_ROWS = 24


@dataclass(frozen=True)
class Number:
    """A number at the top of the page: what it is, its value as text, and a remark."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class QuarantineLine:
    """Rows that were set aside for one reason, and where an example is."""

    reason: str
    rows: int
    example: str = ""


@dataclass(frozen=True)
class StageLine:
    """One stage of the job: how long it took and how many objects it handled."""

    name: str
    seconds: float
    objects: int | None = None
    note: str = ""


@dataclass(frozen=True)
class ReportContent:
    """All that a page shows.

    Attributes
    ----------
    job, survey_name, survey_title, survey_fingerprint : str
    created : str
        Date and time as shown; an argument, so that a page can be made again byte by byte.
    classes : tuple of str
    magnitude_bins : tuple of (float, float)
        Of ``reference_band``, lower exclusive, upper inclusive.
    reference_band : str
    mock_title : str
        What the page says in large letters where the sky is simulated; empty where it is not.
    numbers : tuple of Number
        Further numbers for the top of the page.
    warnings : tuple of str
        What a reader must know before using a product, one sentence each.
    counts, sky, distributions : summaries or None
    examples : tuple of Example
        With fluxes in the order of ``band_wavelengths`` and ``band_widths``, float (bands,), Angstrom.
    reliability : tuple of ReliabilityCurve
        Only where the truth is known.
    confusion : int (groups, classes, classes) or None
        True class by predicted class, one matrix for each magnitude bin; only where the truth is known.
    truth_note : str
        Which objects the truth is known for.
    targets : tuple of TargetSummary
    quarantine : tuple of QuarantineLine
    provenance : mapping of str to str
        Versions and fingerprints.
    stages : tuple of StageLine
    """

    job: str
    survey_name: str
    survey_title: str
    survey_fingerprint: str
    created: str
    classes: tuple[str, ...]
    magnitude_bins: tuple[tuple[float, float], ...]
    reference_band: str
    mock_title: str
    numbers: tuple[Number, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: CountSummary | None = None
    sky: SkyMap | None = None
    distributions: Distributions | None = None
    examples: tuple[Example, ...] = ()
    band_wavelengths: np.ndarray = field(default_factory=lambda: np.zeros(0))
    band_widths: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reliability: tuple[ReliabilityCurve, ...] = ()
    confusion: np.ndarray | None = None
    truth_note: str = ""
    targets: tuple[TargetSummary, ...] = ()
    quarantine: tuple[QuarantineLine, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[StageLine, ...] = ()


def render_report(summary: ReportContent) -> str:
    """Return the page as HTML; the same content gives the same text."""
    from markupsafe import Markup

    figures = {
        name: Markup(to_svg(figure, name, description)) for name, figure, description in _figures(summary)
    }
    bins = [bin_label(summary.reference_band, limits) for limits in summary.magnitude_bins]
    return render_page(
        "products/report.html.j2",
        {"interval": interval_text},
        content=summary,
        figures=figures,
        bins=bins,
        colours=class_colours(summary.classes),
        numbers=(*_numbers(summary), *summary.numbers),
        warnings=(*summary.warnings, *_warnings(summary)),
        fields=field_rows(summary),
        field_rows_shown=FIELD_ROWS,
        scores=None if summary.confusion is None else Scores.of(summary.confusion),
        mean_ece=float(np.mean([curve.ece for curve in summary.reliability]))
        if summary.reliability
        else None,
        target_files=[weave_file_name(one.programme) for one in summary.targets],
    )


def interval_text(count: PoissonCount, digits: int = 1) -> str:
    """Return a count with its interval: "163.0 (+13.8 / −12.8)"."""
    if np.isnan(count.value):
        return "–"
    above, below = count.upper - count.value, count.value - count.lower
    return f"{count.value:,.{digits}f} (+{above:,.{digits}f} / −{below:,.{digits}f})"


def field_rows(summary: ReportContent) -> list[dict[str, Any]]:
    """Return covered area, QSOs and targets in each pixel of nside 32, about one WEAVE field.

    Empty when nothing was counted, or on pixels larger than a field.
    """
    counts = summary.counts
    if counts is None or counts.options.nside < FIELD_NSIDE or not len(counts.pixels):
        return []
    import healpy

    parent = counts.pixels // (counts.options.nside // FIELD_NSIDE) ** 2
    pixels, above = sum_by_pixel(parent, counts.pixel_above_threshold[:, None])
    place = np.searchsorted(pixels, parent)
    area = np.bincount(place, counts.pixel_area_deg2, len(pixels))
    summed = np.bincount(place, counts.pixel_summed, len(pixels))
    targets = np.zeros(len(pixels), dtype=np.int64)
    for programme in summary.targets:
        inside = np.isin(programme.pixels, pixels)
        np.add.at(targets, np.searchsorted(pixels, programme.pixels[inside]), programme.pixel_targets[inside])
    ra, dec = healpy.pix2ang(FIELD_NSIDE, pixels, nest=True, lonlat=True)
    whole = healpy.nside2pixarea(FIELD_NSIDE, degrees=True)
    rows = [
        {
            "pixel": int(pixels[row]),
            "ra": float(ra[row]),
            "dec": float(dec[row]),
            "area": float(area[row]),
            "covered": float(area[row] / whole),
            "summed": float(summed[row]),
            "above": int(above[row, 0]),
            "targets": int(targets[row]),
            # a sliver of a field says nothing about its density
            "target_density": float(targets[row] / area[row]) if area[row] > 0.02 * whole else np.nan,
        }
        for row in np.argsort(-area, kind="stable")
    ]
    return rows


def _numbers(summary: ReportContent) -> Iterator[Number]:
    counts = summary.counts
    if counts is not None:
        yield Number("objects classified", f"{counts.objects:,}")
        yield from _count_numbers(counts)
    if summary.targets:
        total = sum(one.number for one in summary.targets)
        yield Number(
            "WEAVE targets", f"{total:,}", ", ".join(one.programme.programme for one in summary.targets)
        )
    if summary.quarantine:
        yield Number("rows in quarantine", f"{sum(line.rows for line in summary.quarantine):,}")


def _count_numbers(counts: CountSummary) -> Iterator[Number]:
    limit = f"{counts.options.band_role}\u00a0<\u00a0{counts.options.brighter_than:g}"  # unbroken
    threshold = f"probability > {counts.options.threshold:g}, {limit}"
    if np.isnan(counts.area_deg2):
        yield Number("QSOs", count_text(counts.summed.value, 1), f"sum of probabilities, {limit}")
        yield Number("QSOs", count_text(counts.above_threshold.value), threshold)
        return
    given = counts.options.area_deg2 is not None
    note = "given" if given else "measured from the pixels that hold objects"
    yield Number("area", f"{counts.area_deg2:,.2f} deg²", note)
    density = counts.summed.per(counts.area_deg2)
    yield Number("QSOs per deg²", count_text(density.value, 1), f"sum of probabilities, {limit}")
    density = counts.above_threshold.per(counts.area_deg2)
    yield Number("QSOs per deg²", count_text(density.value, 1), threshold)


def _warnings(summary: ReportContent) -> Iterator[str]:
    counts = summary.counts
    if counts is not None and np.isnan(counts.area_deg2):
        yield (
            "The objects are too sparse to measure an area from the pixels that they cover, so that no densities "
            "are given: such a sample was selected, or needs its area_deg2 in [counts]."
        )
    if counts is not None and counts.without_class_star:
        yield (
            f"{counts.without_class_star:,} of {counts.objects:,} objects have no stellarity (class_star) and "
            "were left out of the QSO counts, which ask for one."
        )


def _figures(summary: ReportContent) -> Iterator[tuple[str, Figure, str]]:
    bins, band, classes = summary.magnitude_bins, summary.reference_band, summary.classes
    titles = tuple(bin_label(band, limits) for limits in bins)
    sky, counts, distributions = summary.sky, summary.counts, summary.distributions
    if sky is not None and len(sky.pixels):
        counted = tuple(
            name for name in (counts.options.classes if counts else classes[-1:]) if name in classes
        )
        yield (
            "sky",
            plots.sky_map(sky, counted),
            "Maps of the density of all objects and of QSOs over the sky",
        )
    if counts is not None and not np.isnan(counts.area_deg2):
        figure = plots.counts_by_bin(counts, bins, band)
        yield "counts", figure, "QSOs per square degree in each magnitude bin; the table gives the numbers"
    if distributions is not None:
        figure = plots.magnitude_histograms(distributions, band)
        yield "magnitudes", figure, f"Histogram of {band} magnitudes by predicted class"
        figure = plots.colour_colour(distributions, bins, band)
        yield "colours", figure, "Colour-colour diagrams by predicted class, one for each magnitude bin"
        figure = plots.confidence(distributions, bins, band)
        yield "confidence", figure, "Distribution of the largest probability by predicted class"
    if summary.reliability:
        figure = reliability(summary.reliability, classes)
        yield "reliability", figure, "True fraction against mean predicted probability for each class"
    if summary.confusion is not None:
        figure = confusion_matrices(summary.confusion, classes, titles)
        yield "confusion", figure, "Confusion matrices, one for each magnitude bin"
        figure = score_bars(Scores.of(summary.confusion), classes, bins, band)
        yield "scores", figure, "Purity, completeness and f1 score of each class in each magnitude bin"
    if summary.examples:
        shown = tuple(one.spectrum for one in summary.examples)
        wavelengths, widths = summary.band_wavelengths, summary.band_widths
        figure = example_spectra(shown, classes, wavelengths, widths, titles)
        yield "examples", figure, "Example J-spectra, one for each predicted class and magnitude bin"
    for number, one in enumerate(summary.targets):
        figure = plots.target_priorities(one)
        yield f"priorities{number}", figure, f"Targets of {one.programme.programme} by priority"
