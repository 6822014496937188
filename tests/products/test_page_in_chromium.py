"""The page as people see it: on a telephone, a tablet, a desk, in the dark, and on paper."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jpasbatch.products.report import make_report
from tests.chromium import Browser, browser
from tests.page_rules import LETTERS, OUTSIDE, SMALLEST, WIDTHS, check_letters, check_width
from tests.products.test_report import content_of

pytestmark = pytest.mark.slow

PAPER = 695
"""Pixels of A4 between the margins."""

FAINT = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = text => {
    const [r, g, b] = parts(text).slice(0, 3).map(one => one / 255)
      .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const found = getComputedStyle(one).backgroundColor;
      if (!found.startsWith("rgba") || parts(found)[3] === 1) return found;
    }
    throw new Error("nothing is behind");
  };
  return [...document.querySelectorAll("body *")]
    .filter(one => !one.closest("svg") && [...one.childNodes].some(part => part.nodeType === 3 && part.data.trim()))
    .map(one => [light(getComputedStyle(one).color), light(behind(one)), one.outerHTML.slice(0, 120)])
    .map(([ink, page, what]) => [(Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05), what])
    .filter(([contrast]) => contrast < 4.5);
})()
"""

CUT = """
[...document.querySelectorAll(".table")].filter(one => one.firstElementChild.getBoundingClientRect().right
  > document.querySelector(".page").getBoundingClientRect().right + 1).map(one => one.getAttribute("aria-label"))
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module", params=["a finished run", "hostile texts"])
def page(request, survey, sky, snapshots, tmp_path_factory) -> Path:
    """Return the page of a finished run, or one whose texts are as long as a catalogue and a job allow."""
    if request.param == "a finished run":
        return snapshots / "finished" / "report.html"
    content = content_of(survey, sky)
    found = dict(content.findings.found)
    for name in ("examples", "unusual"):
        spectra = tuple(
            dataclasses.replace(one, title="A_very-long.identifier" * 9, true_class="W" * 40)
            for one in found[name].spectra
        )
        found[name] = dataclasses.replace(found[name], spectra=spectra)
    content = dataclasses.replace(
        content,
        job="Aname-without-any-space-" * 8,
        warnings=("unbroken" * 60,),
        quarantine=(dataclasses.replace(content.quarantine[0], reason="reason_" * 20, example="x" * 200),),
        provenance={"committee": "ab" * 200},
    )
    content.findings.found.update(found)
    folder = tmp_path_factory.mktemp("page")
    report = make_report(content)
    (folder / "report").mkdir()
    for name, data in report.numbers.items():
        (folder / name).write_bytes(data)
    (folder / "report.html").write_text(report.page, encoding="utf-8")
    return folder / "report.html"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_lies_beside_the_screen(tab, page, width):
    check_width(tab, page, width, page.parent.name)


@pytest.mark.parametrize("width", WIDTHS)
def test_letters_of_figures_are_whole_and_can_be_read(tab, page, width):
    tab.open(page, width)
    check_letters(tab, more_than=300)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out(tab, page, dark):
    tab.open(page, 1280, dark)
    assert (
        tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    ) is not dark
    assert tab.evaluate(FAINT) == []


def test_these_rules_see_what_is_wrong(tab, page, tmp_path):
    wrong = """<style>.soft { color: #bbb } .panels svg { width: 200px } nav { width: 2000px }
      figure svg text { transform: translate(60px, 0) }</style></body>"""
    text = page.read_text(encoding="utf-8").replace("</body>", wrong)
    (tmp_path / "wrong.html").write_text(text, encoding="utf-8")
    tab.open(tmp_path / "wrong.html", 390)
    assert tab.evaluate("document.documentElement.scrollWidth") > 390
    assert tab.evaluate(OUTSIDE)
    assert tab.evaluate(FAINT)
    letters = tab.evaluate(LETTERS)
    assert any(one[1] < SMALLEST for one in letters)
    assert not all(one[2] for one in letters)


def test_the_policy_forbids_scripts(tab, page, tmp_path):
    """A script in the page would not run: it is told in the console, which this sees."""
    text = page.read_text(encoding="utf-8")
    assert "</body>" in text
    (tmp_path / "evil.html").write_text(text.replace("</body>", "<script>window.evil = 1</script></body>"))
    tab.open(tmp_path / "evil.html", 1280)
    assert tab.evaluate("window.evil === undefined")
    assert any("Content Security Policy" in one for one in tab.complaints)


def test_paper_holds_all_tables_and_no_page_is_blank(tab, page, tmp_path):
    tab.open(page, PAPER)
    tab.call("Emulation.setEmulatedMedia", media="print")
    assert tab.evaluate(CUT) == []
    tab.call("Emulation.setEmulatedMedia", media="")
    (tmp_path / "page.pdf").write_bytes(tab.print())
    if shutil.which("pdftoppm") is None:
        pytest.skip("needs pdftoppm to look at the pages (Debian: apt-get install poppler-utils)")
    command = ["pdftoppm", "-r", "30", "-gray", tmp_path / "page.pdf", tmp_path / "sheet"]
    subprocess.run(command, check=True, timeout=120)
    sheets = sorted(tmp_path.glob("sheet-*.pgm"))
    assert 5 < len(sheets) < 40
    for sheet in sheets:
        dark = _grey(sheet) < 200
        assert dark.mean() > 0.002, f"{sheet.name} is blank"
        assert not dark[:, -6:].any(), f"{sheet.name} is cut at the right"


def _grey(path: Path) -> np.ndarray:
    """Return a picture in PGM, uint8 (rows, columns)."""
    kind, size, most, data = path.read_bytes().split(b"\n", 3)
    assert (kind, most) == (b"P5", b"255")
    columns, rows = map(int, size.split())
    return np.frombuffer(data, dtype=np.uint8).reshape(rows, columns)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, False), (1280, True)])
def test_axe_finds_nothing_serious(tab, page, width, dark):
    named = os.environ.get("JPASBATCH_AXE")
    if not named:
        pytest.skip("needs axe-core: set JPASBATCH_AXE to its axe.min.js (npm pack axe-core)")
    tab.open(page, width, dark)
    tab.evaluate(Path(named).read_text(encoding="utf-8") + "; 0")
    run = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.map(one =>
      [one.id, one.impact, one.nodes.map(node => node.html.slice(0, 120)).slice(0, 3)]))"""
    assert [one for one in tab.evaluate(run) if one[1] in ("serious", "critical")] == []
