"""Rules of the values of a target catalogue, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from jpasbatch.products.targets.checking.headers import known_survey
from jpasbatch.products.targets.checking.instrument import instrument_faults
from jpasbatch.products.targets.checking.violation import Violation, at_rows
from jpasbatch.products.targets.weave import TARGET_CLASSES, is_constraints, is_programme
from jpasbatch.products.targets.weave_template import WeaveTemplate

NEVER_NAN = ("TARGPRIO", "GAIA_RA", "GAIA_DEC", "GAIA_EPOCH")
USES = ("T", "S", "G", "C", "R")
DITHERS = (-1, 0, -3, 3, 5, 6)
MAGNITUDES = ("MAG_G", "MAG_R", "MAG_I", "GAIA_MAG_G", "GAIA_MAG_BP", "GAIA_MAG_RP")
MEASURED = (*MAGNITUDES, "GAIA_PMRA", "GAIA_PMDEC", "GAIA_PARAL")
PLAUSIBLE_MAGNITUDES = (-5.0, 40.0)
FASTEST = 10_500.0
"""mas/yr: Barnard's star, the fastest that is known, has 10,393."""

NEAREST = 800.0
"""mas: Proxima Centauri, the nearest star that is known, has 768."""

EPOCHS = {"2": 2015.5, "3": 2016.0}
PATTERNS: dict[str, tuple[Callable[[str], bool], str]] = {
    "TARGUSE": (lambda text: text in USES, "T, S, G, C or R"),
    "TARGCLASS": (lambda text: text in TARGET_CLASSES, "one of WEAVE's classes, like QSO"),
    "PROGTEMP": (is_programme, "five digits and an optional chain, like 11331"),
    "OBSTEMP": (is_constraints, "five capital letters, like DACEB"),
    "TARGSRVY": (known_survey, "a survey of WEAVE, like WQ, or WS2027A1-001"),
    "TARGID": (lambda text: bool(text), "an identifier"),
    "TARGCAT": (lambda text: bool(text), "the name of the file"),
    "GAIA_ID": (lambda text: not text or text.isdigit(), "digits, or nothing"),
    "APS_FLAG": (lambda text: not set(text) - {"0", "1"}, "zeros and ones, or nothing"),
}
"""What the texts of a column must be."""


@dataclass(frozen=True)
class Catalogue:
    """Rows of a catalogue by column; columns that are not there have no values.

    Attributes
    ----------
    rows : structured ndarray, shape (n,)
    """

    rows: np.ndarray

    def numbers(self, name: str) -> np.ndarray | None:
        """Return a column of numbers as float64 (n,); None where there is none."""
        if name not in (self.rows.dtype.names or ()) or self.rows.dtype[name].kind == "S":
            return None
        return self.rows[name].astype(np.float64)

    def texts(self, name: str) -> np.ndarray | None:
        """Return a column of texts, (n,), without trailing blanks; None where there is none."""
        if name not in (self.rows.dtype.names or ()) or self.rows.dtype[name].kind != "S":
            return None
        return np.char.rstrip(np.char.decode(self.rows[name], "latin-1"))

    @property
    def all_numbers(self) -> dict[str, np.ndarray]:
        """All columns of numbers."""
        found = ((name, self.numbers(name)) for name in self.rows.dtype.names or ())
        return {name: values for name, values in found if values is not None}

    @property
    def all_texts(self) -> dict[str, np.ndarray]:
        """All columns of texts."""
        found = ((name, self.texts(name)) for name in self.rows.dtype.names or ())
        return {name: values for name, values in found if values is not None}

    @property
    def survey(self) -> str | None:
        """The one value of TARGSRVY; None where there are several or none."""
        texts = self.texts("TARGSRVY")
        return str(texts[0]) if texts is not None and len(texts) and (texts == texts[0]).all() else None


