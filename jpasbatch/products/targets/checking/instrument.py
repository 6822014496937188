"""Rules of the instrument's modes, and of what a target catalogue may say of Gaia's releases and of names.

The digits and letters are those of the lists that are public (``progtemp.dat`` and ``obstemp.dat`` of
github.com/cwegg/weave-ifu, 2020). Lists of one's own trimester may have more: what is not among them is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from jpasbatch.products.targets.checking.violation import Violation, at_rows

PUBLIC = {
    "PROGTEMP": (
        re.compile(r"[1-9][0-2][012346][012346][1-4](\..*)?"),
        "mode 1-9, OB 0-2, exposures, binning 1-4",
    ),
    "OBSTEMP": (re.compile(r"[A-X][A-E][A-E][A-E][A-G]"), "letters up to XEEEG"),
    "GAIA_DR": (re.compile(r"|(E?DR)?[1-9]"), "a release, like DR3, or nothing"),
    "CNAME": (re.compile(r"|WVE_[0-9]{8}[+-][0-9]{7}"), "a name like WVE_14180000+5230000, or nothing"),
    "TARGPROG": (re.compile(r"((?!\|bw|\|Bw|\|bW).)*"), "|BW in capitals for a filler of bad weather"),
}
MOS, LARGE_IFU = ("1", "2", "3"), ("4", "5", "6")
"""First digit of PROGTEMP: fibres; the large integral-field unit. 7 to 9 are the small units."""

HIGHEST = 10.0
ERRORS = ("MAG_G", "MAG_R", "MAG_I", "GAIA_MAG_G", "GAIA_MAG_BP", "GAIA_MAG_RP", "GAIA_PMRA", "GAIA_PMDEC")


def instrument_faults(texts: dict[str, np.ndarray], numbers: dict[str, np.ndarray]) -> Iterator[Violation]:
    """Yield what is odd or wrong in modes, releases and names.

    Parameters
    ----------
    texts : dict of str to ndarray of str, shape (n,)
        Columns of texts, without trailing blanks.
    numbers : dict of str to ndarray of float64, shape (n,)
        Columns of numbers.
    """
    for column, (pattern, words) in PUBLIC.items():
        if column in texts:
            kinds, which = np.unique(texts[column], return_inverse=True)
            odd = np.array([pattern.fullmatch(str(one)) is None for one in kinds], dtype=bool)[which]
            yield from at_rows(f"{column.lower()}-public", column, odd, texts[column], words, "warning")
    for name in ERRORS:
        if name in numbers and f"{name}_ERR" in numbers:
            errors = numbers[f"{name}_ERR"]
            none = np.isfinite(numbers[name]) & (numbers[name] != 0) & (errors == 0)
            yield from at_rows("error-zero", f"{name}_ERR", none, errors, "an error above 0", "warning")
    yield from _modes(texts, numbers)


def _modes(texts: dict[str, np.ndarray], numbers: dict[str, np.ndarray]) -> Iterator[Violation]:
    if "PROGTEMP" not in texts:
        return
    mode = texts["PROGTEMP"].astype("U1")
    if "TARGPRIO" in numbers:
        low = np.isin(mode, LARGE_IFU) & (numbers["TARGPRIO"] != HIGHEST)
        allowed = f"{HIGHEST:g}, for the large integral-field unit (PROGTEMP 4 to 6)"
        yield from at_rows("ifu-priority", "TARGPRIO", low, numbers["TARGPRIO"], allowed)
    fibres = np.isin(mode, MOS)
    if "IFU_DITHER" in numbers:
        dithered = fibres & (numbers["IFU_DITHER"] != 0)
        allowed = "0 with fibres (PROGTEMP 1 to 3)"
        yield from at_rows("mos-dither", "IFU_DITHER", dithered, numbers["IFU_DITHER"], allowed, "warning")
    if "IFU_PA" in numbers:
        turned = fibres & np.isfinite(numbers["IFU_PA"]) & (numbers["IFU_PA"] != 0)
        allowed = "NaN with fibres (PROGTEMP 1 to 3)"
        yield from at_rows("mos-angle", "IFU_PA", turned, numbers["IFU_PA"], allowed, "warning")
    if "IFU_SPAXEL" in texts:
        named = fibres & (texts["IFU_SPAXEL"] != "")
        allowed = "nothing with fibres (PROGTEMP 1 to 3)"
        yield from at_rows("mos-spaxel", "IFU_SPAXEL", named, texts["IFU_SPAXEL"], allowed, "warning")
