"""Class shares that are given: a table of weights by magnitude."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.parts import source_shares
from jpasbatch.priors.prior import Prior, Reference
from jpasbatch.priors.strata import Strata
from jpasbatch.regular_files import read_text

LIMITS = ("brightest", "faintest")


@dataclass(frozen=True)
class ShareTable:
    """Weights of the classes in bins of magnitude that follow each other.

    Attributes
    ----------
    classes : tuple of str
    magnitudes : tuple of float
        Between the bins. The first and the last bin are open.
    weights : tuple of tuple of float
        By bin, one a class; above 0 in sum.
    limits : (float, float)
        Of all bins as the table has them: a sky that lies beyond them altogether is another one.
    """

    classes: tuple[str, ...]
    magnitudes: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    limits: tuple[float, float] = (-np.inf, np.inf)

    @property
    def strata(self) -> Strata:
        """The bins."""
        return Strata(self.magnitudes)

    def prior(self, cells: Cells, reference: Reference) -> Prior:
        """Return the prior with these shares, for objects of these cells; nothing is measured, so it has no errors.

        Raises
        ------
        InputError
            When no object has a magnitude within the limits of the table.
        """
        self._check_limits(cells)
        strata, classes = reference.strata, len(self.classes)
        shares = np.array(self.weights, dtype=np.float64)
        shares /= shares.max(axis=1, keepdims=True)  # of very large or small weights the sum is no number
        shares /= shares.sum(axis=1, keepdims=True)
        objects = np.bincount(cells.stratum, cells.numbers, len(strata)).astype(np.int64)
        counting = np.zeros((len(strata), classes, classes))
        return Prior(
            self.classes,
            strata,
            source_shares(reference.sample, strata),
            shares,
            objects,
            counting,
            np.zeros((0, len(strata), classes)),
            (),
            np.zeros((0, len(strata), classes)),
            reference.calibration,
        )

    def _check_limits(self, cells: Cells) -> None:
        brightest, faintest = self.limits
        magnitude = cells.magnitude
        if len(magnitude) and not ((magnitude >= brightest) & (magnitude <= faintest)).any():
            raise InputError(
                f"[prior] table: its bins reach from magnitude {brightest:g} to {faintest:g}, and the objects of the "
                f"catalogue from about {magnitude.min():.1f} to {magnitude.max():.1f}, so that none is in a bin; "
                "allowed are bins of the survey's reference band that some objects are in. One that is meant for all "
                "begins at -inf or ends at inf"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the shares as JSON-able values."""
        return {key: value for key, value in asdict(self).items() if key != "limits"}


def read_shares(path: Path, classes: tuple[str, ...]) -> ShareTable:
    """Read class shares from a CSV file with the columns ``brightest``, ``faintest`` and one a class.

    Parameters
    ----------
    path : Path
    classes : tuple of str

    Raises
    ------
    InputError
        When it cannot be read, a column is missing or unknown, a value is no number, weights are negative or all 0, or
        the bins do not follow each other.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        names, rows = tuple(reader.fieldnames), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"[prior] table {path}: cannot be read ({error})") from None
    if set(names) != {*LIMITS, *classes} or len(names) != len(set(names)):
        raise InputError(
            f"[prior] table {path}: found the columns {', '.join(names)[:300] or 'none'}; allowed are exactly "
            f"{', '.join((*LIMITS, *classes))}"
        )
    values = [_numbers(path, line, row, (*LIMITS, *classes)) for line, row in enumerate(rows, start=2)]
    if not values:
        raise InputError(f"[prior] table {path}: has no rows")
    for line, (one, following) in enumerate(pairwise(values), start=3):
        if following[0] != one[1]:
            raise InputError(
                f"[prior] table {path}, line {line}: brightest = {following[0]:g}; bins follow each other, so that "
                f"{one[1]:g} is allowed"
            )
    edges = tuple(row[0] for row in values[1:])
    limits = values[0][0], values[-1][1]
    return ShareTable(classes, edges, tuple(tuple(row[2:]) for row in values), limits)


def _numbers(path: Path, line: int, row: Mapping[str | None, Any], names: tuple[str, ...]) -> list[float]:
    if None in row:
        raise InputError(
            f"[prior] table {path}, line {line}: has {len(names) + len(row[None])} cells; allowed are {len(names)}, "
            "one a column"
        )
    found = [_number(row[name], f"[prior] table {path}, line {line}, column '{name}'") for name in names]
    if not np.isfinite(found[2:]).all() or min(found[2:]) < 0 or max(found[2:]) <= 0:
        raise InputError(f"[prior] table {path}, line {line}: weights are 0 or more, and not all 0")
    if not found[0] < found[1]:
        raise InputError(
            f"[prior] table {path}, line {line}: brightest = {found[0]:g} is not below faintest = {found[1]:g}"
        )
    return found


def _number(cell: str | None, where: str) -> float:
    try:
        if "_" in (cell or ""):  # Python takes 1_8 for 18
            raise ValueError
        return float(cell or "")
    except ValueError:
        raise InputError(
            f"{where}: found {(cell or '')[:40]!r}; allowed are numbers in every column"
        ) from None
