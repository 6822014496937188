"""Units of published columns: what they measure, and the factor to the canonical unit."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

from jpasbatch.errors import InputError

MAGNITUDES = frozenset({"mag", "mag(ab)", "ab mag", "abmag", "mag_ab", "mab"})
DEGREES = frozenset({"deg", "degree", "degrees", "deg.", "d"})
NO_UNIT = frozenset({"", "1", "dimensionless", "none", "-", "--"})

# "A" is the ampere to every unit parser and the Angstrom to every table of fluxes
_ANGSTROM = re.compile(r"(?<![A-Za-z])(A|AA|Ang|ang|angstroms?|ANGSTROMS?|Å)(?![A-Za-z])")
_MICROJANSKY = re.compile(r"(?<![A-Za-z])(micro-?Jy|microJansky|μJy|µJy)(?![A-Za-z])", re.IGNORECASE)


class FluxUnit(NamedTuple):
    """What a unit measures, and the factor to the canonical unit of that quantity.

    ``quantity`` is "flux_lambda" (scale to erg/s/cm2/A), "flux_nu" (scale to microjansky) or
    "magnitude" (scale 1).
    """

    quantity: str
    scale: float


@lru_cache(maxsize=256)
def flux_unit(text: str, column: str, source: str) -> FluxUnit:
    """Return what the unit of a photometric column means.

    Parameters
    ----------
    text : str
        As the file states it: "1e-19 erg/s/cm2/A", "10**(-19) erg s-1 cm-2 Angstrom-1", "uJy",
        "mag" and everything else that astropy parses.
    column, source : str
        For the message of the error.

    Raises
    ------
    InputError
        If the unit is unknown, or measures something else.
    """
    if text.strip().casefold() in MAGNITUDES:
        return FluxUnit("magnitude", 1.0)
    from astropy import units

    readable = readable_unit(text)
    per_wavelength = units.Unit("erg s-1 cm-2 Angstrom-1")
    with warnings.catch_warnings():
        # several slashes are "discouraged", and usual
        warnings.simplefilter("ignore", units.UnitsWarning)
        try:
            unit = units.Unit(readable)
            for quantity, canonical in (("flux_lambda", per_wavelength), ("flux_nu", units.microjansky)):
                if isinstance(unit, units.UnitBase) and unit.is_equivalent(canonical):
                    scale: Any = unit.to(canonical)
                    return FluxUnit(quantity, float(scale))
        except (ValueError, TypeError):
            pass
    raise InputError(
        f"{source}: column {column!r} has the unit {text!r}, which is not a known unit of flux; allowed are"
        " units of flux per wavelength (for example 1e-19 erg/s/cm2/A) or per frequency (uJy), and mag"
    )


def readable_unit(text: str) -> str:
    """Return a unit in the spelling that astropy takes for what tables of fluxes mean by it."""
    return _MICROJANSKY.sub("uJy", _ANGSTROM.sub("Angstrom", text.strip()))


def is_degrees(text: str) -> bool:
    """Return whether a stated unit means degrees."""
    return text.strip().casefold() in DEGREES


def is_dimensionless(text: str) -> bool:
    """Return whether a stated unit means a pure number."""
    return text.strip().casefold() in NO_UNIT
