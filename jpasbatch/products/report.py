"""The report of a job: one HTML page that holds all it shows, figures included, and needs no script.

The numbers of each figure lie in a file beside it, which the page links to. `ReportContent` says what a page can show.
Each product brings its section; the frame holds what is about the job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from jpasbatch.pages.figures import PageFigure, Report, figure_html, numbers_files
from jpasbatch.pages.page import render_page
from jpasbatch.products.protocol import Findings, Product
from jpasbatch.products.sections import Number, Section, swatch


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
    job : str
        Title of the job.
    created : str
        Date and time as shown; an argument, so that a page can be made again byte by byte.
    mock_title : str
        What the page says in large letters where the sky is simulated; empty where it is not.
    products : tuple of Product
        In the order of their sections; one that found nothing to show has none.
    findings : Findings
        What these products found.
    numbers : tuple of Number
        Further numbers for the top of the page.
    warnings : tuple of str
        Further sentences that a reader must know before using a product.
    quarantine : tuple of QuarantineLine
    provenance : mapping of str to str
        Versions and fingerprints.
    stages : tuple of StageLine
    sections : tuple of Section
        Further sections, after those of the products.
    """

    job: str
    created: str
    mock_title: str
    products: tuple[Product, ...]
    findings: Findings
    numbers: tuple[Number, ...] = ()
    warnings: tuple[str, ...] = ()
    quarantine: tuple[QuarantineLine, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[StageLine, ...] = ()
    sections: tuple[Section, ...] = ()


def product_warnings(products: tuple[Product, ...], findings: Findings) -> list[str]:
    """Return what readers must know before they use the products, one sentence each."""
    return [text for product in products for text in product.warnings(findings.found[product.name], findings)]


NUMBERS = "report"
"""Folder beside the page with the numbers of its figures."""


def make_report(content: ReportContent) -> Report:
    """Return the page with the files that it links to; the same content gives the same ones."""
    findings, setting = content.findings, content.findings.setting
    figures = {
        product.name: product.figures(findings.found[product.name], findings) for product in content.products
    }
    warnings = product_warnings(content.products, findings)
    page = render_page(
        "products/report.html.j2",
        {"swatch": swatch(setting.class_names)},
        content=content,
        survey=setting.survey,
        classes=setting.class_names,
        numbers=(*_numbers(content), *content.numbers),
        warnings=(*warnings, *content.warnings),
        sections=list(_sections(content, figures)),
    )
    drawn = chain.from_iterable(one.items() for one in figures.values())
    return Report(page, numbers_files(drawn, NUMBERS))


def _numbers(content: ReportContent) -> Iterator[Number]:
    findings = content.findings
    for product in content.products:
        yield from product.numbers(findings.found[product.name], findings)
    if content.quarantine:
        yield Number("rows in quarantine", f"{sum(line.rows for line in content.quarantine):,}")


def _sections(content: ReportContent, figures: Mapping[str, Mapping[str, PageFigure]]) -> Iterator[Section]:
    findings = content.findings
    for product in content.products:
        shown = {name: figure_html(name, one, NUMBERS) for name, one in figures[product.name].items()}
        section = product.section(findings.found[product.name], findings, shown)
        if section is not None:
            yield section
    yield from content.sections
