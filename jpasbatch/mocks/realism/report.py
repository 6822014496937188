"""The realism report of a mock: one HTML page, made from the numbers that were stored when it was measured.

Of a part that is missing the page says so, and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jpasbatch.mocks.realism import figures as realism_figures
from jpasbatch.mocks.realism.figure_numbers import (
    distribution_numbers,
    gallery_numbers,
    locus_numbers,
    noise_numbers,
    width_numbers,
)
from jpasbatch.pages.figures import PageFigure, Report, figure_html, numbers_files
from jpasbatch.pages.page import render_page
from jpasbatch.pages.style import bin_label, class_colours, class_label

LARGEST_OFFSET = 0.1
"""Magnitudes by which a colour locus may be off without remark."""

SHOWN_FIRST = ("survey", "field", "test", "validation", "training")
"""Of which set noise is shown: the first of these."""

CONDITIONS_ON_COUNTS = {"survey": 0, "field": 1}
"""Numbers of quasars that a set was given; two, those of both halves, in the balanced ones."""

LEAST_EXPECTED = 1.0
"""Quasars expected in a bin that counts for chi2."""

LARGE_PULL = 3.0
CLASSES = ("star", "galaxy", "qso")


NUMBERS = "realism"
"""Folder of the numbers of figures, beside the page."""


def render_realism(content: Mapping[str, Any], facts: Mapping[str, Any]) -> Report:
    """Return the page with the files that it links to; the same content gives the same ones.

    Parameters
    ----------
    content : mapping
        As stored: ``sets`` (by name: ``rows``, ``partitions``, ``area_deg2``, ``tally``, ``expected``), ``colours``,
        ``library_colours``, ``lines``, ``gallery``, ``parents`` (by class, kind and split), ``lacking`` (keys of
        sources) and ``notes``. All but ``sets`` may be missing or None.
    facts : mapping
        ``job``, ``survey``, ``seed``, ``templates``, ``version``, ``date``, and optionally ``band`` (of the objects'
        magnitudes), ``title`` and ``options``.
    """
    band = facts.get("band") or "r"
    drawn = list(_figures(content, band))
    figures = {name: figure_html(name, figure, NUMBERS) for name, figure in drawn}
    colours, libraries = (content.get(key) or {} for key in ("colours", "library_colours"))
    counts = {name: counts_of(name, part, band) for name, part in content["sets"].items() if part["expected"]}
    page = render_page(
        "mocks/realism/report.html.j2",
        {"signed": signed_text},
        facts=facts,
        content=content,
        figures=figures,
        classes=CLASSES,
        swatches=class_colours(CLASSES),
        colours=colours,
        libraries=libraries,
        offsets=offset_rows(colours),
        library_offsets=offset_rows(libraries),
        counts=counts,
        lines=content.get("lines"),
        parents=_parent_rows(content.get("parents") or {}),
        noisy_set=_noisy_set(content),
        options=list(_flat(facts.get("options") or {})),
        reused=bool(((facts.get("options") or {}).get("survey") or {}).get("library")),
        limit=LARGEST_OFFSET,
        large_pull=LARGE_PULL,
        misplaced=sum(part["tally"]["misplaced"][0] for part in content["sets"].values()),
    )
    return Report(page, numbers_files(drawn, NUMBERS))


def offset_rows(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each class and colour: offset, medians, and what to say of it in words."""
    rows = []
    for name, part in (comparison.get("classes") or {}).items():
        for colour, median in part["median"].items():
            offset = part["offset"].get(colour)
            large = offset is not None and abs(offset) > LARGEST_OFFSET
            if colour == part["axis"]:
                remark = "the locus is a function of it"
            elif offset is None:
                remark = "too few observed objects"
            elif large:
                side = "redder" if offset > 0 else "bluer"
                remark = f"mock is {abs(offset):.2f} mag {side}: more than {LARGEST_OFFSET:g}"
            else:
                remark = f"within {LARGEST_OFFSET:g} mag"
            rows.append(
                {
                    "class": name,
                    "colour": colour,
                    "offset": offset,
                    "mock": median["mock"],
                    "real": median["real"],
                    "large": large,
                    "remark": remark,
                    "numbers": part["numbers"],
                }
            )
    return rows


