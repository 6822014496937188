"""Colours of mock objects beside those of observed ones: real SDSS objects, and the libraries held out.

A locus is the median and the central 68 % of a colour in bins of another colour or of redshift. Magnitudes are
AB, and there is no noise on the mock's side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.checks import SdssPhotometry, read_sdss_photometry
from jpasbatch.mocks.parents.parents import HELD_OUT
from jpasbatch.mocks.realism.objects import Drawn, draw_objects, plain_conditions, unvaried
from jpasbatch.mocks.skies.objects import Kinds, Workshop, spectra_in_chunks, true_fluxes
from jpasbatch.mocks.spectra.dust import redden_by_milky_way
from jpasbatch.mocks.spectra.grids import observed_grid
from jpasbatch.mocks.spectra.responses import Response, band_weights, integrate_bands
from jpasbatch.photometry.reported import magnitude_role
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import Survey

SDSS_BANDS: tuple[str, ...] = ("u", "g", "r", "i")
SDSS_COLOURS = ("u-g", "g-r", "r-i")
SDSS_OFFSET = {"u": -0.04, "g": 0.0, "r": 0.0, "i": 0.0}
"""AB magnitude less SDSS magnitude (SDSS data release documentation, "Photometric flux calibration")."""

SDSS_RANGE = (17.0, 19.0)
"""Of r: where the sample has objects of all classes."""

DRAWN_FOR_EACH = 6
"""Objects that are drawn for each one wanted, uniform in r: so many remain with the table's magnitudes."""

MATCHED_STEP = 0.1
"""Of r, in which the mock's numbers follow those of the table."""

LIBRARY_COLOURS = ("uJPAS-gSDSS", "gSDSS-rSDSS", "rSDSS-iSDSS", "J0390-J0430", "J0520-J0560", "J0700-J0740")
"""The narrow ones see the 4000 Angstrom break with Ca II, Mg b, and TiO, and no strong emission line at the
redshifts, below 0.025, that library galaxies have kept."""

LIBRARY_AXES = ("gSDSS-rSDSS", "J0480-J0620")
"""What the loci of libraries are a function of: the first that a survey has. J-PAS has no broad g and r."""

LIBRARY_NEAR = 0.1
"""Redshift below which mock galaxies stand beside the library, which is at rest."""

AXES = {
    "star": ("g-r", np.round(np.arange(-0.5, 1.76, 0.15), 3)),
    "galaxy": ("redshift", np.round(np.arange(0.0, 0.61, 0.04), 3)),
    "qso": ("redshift", np.round(np.arange(0.0, 4.01, 0.2), 3)),
}
"""By class: what a locus is a function of, and the bins' edges. Redshift 0 of stars tells nothing."""

LIBRARY_EDGES = np.round(np.arange(-0.6, 1.81, 0.2), 3)
FEWEST = 20
"""Observed objects in a bin that counts for the offset; in libraries, which are small, `FEWEST_OF_LIBRARY`."""

FEWEST_OF_LIBRARY = 3

Colours = dict[str, np.ndarray]


def colour_loci(workshop: Workshop, pack_folder: str | Path, number: int = 3000) -> dict[str, Any]:
    """Compare colours of bright mock objects with those of SDSS objects of spectroscopic class.

    Parameters
    ----------
    workshop : Workshop
    pack_folder : str or Path
        Of the template pack.
    number : int
        Mock objects of each class.

    Returns
    -------
    dict
        ``classes`` (by class, see `compare_loci`), ``range`` (of r), ``columns`` and ``notes``; or ``missing``,
        why there is none.
    """
    try:
        real = read_sdss_photometry(pack_folder)
    except InputError as error:
        return {"missing": _without_folder(error, pack_folder)}
    faintest = float(np.nanmax(real.u))
    weights = band_weights(observed_grid(), sdss_responses())
    classes = {}
    for name in workshop.ingredients.parents:
        observed = _observed_colours(real, name)
        drawn = draw_objects(workshop, name, "training", DRAWN_FOR_EACH * number, _bright, "flat all")
        mock = _sdss_colours(workshop, drawn, weights)
        rows = _matched(np.where(mock["u"] < faintest, mock["r"], np.nan), observed["r"], number)
        mock = {key: values[rows] for key, values in mock.items()}
        classes[name] = compare_loci(mock, observed, SDSS_COLOURS, AXES[name], FEWEST)
    return {
        "range": list(SDSS_RANGE),
        "faintest_u": faintest,
        "classes": classes,
        "columns": "u, g, r, i of the SkyServer table: model magnitudes as observed, with Galactic dust in them; "
        "u brought to AB by -0.04 mag",
        "notes": [
            "Mock objects are noiseless, of parents of the training split, and dimmed by E(B-V) = "
            f"{workshop.options.tiles.dust:g} mag of Galactic dust, the median of the tiles. At each r their redshifts "
            "and types are the natural ones; their r magnitudes are distributed as those of the table.",
            f"The table ends at u = {faintest:.2f}, which cuts red objects that are faint in r; the same cut was made "
            "on the mock's side.",
            "SDSS objects were chosen for spectroscopy by colour and magnitude: of stars mostly F and G stars and "
            "white dwarfs, of distant galaxies luminous ones, of quasars those that do not look like a star. Loci "
            "are comparable, numbers are not.",
        ],
    }


