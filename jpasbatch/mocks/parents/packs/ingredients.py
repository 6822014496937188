"""All that mock objects of a template pack are made of, gathered once and then read by every worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import galaxies as galaxy_files
from jpasbatch.mocks.packs import instrument, quasars, stars, templates
from jpasbatch.mocks.packs.status import PackStatus, check_pack
from jpasbatch.mocks.parents.packs.galaxies import (
    elg_parents,
    held_out_galaxies,
    kcorrect_parents,
    lrg_parents,
    old_light,
    youngest_light,
)
from jpasbatch.mocks.parents.packs.mixtures import mixed_galaxies
from jpasbatch.mocks.parents.packs.quasars import quasar_parents
from jpasbatch.mocks.parents.packs.rare_stars import rare_star_parents
from jpasbatch.mocks.parents.packs.stars import (
    brown_dwarf_parents,
    featureless_white_dwarf_parents,
    held_out_stars,
    hot_white_dwarf_parents,
    star_parents,
    stars_of_type_a,
    white_dwarf_parents,
)
from jpasbatch.mocks.parents.parents import Parents, join, split_of
from jpasbatch.mocks.spectra.grids import observed_grid, resample, rest_grid
from jpasbatch.mocks.spectra.responses import band_weights
from jpasbatch.photometry.conditions import RealTiles
from jpasbatch.photometry.survey import Survey

GALAXY_TEMPLATES = {
    "active-galaxies": templates.read_active_galaxies,
    "galaxy-sequence": templates.read_galaxy_sequence,
    "galaxies-with-lines": templates.read_galaxies_with_lines,
    "blue-galaxies": templates.read_blue_galaxies,
}
"""Sources of the light that galaxies are mixed of."""

DEFAULT_MIXTURE = (np.ones(1), np.array([[0.05, 0.45, 0.02, 0.10]]), np.diag([0.07, 0.03, 0.05, 0.03])[None])
"""Star-forming galaxies, where no pack gives a mixture: assumed."""


@dataclass(frozen=True, eq=False)
class Ingredients:
    """What a pack gives.

    Attributes
    ----------
    parents : dict of str to Parents
        By class: "star", "galaxy", "qso"; held-out libraries among them.
    troughs, trough_split : ndarray
        Broad-absorption transmission (k, 3910) float32 on the rest grid, and their splits (k,).
    mixture : tuple of ndarray
        Weights, means and covariances of galaxies' line ratios.
    young, old : ndarray of float32, shape (3910,)
        Light of young and of old stars on the rest grid, 1 on average from 5000 to 6000 Angstrom; zeros without
        galaxies.
    real_tiles : RealTiles
    weights : ndarray of float32, shape (1626, bands)
        Of the pixels of `observed_grid` in each band, any common scale.
    lacking : tuple of str
        Keys of sources that the pack lacks and that would have enriched the mock.
    """

    parents: dict[str, Parents]
    troughs: np.ndarray
    trough_split: np.ndarray
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray]
    young: np.ndarray
    old: np.ndarray
    real_tiles: RealTiles
    weights: np.ndarray
    lacking: tuple[str, ...]

    def troughs_of(self, split: str) -> np.ndarray:
        """Return the troughs of one split."""
        return self.troughs[self.trough_split == split]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return plain arrays, without objects, from which `from_arrays` makes the same ingredients."""
        arrays = {
            "troughs": self.troughs,
            "trough_split": self.trough_split,
            "young": self.young,
            "old": self.old,
            "depth": self.real_tiles.depth,
            "seeing": self.real_tiles.seeing,
            "weights": self.weights,
            "lacking": np.array(self.lacking, dtype=str),
            "classes": np.array(list(self.parents), dtype=str),
        }
        arrays |= {f"mixture_{number}": part for number, part in enumerate(self.mixture)}
        for name, parents in self.parents.items():
            arrays |= {f"{name}/{key}": value for key, value in parents.arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Ingredients:
        """Return the ingredients that `to_arrays` described."""
        parents = {}
        for name in map(str, arrays["classes"]):
            start = f"{name}/"
            parents[name] = Parents.from_arrays(
                {key[len(start) :]: value for key, value in arrays.items() if key.startswith(start)}
            )
        return cls(
            parents=parents,
            troughs=arrays["troughs"],
            trough_split=arrays["trough_split"],
            mixture=(arrays["mixture_0"], arrays["mixture_1"], arrays["mixture_2"]),
            young=arrays["young"],
            old=arrays["old"],
            real_tiles=RealTiles(arrays["depth"], arrays["seeing"]),
            weights=arrays["weights"],
            lacking=tuple(map(str, arrays["lacking"])),
        )


def gather(folder: Path, classes: tuple[str, ...], survey: Survey, with_held_out: bool) -> Ingredients:
    """Read a template pack and make the parents of some classes.

    Parameters
    ----------
    folder : Path
    classes : tuple of str
        Of "star", "galaxy" and "qso".
    survey : Survey
    with_held_out : bool
        Whether the held-out libraries are wanted.

    Raises
    ------
    InputError
        If the pack lacks what a class needs, lacks filter curves, or a file of it is damaged.
    """
    status = check_pack(folder)
    if status.damaged:
        messages = [entry.message for entry in status.sources if entry.state == "damaged"]
        raise InputError("; ".join(messages))
    makers = {"star": _stars, "galaxy": _galaxies, "qso": _quasars}
    for name in classes:
        if name not in status.classes:
            raise InputError(
                f"{folder}: the template pack lacks what mocks of class {name!r} need; it can make "
                f"{', '.join(status.classes) or 'nothing'}. `jpasbatch templates check {folder}` says what is "
                "missing and where it is published; or leave the class out of [mock] classes"
            )
    parents = {name: makers[name](folder, status, with_held_out) for name in classes}
    weights = band_weights(observed_grid(), instrument.read_filter_curves(folder, survey))
    _check_bands(weights, survey)
    has, nothing = status.present, np.zeros(rest_grid().size, dtype=np.float32)
    troughs = quasars.read_bal_troughs(folder) if "bal-troughs" in has else None
    mixture = galaxy_files.read_forbidden_mixture(folder) if "forbidden-lines" in has else None
    tiles = instrument.read_tile_images(folder, survey) if "tile-images" in has else None
    return Ingredients(
        parents=parents,
        troughs=_trough_curves(troughs),
        trough_split=split_of(troughs.name) if troughs else np.array([], dtype=str),
        mixture=(mixture.weights, mixture.means, mixture.covariances) if mixture else DEFAULT_MIXTURE,
        young=youngest_light(parents["galaxy"]) if "galaxy" in parents else nothing,
        old=old_light(parents["galaxy"]) if "galaxy" in parents else nothing,
        real_tiles=RealTiles(tiles.depth, tiles.fwhm) if tiles else RealTiles.of_survey(survey),
        weights=(weights / np.nanmax(weights)).astype(np.float32),
        lacking=status.lacking,
    )


def _quasars(folder: Path, status: PackStatus, with_held_out: bool) -> Parents:
    return quasar_parents(quasars.read_quasar_pca(folder), quasars.read_unabsorbed_basis(folder))


def _galaxies(folder: Path, status: PackStatus, with_held_out: bool) -> Parents:
    parts = []
    if "kcorrect" in status.present:
        parts.append(kcorrect_parents(galaxy_files.read_kcorrect(folder)))
    if "desi-lrg" in status.present:
        parts.append(lrg_parents(galaxy_files.read_lrg(folder)))
    if "desi-elg" in status.present:
        parts.append(elg_parents(galaxy_files.read_elg(folder)))
    sources = {key: read(folder) for key, read in GALAXY_TEMPLATES.items() if key in status.present}
    a_stars = np.zeros((0, rest_grid().size), dtype=np.float32)
    if "star-basis" in status.present:
        a_stars = stars_of_type_a(stars.read_star_basis(folder))
    parts += mixed_galaxies(sources, old_light(parts[0])[None], a_stars)
    if with_held_out and "galaxy-atlas" in status.present:
        parts.append(held_out_galaxies(galaxy_files.read_galaxy_atlas(folder)))
    return join(parts)


def _stars(folder: Path, status: PackStatus, with_held_out: bool) -> Parents:
    parts = [
        star_parents(stars.read_star_basis(folder)),
        featureless_white_dwarf_parents(),
        rare_star_parents(),
    ]
    if "white-dwarfs" in status.present:
        parts.append(white_dwarf_parents(stars.read_white_dwarfs(folder)))
    if "hot-white-dwarfs" in status.present:
        parts.append(hot_white_dwarf_parents(templates.read_hot_white_dwarfs(folder)))
    if "brown-dwarfs" in status.present:
        parts.append(brown_dwarf_parents(templates.read_brown_dwarfs(folder)))
    readers = {"pickles": stars.read_pickles, "sdss-stars": stars.read_sdss_star_templates}
    for key, read in readers.items():
        if with_held_out and key in status.present:
            parts.append(held_out_stars(read(folder), key))
    return join(parts)


def _trough_curves(troughs: quasars.BalTroughs | None) -> np.ndarray:
    """Transmission on the rest grid (k, 3910); 1 where nothing is known."""
    if troughs is None:
        return np.ones((0, rest_grid().size), dtype=np.float32)
    curves = resample(troughs.wavelength, troughs.transmission)
    known = (rest_grid() > troughs.wavelength[0] * 1.001) & (rest_grid() < troughs.wavelength[-1] * 0.999)
    return np.where(known, curves, 1.0).astype(np.float32)


def _check_bands(weights: np.ndarray, survey: Survey) -> None:
    uncovered = [
        name for name, column in zip(survey.band_names, weights.T, strict=True) if np.isnan(column).any()
    ]
    if uncovered:
        raise InputError(
            f"survey {survey.name!r}: the mock's spectra (3000 to 11000 Angstrom) do not cover {uncovered[0]}"
        )
