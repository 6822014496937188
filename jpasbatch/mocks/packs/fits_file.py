"""A FITS file in memory, of which every part is asked for by name, shape and kind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.reading import FETCH_AGAIN, Shape, check_numbers, read_bytes, refused


class FitsFile:
    """A FITS file in memory, of which every part is asked for by name, shape and kind.

    Parameters
    ----------
    path : Path
        Of the file, gzip or not.

    Raises
    ------
    InputError
        If it is not a FITS file, or shorter than its headers say.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = read_bytes(path)
        with refused(path):
            from astropy.io import fits

            self._hdus: Any = fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=False)
            self._check_length(content)

    def _check_length(self, content: bytes) -> None:
        """Refuse a cut file before its data are touched: astropy only warns of it."""
        for hdu in self._hdus:
            last = hdu.fileinfo()["datLoc"] + hdu.size
            if last > len(content):
                raise InputError(
                    f"{self.path}: is truncated: {len(content)} bytes where its headers announce {last}; "
                    f"{FETCH_AGAIN}"
                )
        info = self._hdus[-1].fileinfo()
        # a header that was cut is no HDU to astropy, which passes over it
        rest = content[info["datLoc"] + info["datSpan"] :]
        if rest.strip(b"\0 "):
            raise InputError(
                f"{self.path}: is truncated or garbled: its last {len(rest)} bytes are no HDU; {FETCH_AGAIN}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the HDUs; the number stands for one without a name."""
        with refused(self.path):
            return tuple(hdu.name or str(number) for number, hdu in enumerate(self._hdus))

    def image_shape(self, number: int) -> tuple[int, ...] | None:
        """Return the shape of the image in an HDU, or None if it holds a table or nothing."""
        with refused(self.path):
            hdu: Any = self._hdus[number]
            return tuple(hdu.shape) if hdu.is_image and len(hdu.shape) else None

    def image(self, hdu: str | int, shape: Shape, dtype: Any = np.float64) -> np.ndarray:
        """Return the finite numbers of an image HDU.

        Parameters
        ----------
        hdu : str or int
            Name or number.
        shape : tuple of int or None
            Wanted shape, in numpy's order of axes.
        dtype : dtype
            Of the result.

        Raises
        ------
        InputError
            If there is no such HDU or it holds something else.
        """
        found = self._hdu(hdu)
        with refused(self.path):
            if not found.is_image:
                raise InputError(f"{self.path}: HDU {hdu!r} is a table; an image is expected")
            data = found.data
        return self._numbers(data, shape, dtype, f"HDU {hdu!r}")

    def column(self, hdu: str | int, name: str, shape: Shape = (), dtype: Any = np.float64) -> np.ndarray:
        """Return the finite numbers of a table column.

        Parameters
        ----------
        hdu : str or int
            Name or number of the table.
        name : str
            Of the column.
        shape : tuple of int or None
            Wanted shape of one row; the result has a leading axis of rows.
        dtype : dtype
            Of the result.
        """
        data = self._column(hdu, name)
        return self._numbers(data, (None, *shape), dtype, f"column {name} of HDU {hdu!r}")

    def column_shape(self, hdu: str | int, name: str) -> tuple[int, ...]:
        """Return the shape of a table column, its rows first."""
        data = self._column(hdu, name)
        with refused(self.path):
            return tuple(np.shape(data))

    def text_column(self, hdu: str | int, name: str) -> np.ndarray:
        """Return a table column of text, stripped of blanks, as an array of str."""
        data = self._column(hdu, name)
        with refused(self.path):
            if data is None or data.dtype.kind not in "SU" or data.ndim != 1:
                raise InputError(f"{self.path}: column {name} of HDU {hdu!r} does not hold text")
            return np.array([str(value).strip() for value in data], dtype=np.str_)

    def number(self, hdu: str | int, key: str, default: float | None = None) -> float:
        """Return a finite number of a header.

        Raises
        ------
        InputError
            If the key is missing and there is no default, or its value is not a number.
        """
        value = self.text(hdu, key, default)
        if isinstance(value, (int, float)) and np.isfinite(value):
            return float(value)
        found = "is missing" if value is None else f"is {value!r}"
        raise InputError(f"{self.path}: {key} in the header of HDU {hdu!r} {found}; a number is expected")

    def text(self, hdu: str | int, key: str, default: Any = None) -> Any:
        """Return a value of a header as it is, or the default."""
        found = self._hdu(hdu)
        with refused(self.path):
            return found.header.get(key, default)

    def grid(self, hdu: str | int, pixels: int, logarithmic: bool | None = None) -> np.ndarray:
        """Return the wavelengths of CRVAL1, CDELT1 and CRPIX1 (1 if missing), float64 (pixels,).

        They are decimal logarithms where LOGLAM of the header is not 0, or where `logarithmic` says so.
        """
        first, step = self.number(hdu, "CRVAL1"), self.number(hdu, "CDELT1")
        offset = self.number(hdu, "CRPIX1", 1.0) - 1
        if logarithmic is None:
            logarithmic = self.number(hdu, "LOGLAM", 0) != 0
        with np.errstate(all="ignore"):
            values = first + step * (np.arange(pixels) - offset)
            return 10.0**values if logarithmic else values

    def _hdu(self, hdu: str | int) -> Any:
        with refused(self.path):
            for number, found in enumerate(self._hdus):
                if number == hdu or found.name == hdu:
                    return found
        listed = ", ".join(self.names)
        raise InputError(f"{self.path}: has no HDU {hdu!r}; found {listed}; {FETCH_AGAIN}")

    def _column(self, hdu: str | int, name: str) -> Any:
        found = self._hdu(hdu)
        with refused(self.path):
            names = list(getattr(getattr(found, "columns", None), "names", []))
            if name not in names:
                listed = ", ".join(names) or "none (it is no table)"
                raise InputError(f"{self.path}: HDU {hdu!r} has no column {name}; found {listed}")
            return found.data[name]

    def _numbers(self, data: Any, shape: Shape, dtype: Any, what: str) -> np.ndarray:
        with refused(self.path):
            return check_numbers(data, shape, dtype, f"{self.path}: {what}")
