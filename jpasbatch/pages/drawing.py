"""What a page shows as one figure: panels that stand beside or below each other, as the page allows, and a legend.

A panel is no wider than a telephone, so that its letters stay readable there. Titles and the legend are text of the
page: they wrap, and they never lie upon the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jpasbatch.pages.style import INK, Line, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

PANEL = 3.6
"""Width of a panel among others, inches (346 pixels of a page)."""

SINGLE = 4.6
"""Width of a panel that stands alone, inches."""

_DASHES = {"-": "", "--": "5 2.5", "-.": "6 2 1.5 2", ":": "1.5 2"}

_SHAPES = {
    "o": "M9.8 6a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
    "s": "M10 3h6v6h-6z",
    "D": "M13 2l4 4l-4 4l-4-4z",
    "^": "M13 2.4l3.6 6.6h-7.2z",
    "v": "M13 9.6l3.6-6.6h-7.2z",
    "P": "M11.7 2h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
    "X": "M9.5 3.6l1.3-1.3l2.2 2.2l2.2-2.2l1.3 1.3l-2.2 2.4l2.2 2.4l-1.3 1.3l-2.2-2.2l-2.2 2.2l-1.3-1.3l2.2-2.4z",
    "_": "M5 5.2h16v1.6h-16z",
    "area": "M6 1.5h14v9h-14z",
}


@dataclass(frozen=True)
class Key:
    """An entry of a legend, and the look of what it names.

    Attributes
    ----------
    label : str
    colour : str
        As ``#rrggbb``.
    line : str or (float, tuple of float), optional
        Style as matplotlib has it; None without a line.
    marker : str
        One of `jpasbatch.pages.style.MARKERS`, "_" (a level), "area" (a surface), or "" without one.
    hollow : bool
        Whether markers are outlines.
    """

    label: str
    colour: str
    line: Line | None = None
    marker: str = ""
    hollow: bool = False

    @property
    def look(self) -> dict[str, Any]:
        """Colour, line and marker as matplotlib takes them."""
        look: dict[str, Any] = {"color": self.colour, "linestyle": "none" if self.line is None else self.line}
        if self.marker:
            look["marker"] = self.marker
        return look | ({"markerfacecolor": "none"} if self.hollow else {})


@dataclass(frozen=True)
class Panel:
    """One picture of a figure.

    Attributes
    ----------
    figure : Figure
    title : str
        Above it.
    remark : str
        A second line above it, smaller.
    """

    figure: Figure
    title: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Drawing:
    """Panels and the legend that they share."""

    panels: tuple[Panel, ...]
    legend: tuple[Key, ...] = ()

    @classmethod
    def of(cls, *figures: Figure, legend: Sequence[Key] = ()) -> Drawing:
        """Return panels without titles."""
        return cls(tuple(Panel(one) for one in figures), tuple(legend))


def drawing_html(drawing: Drawing, name: str, description: str) -> Markup:
    """Return the legend and the panels as HTML, to stand in a ``figure``.

    Parameters
    ----------
    drawing : Drawing
    name : str
        Distinguishes the identifiers of this figure from those of others in the page.
    description : str
        What the figure says, for readers who cannot see it; each panel says it with its title.
    """
    from markupsafe import Markup

    parts = [legend_html(drawing.legend)] if drawing.legend else []
    panels = [
        _panel_html(panel, f"{name}-{number}" if number else name, description)
        for number, panel in enumerate(drawing.panels)
    ]
    kind = "panels" if len(panels) > 1 else "panels single"
    parts.append(Markup('<div class="{}">\n{}\n</div>\n').format(kind, Markup("\n").join(panels)))
    return Markup("").join(parts)


def _panel_html(panel: Panel, name: str, description: str) -> Markup:
    from markupsafe import Markup

    text = f"{description}: {panel.title}" if panel.title else description
    title = Markup("<p><b>{}</b></p>").format(panel.title) if panel.title else Markup("")
    remark = Markup("<p>{}</p>").format(panel.remark) if panel.remark else Markup("")
    return Markup("<div>{}{}{}</div>").format(title, remark, Markup(to_svg(panel.figure, name, text)))


def legend_html(keys: Sequence[Key]) -> Markup:
    """Return a legend as an HTML list."""
    from markupsafe import Markup

    entries = [Markup("<li>{}{}</li>").format(_sample(one), one.label) for one in keys]
    return Markup('<ul class="legend">{}</ul>\n').format(Markup("").join(entries))


def _sample(key: Key) -> Markup:
    """Return a piece of the line with its marker, as SVG that readers of the screen pass over."""
    from markupsafe import Markup

    colour = "currentColor" if key.colour == INK else key.colour
    line, mark = Markup(""), Markup("")
    if key.line is not None:
        dashes = (
            _DASHES[key.line]
            if isinstance(key.line, str)
            else " ".join(f"{2 * one:g}" for one in key.line[1])
        )
        line = Markup('<path d="M0 6h26" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>').format(
            colour, dashes
        )
    if key.marker:
        fill = "none" if key.hollow else colour
        mark = Markup('<path d="{}" fill="{}" stroke="{}"/>').format(_SHAPES[key.marker], fill, colour)
    return Markup('<svg aria-hidden="true" viewBox="0 0 26 12">{}{}</svg>').format(line, mark)
