"""A few mock objects of each class as they are seen: J-spectra with and without noise, and the parent behind."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from jpasbatch.mocks.populations.densities import MAGNITUDE_LIMITS
from jpasbatch.mocks.realism.objects import Drawn, draw_objects
from jpasbatch.mocks.skies.objects import Kinds, Workshop, true_fluxes
from jpasbatch.mocks.skies.templates import conditions_of
from jpasbatch.mocks.spectra.grids import observed_grid
from jpasbatch.mocks.spectra.responses import integrate_bands
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE
from jpasbatch.photometry.noise import observe_objects
from jpasbatch.photometry.photometry import flux_from_ab_magnitude

CANDIDATES = 2000
"""Objects of a class, uniform in magnitude, among which the gallery's are found."""

POINTS = 400
"""At most, of the parent's spectrum."""


def gallery(workshop: Workshop, number: int = 3) -> list[dict[str, Any]]:
    """Choose objects of each class from bright to faint, and show them.

    Magnitudes are cut into `number` equal ranges. Of a range's objects, ordered by redshift and kind, the bright
    ones give one from the beginning of the order, the faint ones one from its end: so that the gallery shows
    several redshifts and types.

    Parameters
    ----------
    workshop : Workshop
    number : int
        Objects of each class.

    Returns
    -------
    list of dict
        ``class``, ``kind``, ``parent_id``, ``magnitude``, ``redshift``; lists by band: ``band`` (name),
        ``wavelength`` (pivot of the curve) and ``width`` (Angstrom), ``true``, ``flux``, ``error`` (microjansky;
        None where not observed); and ``parent``: ``wavelength`` and ``flux`` of the parent at the object's
        redshift, without what was varied or lies in front, on the scale of the object's r.
    """
    shown = []
    for name in workshop.ingredients.parents:
        drawn = draw_objects(workshop, name, "test", CANDIDATES, _uniform, "flat all")
        shown += _show(workshop, drawn[_choose(workshop, drawn, number)])
    return shown


def _uniform(kinds: Kinds) -> np.ndarray:
    return np.ones(kinds.magnitude.size, dtype=bool)


def _choose(workshop: Workshop, drawn: Drawn, number: int) -> np.ndarray:
    kinds = drawn.kinds
    kind = workshop.parents(drawn.true_class).kind[kinds.parent]
    order = np.lexsort((kinds.magnitude, kind, np.round(kinds.redshift, 2)))
    edges = np.linspace(MAGNITUDE_LIMITS[0], workshop.faintest, number + 1)
    chosen = []
    for place, (bright, faint) in enumerate(pairwise(edges)):
        inside = order[(kinds.magnitude[order] > bright) & (kinds.magnitude[order] <= faint)]
        if inside.size:
            chosen.append(inside[int((place + 0.5) / number * inside.size)])
    return np.array(chosen, dtype=np.int64)


def _show(workshop: Workshop, drawn: Drawn) -> list[dict[str, Any]]:
    options, survey, kinds = workshop.options, workshop.survey, drawn.kinds
    parents = workshop.parents(drawn.true_class)
    tiles = FIRST_VIRTUAL_TILE + drawn.streams.named("virtual tile").integers(options.tiles.virtual)
    conditions = conditions_of(workshop, tiles)
    true = true_fluxes(workshop, drawn.true_class, drawn.split, kinds, drawn.streams, conditions)
    flux, error = observe_objects(true, conditions, drawn.streams, options.noise, survey.zero_point_error)
    behind = parents.observed(kinds.parent, kinds.redshift)
    level = integrate_bands(behind, workshop.ingredients.weights)[:, survey.reference_index]
    scale = flux_from_ab_magnitude(kinds.magnitude) / level
    pivots = _pivots(workshop.ingredients.weights)
    return [
        {
            "class": drawn.true_class,
            "kind": str(parents.kind[kinds.parent[row]]),
            "parent_id": str(parents.parent_id[kinds.parent[row]]),
            "magnitude": round(float(kinds.magnitude[row]), 3),
            "redshift": round(float(kinds.redshift[row]), 4),
            "band": list(survey.band_names),
            "width": [float(band.width) for band in survey.bands],
            "wavelength": pivots,
            "true": _listed(true[row]),
            "flux": _listed(flux[row]),
            "error": _listed(error[row]),
            "parent": _decimated(behind[row] * scale[row] * _to_frequency(workshop)),
        }
        for row in range(len(drawn))
    ]


def _pivots(weights: np.ndarray) -> list[float]:
    """Return the pivot wavelengths in Angstrom of the bands' curves.

    Those of the survey's file are nominal: of broad bands they lie up to 3 % away, where no smooth spectrum would
    run through the fluxes.
    """
    grid = observed_grid()[:, None]
    weights = weights.astype(np.float64)
    return np.sqrt(weights.sum(axis=0) / (weights / grid**2).sum(axis=0)).round(1).tolist()


def _to_frequency(workshop: Workshop) -> np.ndarray:
    """Return factors (1626,) that turn f_lambda into f_nu on the scale of the bands' weights.

    A band's flux is the sum of weights times f_lambda; of a spectrum that is 1 / wavelength^2, flat in f_nu, all
    bands have the same one.
    """
    grid = observed_grid()
    flat = integrate_bands((grid**-2.0)[None, :], workshop.ingredients.weights)
    return grid**2 * float(flat[0, workshop.survey.reference_index])


def _decimated(flux: np.ndarray) -> dict[str, list[float]]:
    """Average over blocks of pixels, `POINTS` at most; pixels that the parent does not cover are left out."""
    step = -(-flux.size // POINTS)
    whole = flux.size // step * step
    blocks = flux[:whole].reshape(-1, step)
    centres = observed_grid()[:whole].reshape(-1, step).mean(axis=1)
    known = (blocks != 0).all(axis=1)
    return {
        "wavelength": centres[known].round(1).tolist(),
        "flux": [float(f"{value:.5g}") for value in blocks[known].mean(axis=1)],
    }


def _listed(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]
