"""The part of the evaluation's page that shows a sample under stress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jpasbatch.pages.figures import PageFigure, figure_html
from jpasbatch.pages.page import package_file, render_block
from jpasbatch.pages.style import class_label
from jpasbatch.scoring import stress_figures
from jpasbatch.scoring.figure_numbers import missing_numbers, triple_numbers
from jpasbatch.scoring.stress import TRIPLE
from jpasbatch.scoring.stress_findings import group_of, known_or_last, worst_confusion, worst_triple
from jpasbatch.scoring.stress_scores import ALL, LIBRARY

if TYPE_CHECKING:
    from markupsafe import Markup

FEWEST = 20
"""Objects of a library without which it has no row on the page; the tables have all."""


def stress_section(
    content: Mapping[str, Any],
    drawn: Mapping[str, tuple[str, PageFigure]],
    classes: Sequence[str],
    patterns: bool,
    folder: str,
) -> Markup:
    """Return figures and tables of a sample under stress as HTML.

    Parameters
    ----------
    content : mapping
        `jpasbatch.scoring.stress_tables.Content` of the sample.
    drawn : mapping
        Its figures (`stress_drawings`).
    classes : sequence of str
    patterns : bool
        Whether the survey declares patterns of missing bands.
    folder : str
        Of the numbers of figures, relative to the page.
    """
    from markupsafe import Markup

    figures = {key: figure_html(name, figure, folder) for key, (name, figure) in drawn.items()}
    groups, cells = stress_figures.stress_cells(content)
    rows = list(stress_rows(content, classes))
    text = render_block(
        package_file("scoring/stress_section.html.j2"),
        {"signed": signed_score},
        figures=figures,
        groups=groups,
        cells=cells,
        objects=content["objects"],
        rejected=content["rejected"],
        ways=len(content["stresses"]) - 1,
        patterns=patterns,
        rows=rows,
        unclassified=any(row["all"]["unclassified"] for row in rows),
        libraries=list(library_rows(content, classes)),
    )
    return Markup(text)


def stress_drawings(
    sample: str, content: Mapping[str, Any], classes: Sequence[str]
) -> Iterator[tuple[str, tuple[str, PageFigure]]]:
    """Yield the figures of a sample under stress: under what the template calls them, with their names on the page."""
    text = "Weighted f1 against the number of missing bands"
    missing = PageFigure(stress_figures.missing_bands(content), text, missing_numbers(content))
    yield "missing", (f"{sample}-stress-missing", missing)
    numbers = triple_numbers(content, classes)
    for name, drawing in stress_figures.triples(content, classes).items():
        text = "What three missing neighbours cost, along the wavelength"
        yield name, (f"{sample}-stress-{name}", PageFigure(drawing, text, numbers[name]))


def stress_rows(content: Mapping[str, Any], classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each stress, and for the worst three given neighbours alone.

    Each has ``title``, ``all`` (scores of all objects, `stress_scores`), and ``confused``: in words, which confusion of
    all objects grows most.
    """
    worst = worst_triple(content)
    for stress in content["stresses"]:
        if stress["stress"] == TRIPLE and stress is not worst:
            continue
        group = group_of(stress, ALL)
        name = "worst three" if stress is worst else stress["stress"]
        yield {
            "title": f"{name}: {stress['level']}" if stress["level"] else name,
            "all": group,
            "confused": _confused(group, classes),
        }


def _confused(group: Mapping[str, Any], classes: Sequence[str]) -> str:
    found = worst_confusion(group, classes)
    if found is None:
        return ""
    names = f"{class_label(found.true_class)} called {class_label(found.called)}"
    return f"{names} {100 * found.share:.1f} % ({100 * found.change:+.1f})"


def library_rows(content: Mapping[str, Any], classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each library of spectra with `FEWEST` objects.

    Each has ``name``, ``objects``, the share that is ``right`` when unspoilt, ``worst`` (the share that is right under
    the stress that leaves fewest right, single triples included), ``under`` (which stress) and ``confused`` by it.
    """
    unspoilt, *others = content["stresses"]
    for group in unspoilt["groups"]:
        if not group["group"].startswith(LIBRARY) or group["objects"] < FEWEST:
            continue
        found = [(one, group_of(one, group["group"])) for one in others]
        stress, worst = min(found, key=lambda pair: known_or_last(pair[1]["right"]))
        yield {
            "name": group["group"].removeprefix(LIBRARY),
            "objects": group["objects"],
            "right": group["right"],
            "worst": worst["right"],
            "under": f"{stress['stress']}: {stress['level']}",
            "confused": _confused(worst, classes),
        }


def signed_score(pair: Sequence[float | None]) -> str:
    """Return a change with its error, or a dash where it is not defined."""
    value, error = pair
    if value is None or value != value:
        return "–"
    return f"{value:+.3f} ± {error:.3f}"
