"""Synthetic photometry: filter responses, real or approximate, and their integrals by speclite.

The mean flux density of a band is that of a photon counter (AB, Oke & Gunn 1983; speclite):
f_nu = integral f_lambda T lambda dlambda / integral (c / lambda^2) T lambda dlambda. It is linear in the
spectrum, so that speclite is asked once for the weight of every pixel of a grid and a sample of spectra
is one matrix product; the same weights, squared, propagate the noise of an observed spectrum.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import Band, CurveFiles, Survey

MINIMUM_COVERAGE = 0.98
"""Share of a band's weight that a spectrum must cover; below, the band counts as not observed."""

ANGSTROM_PER = {"Angstrom": 1.0, "nm": 10.0}

MICROJANSKY_PER_MAGGIE = 3.631e9


@dataclass(frozen=True, eq=False)
class Response:
    """Total transmission of one band.

    Parameters
    ----------
    name : str
        Of the band.
    wavelength : ndarray, shape (k,), float64
        In Angstrom, increasing.
    transmission : ndarray, shape (k,), float64
        Any scale, zero at both ends.
    """

    name: str
    wavelength: np.ndarray
    transmission: np.ndarray


def approximate_responses(survey: Survey) -> tuple[Response, ...]:
    """Return smooth-edged curves of the survey's band wavelengths and widths, in its order.

    T = 1 / (1 + x^16) with x = 2 (lambda - wavelength) / width: flat-topped, one half at half the
    width from the centre. Real curves differ in their tops, edges and red leaks.
    """
    return tuple(_approximate(band) for band in survey.bands)


def load_responses(folder: str | Path, survey: Survey) -> tuple[Response, ...]:
    """Read the published curves of a survey's bands, plain or with ``.gz``, in the survey's order.

    The survey file says how their files are called, and in which unit (``[curves]``). Columns are wavelength and
    transmission, apart by blanks or a comma, and further ones; lines that start with ``#`` are comments.

    Raises
    ------
    InputError
        If the folder, a band's file or a file's content is missing or wrong; it names the file.
    """
    directory = Path(folder)
    if not directory.is_dir():
        first = survey.curves.name_of(survey.bands[0])
        raise InputError(f"filters = {str(folder)!r}: is not a folder; name the one that holds {first}")
    return tuple(_load(directory, band, survey.curves) for band in survey.bands)


def band_weights(wavelength: np.ndarray, responses: tuple[Response, ...]) -> np.ndarray:
    """Return what each pixel of f_lambda contributes to each band's f_nu.

    Parameters
    ----------
    wavelength : ndarray, shape (pixels,)
        In Angstrom, increasing.
    responses : tuple of Response
        The bands.

    Returns
    -------
    ndarray, shape (pixels, bands), float64
        In microjansky per erg/s/cm2/A: ``flux_lambda @ weights`` is f_nu. A column is NaN where
        the grid covers less than `MINIMUM_COVERAGE` of the band.
    """
    weights = np.zeros((wavelength.size, len(responses)))
    for column, response in enumerate(responses):
        weights[:, column] = _weights_of_one(wavelength, response)
    return weights


def synthesise(
    wavelength: np.ndarray, flux_lambda: np.ndarray, responses: tuple[Response, ...]
) -> np.ndarray:
    """Return the fluxes of spectra on one grid.

    Parameters
    ----------
    wavelength : ndarray, shape (pixels,)
        In Angstrom, increasing.
    flux_lambda : ndarray, shape (n, pixels)
        In erg/s/cm2/A.
    responses : tuple of Response
        The bands.

    Returns
    -------
    ndarray, shape (n, bands), float64
        f_nu in microjansky; NaN where the spectra do not cover a band.
    """
    return np.asarray(flux_lambda, dtype=np.float64) @ band_weights(wavelength, responses)