def counts_of(set_name: str, part: Mapping[str, Any], band: str = "r") -> dict[str, Any]:
    """Compare a set's quasars with the table of counts: rows of cells, and chi2 with its probability."""
    from scipy.stats import chi2

    tally = part["tally"]
    found, expected = np.array(tally["quasars"], dtype=float), np.array(part["expected"], dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = (found - expected) / np.sqrt(expected)
    counted = expected >= LEAST_EXPECTED
    total = float((pull[counted] ** 2).sum())
    freedom = int(counted.sum()) - CONDITIONS_ON_COUNTS.get(set_name, 2)
    rows = [
        {
            "bin": bin_label(band, limits),
            "cells": [
                {
                    "found": found[row, one],
                    "expected": expected[row, one],
                    "pull": pull[row, one] if counted[row, one] else None,
                }
                for one in range(found.shape[1])
            ],
        }
        for row, limits in enumerate(tally["bins"]["qso_magnitudes"])
    ]
    return {
        "rows": rows,
        "redshifts": [f"{low:g} ≤ z < {high:g}" for low, high in tally["bins"]["qso_redshifts"]],
        "found": float(found.sum()),
        "expected": float(expected.sum()),
        "chi2": total,
        "freedom": freedom,
        "probability": float(chi2.sf(total, freedom)) if freedom > 0 else float("nan"),
        "worst": float(np.abs(pull[counted]).max()) if counted.any() else 0.0,
        "rare": [float(found[~counted].sum()), float(expected[~counted].sum())],
    }


def signed_text(value: float | None, digits: int = 2) -> str:
    """Return a number with its sign, or a dash for None and NaN."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:+.{digits}f}".replace("-", "−")


def _figures(content: Mapping[str, Any], band: str) -> Iterator[tuple[str, PageFigure]]:
    if sets := content["sets"]:
        text = f"Histograms of {band} magnitude and redshift by class, a row for each set"
        drawing = realism_figures.distributions(sets, band)
        yield "distributions", PageFigure(drawing, text, distribution_numbers(sets, band))
    for key, start in (("colours", "sdss"), ("library_colours", "library")):
        for name, part in ((content.get(key) or {}).get("classes") or {}).items():
            drawing = realism_figures.colour_loci(part, name)
            label = (
                f"Colours of mock {class_label(name)} objects against {part['axis']}, beside observed ones"
            )
            yield f"{start}-{name}", PageFigure(drawing, label, locus_numbers(part))
    noisy, bands = _noisy_set(content), _bands(content)
    if noisy is not None and bands is not None:
        tally = content["sets"][noisy]["tally"]
        text = "Median signal-to-noise ratio and share of non-detections by band and magnitude"
        drawing = realism_figures.signal_to_noise(tally, bands, band)
        yield "noise", PageFigure(drawing, text, noise_numbers(tally, bands, band))
    if content.get("lines"):
        text, lines = "Equivalent widths against luminosity, and histograms", content["lines"]
        for number, drawing in enumerate(realism_figures.line_widths(lines)):
            numbers = width_numbers(lines["lines"][number], lines["width_edges"])
            yield f"lines-{number}", PageFigure(drawing, text, numbers)
    if content.get("gallery"):
        text = "J-spectra of mock objects of each class from bright to faint, parents behind"
        drawing = realism_figures.gallery(content["gallery"])
        yield "gallery", PageFigure(drawing, text, gallery_numbers(content["gallery"]))


def _noisy_set(content: Mapping[str, Any]) -> str | None:
    return next((name for name in SHOWN_FIRST if name in content["sets"]), None)


def _bands(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Names and wavelengths of the bands, which the gallery's objects bear."""
    objects = content.get("gallery")
    return {key: objects[0][key] for key in ("band", "wavelength")} if objects else None


def _parent_rows(parents: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"class": name, "kind": kind, "splits": splits}
        for name, kinds in parents.items()
        for kind, splits in kinds.items()
    ]


def _flat(options: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, str]]:
    """Yield options as dotted names and text; where the pack lies is nobody's concern."""
    for key, value in options.items():
        if start == "" and key == "templates":
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{start}{key}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{start}{key}", f"{value:,}" if isinstance(value, int) and key != "seed" else str(value)