def value_faults(catalogue: Catalogue, template: WeaveTemplate, name: str) -> Iterator[Violation]:
    """Yield what is wrong in the values.

    Parameters
    ----------
    catalogue : Catalogue
    template : WeaveTemplate
    name : str
        Of the file.
    """
    yield from _characters(catalogue)
    yield from _limits(catalogue, template)
    for column, (allows, words) in PATTERNS.items():
        texts = catalogue.texts(column)
        if texts is not None:
            kinds, which = np.unique(texts, return_inverse=True)
            wrong = np.array([not allows(str(one)) for one in kinds], dtype=bool)[which]
            yield from at_rows(f"{column.lower()}-value", column, wrong, texts, words)
    names = catalogue.texts("TARGNAME")
    if names is not None:
        yield from at_rows("targname-blank", "TARGNAME", names == "", names, "a name", "warning")
    dither = catalogue.numbers("IFU_DITHER")
    if dither is not None:
        yield from at_rows(
            "dither", "IFU_DITHER", ~np.isin(dither, DITHERS), dither, "one of -3, -1, 0, 3, 5, 6"
        )
    yield from _constant(catalogue, name)
    yield from _identities(catalogue)
    yield from _measurements(catalogue)
    yield from _gaia(catalogue)
    yield from _wavelengths(catalogue)
    yield from instrument_faults(catalogue.all_texts, catalogue.all_numbers)


def _characters(catalogue: Catalogue) -> Iterator[Violation]:
    for name in catalogue.rows.dtype.names or ():
        if catalogue.rows.dtype[name].kind != "S" or not len(catalogue.rows):
            continue
        width = catalogue.rows.dtype[name].itemsize
        characters = np.frombuffer(catalogue.rows[name].tobytes(), np.uint8).reshape(-1, width)
        texts = catalogue.texts(name)
        after = np.maximum.accumulate(characters == 0, axis=1) & (characters != 0)
        yield from at_rows(
            "text-after-null", name, after.any(axis=1), texts, "nothing after a null character"
        )
        odd = ((characters < 32) | (characters > 126)) & (characters != 0)
        yield from at_rows("text-characters", name, odd.any(axis=1), texts, "printable ASCII")
        assert texts is not None
        leading = np.char.startswith(texts, " ")
        yield from at_rows("text-blanks", name, leading, texts, "no blanks before a text", "warning")


def _limits(catalogue: Catalogue, template: WeaveTemplate) -> Iterator[Violation]:
    for column in template.columns:
        values = catalogue.numbers(column.name)
        if values is None:
            continue
        empty = np.isnan(values) if column.null is None else values == column.null
        if column.name in NEVER_NAN:
            yield from at_rows("null-value", column.name, np.isnan(values), values, "a number in every row")
        yield from at_rows("infinite", column.name, np.isinf(values), values, "finite numbers, or NaN")
        low, high = column.minimum, column.maximum
        if column.name == "TARGPRIO":
            low, high = 1.0, 10.0
        outside = (values < (-np.inf if low is None else low)) | (values > (np.inf if high is None else high))
        words = f"{'any' if low is None else low} to {'any' if high is None else high}"
        yield from at_rows("range", column.name, outside & ~empty & np.isfinite(values), values, words)


def _constant(catalogue: Catalogue, name: str) -> Iterator[Violation]:
    surveys = catalogue.texts("TARGSRVY")
    if surveys is not None and len(surveys):
        yield from at_rows(
            "several-surveys", "TARGSRVY", surveys != surveys[0], surveys, "one survey in a catalogue"
        )
    files = catalogue.texts("TARGCAT")
    if files is not None:
        wrong = (files != "") & (files != name)
        yield from at_rows("targcat-name", "TARGCAT", wrong, files, f"{name!r}, the name of the file")


def _identities(catalogue: Catalogue) -> Iterator[Violation]:
    uses = catalogue.texts("TARGUSE")
    guides = np.zeros(len(catalogue.rows), dtype=bool) if uses is None else uses == "G"
    names = catalogue.texts("CNAME")
    if names is not None:
        yield from at_rows(
            "cname-given", "CNAME", (names != "") & ~guides, names, "nothing: WEAVE names the objects itself"
        )
        wrong = (names != "") & ~np.char.startswith(names, "WVE_")
        yield from at_rows("cname-form", "CNAME", wrong, names, "a name that begins with WVE_")
        yield from _twice("cname-twice", "CNAME", names)
    targets = catalogue.texts("TARGID")
    if targets is not None:
        yield from _twice("targid-twice", "TARGID", targets)
    gaia = catalogue.texts("GAIA_ID")
    if gaia is not None:
        yield from _twice("gaia-id-twice", "GAIA_ID", gaia)
    classes = catalogue.texts("TARGCLASS")
    if classes is not None and uses is not None:
        odd = (uses == "S") != (classes == "SKY")
        yield from at_rows(
            "sky-class", "TARGCLASS", odd, classes, "SKY where TARGUSE is S, and only there", "warning"
        )


