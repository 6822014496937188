"""The look of every figure: one colour a class, ink that follows the page, and the way to SVG.

Colours are those of Okabe & Ito (2008), distinct to colour-blind readers; line styles and markers repeat the
distinction. Figures have no background, and their ink becomes ``currentColor`` in SVG, so that they suit a
light page and a dark one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1b1f24"
BLUE = "#0072B2"
CLASS_COLOURS = {
    "star": "#E69F00",
    "galaxy": "#009E73",
    "qso_low": "#0072B2",
    "qso_high": "#D55E00",
}
OTHER_COLOURS = ("#56B4E9", "#CC79A7", "#E69F00", "#009E73", "#0072B2", "#D55E00", "#999999")
ORANGE = "#D55E00"
Line = str | tuple[float, tuple[float, ...]]
LINES: tuple[Line, ...] = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
ABBREVIATIONS = {"qso": "QSO", "agn": "AGN", "sfg": "SFG", "bal": "BAL"}

_STYLE: Any = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],  # which measures texts; a page has a font of its own
}


def class_colours(classes: tuple[str, ...]) -> dict[str, str]:
    """Return the colour of each class: its own if it has one, else the next that is free."""
    colours = {name: CLASS_COLOURS[name] for name in classes if name in CLASS_COLOURS}
    free = [colour for colour in OTHER_COLOURS if colour not in colours.values()]
    for number, name in enumerate(name for name in classes if name not in colours):
        colours[name] = free[number % len(free)]
    return {name: colours[name] for name in classes}


def class_label(name: str) -> str:
    """Return a class as people write it: ``qso_high`` is "QSO high"."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in name.split("_"))


def bin_label(band: str, limits: tuple[float, float]) -> str:
    """Return a magnitude bin as people write it: "20 < r ≤ 22.5"."""
    return f"{limits[0]:g} < {band} ≤ {limits[1]:g}"


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of the report."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Return a figure as an SVG element to be put into a page.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Distinguishes the identifiers of this figure from those of others in the page.
    description : str
        What the figure says, for readers who cannot see it.
    """
    import matplotlib as mpl

    with house_style(), mpl.rc_context({"svg.hashsalt": name}):
        file = io.StringIO()
        figure.savefig(file, format="svg", dpi=110, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'(id="|url\(#|xlink:href="#)', rf"\g<1>{name}-", text)
    text = _shortened(text)
    width = re.search(r'width="([\d.]+)pt"', text)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    size = f' style="max-width:{float(width[1]) * 4 / 3:.0f}px"' if width else ""
    label = quoteattr(description)
    text = text.replace("<svg ", f'<svg role="img" aria-label={label}{size} ', 1)
    return text.replace(">", f"><title>{escape(description)}</title>", 1)


_COORDINATES = re.compile(r' (d|x|y)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_IDLE = re.compile(r' transform="rotate\(-0 [^)]*\)"|\s*<metadata>.*?</metadata>', re.DOTALL)


def _shortened(svg: str) -> str:
    """Return an SVG without what nobody sees: a page is a third smaller. Coordinates are to a hundredth of a point."""
    svg = _COORDINATES.sub(lambda found: _DECIMALS.sub(r"\1", found[0]), _IDLE.sub("", svg))
    return re.sub(r"\n +", "\n", svg)


def to_png(figure: Figure) -> bytes:
    """Return a figure as a picture on white (PNG)."""
    with house_style():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return file.getvalue()
