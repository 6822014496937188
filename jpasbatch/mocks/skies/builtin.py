"""Whole mock tables: tiles of the mock sky, balanced samples, and observed spectra seen by the survey.

The built-in mock is **for demonstration, not for science**: its spectra are parametric, its noise is made
of published depths, and its flags and stellarity are plausible numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypedDict

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.observation.appearance import raise_flags, sky_positions, stellarity
from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.parents.analytic import galaxies, quasars, stars
from jpasbatch.mocks.parents.analytic.spectra import chunks
from jpasbatch.mocks.populations.densities import (
    COUNTS_PER_DEG2,
    HIGH_REDSHIFT,
    SAMPLE_CLASSES,
    Purpose,
    draw_galaxies,
    draw_quasars,
    draw_star_magnitudes,
)
from jpasbatch.mocks.skies.spectra import PHOTOMETRY, read_spectra, spectra_photometry
from jpasbatch.mocks.spectra.grids import observed_wavelength
from jpasbatch.mocks.spectra.responses import (
    approximate_responses,
    band_weights,
    integrate_bands,
    load_responses,
)
from jpasbatch.photometry.noise import depths_of_tile, observe
from jpasbatch.photometry.photometry import flux_from_ab_magnitude
from jpasbatch.photometry.reported import combination_matrix
from jpasbatch.photometry.survey import Survey

FIRST_TILE = {"sky": 90001, "training": 91001, "validation": 92001, "spectra": 93001}
"""Tile numbers, beside any that a survey uses."""

_STREAMS = {"sky": 1, "training": 2, "validation": 3, "spectra": 4}


class MockTable(TypedDict):
    """Columns of a mock table of n rows, in canonical units.

    tile_id, number : int64 (n,); together the identity of an object.
    ra, dec : float64 (n,), degrees.
    flux, flux_err : float32 (n, bands), f_nu in microjansky.
    flags, mask_flags : int32 (n, bands).
    class_star : float32 (n,), NaN if unknown.
    true_class : object (n,), "star", "galaxy", "qso" or None if unknown.
    true_redshift : float32 (n,), NaN if unknown.
    """

    tile_id: np.ndarray
    number: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    flags: np.ndarray
    mask_flags: np.ndarray
    class_star: np.ndarray
    true_class: np.ndarray
    true_redshift: np.ndarray


def mock_tile(options: MockSky, survey: Survey, tile_index: int) -> MockTable:
    """Make one tile of the mock sky with its natural mix of classes.

    Depends on the options, the survey and the tile's number only.

    Raises
    ------
    ValueError
        If there is no such tile.
    """
    if not 0 <= tile_index < options.tiles:
        raise ValueError(f"tile_index = {tile_index}: must be from 0 to {options.tiles - 1}")
    rng = np.random.default_rng([options.seed, _STREAMS["sky"], tile_index])
    area = options.area_deg2 / options.tiles
    number = {name: int(rng.poisson(count * area)) for name, count in COUNTS_PER_DEG2.items()}
    drawn = [
        _stars(number["star"], rng, "sky"),
        _galaxies(number["galaxy"], rng, "sky"),
        _quasars(number["qso"], rng, (0.1, 5.0), "sky"),
    ]
    depth = depths_of_tile(survey, tile_index)
    position = sky_positions(options, tile_index, sum(number.values()), rng)
    return _table(options, survey, (drawn, depth, position, FIRST_TILE["sky"] + tile_index), rng)


def mock_sample(options: MockSky, survey: Survey, split: str) -> MockTable:
    """Make the balanced "training" or "validation" sample, uniform in r magnitude (`Purpose`).

    Every object is seen in a tile drawn at random. The two splits have no object in common.

    Raises
    ------
    ValueError
        If the split has another name.
    InputError
        If `MockSky.incomplete_bands` names a band that the survey lacks.
    """
    if split not in ("training", "validation"):
        raise ValueError(f"split = {split!r}: must be 'training' or 'validation'")
    purpose: Purpose = "training" if split == "training" else "validation"
    rng = np.random.default_rng([options.seed, _STREAMS[split], 0])
    number = options.training_per_class if split == "training" else options.validation_per_class
    drawn = [
        _stars(number, rng, purpose),
        _galaxies(number, rng, purpose),
        _quasars(number, rng, (0.1, HIGH_REDSHIFT), purpose),
        _quasars(number, rng, (HIGH_REDSHIFT, 5.0), purpose),
    ]
    total = number * len(SAMPLE_CLASSES)
    tile = rng.integers(max(len(survey.tiles), 1), size=total)
    depth = np.stack([depths_of_tile(survey, index) for index in range(max(len(survey.tiles), 1))])[tile]
    position = sky_positions(options, int(rng.integers(options.tiles)), total, rng)
    table = _table(options, survey, (drawn, depth, position, FIRST_TILE[split]), rng)
    incomplete = np.flatnonzero(rng.uniform(size=total) < options.incomplete_share)
    for band in options.incomplete_bands:
        table["flux"][incomplete, survey.index(band)] = np.nan
        table["flux_err"][incomplete, survey.index(band)] = np.nan
    return table


def observed_spectra_table(options: ObservedSpectra, survey: Survey) -> MockTable:
    """Make a table of observed spectra seen through the survey's filters.

    The error of every flux holds the noise of the spectrum and, if asked for, that of a survey tile
    drawn at random. Stellarity is unknown (NaN); class and redshift are those of visual inspection.

    Raises
    ------
    InputError
        If a folder or file is missing or wrong.
    """
    spectra = read_spectra(options.spectra)
    responses = load_responses(options.filters, survey)
    roles = survey.reported_bands
    if options.match_photometry and not all(role in roles for role in PHOTOMETRY):
        raise InputError(f"match_photometry = true: survey {survey.name!r} does not report all of g, r, i")
    matched = combination_matrix(survey, tuple(PHOTOMETRY)) if options.match_photometry else None
    flux, flux_err = spectra_photometry(spectra, responses, matched)
    rng = np.random.default_rng([options.seed, _STREAMS["spectra"], 0])
    if options.survey_noise:
        tile = rng.integers(max(len(survey.tiles), 1), size=len(flux))
        depth = np.stack([depths_of_tile(survey, index) for index in range(max(len(survey.tiles), 1))])[tile]
        flux, noise = observe(flux, depth, survey.zero_point_error, rng, options.noise)
        flux_err = np.hypot(flux_err, noise)
    rows, bands = flux.shape
    return MockTable(
        tile_id=np.full(rows, FIRST_TILE["spectra"], dtype=np.int64),
        number=np.arange(1, rows + 1, dtype=np.int64),
        ra=spectra.ra,
        dec=spectra.dec,
        flux=flux.astype(np.float32),
        flux_err=flux_err.astype(np.float32),
        flags=np.zeros((rows, bands), dtype=np.int32),
        mask_flags=np.zeros((rows, bands), dtype=np.int32),
        class_star=np.full(rows, np.nan, dtype=np.float32),
        true_class=spectra.true_class,
        true_redshift=spectra.true_redshift.astype(np.float32),
    )


class _Drawn(TypedDict):
    """Objects of one class: what they are, and how to make the spectra of some of them."""

    true_class: str
    magnitude: np.ndarray
    redshift: np.ndarray
    parameters: object


_MAKERS = {"star": stars.star_spectra, "galaxy": galaxies.galaxy_spectra, "qso": quasars.quasar_spectra}


def _stars(number: int, rng: np.random.Generator, purpose: Purpose) -> _Drawn:
    magnitude = draw_star_magnitudes(number, rng, flat=purpose != "sky")
    parameters = stars.draw_stars(number, rng)
    return _Drawn(true_class="star", magnitude=magnitude, redshift=np.zeros(number), parameters=parameters)


def _galaxies(number: int, rng: np.random.Generator, purpose: Purpose) -> _Drawn:
    magnitude, redshift, kind = draw_galaxies(number, rng, purpose)
    parameters = galaxies.GalaxyParameters(redshift, kind)
    return _Drawn(true_class="galaxy", magnitude=magnitude, redshift=redshift, parameters=parameters)


def _quasars(number: int, rng: np.random.Generator, limits: tuple[float, float], purpose: Purpose) -> _Drawn:
    magnitude, redshift = draw_quasars(number, rng, limits, purpose)
    parameters = quasars.QuasarParameters(redshift, magnitude)
    return _Drawn(true_class="qso", magnitude=magnitude, redshift=redshift, parameters=parameters)


def true_fluxes(drawn: _Drawn, weights: np.ndarray, reference: int, rng: np.random.Generator) -> np.ndarray:
    """Return noiseless fluxes (n, bands) in microjansky, chunk by chunk, scaled to the magnitudes."""
    flux = np.empty((drawn["magnitude"].size, weights.shape[1]))
    for rows in chunks(len(flux)):
        spectra = _MAKERS[drawn["true_class"]](drawn["parameters"][rows], rng)  # type: ignore[index]
        flux[rows] = integrate_bands(spectra, weights.astype(np.float32))
    return flux * (flux_from_ab_magnitude(drawn["magnitude"]) / flux[:, reference])[:, None]


def _table(
    options: MockSky,
    survey: Survey,
    content: tuple[list[_Drawn], np.ndarray, tuple[np.ndarray, np.ndarray], int],
    rng: np.random.Generator,
) -> MockTable:
    """Observe the drawn objects and put them in random order."""
    drawn, depth, (ra, dec), tile_id = content
    weights = _weights_of_files(options.filters, survey) if options.filters else _weights(survey)
    scale = 1 / np.nanmax(weights)  # keeps arbitrary flux units within float32
    true_flux = np.concatenate(
        [true_fluxes(part, weights * scale, survey.reference_index, rng) for part in drawn]
    )
    flux, flux_err = observe(true_flux, depth, survey.zero_point_error, rng, options.noise)
    redshift = np.concatenate([part["redshift"] for part in drawn])
    names = np.concatenate(
        [np.full(part["magnitude"].size, part["true_class"], dtype=object) for part in drawn]
    )
    magnitude = np.concatenate([part["magnitude"] for part in drawn])
    class_star = stellarity(names, magnitude, redshift, rng)
    order = rng.permutation(len(names))
    flags, mask_flags = raise_flags(flux.shape, options.flagged_share, rng)
    return MockTable(
        tile_id=np.full(len(names), tile_id, dtype=np.int64),
        number=np.arange(1, len(names) + 1, dtype=np.int64),
        ra=ra,
        dec=dec,
        flux=flux[order],
        flux_err=flux_err[order],
        flags=flags,
        mask_flags=mask_flags,
        class_star=class_star[order],
        true_class=names[order],
        true_redshift=redshift[order].astype(np.float32),
    )


def _weights_of_files(filters: str, survey: Survey) -> np.ndarray:
    return band_weights(observed_wavelength(), load_responses(filters, survey))


@lru_cache(maxsize=4)
def _weights(survey: Survey) -> np.ndarray:
    """Return the weights of approximate curves; made once a process, since they take longer than a small table."""
    return band_weights(observed_wavelength(), approximate_responses(survey))
