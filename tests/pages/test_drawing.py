"""Panels and their legend as HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel, drawing_html, legend_html
from jpasbatch.pages.style import INK, LINES, MARKERS, new_figure
from tests.products.page_rules import read_page


@pytest.mark.usefixtures("blank_figures")
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_texts_are_texts(title, remark, label):
    legend = (Key(label, "#123456", "-"),)
    text = drawing_html(Drawing((Panel(new_figure(1, 1), title, remark),), legend), "one", "What is drawn")
    plain = read_page(text)
    assert {tag for tag, _ in plain.attributes} <= {"div", "p", "b", "ul", "li", "svg", "path", "title"}
    assert plain.crossed == plain.open == []


def test_every_look_has_a_sample():
    keys = [Key("line", INK, line) for line in (*LINES, ":")]
    keys += [Key("mark", "#0072B2", None, mark) for mark in (*MARKERS, "_", "area")]
    keys.append(Key("hollow", "#0072B2", "--", "o", hollow=True))
    text = legend_html(keys)
    assert text.count("<li>") == text.count("<svg") == len(keys)
    assert text.count("currentColor") == len(LINES) + 1
    assert 'fill="none"' in text
    assert "#1b1f24" not in text


def test_panels_share_a_legend_and_have_words_of_their_own():
    panels = (Panel(new_figure(1, 1), "bright"), Panel(new_figure(1, 1), "faint", "17 not shown"))
    text = drawing_html(Drawing(panels, (Key("star", "#E69F00", marker="area"),)), "sky", "Map of the sky")
    assert text.count('<ul class="legend">') == 1
    assert 'aria-label="Map of the sky: bright"' in text
    assert 'aria-label="Map of the sky: faint"' in text
    assert "<p>17 not shown</p>" in text
    names = read_page(text).identifiers
    assert len(names) == len(set(names))
    assert 'class="panels single"' in drawing_html(Drawing.of(new_figure(1, 1)), "one", "Only one of them")


def test_a_panel_is_no_wider_than_a_telephone():
    """Letters of 9.5 points are 9 pixels high and more on a page of 390 pixels, which leaves 358 for a panel."""
    for width in (PANEL, SINGLE):
        assert 9.5 * 4 / 3 * min(1.0, 358 / (width * 96)) > 9


def test_a_key_is_drawn_as_it_is_told():
    assert Key("one", INK, "--", "o", hollow=True).look == {
        "color": INK,
        "linestyle": "--",
        "marker": "o",
        "markerfacecolor": "none",
    }
    assert Key("one", INK).look == {"color": INK, "linestyle": "none"}
