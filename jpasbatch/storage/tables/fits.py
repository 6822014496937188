"""Published tables in FITS: read with every checksum verified, and tiles written in CEFCA's form."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.photometry import flux_lambda_from_nu
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import flux_unit
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.storage.tables.columns import FILTER_TABLE, band_names_by_id, is_filter_table, wanted_columns
from jpasbatch.storage.tables.compression import plain_file
from jpasbatch.storage.tables.fits_headers import check_headers

SMALLEST_RELATIVE_FLUX = 1e-6


def iterate_fits(path: Path, survey: Survey, chunk_rows: int) -> Iterator[RawTable]:
    """Yield chunks of a FITS file; see `jpasbatch.storage.tables.tables.iterate_raw`.

    Units are TUNIT; the order of bands is that of the extension FILTER.
    """
    with open_tables(path, survey) as (table, bands):
        names = table.columns.names
        wanted = wanted_columns(names, survey)
        others = tuple(other for other in names if other not in wanted)
        units = {column: (table.columns[column].unit or "").strip() for column in wanted}
        n_rows = table.header["NAXIS2"]
        for start in range(0, max(n_rows, 1), chunk_rows):
            rows = slice(start, min(start + chunk_rows, n_rows))
            try:
                columns = {column: read_rows(table, column, rows) for column in wanted}
            except (ValueError, TypeError, OSError, UnicodeDecodeError, IndexError) as error:
                raise InputError(f"{path}: is damaged ({error})") from None
            yield RawTable(columns, units, bands, str(path), start, other_columns=others)


@contextmanager
def open_tables(path: Path, survey: Survey) -> Iterator[tuple[Any, tuple[str, ...] | None]]:
    """Open a FITS file; give its table of objects, and the order of bands that its extension FILTER tells, if any.

    Raises
    ------
    InputError
        When it cannot be read, a checksum does not hold, or it holds several tables of objects.
    """
    with ExitStack() as stack:
        name = stack.enter_context(plain_file(path))
        check_headers(name, path)
        hdus = stack.enter_context(_open(name, path))
        _check_whole(hdus, name, path)
        yield _choose_tables(hdus, survey, path)


def _open(name: Path, path: Path) -> Any:
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            # truncation is checked below, on every file and not by a warning
            warnings.simplefilter("ignore")
            hdus: Any = fits.open(name, memmap=True, lazy_load_hdus=False)
            _ = [hdu.header.get("NAXIS2") for hdu in hdus]
    except Exception as error:  # astropy raises many kinds for damaged headers
        raise InputError(f"{path}: is not a readable FITS file ({error})") from None
    return hdus


def _check_whole(hdus: Any, name: Path, path: Path) -> None:
    """Refuse a file that ends early, and one whose stated checksums do not hold."""
    size = name.stat().st_size
    content = np.memmap(name, dtype=np.uint8, mode="r")
    end = 0
    for number, hdu in enumerate(hdus):
        place = hdu.fileinfo()
        header, data, end = place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]
        if end > size:
            raise InputError(f"{path}: is truncated: HDU {number} ends at byte {end}, the file at {size}")
        if "CHECKSUM" in hdu.header and _ones_complement_sum(content[header:end]) not in (0, 0xFFFFFFFF):
            raise InputError(f"{path}: is damaged: the CHECKSUM of HDU {number} does not hold")
        if "DATASUM" in hdu.header and str(hdu.header["DATASUM"]).strip().isdigit():
            found = _ones_complement_sum(content[data:end])
            if found != int(hdu.header["DATASUM"]):
                raise InputError(f"{path}: is damaged: the DATASUM of HDU {number} does not hold")
    if end < size:
        raise InputError(
            f"{path}: is truncated or damaged: {size - end} bytes after the last HDU belong to none"
        )


def _ones_complement_sum(content: np.ndarray) -> int:
    """Return the 32-bit ones' complement sum of FITS standard 4.0, appendix J."""
    total = 0
    words = content[: len(content) // 4 * 4].view(">u4")
    for start in range(0, len(words), 1 << 22):
        total += int(words[start : start + (1 << 22)].sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _choose_tables(hdus: Any, survey: Survey, path: Path) -> tuple[Any, tuple[str, ...] | None]:
    """Return the table of objects and the bands of the extension FILTER, if there is one."""
    from astropy.io import fits

    tables: list[Any] = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    filters = [hdu for hdu in tables if is_filter_table(hdu.name)]
    tables = [hdu for hdu in tables if not is_filter_table(hdu.name)]
    with_positions = [
        hdu
        for hdu in tables
        if survey.catalogue.key(survey.catalogue.ra) in map(survey.catalogue.key, hdu.columns.names)
    ]
    if not tables:
        raise InputError(f"{path}: holds no table of objects")
    if len(with_positions) > 1 or len(filters) > 1:
        raise InputError(f"{path}: holds several tables of objects or of filters; one of each is read")
    bands = None
    if filters:
        try:
            columns = {name: filters[0].data[name] for name in filters[0].columns.names}
        except (ValueError, TypeError, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: its table FILTER is damaged ({error})") from None
        bands = band_names_by_id(columns, path)
    table = (with_positions or tables)[0]
    names = table.columns.names
    if len(set(names)) != len(names):
        raise InputError(f"{path}: its table names a column twice")
    return table, bands


def read_rows(table: Any, name: str, rows: slice) -> np.ndarray:
    """Return rows of a column, masked where an integer is TNULL."""
    if rows.start >= rows.stop:
        return np.array(table.data.field(name)[:0])
    values = np.array(table.data.field(name)[rows])
    column = table.columns[name]
    if column.null is not None and values.dtype.kind in "iu":
        # the zero of unsigned integers is added to the data but not to TNULL
        hidden = values == values.dtype.type(int(column.null) + int(column.bzero or 0))
        return np.ma.MaskedArray(values, mask=hidden)
    return values


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
