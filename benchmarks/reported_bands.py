"""How to make g and r out of the narrow bands of J-PAS, and how well: weights for ``[reported_bands]``.

    JPASBATCH_DATA=PACK python benchmarks/reported_bands.py

Mock objects of every class descend from the spectra of the template pack (docs/template_pack.md), and are seen
without noise through the real curves of the 60 bands of miniJPAS, which has gSDSS and rSDSS. Weights of the narrow
bands are those, none negative, that minimise the mean square of the relative difference of the sum from the broad
band; classes weigh alike. Descendants of the parents of the training set fit; those of the test set give the scatter
that is printed.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.parents.packs.ingredients import gather
from jpasbatch.mocks.skies.objects import Workshop, draw_kinds, true_fluxes
from jpasbatch.mocks.skies.templates import conditions_of
from jpasbatch.photometry.combinations import BandCombination
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE, TYPICAL_SEEING, RealTiles
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.reported import combined_fluxes
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import load_survey

SURVEY, TARGET = load_survey("jpas60"), load_survey("jpas57")
CLASSES = ("star", "galaxy", "qso")
OBJECTS = 6000
REACH = {"g": ("gSDSS", 3900.0, 5700.0), "r": ("rSDSS", 5300.0, 7100.0)}
"""Broad band, and the wavelengths between which narrow bands may stand for it, Angstrom."""

SMALLEST = 5e-4
"""Weights below are left out: they cost noise and bring nothing."""


def fluxes_of(pack: Path, split: str) -> dict[str, np.ndarray]:
    """Return noiseless fluxes (n, 60) of descendants of a split's parents, by class; without rows that lack a band."""
    given = gather(pack, CLASSES, SURVEY, with_held_out=False)
    seeing = np.full_like(given.real_tiles.seeing, TYPICAL_SEEING)  # apertures are no matter of the spectra
    given = replace(given, real_tiles=RealTiles(given.real_tiles.depth, seeing))
    workshop = Workshop(TemplateSky(templates=str(pack), seed=11), given, SURVEY)
    fluxes = {}
    for number, name in enumerate(CLASSES):
        streams = ObjectStreams(11, np.arange(OBJECTS) + number * OBJECTS)
        kinds = draw_kinds(workshop, name, split, streams, "all")
        conditions = conditions_of(workshop, FIRST_VIRTUAL_TILE + np.arange(OBJECTS) % 1000)
        flux = true_fluxes(workshop, name, split, kinds, streams, conditions)
        fluxes[name] = flux[(flux > 0).all(axis=1)].astype(np.float64)
    return fluxes


def fit(parts: dict[str, np.ndarray], broad: int, narrow: list[int]) -> np.ndarray:
    """Return weights (narrow,), not negative, of the least relative difference; classes weigh alike."""
    matrix = np.concatenate(
        [part[:, narrow] / part[:, [broad]] / np.sqrt(len(part)) for part in parts.values()]
    )
    wanted = np.concatenate([np.full(len(part), 1 / np.sqrt(len(part))) for part in parts.values()])
    weights = nnls(matrix, wanted)[0]
    kept = np.flatnonzero(weights > SMALLEST)
    weights[:] = 0.0
    weights[kept] = nnls(matrix[:, kept], wanted)[0]
    return weights


def scatter_of(flux: np.ndarray, broad: int, combination: BandCombination) -> tuple[float, float, float]:
    """Return median, root mean square and 95th percentile of the difference from the broad band, magnitudes."""
    places = [SURVEY.index(name) for name in TARGET.band_names]
    part = flux[:, places].astype(np.float32)
    combined, _ = combined_fluxes(Photometry(part, np.full_like(part, 1e-3)), combination, TARGET)
    offset = ab_magnitude(combined) - ab_magnitude(flux[:, broad])
    return float(np.median(offset)), float(np.sqrt(np.mean(offset**2))), float(np.percentile(abs(offset), 95))


def main() -> None:
    """Print the tables of a survey file, and how good they are."""
    pack = Path(os.environ["JPASBATCH_DATA"])
    learnt, tested = fluxes_of(pack, "training"), fluxes_of(pack, "test")
    for role, (name, blue, red) in REACH.items():
        broad = SURVEY.index(name)
        narrow = [
            SURVEY.index(band.name)
            for band in TARGET.bands
            if band.group == "narrow" and blue < band.wavelength < red
        ]
        weights = fit(learnt, broad, narrow)
        chosen = {
            SURVEY.band_names[place]: round(float(weight), 4)
            for place, weight in zip(narrow, weights, strict=True)
            if weight > 0
        }
        combination = BandCombination(chosen)
        found = {key: scatter_of(flux, broad, combination) for key, flux in tested.items()}
        print(f"[reported_bands.{role}]")
        print(f"scatter = {{ {', '.join(f'{key} = {one[1]:.4f}' for key, one in found.items())} }}")
        print("[reported_bands." + role + ".bands]")
        for key, weight in chosen.items():
            print(f"{key} = {weight}")
        for key, (median, spread, worst) in found.items():
            numbers = f"median {median:+.4f}, rms {spread:.4f}, 95 % within {worst:.4f} mag"
            print(f"# {key}: {len(tested[key])} objects, {numbers}")


if __name__ == "__main__":
    main()