def integrate_bands(flux_lambda: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ``flux_lambda @ weights``, the same on any number of cores.

    BLAS sums in another order when it has more threads, which changes the last digits of a flux, and so the
    bytes of a mock. Band by band over the pixels that it covers, the plain sum is fast enough.

    Parameters
    ----------
    flux_lambda : ndarray, shape (n, pixels)
    weights : ndarray, shape (pixels, bands)
        A column may be NaN: the band is not covered.

    Returns
    -------
    ndarray, shape (n, bands)
    """
    flux = np.empty((len(flux_lambda), weights.shape[1]), dtype=np.result_type(flux_lambda, weights))
    for band, column in enumerate(weights.T):
        used = np.flatnonzero(column)
        part = slice(used[0], used[-1] + 1) if used.size else slice(0, 0)
        flux[:, band] = np.einsum("ij,j->i", flux_lambda[:, part], np.ascontiguousarray(column[part]))
    return flux


def _approximate(band: Band) -> Response:
    reach = 0.8 * band.width
    wavelength = np.linspace(band.wavelength - reach, band.wavelength + reach, 201)
    transmission = 1 / (1 + (2 * (wavelength - band.wavelength) / band.width) ** 16)
    transmission[[0, -1]] = 0.0
    return Response(band.name, wavelength, transmission)


def _load(directory: Path, band: Band, curves: CurveFiles) -> Response:
    stem = curves.name_of(band)
    path = next((directory / name for name in (stem, stem + ".gz") if (directory / name).is_file()), None)
    if path is None:
        raise InputError(f"no curve of band {band.name!r}: found neither {stem} nor {stem}.gz in {directory}")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        table = curve_table(content)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"filter curve {path}: cannot be read ({error})") from None
    if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all():
        raise InputError(f"filter curve {path}: expected two columns of finite numbers")
    wavelength, transmission = table.T
    if np.any(np.diff(wavelength) <= 0) or not np.any(transmission > 0):
        raise InputError(f"filter curve {path}: wavelengths must increase and some transmission be positive")
    scale = ANGSTROM_PER[curves.unit]
    return _trimmed(band.name, wavelength * scale, np.clip(transmission, 0.0, None))


def curve_table(content: bytes) -> np.ndarray:
    """Return the first two columns of a curve's file, float64 (k, 2), as they are.

    Raises
    ------
    ValueError
        If a line holds no numbers, or is not text.
    """
    lines = content.decode("ascii").splitlines()
    rows = [line.replace(",", " ").split()[:2] for line in lines if line.strip()[:1] not in ("", "#")]
    return np.array(rows, dtype=np.float64)


def _trimmed(name: str, wavelength: np.ndarray, transmission: np.ndarray) -> Response:
    """Cut the empty wings (below 0.1 % of the peak) and end with zeros, as speclite wants it."""
    used = np.flatnonzero(transmission > 1e-3 * transmission.max())
    first, last = max(used[0] - 1, 0), min(used[-1] + 1, wavelength.size - 1)
    kept = transmission[first : last + 1].copy()
    kept[[0, -1]] = 0.0
    return Response(name, wavelength[first : last + 1], kept)


def _weights_of_one(wavelength: np.ndarray, response: Response) -> np.ndarray:
    """Weights of a band by speclite, from unit spectra that are 1 in one pixel each."""
    weights = np.zeros(wavelength.size)
    covered = _covered_share(wavelength[0], wavelength[-1], response)
    if covered < MINIMUM_COVERAGE:
        return np.full(wavelength.size, np.nan)
    curve = _inside(response, wavelength[0], wavelength[-1])
    ends = np.searchsorted(wavelength, [curve.wavelength[0], curve.wavelength[-1]])
    first, last = max(ends[0] - 1, 0), min(ends[1] + 1, wavelength.size)
    weights[first:last] = _unit_maggies(curve, wavelength[first:last]) * MICROJANSKY_PER_MAGGIE
    return weights


def _covered_share(blue: float, red: float, response: Response) -> float:
    per_pixel = response.transmission / response.wavelength * np.gradient(response.wavelength)
    inside = (response.wavelength >= blue) & (response.wavelength <= red)
    return float(per_pixel[inside].sum() / per_pixel.sum())


def _inside(response: Response, blue: float, red: float) -> Response:
    """Cut a curve to the spectrum: speclite refuses spectra that end within a curve."""
    inside = (response.wavelength >= blue) & (response.wavelength <= red)
    transmission = response.transmission[inside].copy()
    transmission[[0, -1]] = 0.0
    return Response(response.name, response.wavelength[inside], transmission)


def _unit_maggies(curve: Response, wavelength: np.ndarray) -> np.ndarray:
    import astropy.units as units
    from speclite.filters import FilterResponse

    meta = {"group_name": "survey", "band_name": curve.name}
    filter_response = FilterResponse(curve.wavelength, curve.transmission, meta)
    spectra = np.eye(wavelength.size) * units.Unit("erg / (s cm2 Angstrom)")
    return np.asarray(filter_response.get_ab_maggies(spectra, wavelength * units.Angstrom))
