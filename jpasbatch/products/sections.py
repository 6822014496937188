"""What a product adds to the page: numbers at its top, figures, and a section of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jpasbatch.pages.figures import PageFigure
from jpasbatch.pages.page import render_block
from jpasbatch.pages.style import class_colours, class_label

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Number", "PageFigure", "Section", "render_body", "swatch"]

OTHER_COLOUR = "#777777"
"""Of the swatch of a class that the job does not have."""


@dataclass(frozen=True)
class Number:
    """A number at the top of the page: what it is, its value as text, and a remark."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    identity : str
        Its anchor: letters only.
    title : str
        Its heading.
    label : str
        Its name in the list of sections.
    body : Markup
        HTML below the heading.
    """

    identity: str
    title: str
    label: str
    body: Markup


def render_body(
    template: str,
    classes: tuple[str, ...],
    filters: Mapping[str, Callable[..., str]] | None = None,
    **content: Any,
) -> Markup:
    """Return the body of a section as HTML.

    Parameters
    ----------
    template : str
        Text of a jinja template, for instance of a file that `jpasbatch.pages.page.package_file` reads.
    classes : tuple of str
        The filter ``swatch`` writes one of these after a square of its colour.
    filters : mapping, optional
        What the template calls besides ``swatch``, ``count``, ``label`` and ``unit``.
    **content
        What the template shows.
    """
    from markupsafe import Markup

    return Markup(render_block(template, {"swatch": swatch(classes), **(filters or {})}, **content))


def swatch(classes: tuple[str, ...]) -> Callable[[str], Markup]:
    """Return a filter for templates that writes the name of a class after a square of its colour."""
    from markupsafe import Markup

    colours = class_colours(classes)

    def write(name: str) -> Markup:
        square = Markup('<span class="swatch" style="background:{}"></span>{}')
        return square.format(colours.get(name, OTHER_COLOUR), class_label(name))

    return write
