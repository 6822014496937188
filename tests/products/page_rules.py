"""Rules that every page keeps, whatever products it shows, and every figure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser

import numpy as np

from jpasbatch.products.sections import PageFigure

VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})


class Outline(HTMLParser):
    """Collects what a page holds, and whether elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict]] = []
        self.crossed: list[str] = []
        self.tables: list[list[list[dict]]] = []
        self.levels: list[int] = []
        self.groups: list[dict] = []

    @property
    def identifiers(self) -> list[str]:
        """Values of all ``id``."""
        return [values["id"] for _, values in self.attributes if "id" in values]

    @property
    def links(self) -> list[str]:
        """What elements point to."""
        keys = ("href", "src", "xlink:href")
        return [values[key] for _, values in self.attributes for key in keys if key in values]

    @property
    def pictures(self) -> list[dict]:
        """Attributes of pictures."""
        return [values for tag, values in self.attributes if tag in ("svg", "img")]

    def handle_starttag(self, tag, attributes):
        """Note an element."""
        values = dict(attributes)
        self.attributes.append((tag, values))
        if tag == "div" and values.get("class") == "table":
            self.groups.append(values)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append({"tag": tag, "text": "", "unit": "", **values})
        if tag == "caption":
            self.tables[-1].append([{"tag": tag, "text": ""}])
        if tag not in VOID:
            self.open.append(tag if values.get("class") != "unit" else "unit")

    def handle_startendtag(self, tag, attributes):
        """Note an element without content."""
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        """Close an element."""
        if (last := self.open.pop()) not in (tag, "unit"):
            self.crossed.append(f"{last} before {tag}")

    def handle_data(self, data):
        """Note the text of a cell."""
        if "table" in self.open and self.tables[-1] and self.tables[-1][-1]:
            where = "unit" if "unit" in self.open else "text"
            cell = self.tables[-1][-1][-1]
            cell[where] = cell.get(where, "") + data.strip()


def read_page(page: str) -> Outline:
    """Return the outline of a page."""
    parser = Outline()
    parser.feed(page)
    return parser


def broken_rules(page: str, files: Collection[str]) -> list[str]:
    """Return every rule that a page breaks, and where.

    Parameters
    ----------
    page : str
    files : collection of str
        Numbers of figures that lie beside it.
    """
    outline = read_page(page)
    return [
        *(f"elements cross: {one}" for one in outline.crossed + outline.open),
        *_broken_links(page, outline, files),
        *_broken_pictures(outline),
        *_broken_headings(outline),
        *_broken_tables(outline),
    ]


def _broken_links(page: str, outline: Outline, files: Collection[str]) -> Iterator[str]:
    identifiers, links = set(outline.identifiers), set(outline.links)
    if len(outline.identifiers) != len(identifiers):
        yield "an identifier occurs twice"
    for link in sorted(links):
        if link.startswith("#"):
            if link[1:] not in identifiers:
                yield f"leads nowhere: {link}"
        elif link.startswith("report/"):
            if link not in files:
                yield f"no such file: {link}"
        elif not re.match(r"data:|provenance\.json$|(counts|expected|reliability|targets)/", link):
            yield f"leads out of the folder: {link}"
    for file in files:
        if file not in links:
            yield f"nothing links to {file}"
    if re.search(r"<script|\son[a-z]+=|javascript:|@import|url\((?!['\"]?#)", page.replace("data:", "")):
        yield "the page runs or loads something"
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    if policy is None or "default-src 'none'" not in policy[1] or "script-src" in policy[1]:
        yield "no policy that forbids scripts"
    if (
        '<html lang="en">' not in page
        or 'name="viewport"' not in page
        or not re.search("<title>[^<]+<", page)
    ):
        yield "no language, no title, or no viewport"
    if len(page.encode()) > 1_500_000:
        yield f"{len(page.encode()):,} bytes"
    for figure in re.findall(r"<figure>.*?</figure>", page, re.DOTALL):
        if not re.search(r'href="report/[\w-]+\.csv"', figure):
            yield f"a figure without its numbers: {figure[:80]}"
    if any("legend_" in one for one in identifiers):
        yield "a legend lies upon the data"