def library_colours(workshop: Workshop, number: int = 3000) -> dict[str, Any]:
    """Compare J-PAS colours of mock stars and galaxies with those of the libraries that are never learnt from.

    Library spectra are taken as they are. Mock galaxies are drawn at z < `LIBRARY_NEAR` and brought to rest, so that
    lines lie in the same bands. No Galactic dust on either side.

    Returns
    -------
    dict
        ``classes`` (by class, see `compare_loci`) and ``notes``; classes without such a library are missing, and all
        classes of a survey that has none of `LIBRARY_AXES`.
    """
    classes = {}
    axis = next((name for name in LIBRARY_AXES if _has(workshop.survey, name)), None)
    for name in ("star", "galaxy"):
        parents = workshop.ingredients.parents.get(name)
        if axis is None or parents is None or not parents.rows_of_split[HELD_OUT].size:
            continue
        rows = parents.rows_of_split[HELD_OUT]
        own = Drawn(
            name,
            HELD_OUT,
            Kinds(np.full(rows.size, 18.0), np.zeros(rows.size), rows),
            ObjectStreams(workshop.options.seed, rows),
        )
        drawn = draw_objects(workshop, name, "training", number, _near if name == "galaxy" else _any)
        drawn.kinds.redshift[:] = 0.0
        classes[name] = compare_loci(
            _survey_colours(workshop, drawn),
            _survey_colours(unvaried(workshop), own),
            tuple(name for name in LIBRARY_COLOURS if _has(workshop.survey, name)),
            (axis, LIBRARY_EDGES),
            FEWEST_OF_LIBRARY,
        )
    return {
        "classes": classes,
        "notes": [
            f"Library spectra as they are; mock galaxies drawn at z < {LIBRARY_NEAR:g} and brought to rest. No "
            "Galactic dust was put on either side; library stars and galaxies keep their own. The libraries hold "
            "giants and other rare types in equal parts with dwarfs; mock stars are those of a faint field."
        ],
    }


def compare_loci(
    mock: Colours,
    real: Colours,
    colours: tuple[str, ...],
    axis_and_edges: tuple[str, np.ndarray],
    fewest: int,
) -> dict[str, Any]:
    """Compare the colours of two samples in bins of one quantity, and as a whole.

    Parameters
    ----------
    mock, real : dict of str to ndarray
        Each of `colours` and the axis, (n,) float64; NaN where not known.
    colours : tuple of str
    axis_and_edges : (str, ndarray)
        What to bin in, and the edges (k + 1,).
    fewest : int
        Real objects in a bin that counts for the offset.

    Returns
    -------
    dict
        ``axis``, ``edges``; ``numbers`` of ``mock`` and ``real``; ``loci`` by colour: ``mock`` and ``real``, lists
        (k,) of ``n``, ``low`` (16 %), ``median``, ``high`` (84 %), None in bins with fewer than 3 objects;
        ``offset`` by colour: mean over bins of mock median less real median, weighted by real objects, None where
        no bin has `fewest`; ``median`` by colour: of ``mock`` and ``real``, over all objects.
    """
    axis, edges = axis_and_edges
    loci, offset, median = {}, {}, {}
    for name in colours:
        sides = {"mock": _locus(mock, name, axis, edges), "real": _locus(real, name, axis, edges)}
        median[name] = {"mock": _median(mock[name]), "real": _median(real[name])}
        if name != axis:
            loci[name] = sides
            offset[name] = _offset(sides["mock"], sides["real"], fewest)
    return {
        "axis": axis,
        "edges": edges.tolist(),
        "numbers": {"mock": len(mock[axis]), "real": len(real[axis])},
        "loci": loci,
        "offset": offset,
        "median": median,
    }


def sdss_responses() -> tuple[Response, ...]:
    """Return the SDSS curves u, g, r, i (Doi et al. 2010, AJ 139, 1628; speclite's sdss2010)."""
    from speclite.filters import load_filters

    return tuple(
        Response(name, np.array(curve.wavelength), np.array(curve.response))
        for name, curve in zip(
            SDSS_BANDS, load_filters(*(f"sdss2010-{name}" for name in SDSS_BANDS)), strict=True
        )
    )


def _bright(kinds: Kinds) -> np.ndarray:
    return kinds.magnitude < SDSS_RANGE[1]


def _near(kinds: Kinds) -> np.ndarray:
    return kinds.redshift < LIBRARY_NEAR


