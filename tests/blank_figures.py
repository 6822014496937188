"""Figures that are not drawn: drawing takes most of the time of a report, and most tests are not about figures."""

from typing import Any

import pytest


def leave_figures_blank(patch: pytest.MonkeyPatch) -> None:
    """Let every figure be built as ever, and be saved as an empty element (SVG) or as nothing (PNG)."""

    def save(figure: Any, file: Any, **options: Any) -> None:
        file.write('<svg width="1pt" height="1pt"></svg>' if options["format"] == "svg" else b"")

    patch.setattr("matplotlib.figure.Figure.savefig", save)
