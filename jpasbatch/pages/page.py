"""The frame that all pages share: how a template becomes one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import class_label

if TYPE_CHECKING:
    from markupsafe import Markup

Filters = Mapping[str, Callable[..., str]]


def render_page(template: str, filters: Filters, **content: Any) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    template : str
        Path below the package, such as ``products/report.html.j2``.
    filters : mapping
        What the template calls besides ``count``, ``label`` and ``unit``.
    **content
        What it shows; its ``style`` is that of the report, so that all pages look alike.
    """
    from markupsafe import Markup

    page = render_block(package_file(template), filters, style=Markup(style_sheet()), **content)
    return page + "\n"


def render_block(text: str, filters: Filters, **content: Any) -> str:
    """Return a piece of a page as HTML; the template is given as its text. See `render_page`."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"count": count_text, "label": class_label, "unit": with_unit, **filters}
    return environment.from_string(text).render(**content)


def package_file(name: str) -> str:
    """Return the text of a file of the package, such as ``pages/style.css``."""
    return (resources.files("jpasbatch") / name).read_text(encoding="utf-8")


def style_sheet() -> str:
    """Return the style sheet that all pages share."""
    return package_file("pages/style.css")


def count_text(value: float, digits: int = 0) -> str:
    """Return a number with thousands separators, or a dash for NaN."""
    return "–" if value is None or np.isnan(value) else f"{value:,.{digits}f}"


def with_unit(quantity: str, unit: str) -> Markup:
    """Return the heading of a column of numbers: what it is, and its unit below."""
    from markupsafe import Markup

    return Markup('{} <span class="unit">{}</span>').format(quantity, unit)
