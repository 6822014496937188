"""Figures of J-spectra: the fluxes of an object in all bands, with what a classifier says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import class_colours, class_label, house_style, new_figure
from jpasbatch.photometry.photometry import flux_lambda_from_nu

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BROAD_BAND_ANGSTROM = 400.0

TITLE_CHARACTERS = 30


@dataclass(frozen=True)
class Spectrum:
    """The J-spectrum of one object, and where a figure shows it.

    Attributes
    ----------
    kind : str
        Row of the figure: a class, or any other name.
    magnitude_bin : int
        Column of the figure.
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
    """

    kind: str
    magnitude_bin: int
    title: str
    probabilities: tuple[float, ...]
    flux: tuple[float, ...]
    flux_err: tuple[float, ...]
    true_class: str = ""
    true_redshift: float = float("nan")


def example_spectra(
    spectra: tuple[Spectrum, ...],
    classes: tuple[str, ...],
    wavelengths: np.ndarray,
    widths: np.ndarray,
    titles: tuple[str, ...],
) -> Figure:
    """Draw J-spectra: a row for each kind of object, a column for each magnitude bin.

    Squares are broad bands; the bar above a panel shows the probabilities of the classes.

    Parameters
    ----------
    spectra : tuple of Spectrum
        The first of each kind and bin is drawn.
    classes : tuple of str
    wavelengths, widths : ndarray of float, shape (bands,)
        Angstrom.
    titles : tuple of str
        Of the columns.
    """
    kinds = list(dict.fromkeys(one.kind for one in spectra))
    cells = {(one.kind, one.magnitude_bin): one for one in reversed(spectra)}  # the first of a kind stays
    with house_style():
        figure = new_figure(10, 0.5 + 1.95 * len(kinds))
        panels = figure.subplots(len(kinds), len(titles), squeeze=False, sharex=True)
        for row, kind in enumerate(kinds):
            for number in range(len(titles)):
                axes = panels[row, number]
                spectrum = cells.get((kind, number))
                if spectrum is None:
                    # the panel stays empty, but its label still names the row
                    axes.spines[:].set_visible(False)
                    axes.grid(visible=False)
                    axes.tick_params(left=False, labelleft=False, bottom=False)
                    continue
                _draw_spectrum(axes, spectrum, classes, wavelengths, widths >= BROAD_BAND_ANGSTROM)
            panels[row, 0].set_ylabel(class_label(kind), weight="bold")
        for axes in panels[-1]:
            axes.set_xlabel("wavelength (Å)")
        for axes, title in zip(panels[0], titles, strict=True):
            axes.annotate(title, (0.5, 1.34), xycoords="axes fraction", ha="center", weight="bold")
        figure.supylabel("flux density f_λ (10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹)", size=9.5)
    return figure


def _draw_spectrum(
    axes: Any, spectrum: Spectrum, classes: tuple[str, ...], wavelengths: np.ndarray, broad: np.ndarray
) -> None:
    colours = class_colours(classes)
    colour = colours.get(spectrum.kind) or colours.get(spectrum.true_class, "#777777")
    flux = flux_lambda_from_nu(np.array(spectrum.flux), wavelengths) * 1e17
    error = flux_lambda_from_nu(np.array(spectrum.flux_err), wavelengths) * 1e17
    for marker, which in (("o", ~broad), ("s", broad)):
        shown = which & np.isfinite(flux)
        size = 3.0 if marker == "o" else 5.0
        axes.errorbar(
            wavelengths[shown],
            flux[shown],
            np.nan_to_num(error[shown]),
            fmt=marker,
            ms=size,
            color=colour,
            elinewidth=0.6,
            mfc="none" if marker == "s" else colour,
        )
    good = flux[np.isfinite(flux)]
    if len(good):
        low, high = np.percentile(good, [2, 98])
        room = 0.35 * max(high - low, 0.1 * abs(high), 1e-6)
        axes.set_ylim(min(low - room, 0), high + room)
    left = 0.0
    for name, probability in zip(classes, spectrum.probabilities, strict=True):
        bar = {"transform": axes.transAxes, "clip_on": False, "color": colours[name]}
        axes.add_patch(_bar(left, probability, bar))
        left += probability
    truth = f" · truly {spectrum.true_class}" if spectrum.true_class else ""
    redshift = f", z = {spectrum.true_redshift:.2f}" if spectrum.true_redshift > 0 else ""
    best = int(np.argmax(spectrum.probabilities))
    percent = f"{class_label(classes[best])} {100 * spectrum.probabilities[best]:.0f} %"
    title = f"{spectrum.title[:TITLE_CHARACTERS]} · {percent}{truth[:TITLE_CHARACTERS]}{redshift}"
    # texts of a catalogue are data: a dollar sign in an identifier is no formula
    axes.set_title(title, size=8, pad=10.5, parse_math=False)


def _bar(left: float, width: float, options: dict[str, Any]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, 1.02), width, 0.045, linewidth=0, **options)
