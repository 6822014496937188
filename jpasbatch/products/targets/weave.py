"""The target catalogue that WEAVE takes: one FITS table, named after survey and trimester.

Rules that are kept here, with the public code that shows them: TARGPRIO is 1 to 10, 10 the highest, and
never NaN; TRIMESTE is a year, A or B, 1 or 2; nulls are empty strings, NaN or TNULL; CNAME and HEALPIX stay
null, WEAVE fills them (github.com/cwegg/weave-ifu). Objects without a Gaia match carry the survey's own
position in GAIA_RA and GAIA_DEC, and no proper motion (github.com/vasilybelokurov/weave_pisces_targets).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, BinaryIO, Literal, get_args

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.options import Matches, Options
from jpasbatch.products.record import magnitude_column, magnitude_error_column
from jpasbatch.products.targets.fits_table import write_binary_table
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.weave_template import TemplateColumn, WeaveTemplate, builtin_template

TargetClass = Literal[
    "UNKNOWN",
    "SKY",
    "GALAXY",
    "NEBULA",
    "QSO",
    "STAR",
    "STAR_BHB",
    "STAR_CEP",
    "STAR_EM",
    "STAR_EMP",
    "STAR_FGK",
    "STAR_IB",
    "STAR_MLT",
    "STAR_MLUM",
    "STAR_OB",
    "STAR_BA",
    "STAR_RRL",
    "STAR_VAR",
    "STAR_WD",
    "STAR_YSO",
]
TARGET_CLASSES = get_args(TargetClass)
GAIA_DR3_EPOCH = 2016.0
CARD_LENGTH = 68
PROGRAMME = r"[0-9]{5}(\.[0-9]+\+?)?"
CONSTRAINTS = r"[A-Z]{5}"

Card = Annotated[
    str, Matches(f"[ -~]{{0,{CARD_LENGTH}}}", f"text of at most {CARD_LENGTH} printable ASCII characters")
]
"""A text of a header."""

SUBMITTER_CARDS = {
    "leader_name_1": "STL_NME1",
    "leader_name_2": "STL_NME2",
    "leader_email": "STL_MAIL",
    "contact_name_1": "CAT_NME1",
    "contact_name_2": "CAT_NME2",
    "contact_email": "CAT_MAIL",
    "copies_to": "CAT_CC",
}


@dataclass(frozen=True)
class Submission(Options):
    """What WEAVE wants to know and the catalogue cannot tell. Nothing is made up: what is blank stays blank.

    Attributes
    ----------
    leader_name_1, leader_name_2, leader_email : str
        Survey team leader (STL_NME1, STL_NME2, STL_MAIL).
    contact_name_1, contact_name_2, contact_email : str
        Author of the catalogue (CAT_NME1, CAT_NME2, CAT_MAIL).
    copies_to : str
        Further addresses (CAT_CC).
    magnitude_comments : dict of str to str
        Where the magnitudes of g, r and i come from (MAG_G_CM, MAG_R_CM, MAG_I_CM).
    observing_programme : str
        PROGTEMP: five digits and an optional chain, e.g. ``11331`` (MOS, low resolution, 3 x 20 min).
    observing_constraints : str
        OBSTEMP: five letters for seeing, transparency, elevation, Moon and sky, e.g. ``DACEB``.
    target_class : str
        TARGCLASS, of WEAVE's vocabulary.
    reference_epoch : float or None
        GAIA_EPOCH, Julian year. None takes the template's if it allows one only, else that of Gaia DR3,
        2016.0.
    template : str
        FITS file whose headers and columns the catalogue takes, such as the template of a survey at WASP; blank
        takes the built-in one.
    unknown_proper_motion : float
        Proper motion and parallax of objects without a Gaia match: NaN, or 0 where a checker wants a number.
    """

    leader_name_1: Card = ""
    leader_name_2: Card = ""
    leader_email: Card = ""
    contact_name_1: Card = ""
    contact_name_2: Card = ""
    contact_email: Card = ""
    copies_to: Card = ""
    magnitude_comments: dict[str, Card] = field(default_factory=dict)
    observing_programme: Annotated[
        str, Matches(rf"({PROGRAMME})?", "five digits, like 11331, or nothing")
    ] = ""
    observing_constraints: Annotated[
        str, Matches(rf"({CONSTRAINTS})?", "five capital letters, like DACEB, or nothing")
    ] = ""
    target_class: TargetClass = "QSO"
    reference_epoch: float | None = None
    template: str = ""
    unknown_proper_motion: float = float("nan")

    def check_relations(self) -> None:
        """Refuse comments on magnitudes that no catalogue has."""
        unknown = set(self.magnitude_comments) - {"g", "r", "i"}
        if unknown:
            raise ValueError(f"magnitude_comments: {', '.join(sorted(unknown))} is not one of g, r, i")

    def warnings(self) -> tuple[str, ...]:
        """Return what is blank and must be filled in before a submission, one sentence each."""
        needed = ("leader_name_1", "leader_email", "contact_name_1", "contact_email")
        needed += ("observing_programme", "observing_constraints")
        blank = [name for name in needed if not getattr(self, name)]
        if not blank:
            return ()
        are = "are" if blank[1:] else "is"
        return (f"The WEAVE catalogue cannot be submitted as it is: {', '.join(blank)} {are} blank.",)


def is_programme(text: str) -> bool:
    """Return whether a text is an observing programme (PROGTEMP): ``11331``, or ``11331.1+`` in a chain."""
    return re.fullmatch(PROGRAMME, text) is not None


def is_constraints(text: str) -> bool:
    """Return whether a text has the form of observing constraints (OBSTEMP): ``DACEB``."""
    return re.fullmatch(CONSTRAINTS, text) is not None


def weave_file_name(programme: TargetProgramme) -> str:
    """Return the file name that WEAVE expects: ``WQ_2027A1.fits``, or ``WS2027A1-001.fits`` for open time."""
    if re.match(r"W[SV]\d", programme.programme):
        return f"{programme.programme}.fits"
    return f"{programme.programme}_{programme.trimester}.fits"


def write_weave_catalogue(
    file: BinaryIO,
    chunks: Iterable[pa.Table],
    programme: TargetProgramme,
    submission: Submission,
    created: str,
    template: WeaveTemplate | None = None,
) -> int:
    """Write a target catalogue; the memory needed is that of a chunk and of all identifiers.

    Parameters
    ----------
    file : binary file
        Open for writing, seekable.
    chunks : iterable of pyarrow.Table
        Targets with the columns of `target_schema`.
    programme : TargetProgramme
    submission : Submission
    created : str
        ISO date and time for the card DATETIME: an argument, so that the file can be made again byte by byte.
    template : WeaveTemplate, optional
        Else `builtin_template`.

    Returns
    -------
    int
        Number of targets.

    Raises
    ------
    InputError
        When an identifier is too long for TARGID, not ASCII, empty or used twice; when a priority is not 1
        to 10; when a value is outside the template's limits; when ``created`` is no ISO date.
    """
    template = template or builtin_template()
    primary, table = template.primary.copy(), template.table.copy()
    primary["TRIMESTE"] = programme.trimester
    for name, card in SUBMITTER_CARDS.items():
        primary[card] = getattr(submission, name)
    for role in ("g", "r", "i"):
        primary[f"MAG_{role.upper()}_CM"] = submission.magnitude_comments.get(role, "")
    primary["DATETIME"] = _fits_time(created)
    table["EXTNAME"] = f"{programme.programme} CATALOGUE"
    return write_binary_table(file, primary, table, _rows(chunks, programme, submission, template))


def _fits_time(created: str) -> str:
    """Return a time as the FITS standard has it (4.0, section 9.1.1): in UTC, and without an offset.

    Raises
    ------
    InputError
        When it is no ISO date and time.
    """
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        raise InputError(
            f"DATETIME {created!r} is not an ISO date and time, like 2027-01-31T12:00:00"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="seconds")


def _rows(
    chunks: Iterable[pa.Table], programme: TargetProgramme, submission: Submission, template: WeaveTemplate
) -> Iterator[np.ndarray]:
    seen: set[str] = set()
    for chunk in chunks:
        for identifier in chunk["object_id"].to_pylist():
            if not identifier or identifier in seen:
                what = "appears twice" if identifier else "is empty"
                raise InputError(
                    f"target identifier {identifier!r} {what}: TARGID must be unique in a catalogue"
                )
            seen.add(identifier)
        values = _values(chunk, programme, submission, template)
        rows = np.zeros(chunk.num_rows, dtype=template.dtype)
        for column in template.columns:
            if column.name in values:
                rows[column.name] = _checked(values[column.name], column, chunk)
            else:
                rows[column.name] = column.null_value
        yield rows


def _values(
    chunk: pa.Table, programme: TargetProgramme, submission: Submission, template: WeaveTemplate
) -> dict[str, Any]:
    identifiers = chunk["object_id"].to_pylist()
    values: dict[str, Any] = {
        "TARGSRVY": programme.programme,
        "TARGPROG": chunk["description"].to_pylist(),
        "TARGCAT": weave_file_name(programme),
        "TARGID": identifiers,
        "TARGNAME": identifiers,
        "TARGPRIO": chunk["priority"].cast(pa.float64()).to_numpy(),
        "TARGUSE": "T",
        "TARGCLASS": submission.target_class,
        "PROGTEMP": submission.observing_programme,
        "OBSTEMP": submission.observing_constraints,
        "GAIA_RA": chunk["ra"].to_numpy(),
        "GAIA_DEC": chunk["dec"].to_numpy(),
        "GAIA_EPOCH": _epoch(submission, template),
    }
    values |= dict.fromkeys(("GAIA_PMRA", "GAIA_PMDEC", "GAIA_PARAL"), submission.unknown_proper_motion)
    for role in ("g", "r", "i"):
        values[f"MAG_{role.upper()}"] = chunk[magnitude_column(role)].to_numpy()
        values[f"MAG_{role.upper()}_ERR"] = chunk[magnitude_error_column(role)].to_numpy()
    return values


def _epoch(submission: Submission, template: WeaveTemplate) -> float:
    if submission.reference_epoch is not None:
        return submission.reference_epoch
    for column in template.columns:
        if column.name == "GAIA_EPOCH" and column.minimum is not None and column.minimum == column.maximum:
            return column.minimum
    return GAIA_DR3_EPOCH


def _checked(values: Any, column: TemplateColumn, chunk: pa.Table) -> Any:
    """Return the values as the column takes them, or say which object does not fit."""
    dtype = np.dtype(column.dtype)
    if dtype.kind == "S":
        texts = [values] if isinstance(values, str) else values
        for text in texts:
            if not text.isascii() or not (text.isprintable() or not text) or len(text) > dtype.itemsize:
                raise InputError(
                    f"{column.name} {text!r} does not fit: WEAVE takes at most {dtype.itemsize} printable "
                    "ASCII characters"
                )
        encoded = [text.encode("ascii") for text in texts]
        return encoded[0] if isinstance(values, str) else np.array(encoded, dtype=dtype)
    numbers = np.broadcast_to(np.asarray(values, dtype=np.float64), chunk.num_rows)
    bad = np.zeros(chunk.num_rows, dtype=bool)
    if column.name in ("TARGPRIO", "GAIA_RA", "GAIA_DEC"):
        bad |= ~np.isfinite(numbers)
    low, high = (1.0, 10.0) if column.name == "TARGPRIO" else (column.minimum, column.maximum)
    bad |= (numbers < (-np.inf if low is None else low)) | (numbers > (np.inf if high is None else high))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{column.name} of target {chunk['object_id'][row].as_py()} is {numbers[row]}: allowed are "
            f"{low if low is not None else 'any'} to {high if high is not None else 'any'}"
        )
    return numbers
