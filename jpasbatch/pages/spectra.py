"""Figures of J-spectra: the fluxes of an object in all bands, with what a classifier says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import INK, class_colours, class_label, house_style, new_figure
from jpasbatch.photometry.photometry import flux_lambda_from_nu

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BROAD_BAND_ANGSTROM = 400.0

TITLE_CHARACTERS = 30
MOST = (2.0, 98.0)
"""Percentiles of the fluxes that axes hold, and some room about them."""

FLUX_UNIT = 1e17
"""From erg s-1 cm-2 Angstrom-1 to that of the axes."""


@dataclass(frozen=True)
class Spectrum:
    """The J-spectrum of one object, and what a figure says of it.

    Attributes
    ----------
    kind : str
        A class, or any other name.
    magnitude_bin : int
        Its number; -1 outside of all bins.
    title : str
        Identifier of the object, or what stands in its place.
    probabilities : tuple of float
        In the order of the classes.
    flux, flux_err : tuple of float
        Microjansky, in the order of the bands; NaN as in `Photometry`.
    true_class : str
        Empty when it is unknown.
    true_redshift : float
        NaN when it is unknown.
    remark : str
        What else is said of the object.
    """

    kind: str
    magnitude_bin: int
    title: str
    probabilities: tuple[float, ...]
    flux: tuple[float, ...]
    flux_err: tuple[float, ...]
    true_class: str = ""
    true_redshift: float = float("nan")
    remark: str = ""


def example_spectra(
    spectra: tuple[Spectrum, ...],
    classes: tuple[str, ...],
    wavelengths: np.ndarray,
    widths: np.ndarray,
    titles: tuple[str, ...],
    whole: bool = False,
) -> Drawing:
    """Draw J-spectra, a panel each; the bar above a panel shows the probabilities of the classes.

    Parameters
    ----------
    spectra : tuple of Spectrum
    classes : tuple of str
    wavelengths, widths : ndarray of float, shape (bands,)
        Angstrom.
    titles : tuple of str
        Of the magnitude bins; an object outside of all of them has the number -1.
    whole : bool
        Whether axes hold all bands; else single ones may lie outside, so that one sees most of them better.
    """
    broad = widths >= BROAD_BAND_ANGSTROM
    panels = []
    for one in spectra:
        limits = f", {titles[one.magnitude_bin]}" if 0 <= one.magnitude_bin < len(titles) else ""
        figure = _spectrum_figure(one, classes, wavelengths, broad, (0, 100) if whole else MOST)
        panels.append(Panel(figure, f"{class_label(one.kind)}{limits}", _told(one, classes)))
    colours = class_colours(classes)
    legend = [Key(class_label(name), colours[name], marker="area") for name in classes]
    legend += [Key("narrow band", INK, marker="o"), Key("broad band", INK, marker="s", hollow=True)]
    return Drawing(tuple(panels), tuple(legend))


def spectrum_numbers(
    spectra: tuple[Spectrum, ...], classes: tuple[str, ...], bands: Sequence[str], wavelengths: np.ndarray
) -> Numbers:
    """Return J-spectra as a table: a row an object and band, with what the panels say of the object."""
    count = len(bands)

    def each(values: Sequence[Any]) -> np.ndarray:
        return np.repeat(np.asarray(values), count)

    def flux_of(name: str) -> np.ndarray:
        values = np.array([getattr(one, name) for one in spectra])
        return (flux_lambda_from_nu(values, wavelengths) * FLUX_UNIT).ravel()

    numbers = {
        "kind": each([one.kind for one in spectra]),
        "object": each([one.title for one in spectra]),
        "true class": each([one.true_class for one in spectra]),
        "true redshift (number)": each([one.true_redshift for one in spectra]),
    }
    for place, name in enumerate(classes):
        numbers[f"{name} (probability)"] = each([one.probabilities[place] for one in spectra])
    if any(one.remark for one in spectra):
        numbers["remark"] = each([one.remark for one in spectra])
    return numbers | {
        "band": np.tile(bands, len(spectra)),
        "wavelength (Angstrom)": np.tile(wavelengths, len(spectra)),
        "flux density (1e-17 erg s-1 cm-2 Angstrom-1)": flux_of("flux"),
        "error (1e-17 erg s-1 cm-2 Angstrom-1)": flux_of("flux_err"),
    }


def _told(spectrum: Spectrum, classes: tuple[str, ...]) -> str:
    """Return who the object is, what the committee says of it, and what is true."""
    best = int(np.argmax(spectrum.probabilities))
    parts = [
        _short(spectrum.title),
        f"{class_label(classes[best])} {100 * spectrum.probabilities[best]:.0f} %",
    ]
    if spectrum.true_class:
        redshift = f", z\u00a0=\u00a0{spectrum.true_redshift:.2f}" if spectrum.true_redshift > 0 else ""
        parts.append(f"truly {_short(spectrum.true_class)}{redshift}")
    return " · ".join(parts + ([spectrum.remark] if spectrum.remark else []))


def _short(text: str) -> str:
    return text if len(text) <= TITLE_CHARACTERS else f"{text[:TITLE_CHARACTERS]}…"


def _spectrum_figure(
    spectrum: Spectrum,
    classes: tuple[str, ...],
    wavelengths: np.ndarray,
    broad: np.ndarray,
    percentiles: tuple[float, float],
) -> Figure:
    colours = class_colours(classes)
    colour = colours.get(spectrum.kind) or colours.get(spectrum.true_class, "#777777")
    flux = flux_lambda_from_nu(np.array(spectrum.flux), wavelengths) * FLUX_UNIT
    error = np.nan_to_num(flux_lambda_from_nu(np.array(spectrum.flux_err), wavelengths) * FLUX_UNIT)
    with house_style():
        figure = new_figure(PANEL, 2.25)
        axes = figure.add_subplot()
        for marker, which in (("o", ~broad), ("s", broad)):
            shown = which & np.isfinite(flux)
            x, y, spread = wavelengths[shown], flux[shown], error[shown]
            bars = np.column_stack([y - spread, y + spread, np.full(len(y), np.nan)]).ravel()
            axes.plot(
                np.repeat(x, 3), bars, lw=0.6, color=colour, label="_errors"
            )  # one path: pages stay small
            fill = "none" if marker == "s" else colour
            axes.plot(x, y, marker, ms=3.0 if marker == "o" else 5.0, color=colour, mfc=fill)
        good = flux[np.isfinite(flux)]
        if len(good):
            low, high = np.percentile(good, percentiles)
            room = (0.35 if percentiles == MOST else 0.1) * max(high - low, 0.1 * abs(high), 1e-6)
            axes.set_ylim(min(low - room, 0), high + room)
        left = 0.0
        for name, probability in zip(classes, spectrum.probabilities, strict=True):
            bar = {"transform": axes.transAxes, "clip_on": False, "color": colours[name]}
            axes.add_patch(_bar(left, probability, bar))
            left += probability
        axes.set_xlabel("wavelength (Å)")
        axes.set_ylabel("f_λ (10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹)", fontsize=8)
    return figure


def _bar(left: float, width: float, options: dict[str, Any]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, 1.02), width, 0.045, linewidth=0, **options)
