"""The form of a WEAVE target catalogue: header cards and columns, built in or from a template of one's own.

Column order and header cards must equal those of the survey's template. The built-in one holds the 69
columns that all surveys share (``weave_columns.toml``); the template of a survey, which may add columns of
its own, is read from the FITS file that its members are given.
"""

from __future__ import annotations

import io
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.regular_files import require_regular

if TYPE_CHECKING:
    from astropy.io.fits import Header

NUMBERS = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
REQUIRED = ("TARGSRVY", "TARGCAT", "TARGID", "TARGPRIO", "TARGUSE", "GAIA_RA", "GAIA_DEC")
COLUMN_CARDS = (
    ("TFORM", "format"),
    ("TDISP", "display"),
    ("TUNIT", "unit"),
    ("TNULL", "null"),
    ("TLMIN", "minimum"),
    ("TLMAX", "maximum"),
    ("TUCD", "ucd"),
    ("TPROP", "property"),
)


@dataclass(frozen=True)
class TemplateColumn:
    """One column: its name, FITS type, null value and limits."""

    name: str
    format: str
    null: int | None
    minimum: float | None
    maximum: float | None

    @property
    def dtype(self) -> str:
        """The numpy type of a value: big-endian, ``S30`` for ``30A``."""
        match = re.fullmatch(r"(\d*)([A-Z])", self.format.strip())
        repeat, kind = (match[1] or "1", match[2]) if match else ("", "")
        if kind == "A" and int(repeat) > 0:
            return f"S{repeat}"
        if kind in NUMBERS and repeat == "1":
            return NUMBERS[kind]
        raise InputError(
            f"template column {self.name} has TFORM {self.format!r}: "
            "only strings and single numbers are supported"
        )

    @property
    def null_value(self) -> Any:
        """What stands for no value: an empty string, NaN, or TNULL (0 where a column has none)."""
        kind = np.dtype(self.dtype).kind
        if kind == "S":
            return b""
        return np.nan if kind == "f" else (self.null or 0)


