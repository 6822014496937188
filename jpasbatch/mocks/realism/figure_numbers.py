"""The numbers that figures of the realism report draw, as tables that lie beside the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jpasbatch.mocks.realism.figures import median_signal
from jpasbatch.pages.numbers import Numbers, numbers_of

SIDES = ("low", "median", "high")


def distribution_numbers(sets: Mapping[str, Mapping[str, Any]], band: str) -> Numbers:
    """Return histograms of magnitude and redshift: a row a set, class and cell."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for name, part in sets.items():
            tally = part["tally"]
            for key, of in (("magnitudes", f"{band} magnitude"), ("redshifts", "redshift")):
                edges = tally["bins"][key]
                for true_class, counts in zip(tally["classes"], tally[key], strict=True):
                    if key == "redshifts" and true_class == "star":
                        continue
                    for cell in zip(edges[:-1], edges[1:], counts, strict=True):
                        yield (name, true_class, of, *cell)

    cell = ("from (AB mag or redshift)", "to (AB mag or redshift)", "objects (number)")
    return numbers_of(["set", "class", "of", *cell], rows())


def locus_numbers(comparison: Mapping[str, Any]) -> Numbers:
    """Return loci of colours, observed and mock: a row a colour and bin of the axis."""
    edges, axis = comparison["edges"], comparison["axis"]
    unit = "number" if axis == "redshift" else "mag"
    rows = (
        (
            colour,
            edges[place],
            edges[place + 1],
            *(sides[side][key][place] for side in ("real", "mock") for key in SIDES),
        )
        for colour, sides in comparison["loci"].items()
        for place in range(len(edges) - 1)
    )
    of = [f"{side}, {key} (mag)" for side in ("observed", "mock") for key in SIDES]
    return numbers_of(["colour", f"{axis} from ({unit})", f"{axis} to ({unit})", *of], rows)


def noise_numbers(tally: Mapping[str, Any], bands: Mapping[str, Sequence[Any]], band: str) -> Numbers:
    """Return signal-to-noise ratios and non-detections: a row a band and bin of magnitude."""
    edges, signal = tally["bins"]["band_magnitudes"], median_signal(tally)
    objects, missed = (np.array(tally[key], dtype=float) for key in ("band_rows", "non_detections"))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 100 * missed / objects
    rows = (
        (
            bands["band"][one],
            bands["wavelength"][one],
            edges[place],
            edges[place + 1],
            int(objects[one, place]),
            float(signal[one, place]),
            float(share[one, place]),
        )
        for one in np.argsort(bands["wavelength"], kind="stable")
        for place in range(len(edges) - 1)
    )
    of = ("objects (number)", "median S/N (ratio)", "non-detections (%)")
    return numbers_of(
        ["band", "wavelength (Angstrom)", f"{band} from (AB mag)", f"{band} to (AB mag)", *of], rows
    )


def width_numbers(line: Mapping[str, Any], edges: Sequence[float]) -> Numbers:
    """Return equivalent widths of a line: a row a bin of luminosity and cell of width."""
    rows = (
        (
            line["name"],
            one["magnitude"],
            one["n"],
            *(one["trend"] or [None] * len(SIDES)),
            *(one[key] for key in SIDES),
            edges[cell],
            edges[cell + 1],
            count / max(one["n"], 1),
        )
        for one in line["bins"]
        for cell, count in enumerate(one["histogram"])
    )
    of = [f"{side} {key} (log10 Angstrom)" for side in ("published", "mock") for key in SIDES]
    cell = ["width from (log10 Angstrom)", "width to (log10 Angstrom)", "quasars of the bin (share)"]
    return numbers_of(["line", "median M1450 (AB mag)", "quasars (number)", *of, *cell], rows)


def gallery_numbers(objects: Sequence[Mapping[str, Any]]) -> Numbers:
    """Return J-spectra: a row an object and band, and one a pixel of the parent's spectrum that is drawn."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for one in objects:
            known = (one["parent_id"], one["class"], one["kind"], one["magnitude"], one["redshift"])
            measured = (one[key] for key in ("band", "wavelength", "true", "flux", "error"))
            yield from ((*known, *row) for row in zip(*measured, strict=True))
            parent = zip(one["parent"]["wavelength"], one["parent"]["flux"], strict=True)
            yield from ((*known, "parent", *pixel, None, None) for pixel in parent)

    flux = ["noiseless flux (uJy)", "flux (uJy)", "error (uJy)"]
    known = ["parent", "class", "kind", "magnitude (AB mag)", "redshift (number)"]
    return numbers_of([*known, "band", "wavelength (Angstrom)", *flux], rows())