def _broken_pictures(outline: Outline) -> Iterator[str]:
    for one in outline.pictures:
        if one.get("aria-hidden") != "true" and (
            one.get("role") != "img" or len(one.get("aria-label", "")) < 10
        ):
            yield f"a picture without words: {one}"


def _broken_headings(outline: Outline) -> Iterator[str]:
    if outline.levels[:1] != [1] or outline.levels.count(1) != 1:
        yield f"headings begin with {outline.levels[:3]}"
    for before, after in zip(outline.levels, outline.levels[1:], strict=False):
        if after > before + 1:
            yield f"a heading of level {after} follows one of {before}"


def _broken_tables(outline: Outline) -> Iterator[str]:
    if len(outline.groups) != len(outline.tables):
        yield "a table that cannot scroll"
    labels = [one.get("aria-label") for one in outline.groups]
    if len(labels) != len(set(labels)) or not all(labels):
        yield f"tables without a name of their own: {sorted(map(str, labels))}"
    if not all(one.get("tabindex") == "0" and one.get("role") == "group" for one in outline.groups):
        yield "a table that the keyboard cannot reach"
    for label, rows in zip(labels, outline.tables, strict=False):
        kind, *body = rows
        if kind[0]["tag"] != "caption" or not kind[0]["text"]:
            yield f"{label}: no caption"
            continue
        if any(cell["tag"] == "th" and not cell.get("scope") for row in body for cell in row):
            yield f"{label}: a heading without scope"
        head = [cell for cell in body[0] if cell.get("scope") == "col"]
        lines = [row for row in body if row and not any(cell.get("scope") == "col" for cell in row)]
        for place, cell in enumerate(head):
            if "text" not in (cell.get("class") or "") and not cell["unit"]:
                yield f"{label}: column {cell['text']!r} has no unit"
            if lines and not any(row[place]["text"] for row in lines):
                yield f"{label}: column {cell['text']!r} is empty"
        if head and any(len(row) != len(head) for row in lines):
            yield f"{label}: rows of another length than the head"


def lost_values(figure: PageFigure) -> list[float]:
    """Return values that a figure draws and its numbers do not hold."""
    held = [
        np.asarray(one, dtype=np.float64)
        for one in figure.numbers.values()
        if np.asarray(one).dtype.kind in "iuf"
    ]
    known = np.concatenate([one[np.isfinite(one)] for one in held])
    drawn = np.array([value for panel in figure.drawing.panels for value in _drawn(panel.figure)])
    drawn = drawn[np.isfinite(drawn) & (drawn != 0)]  # bars of what is not known have no height
    near = np.sort(known)
    place = np.clip(np.searchsorted(near, drawn), 1, max(len(near) - 1, 1)) if len(near) else np.zeros(0, int)
    close = np.minimum(
        np.abs(near[np.minimum(place, len(near) - 1)] - drawn), np.abs(near[place - 1] - drawn)
    )
    return drawn[close > 1e-6 * np.abs(drawn)].tolist()


def _drawn(figure) -> Iterator[float]:
    """Yield the values of all lines, steps, bars and maps of a figure."""
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            continue
        for line in axes.lines:
            if line.get_label() not in ("_guide", "_errors"):
                yield from np.asarray(line.get_ydata(), dtype=np.float64)
        for patch in axes.patches:
            if hasattr(patch, "get_data") and not patch.get_fill():
                yield from np.asarray(patch.get_data().values, dtype=np.float64)
        for bars in axes.containers:
            if hasattr(bars, "patches"):
                yield from (bar.get_height() for bar in bars.patches)
        for image in [*axes.images, *(one for one in axes.collections if hasattr(one, "get_coordinates"))]:
            values = np.ma.filled(np.ma.asarray(image.get_array(), dtype=np.float64), np.nan)
            if values.ndim < 3 and image.get_label() != "_mask":
                yield from np.unique(values[np.isfinite(values)])