def _any(kinds: Kinds) -> np.ndarray:
    return np.ones(kinds.magnitude.size, dtype=bool)


def _sdss_colours(workshop: Workshop, drawn: Drawn, weights: np.ndarray) -> Colours:
    """Colours, redshift, r, and u on the scale of SDSS."""
    flux = np.empty((len(drawn), len(SDSS_BANDS)))
    made = spectra_in_chunks(workshop, drawn.true_class, drawn.split, drawn.kinds, drawn.streams)
    for rows, spectra in made:
        redden_by_milky_way(spectra, np.full(len(spectra), workshop.options.tiles.dust))
        flux[rows] = integrate_bands(spectra, weights)
    magnitudes = dict(zip(SDSS_BANDS, _magnitudes(flux).T, strict=True))
    known = {"redshift": drawn.kinds.redshift, "r": drawn.kinds.magnitude}
    role = magnitude_role(workshop.survey)
    if role != "r" and role in SDSS_BANDS:  # magnitudes are drawn in the survey's reference band
        known["r"] = drawn.kinds.magnitude + magnitudes["r"] - magnitudes[role]
    known["u"] = magnitudes["u"] - magnitudes["r"] + known["r"] - SDSS_OFFSET["u"]
    return _differences(magnitudes, SDSS_COLOURS) | known


def _observed_colours(real: SdssPhotometry, true_class: str) -> Colours:
    low, high = SDSS_RANGE
    rows = (real.true_class == true_class) & (real.r > low) & (real.r < high)
    magnitudes = {name: getattr(real, name)[rows] + SDSS_OFFSET[name] for name in SDSS_BANDS}
    return _differences(magnitudes, SDSS_COLOURS) | {"redshift": real.redshift[rows], "r": real.r[rows]}


def _matched(mock: np.ndarray, real: np.ndarray, number: int) -> np.ndarray:
    """Return the positions of up to `number` mock objects whose magnitudes are distributed as the real ones'."""
    edges = np.arange(*SDSS_RANGE, MATCHED_STEP)
    place, counts = np.searchsorted(edges, mock), np.bincount(np.searchsorted(edges, real))
    place[np.isnan(mock)] = -1
    quota = np.rint(counts * number / max(counts.sum(), 1)).astype(np.int64)
    rows = [np.flatnonzero(place == one)[:most] for one, most in enumerate(quota)]
    return np.sort(np.concatenate(rows)) if rows else np.array([], dtype=np.int64)


def _survey_colours(workshop: Workshop, drawn: Drawn) -> Colours:
    conditions = plain_conditions(workshop, len(drawn))
    flux = true_fluxes(workshop, drawn.true_class, drawn.split, drawn.kinds, drawn.streams, conditions)
    magnitudes = dict(zip(workshop.survey.band_names, _magnitudes(flux).T, strict=True))
    known = (*LIBRARY_COLOURS, *LIBRARY_AXES)
    return _differences(magnitudes, tuple(name for name in known if _has(workshop.survey, name)))


def _has(survey: Survey, colour: str) -> bool:
    return set(colour.split("-")) <= set(survey.band_names)


def _magnitudes(flux: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(flux > 0, -2.5 * np.log10(flux.astype(np.float64)), np.nan)


def _differences(magnitudes: dict[str, np.ndarray], colours: tuple[str, ...]) -> Colours:
    pairs = {name: name.split("-") for name in colours}
    return {name: magnitudes[blue] - magnitudes[red] for name, (blue, red) in pairs.items()}


def _locus(sample: Colours, colour: str, axis: str, edges: np.ndarray) -> dict[str, list[Any]]:
    x, y = sample[axis], sample[colour]
    place = np.where(np.isfinite(y), np.searchsorted(edges, x, side="right") - 1, -1)
    locus: dict[str, list[Any]] = {"n": [], "low": [], "median": [], "high": []}
    for number in range(len(edges) - 1):
        inside = y[place == number]
        locus["n"].append(int(inside.size))
        limits = np.percentile(inside, (16, 50, 84)) if inside.size >= 3 else (None, None, None)
        for key, value in zip(("low", "median", "high"), limits, strict=True):
            locus[key].append(None if value is None else round(float(value), 4))
    return locus


def _offset(mock: dict[str, list[Any]], real: dict[str, list[Any]], fewest: int) -> float | None:
    pairs = [
        (number, ours - theirs)
        for number, ours, theirs in zip(real["n"], mock["median"], real["median"], strict=True)
        if number >= fewest and ours is not None and theirs is not None
    ]
    if not pairs:
        return None
    numbers, differences = np.array(pairs).T
    return round(float(np.average(differences, weights=numbers)), 4)


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(np.median(known)), 4) if known.size else None


def _without_folder(error: InputError, folder: str | Path) -> str:
    """Return a message without the place of the pack, which is nobody else's concern."""
    return str(error).replace(str(folder).rstrip("/") + "/", "")
