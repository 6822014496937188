"""What every page must pass in a browser, at the widths of a telephone, a tablet and a desk."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import ModuleType

import pytest

from jpasbatch.pages.figures import PageFigure, Report, numbers_files
from tests.chromium import Browser

WIDTHS = (390, 768, 1280)

SMALLEST = 8.0
"""Pixels of the letters of figures."""

OUTSIDE = """
[...document.querySelectorAll("body *")]
  .filter(one => !one.closest("svg *") && !one.closest(".table > *"))
  .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1)
  .map(one => one.outerHTML.slice(0, 120))
"""

LETTERS = """
[...document.querySelectorAll("figure svg[role=img] text")].map(one => {
  const svg = one.ownerSVGElement, frame = svg.getBoundingClientRect(), box = one.getBoundingClientRect();
  const scale = frame.width / svg.viewBox.baseVal.width;
  const inside = box.left >= frame.left - 1.5 && box.right <= frame.right + 1.5
    && box.top >= frame.top - 1.5 && box.bottom <= frame.bottom + 1.5;
  return [one.textContent, parseFloat(getComputedStyle(one).fontSize) * scale, inside];
})
"""


def check_width(tab: Browser, page: Path, width: int, name: str) -> None:
    """Open a page: nothing lies beside the screen, the console is silent; keep a picture where one is asked for."""
    tab.open(page, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(OUTSIDE) == []
    assert tab.complaints == []
    if folder := os.environ.get("JPASBATCH_PICTURES"):  # to look at
        (Path(folder) / f"{name}-{width}.png").write_bytes(tab.picture())


def check_letters(tab: Browser, more_than: int) -> None:
    """Look at the letters in the figures of the page that is open: all are whole and can be read."""
    letters = tab.evaluate(LETTERS)
    assert len(letters) > more_than
    assert [one for one in letters if not one[2]] == []
    assert [one for one in letters if one[1] < SMALLEST] == []


def broken_links(report: Report) -> list[str]:
    """Return what is wrong with the numbers of a page's figures: figures without, links, size."""
    files, linked = set(report.numbers), set(re.findall(r'href="([\w-]+/[\w-]+\.csv)"', report.page))
    wrong = [f"no such file: {name}" for name in sorted(linked - files)]
    wrong += [f"nothing links to {name}" for name in sorted(files - linked)]
    for figure in re.findall(r"<figure>.*?</figure>", report.page, re.DOTALL):
        if not re.search(r'href="[\w-]+/[\w-]+\.csv"', figure):
            wrong.append(f"a figure without its numbers: {figure[:80]}")
    if len(report.page.encode()) > 1_500_000:
        wrong.append(f"{len(report.page.encode()):,} bytes")
    return wrong if linked else [*wrong, "no figure has numbers"]


def captured_figures(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[tuple[str, PageFigure]]:
    """Return what will hold the figures of the next page that a module makes."""
    found: list[tuple[str, PageFigure]] = []

    def files(figures, folder):
        found.extend(figures)
        return numbers_files(found, folder)

    monkeypatch.setattr(module, "numbers_files", files)
    return found