@dataclass(frozen=True)
class WeaveTemplate:
    """Headers and columns of a target catalogue; the headers lack values that a catalogue fills in."""

    primary: Header
    table: Header
    columns: tuple[TemplateColumn, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise InputError(f"the WEAVE template lacks the columns {', '.join(missing)}")
        if len(set(names)) != len(names):
            raise InputError("the WEAVE template names a column twice")

    @property
    def dtype(self) -> np.dtype:
        """The packed, big-endian numpy type of a row."""
        return np.dtype([(column.name, column.dtype) for column in self.columns])


def _builtin() -> dict[str, Any]:
    text = (resources.files("jpasbatch.products.targets") / "weave_columns.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def builtin_template() -> WeaveTemplate:
    """Return the built-in template: DATAMVER 8.00, the 69 common columns."""
    from astropy.io.fits import Header

    content = _builtin()
    primary = Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    for card in content["primary"]:
        primary[card] = content["datamver"] if card == "DATAMVER" else ""
    table = Header([("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 0), ("NAXIS2", 0)])
    for card, value in (("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(content["columns"]))):
        table[card] = value
    for number, column in enumerate(content["columns"], start=1):
        table[f"TTYPE{number}"] = column["name"]
        for card, key in COLUMN_CARDS:
            if key in column:
                table[f"{card}{number}"] = column[key]
    table["EXTNAME"] = ""
    columns = _columns(table)
    template = WeaveTemplate(primary, table, columns)
    table["NAXIS1"] = template.dtype.itemsize
    return template


def template_bytes(path: Path, named: str) -> bytes:
    """Return the bytes of a template that somebody names.

    Parameters
    ----------
    path : Path
    named : str
        The key or flag that names it; errors begin with it.

    Raises
    ------
    InputError
        When it cannot be read, or is no regular file.
    """
    try:
        require_regular(path)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{named} {path}: cannot be read ({error.strerror})") from error


def open_template(path: Path, named: str) -> WeaveTemplate:
    """Read the template that somebody names.

    Parameters
    ----------
    path : Path
    named : str
        The key or flag that names it; errors begin with it.

    Raises
    ------
    InputError
        As `template_bytes` and `read_template`.
    """
    data = template_bytes(path, named)
    try:
        return read_template(io.BytesIO(data))
    except InputError as error:
        raise InputError(f"{named} {path}: {error}") from None


def read_template(file: BinaryIO) -> WeaveTemplate:
    """Read a survey's template: a FITS file whose first extension is the table (with or without rows).

    Raises
    ------
    InputError
        When the file is no FITS file, its first extension is no binary table, or a column has a type that
        target catalogues do not use.
    """
    from astropy.io import fits

    try:
        with fits.open(file, memmap=False, lazy_load_hdus=False) as opened:
            units: list[Any] = list(opened)
            if len(units) < 2 or units[1].header.get("XTENSION", "").strip() != "BINTABLE":
                raise InputError("the WEAVE template has no binary table as its first extension")
            primary, table = units[0].header.copy(), units[1].header.copy()
    except OSError as error:
        told = str(error).split(".")[0]  # the rest is advice for who calls astropy
        raise InputError(f"the WEAVE template is not a FITS file: {told}") from error
    if table.get("PCOUNT", 0):
        raise InputError("the WEAVE template has columns of variable length: they are not supported")
    for card in [name for name in table if re.match(r"(TSCAL|TZERO|TDIM)\d", name)]:
        raise InputError(
            f"the WEAVE template has the card {card}: scaled and array columns are not supported"
        )
    template = WeaveTemplate(primary, table, _columns(table))
    _check_meaning(template)
    if template.dtype.itemsize != table.get("NAXIS1"):
        raise InputError(f"the WEAVE template has rows of {table['NAXIS1']} bytes, its columns say otherwise")
    return template


def _columns(header: Header) -> tuple[TemplateColumn, ...]:
    """Return the columns that a header describes.

    Raises
    ------
    InputError
        When a card is missing, or its value has another type.
    """
    table: dict[str, Any] = dict(header.items())  # plain values instead of astropy's union of types
    number = _card(table, "TFIELDS", int, needed=True)
    return tuple(
        TemplateColumn(
            name=_card(table, f"TTYPE{one}", str, needed=True).strip(),
            format=_card(table, f"TFORM{one}", str, needed=True),
            null=_card(table, f"TNULL{one}", int),
            minimum=_card(table, f"TLMIN{one}", float),
            maximum=_card(table, f"TLMAX{one}", float),
        )
        for one in range(1, number + 1)
    )


KINDS = {str: "a text", int: "a whole number", float: "a number"}


def _card(table: dict[str, Any], name: str, kind: type, needed: bool = False) -> Any:
    value = table.get(name)
    if value is None and needed:
        raise InputError(
            f"the WEAVE template lacks the card {name}: it was damaged, or is no table of columns"
        )
    kinds = (int, float) if kind is float else kind
    if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        raise InputError(f"the WEAVE template has {name} = {value!r}; allowed is {KINDS[kind]}")
    return value


TEXT, WHOLE, REAL = "texts", "whole numbers", "numbers with fractions"
POSITIONS = ("GAIA_RA", "GAIA_DEC")


def _meaning(column: TemplateColumn) -> str:
    kind = np.dtype(column.dtype).kind
    return {"S": TEXT, "f": REAL}.get(kind, WHOLE)


def _check_meaning(template: WeaveTemplate) -> None:
    """Refuse columns that all surveys share and that hold something else here: values would be cut to fit.

    Raises
    ------
    InputError
        When one has another kind of values or another unit, or positions are in single precision.
    """
    header, shared = dict(template.table.items()), {one["name"]: one for one in _builtin()["columns"]}
    for number, column in enumerate(template.columns, start=1):
        ours = shared.get(column.name)
        if ours is None:
            continue
        wanted = _meaning(TemplateColumn(column.name, ours["format"], None, None, None))
        if _meaning(column) != wanted:
            raise InputError(
                f"the WEAVE template has TFORM {column.format!r} for {column.name}; allowed are {wanted} "
                f"({ours['format']} in the public one)"
            )
        if column.name in POSITIONS and np.dtype(column.dtype).itemsize < np.dtype("f8").itemsize:
            raise InputError(
                f"the WEAVE template has TFORM {column.format!r} for {column.name}; allowed is D: single precision is "
                "off by up to 0.05 arcsec"
            )
        unit = str(header.get(f"TUNIT{number}") or "").strip()
        if unit and not _same_unit(unit, ours.get("unit", "")):
            raise InputError(
                f"the WEAVE template has the unit {unit!r} for {column.name}; allowed is "
                f"{ours.get('unit') or 'none'}, in which its values are written"
            )


def _same_unit(one: str, other: str) -> bool:
    from astropy import units

    try:
        return units.Unit(one) == units.Unit(other)
    except ValueError:
        return one == other
