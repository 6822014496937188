"""The series of publications on the page of a job: how counts, quarantine and target lists moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.page import package_file
from jpasbatch.pages.style import BLUE, house_style, new_figure, to_svg
from jpasbatch.products.sections import Section, render_body

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 60
"""Publications in the table; the figure has all."""


@dataclass(frozen=True)
class SeriesPoint:
    """One publication. None where it was not recorded, or is not known.

    Attributes
    ----------
    time : str
        ISO date and time.
    rows : int
        Classified objects.
    number : float
        Counted objects: a sum of probabilities.
    density, lower, upper : float
        These per deg2, with their 68 % interval; None where the area is not known.
    quarantined : int
        Rows that were set aside.
    lists : mapping of str to int
        Targets of each list.
    """

    time: str
    rows: int | None = None
    number: float | None = None
    density: float | None = None
    lower: float | None = None
    upper: float | None = None
    quarantined: int | None = None
    lists: Mapping[str, int] = field(default_factory=dict)

    @property
    def when(self) -> str:
        """Date and time as the page shows them."""
        return self.time[:16].replace("T", " ")


def series_section(points: Sequence[SeriesPoint]) -> Section | None:
    """Return the section of the page, the newest publication last; None where there are fewer than two."""
    from markupsafe import Markup

    if len(points) < 2:
        return None
    known = [one for one in points if None not in (one.density, one.lower, one.upper)]
    figure = Markup("")
    if len(known) > 1:
        # no `figure` element: its numbers are the table below it
        figure = Markup('<div class="series">{}</div>').format(
            Markup(
                to_svg(density_figure(known), "series", "Density of counted objects by date, with intervals")
            )
        )
    body = render_body(
        package_file("products/series.html.j2"),
        (),
        figure=figure,
        points=points[-SHOWN:],
        left_out=max(len(points) - SHOWN, 0),
        lists=sorted({name for one in points[-SHOWN:] for name in one.lists}),
    )
    return Section("series", "Publications", "Publications", body)


def density_figure(points: Sequence[SeriesPoint]) -> Figure:
    """Draw densities with their intervals by date.

    Parameters
    ----------
    points : sequence of SeriesPoint
        All of known density.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    times = date2num([datetime.fromisoformat(one.time) for one in points])
    middle, lower, upper = (
        np.array([getattr(one, name) for one in points], dtype=np.float64)
        for name in ("density", "lower", "upper")
    )
    with house_style():
        figure = new_figure(4.6, 2.8)
        axes = figure.add_subplot()
        below, above = np.maximum(middle - lower, 0), np.maximum(upper - middle, 0)
        axes.errorbar(times, middle, [below, above], fmt="o", ms=4, capsize=2, color=BLUE)
        locator = AutoDateLocator(minticks=2, maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set(xlabel="published (UTC)", ylabel="counted objects per deg²")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.08)
    return figure
