"""Equivalent widths of mock quasars beside the published trends with luminosity.

They are measured on spectra without noise, forest, broad absorption or host, so that the lines' own strengths are
compared. Widths are rest-frame, in Angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.quasars import rest_spectrum_width, unabsorbed_spectra
from jpasbatch.mocks.packs.quasars import TREND_MAGNITUDE_OFFSET, LineTrends, read_line_trends
from jpasbatch.mocks.realism.objects import Drawn, draw_objects
from jpasbatch.mocks.skies.objects import Kinds, Workshop
from jpasbatch.mocks.spectra.cosmology import distance_modulus
from jpasbatch.mocks.spectra.grids import CHUNK_OBJECTS, observed_grid

REDSHIFTS = (2.2, 3.3)
"""Both lines and their continuum lie on the grid, and Lyman alpha within the bands."""

CONTINUUM_SLOPE = -1.5
"""Of f_lambda, f_nu ~ nu^-0.5: of the K correction, and taken out before a straight continuum is drawn, which then
follows a power law; equivalent widths do not depend on it."""

REFERENCE_WAVELENGTH = 6250.0
"""Of r, Angstrom."""

MAGNITUDE_EDGES = (-28.0, -26.5, -25.5, -24.5, -23.5, -22.5, -21.0)
"""Of M_1450."""

WIDTH_EDGES = tuple(np.round(np.arange(0.6, 3.01, 0.1), 1).tolist())
"""Of log10 of the equivalent width in Angstrom."""


@dataclass(frozen=True)
class MeasuredLine:
    """A line, or a blend, and where it is measured; rest Angstrom.

    name : str; window : limits of the sum; continuum : two windows, each as (low, high), after one another;
    source : str, who published them.
    """

    name: str
    window: tuple[float, float]
    continuum: tuple[float, float, float, float]
    source: str


MEASURED_LINES = (
    MeasuredLine(
        "C IV",
        (1500.0, 1600.0),
        (1445.0, 1465.0, 1700.0, 1705.0),
        "windows of Shen et al. 2011, ApJS 194, 45",
    ),
    MeasuredLine(
        "Lyman alpha + N V",
        (1160.0, 1290.0),
        (1315.0, 1325.0, 1680.0, 1710.0),
        "windows of Diamond-Stanic et al. 2009, ApJ 699, 782, two of their continuum's",
    ),
)


def line_widths(workshop: Workshop, pack_folder: str | Path, number: int = 2000) -> dict[str, Any]:
    """Measure C IV and Lyman alpha of quasars of all magnitudes, beside the trends of the pack.

    Parameters
    ----------
    workshop : Workshop
        With quasars.
    pack_folder : str or Path
        Of the template pack.
    number : int
        Quasars at `REDSHIFTS`.

    Returns
    -------
    dict
        ``redshifts``; ``magnitude_edges`` (of M_1450), ``width_edges`` (of log10 of the width); ``lines``, a list of
        ``name``, ``source``, ``window``, ``n``, ``lost`` (widths that are not positive), ``trend_lines`` (names)
        and ``bins``, a list by M_1450 of ``n``, ``magnitude`` (median), ``low``, ``median``, ``high`` (16, 50 and
        84 % of log10 of the width), ``histogram``, and ``trend``: [below, middle, above] or None; ``trend_missing``:
        why there are no trends, or None; ``notes``.
    """
    trends, reason = _read_trends(pack_folder)
    drawn = draw_objects(workshop, "qso", "training", number, _at_redshifts, "flat all")
    widths = _measure(workshop, drawn)
    magnitude = absolute_magnitude(drawn.kinds.magnitude, drawn.kinds.redshift)
    lines = [
        _describe(line, width, magnitude, trends) for line, width in zip(MEASURED_LINES, widths, strict=True)
    ]
    return {
        "redshifts": list(REDSHIFTS),
        "magnitude_edges": list(MAGNITUDE_EDGES),
        "width_edges": list(WIDTH_EDGES),
        "lines": lines,
        "trend_missing": reason,
        "notes": [
            "Quasars are drawn uniform in r, so that the rare bright ones can be measured, with natural redshifts at "
            "each r; M_1450 follows from r with a power law f_nu ~ nu^-0.5 (H0 = 70, Omega_m = 0.3).",
            "Trends are of BOSS quasars, about M_1450 = -28 to -24; beyond they are continued. Broad and narrow "
            "components, and all lines of the table whose centres lie within the window, are added, as are their "
            "limits of 1 sigma, as if they rose and fell together. Ranges of the mock also hold the scatter that the "
            "continuum's placing adds.",
        ],
    }


def absolute_magnitude(magnitude: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return M_1450 (n,) of r magnitudes and redshifts (n,), for f_nu ~ nu^-0.5.

    M_1450 = r - (m - M) + 2.5 log10(1 + z) - 2.5 (0.5) log10(1450 (1 + z) / 6250): the apparent magnitude at
    1450 (1 + z) Angstrom by the power law, then the bandwidth of a flux density in frequency.
    """
    at_line = 1450.0 * (1 + redshift) / REFERENCE_WAVELENGTH
    slope = -(CONTINUUM_SLOPE + 2.0)
    shift = 2.5 * np.log10(1 + redshift) + 2.5 * slope * np.log10(at_line)
    return magnitude - distance_modulus(redshift) + shift


