"""Rules of what numbers can be: bytes in another order, nulls of other programs, sources of elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jpasbatch.products.targets.checking.values import MAGNITUDES, Catalogue
from jpasbatch.products.targets.checking.violation import Violation, at_rows
from jpasbatch.products.targets.matching import chord, unit_vectors

SMALLEST, LARGEST = 1e-20, 1e20
"""Between them lies all that these columns hold. Half of the numbers whose bytes are in the other order do not."""

LARGEST_ERROR = 10.0
"""mag; 99 stands for an unknown error in other tables."""

NO_REDSHIFT, FARTHEST = -1.0, 20.0

NEVER_RISES, LOW = -61.24, -36.2
"""Declinations, degrees, that never rise at the latitude of the telescope (28.76 degrees north), and that never rise
higher than 25 degrees, an airmass of 2.4, the last letter of OBSTEMP."""

GAIA_ORDER, GAIA_BITS = 12, 35
"""The bits of a Gaia identifier above the 35th are the nested pixel of this order that the source lies in (Gaia Data
Release 3 documentation, section 20.1, source_id)."""

GAIA_ARCMIN = 5.0
"""Between the middle of that pixel, 0.9 arcmin wide, and where the fastest stars are decades later."""


def plausibility_faults(catalogue: Catalogue) -> Iterator[Violation]:
    """Yield what no measurement can be.

    Parameters
    ----------
    catalogue : Catalogue
    """
    for name, values in catalogue.all_numbers.items():
        size = np.abs(values)
        odd = np.isfinite(values) & (size != 0) & ((size < SMALLEST) | (size > LARGEST))
        allowed = "a number of a measurement; the bytes may be in the other order"
        yield from at_rows("number-size", name, odd, values, allowed)
    for name in MAGNITUDES:
        values, errors = catalogue.numbers(name), catalogue.numbers(f"{name}_ERR")
        if values is not None:
            yield from at_rows(
                "magnitude-zero", name, values == 0, values, "NaN if it is not known", "warning"
            )
        if errors is not None:
            large = np.isfinite(errors) & (errors > LARGEST_ERROR)
            allowed = f"at most {LARGEST_ERROR:g} mag, or NaN: 99 is no null"
            yield from at_rows("error-large", f"{name}_ERR", large, errors, allowed)
    redshift = catalogue.numbers("APS_Z")
    if redshift is not None:
        yield from at_rows("redshift", "APS_Z", redshift <= NO_REDSHIFT, redshift, "above -1, or NaN")
        yield from at_rows(
            "redshift-far", "APS_Z", redshift > FARTHEST, redshift, f"at most {FARTHEST:g}", "warning"
        )
    yield from _heights(catalogue)
    yield from _gaia_positions(catalogue)


def _heights(catalogue: Catalogue) -> Iterator[Violation]:
    dec = catalogue.numbers("GAIA_DEC")
    if dec is None:
        return
    never = (dec < NEVER_RISES) & (dec >= -90)
    yield from at_rows(
        "never-rises", "GAIA_DEC", never, dec, f"above {NEVER_RISES:g}: it never rises on La Palma"
    )
    low = (dec < LOW) & ~never & (dec >= -90)
    allowed = f"above {LOW:g}, which rise to an airmass of 2.4"
    yield from at_rows("low", "GAIA_DEC", low, dec, allowed, "warning")


def _gaia_positions(catalogue: Catalogue) -> Iterator[Violation]:
    import healpy

    texts = catalogue.texts("GAIA_ID")
    ra, dec = catalogue.numbers("GAIA_RA"), catalogue.numbers("GAIA_DEC")
    if texts is None or ra is None or dec is None:
        return
    rows = np.flatnonzero([one.isdigit() for one in texts.tolist()])
    numbers = [int(texts[row]) for row in rows]
    pixels = np.array([min(one >> GAIA_BITS, 12 * 4**GAIA_ORDER) for one in numbers], dtype=np.int64)
    real = (pixels < 12 * 4**GAIA_ORDER) & np.array([one > 0 for one in numbers], dtype=bool)
    wrong = np.zeros(len(texts), dtype=bool)
    wrong[rows[~real]] = True
    yield from at_rows(
        "gaia-id-size", "GAIA_ID", wrong, texts, "an identifier of Gaia, which has 64 bits at most"
    )
    rows, pixels = rows[real], pixels[real]
    placed = np.isfinite(ra[rows]) & (np.abs(dec[rows]) <= 90)
    rows, pixels = rows[placed], pixels[placed]
    middle = unit_vectors(*healpy.pix2ang(2**GAIA_ORDER, pixels, nest=True, lonlat=True))
    apart = np.linalg.norm(unit_vectors(ra[rows], dec[rows]) - middle, axis=1)
    elsewhere = np.zeros(len(texts), dtype=bool)
    elsewhere[rows[apart > chord(GAIA_ARCMIN / 60)]] = True
    allowed = f"the source of the position: digits of GAIA_ID say one more than {GAIA_ARCMIN:g} arcmin away"
    yield from at_rows("gaia-id-position", "GAIA_ID", elsewhere, texts, allowed)
