"""What every page must pass in a browser, at the widths of a telephone, a tablet and a desk."""

from __future__ import annotations

import os
from pathlib import Path

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
