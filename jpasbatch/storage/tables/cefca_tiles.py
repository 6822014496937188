"""Tiles written as CEFCA's dual catalogues hold them: FITS with checksums and the table FILTER."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.photometry.photometry import flux_lambda_from_nu
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import flux_unit
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.storage.tables.columns import FILTER_TABLE

SMALLEST_RELATIVE_FLUX = 1e-6


def write_cefca_tile(path: Path, rows: dict[str, np.ndarray], survey: Survey) -> None:
    """Write a tile as CEFCA's dual catalogues hold it, with checksums and the table FILTER.

    The same rows give the same bytes.

    Parameters
    ----------
    path : Path
        Of a ``.fits`` file; replaced at once, or not at all.
    rows : dict of str to ndarray
        ``tile_id``, ``number`` (n,) int; ``ra``, ``dec`` (n,) degrees; ``flux``, ``flux_err``
        (n, bands) microjansky, NaN where not observed; ``flags``, ``mask_flags`` (n, bands) or
        (n,) int; ``class_star`` (n,); optional ``true_class`` (n,) str, "" or None where
        unknown, and ``true_redshift`` (n,).
    survey : Survey
        Of layout "arrays", with a form of photometry of fluxes and relative errors.

    Notes
    -----
    The relative error is flux_err / abs(flux), always positive. A flux nearer to zero than a
    millionth of its error cannot carry it, so that it is written as a millionth of the error,
    with its sign; zero counts as negative, because it is no detection. A flux of 0 without an
    error (a catalogued non-detection) stays 0 with NaN.

    Raises
    ------
    ValueError
        If a column is missing or has another shape, or the survey has another form.
    """
    from astropy.io import fits

    hdus = [fits.PrimaryHDU(), _objects(rows, survey), _filters(survey)]
    for hdu in hdus:
        hdu.add_checksum(when="of this HDU", override_datasum=False)
    content = BytesIO()
    fits.HDUList(hdus).writeto(content, checksum=False)
    write_atomically(Path(path), content.getvalue())


def _objects(rows: dict[str, np.ndarray], survey: Survey) -> Any:
    from astropy.io import fits

    catalogue = survey.catalogue
    form = next((form for form in catalogue.published_forms if form.kind == "flux"), None)
    if catalogue.layout != "arrays" or form is None or form.error_kind != "relative":
        raise ValueError(f"survey {survey.name!r} does not publish vectors of fluxes with relative errors")
    if len(catalogue.id_columns) != 2:
        raise ValueError(f"survey {survey.name!r} does not identify objects by tile and number")
    n_rows, n_bands = len(rows["number"]), len(survey.bands)
    flux, relative_error = _published_fluxes(rows, survey, form.unit)
    for key in ("tile_id", "number"):
        if (
            n_rows
            and not np.iinfo(np.int32).min < np.min(rows[key]) <= np.max(rows[key]) <= np.iinfo(np.int32).max
        ):
            raise ValueError(f"{key} must fit into 32 bits")
    whole = f"{n_bands}I"
    columns = [
        fits.Column(catalogue.id_columns[0], "J", array=rows["tile_id"]),
        fits.Column(catalogue.id_columns[1], "J", array=rows["number"]),
        fits.Column(catalogue.ra, "D", unit="deg", array=rows["ra"]),
        fits.Column(catalogue.dec, "D", unit="deg", array=rows["dec"]),
        fits.Column(form.value, f"{n_bands}E", unit=form.unit, array=flux),
        fits.Column(form.error, f"{n_bands}E", array=relative_error),
        fits.Column(catalogue.flags, whole, array=_per_band(rows["flags"], n_rows, n_bands)),
        fits.Column(catalogue.mask_flags, whole, array=_per_band(rows["mask_flags"], n_rows, n_bands)),
        fits.Column(catalogue.class_star, "E", array=rows["class_star"]),
    ]
    if "true_class" in rows:
        known = np.array(["" if value is None else str(value) for value in rows["true_class"]], dtype="U16")
        columns.append(fits.Column(catalogue.true_class, "16A", array=known))
    if "true_redshift" in rows:
        columns.append(fits.Column(catalogue.true_redshift, "E", array=rows["true_redshift"]))
    return fits.BinTableHDU.from_columns(columns, name="FLAMBDADUALOBJ")


def _published_fluxes(
    rows: dict[str, np.ndarray], survey: Survey, unit_text: str
) -> tuple[np.ndarray, np.ndarray]:
    unit = flux_unit(unit_text, "flux", survey.name)
    flux = np.asarray(rows["flux"], dtype=np.float64)
    flux_err = np.asarray(rows["flux_err"], dtype=np.float64)
    expected = (len(rows["number"]), len(survey.bands))
    if flux.shape != expected or flux_err.shape != expected:
        raise ValueError(f"flux and flux_err must have the shape {expected}, found {flux.shape}")
    usable = np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)
    smallest = SMALLEST_RELATIVE_FLUX * flux_err
    flux = np.where(usable & (np.abs(flux) < smallest), np.where(flux > 0, smallest, -smallest), flux)
    relative = np.divide(flux_err, np.abs(flux), out=np.full(expected, np.nan), where=usable)
    if unit.quantity == "flux_lambda":
        flux = flux_lambda_from_nu(flux, survey.wavelengths)
    return (flux / unit.scale).astype(np.float32), relative.astype(np.float32)


def _per_band(flags: np.ndarray, n_rows: int, n_bands: int) -> np.ndarray:
    flags = np.asarray(flags)
    if flags.ndim == 1:
        flags = np.repeat(flags[:, np.newaxis], n_bands, axis=1)
    if flags.shape != (n_rows, n_bands):
        raise ValueError(f"flags must have the shape {(n_rows, n_bands)} or {(n_rows,)}, found {flags.shape}")
    return flags.astype(np.int16)


def _filters(survey: Survey) -> Any:
    from astropy.io import fits

    longest = max(len(name) for name in survey.band_names)
    columns = [
        fits.Column("FILTER_ID", "I", array=np.arange(1, len(survey.bands) + 1)),
        fits.Column("NAME", f"{longest}A", array=np.array(survey.band_names)),
        fits.Column("WAVELENGTH", "D", unit="Angstrom", array=survey.wavelengths),
        fits.Column("WIDTH", "D", unit="Angstrom", array=np.array([band.width for band in survey.bands])),
    ]
    return fits.BinTableHDU.from_columns(columns, name=FILTER_TABLE)
