"""A figure of a page with its numbers: the drawing, what it says in words, and the file that lies beside the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jpasbatch.pages.drawing import Drawing, drawing_html
from jpasbatch.pages.numbers import Numbers, checked_numbers, csv_bytes

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page.

    Attributes
    ----------
    drawing : Drawing
        Its panels and their legend.
    description : str
        What it says, for readers who cannot see it.
    numbers : mapping of str to ndarray
        What is drawn, as columns whose names end with their unit in brackets; a file beside the page.

    Raises
    ------
    ValueError
        When a column of numbers has no unit.
    """

    drawing: Drawing
    description: str
    numbers: Numbers

    def __post_init__(self) -> None:
        checked_numbers(self.numbers)


@dataclass(frozen=True)
class Report:
    """A page, and the numbers of its figures as files beside it.

    Attributes
    ----------
    page : str
        HTML.
    numbers : mapping of str to bytes
        CSV by path, relative to the page.
    """

    page: str
    numbers: Mapping[str, bytes]


def numbers_file(folder: str, name: str) -> str:
    """Return the path of a figure's numbers, relative to the page; samples in names are called as people like."""
    return f"{folder}/{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.csv"


def figure_html(name: str, figure: PageFigure, folder: str) -> Markup:
    """Return a figure as HTML, with a link to its numbers.

    Parameters
    ----------
    name : str
        Distinguishes it from the other figures of the page.
    figure : PageFigure
    folder : str
        Of the numbers, relative to the page.
    """
    from markupsafe import Markup

    file = numbers_file(folder, name)
    link = Markup('<p class="data">Numbers: <a href="{}">{}</a></p>\n').format(file, file.split("/")[-1])
    return drawing_html(figure.drawing, name, figure.description) + link


def numbers_files(figures: Iterable[tuple[str, PageFigure]], folder: str) -> dict[str, bytes]:
    """Return the numbers of figures by their names, as files beside the page.

    Raises
    ------
    ValueError
        When two figures would have the same file.
    """
    files: dict[str, bytes] = {}
    for name, figure in figures:
        file = numbers_file(folder, name)
        if file in files:
            raise ValueError(f"two figures of a page have the file {file}; rename one of {name!r}")
        files[file] = csv_bytes(figure.numbers)
    return files