def _twice(rule: str, column: str, values: np.ndarray) -> Iterator[Violation]:
    _, inverse, number = np.unique(values, return_inverse=True, return_counts=True)
    repeated = (number[inverse] > 1) & (values != "")
    yield from at_rows(rule, column, repeated, values, "each once")


def _measurements(catalogue: Catalogue) -> Iterator[Violation]:
    for name in MEASURED:
        values, errors = catalogue.numbers(name), catalogue.numbers(f"{name}_ERR")
        if values is None or errors is None:
            continue
        known, sure = np.isfinite(values), np.isfinite(errors)
        if not name.startswith("GAIA_P"):  # 0 stands for an unknown motion where a checker wants a number
            yield from at_rows(
                "error-missing", f"{name}_ERR", known & ~sure, values, f"an error where {name} is given"
            )
        else:
            moved = known & (values != 0)
            yield from at_rows(
                "error-missing", f"{name}_ERR", moved & ~sure, values, f"an error where {name} is given"
            )
        yield from at_rows("value-missing", name, ~known & sure, errors, f"a value where {name}_ERR is given")
    low, high = PLAUSIBLE_MAGNITUDES
    for name in MAGNITUDES:
        values = catalogue.numbers(name)
        if values is not None:
            odd = np.isfinite(values) & ((values < low) | (values > high))
            yield from at_rows(
                "magnitude", name, odd, values, f"{low:g} to {high:g} mag, or NaN: -99 and 99 are no nulls"
            )
    given = [catalogue.numbers(name) for name in MAGNITUDES]
    known = [np.isfinite(one) for one in given if one is not None]
    if known:
        none = ~np.any(known, axis=0)
        yield from at_rows(
            "no-magnitude", "MAG_R", none, np.full(len(none), np.nan), "one magnitude or more", "warning"
        )


def _gaia(catalogue: Catalogue) -> Iterator[Violation]:
    ra, dec = (catalogue.numbers(name) for name in ("GAIA_PMRA", "GAIA_PMDEC"))
    if ra is not None and dec is not None:
        half = np.isnan(ra) != np.isnan(dec)
        yield from at_rows("half-motion", "GAIA_PMRA", half, ra, "both components of proper motion, or none")
        yield from at_rows(
            "motion", "GAIA_PMRA", np.hypot(ra, dec) > FASTEST, ra, f"at most {FASTEST:g} mas/yr in all"
        )
    parallax = catalogue.numbers("GAIA_PARAL")
    if parallax is not None:
        yield from at_rows(
            "parallax", "GAIA_PARAL", np.abs(parallax) > NEAREST, parallax, f"at most {NEAREST:g} mas"
        )
    identifiers, release = catalogue.texts("GAIA_ID"), catalogue.texts("GAIA_DR")
    if identifiers is not None and release is not None:
        odd = (identifiers == "") != (release == "")
        yield from at_rows(
            "gaia-release", "GAIA_DR", odd, release, "a release where GAIA_ID is given, and only there"
        )
    epoch = catalogue.numbers("GAIA_EPOCH")
    if epoch is not None and release is not None:
        wanted = np.array([EPOCHS.get(str(one).strip()[-1:], np.nan) for one in release], dtype=np.float64)
        odd = np.isfinite(wanted) & (np.abs(epoch - wanted) > 0.01)
        yield from at_rows("epoch-release", "GAIA_EPOCH", odd, epoch, "2015.5 of DR2, 2016.0 of DR3")
    if identifiers is not None and ra is not None:
        odd = (identifiers == "") & np.isfinite(ra) & (ra != 0)
        yield from at_rows(
            "motion-without-gaia", "GAIA_PMRA", odd, ra, "a GAIA_ID where a motion is given", "warning"
        )


def _wavelengths(catalogue: Catalogue) -> Iterator[Violation]:
    for stem in ("APS_WL", "APS_PPXF_WL"):
        low, high = catalogue.numbers(f"{stem}_MIN"), catalogue.numbers(f"{stem}_MAX")
        if low is not None and high is not None:
            yield from at_rows("wavelengths", f"{stem}_MIN", low >= high, low, f"less than {stem}_MAX")