def trend_width(
    trends: LineTrends, window: tuple[float, float], magnitude: float
) -> tuple[list[float], list[str]]:
    """Return log10 of the width [below, middle, above] of all lines in a window, and their names.

    Parameters
    ----------
    trends : LineTrends
    window : (float, float)
        Rest Angstrom.
    magnitude : float
        M_1450.
    """
    inside = (trends.wavelength > window[0]) & (trends.wavelength < window[1])
    lines = trends.log_ew[inside]
    widths = 10 ** (lines[..., 0] * (magnitude + TREND_MAGNITUDE_OFFSET) + lines[..., 1])
    middle, low, high = np.log10(widths.sum(axis=0)).tolist()
    return [low, middle, high], [str(name) for name in trends.name[inside]]


def _read_trends(pack_folder: str | Path) -> tuple[LineTrends | None, str | None]:
    try:
        return read_line_trends(pack_folder), None
    except InputError as error:
        return None, str(error).replace(str(pack_folder).rstrip("/") + "/", "")


def _at_redshifts(kinds: Kinds) -> np.ndarray:
    return (kinds.redshift > REDSHIFTS[0]) & (kinds.redshift < REDSHIFTS[1])


def _measure(workshop: Workshop, drawn: Drawn) -> np.ndarray:
    """Return equivalent widths (lines, n)."""
    widths = np.empty((len(MEASURED_LINES), len(drawn)))
    flatten = (observed_grid() / observed_grid()[0]) ** -CONTINUUM_SLOPE
    for start in range(0, len(drawn), CHUNK_OBJECTS):
        part = drawn[np.arange(start, min(start + CHUNK_OBJECTS, len(drawn)))]
        kinds = part.kinds
        flux = unabsorbed_spectra(
            workshop.quasar_family, kinds.parent, (kinds.magnitude, kinds.redshift), part.streams
        )
        for row, line in enumerate(MEASURED_LINES):
            widths[row, start : start + len(part)] = rest_spectrum_width(
                flux * flatten, kinds.redshift, line.window, line.continuum
            )
    return widths


def _describe(
    line: MeasuredLine, width: np.ndarray, magnitude: np.ndarray, trends: LineTrends | None
) -> dict[str, Any]:
    positive = width > 0
    logarithm = np.log10(np.where(positive, width, 1.0))
    bins = []
    for low, high in pairwise(MAGNITUDE_EDGES):
        rows = (magnitude >= low) & (magnitude < high) & positive
        middle = float(np.median(magnitude[rows])) if rows.any() else 0.5 * (low + high)
        shares = np.percentile(logarithm[rows], (16, 50, 84)).round(4).tolist() if rows.any() else [None] * 3
        histogram = np.histogram(logarithm[rows], WIDTH_EDGES)[0].tolist()
        trend = None if trends is None else [round(x, 4) for x in trend_width(trends, line.window, middle)[0]]
        bins.append(
            {"n": int(rows.sum()), "magnitude": round(middle, 3), "histogram": histogram, "trend": trend}
            | dict(zip(("low", "median", "high"), shares, strict=True))
        )
    return {
        "name": line.name,
        "source": line.source,
        "window": list(line.window),
        "n": int(positive.sum()),
        "lost": int((~positive).sum()),
        "trend_lines": [] if trends is None else trend_width(trends, line.window, -25.0)[1],
        "bins": bins,
    }
