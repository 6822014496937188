"""What a set of mock objects holds, counted: merged from partitions in any order to the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.mocks.options.templates import CLASSES
from jpasbatch.mocks.parents.parents import HELD_OUT, SPLITS, split_of
from jpasbatch.mocks.populations.densities import HIGH_REDSHIFT

MAGNITUDE_EDGES = np.round(np.arange(17.0, 23.61, 0.1), 1)
REDSHIFT_EDGES = np.round(np.arange(0.0, 5.21, 0.05), 2)
BAND_MAGNITUDE_EDGES = np.round(np.arange(17.0, 24.01, 0.5), 1)
SIGNAL_EDGES = np.round(np.arange(-1.0, 3.01, 0.1), 1)
"""Of log10 of the signal-to-noise ratio; the first and the last bin also hold what lies beyond."""

QSO_MAGNITUDES = ((17.0, 20.0), (20.0, 22.5), (22.5, 23.6))
"""Lower limit exclusive, upper inclusive."""

QSO_REDSHIFTS = ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0))
"""Lower limit inclusive, upper exclusive."""

ALL_SPLITS = (*SPLITS, HELD_OUT)


@dataclass(frozen=True, eq=False)
class RealismTally:
    """Whole numbers only, int64. The size does not depend on the number of rows.

    Values on or beyond the outermost edges count in the bin next to them.

    Attributes
    ----------
    rows_by_class : ndarray, shape (3,)
        In the order of `CLASSES`.
    rows_by_split : ndarray, shape (4,)
        In the order of `ALL_SPLITS`.
    misplaced : ndarray, shape (1,)
        Rows whose parent belongs, by its name, to another split than they.
    magnitudes : ndarray, shape (3, 66)
        r by class.
    redshifts : ndarray, shape (3, 104)
        By class.
    quasars : ndarray, shape (3, 5)
        By `QSO_MAGNITUDES` and `QSO_REDSHIFTS`.
    halves : ndarray, shape (2,)
        Quasars below z = 2.1, and from there on.
    band_rows : ndarray, shape (bands, 14)
        Rows observed in a band (flux is finite), by r.
    non_detections : ndarray, shape (bands, 14)
        Of these, rows with flux <= 0 or without error.
    signal : ndarray, shape (bands, 14, 40)
        The other ones by log10 of flux / error.
    """

    rows_by_class: np.ndarray
    rows_by_split: np.ndarray
    misplaced: np.ndarray
    magnitudes: np.ndarray
    redshifts: np.ndarray
    quasars: np.ndarray
    halves: np.ndarray
    band_rows: np.ndarray
    non_detections: np.ndarray
    signal: np.ndarray

    @classmethod
    def create(cls, n_bands: int) -> RealismTally:
        """Return an empty tally."""
        return cls(**{name: np.zeros(shape, dtype=np.int64) for name, shape in _shapes(n_bands).items()})

    def add(self, rows: Mapping[str, Any]) -> RealismTally:
        """Return this tally with the rows of a `SetTable` added.

        Parameters
        ----------
        rows : SetTable
            Read are ``flux``, ``flux_err``, ``true_class``, ``true_redshift``, ``true_magnitude``, ``parent_id`` and
            ``split``.

        Raises
        ------
        ValueError
            If a class or a split is unknown, or the number of bands differs.
        """
        flux = np.asarray(rows["flux"])
        if flux.shape[1] != len(self.band_rows):
            raise ValueError(f"flux has {flux.shape[1]} bands; this tally counts {len(self.band_rows)}")
        kind = _positions(rows["true_class"], CLASSES, "true_class")
        split = _positions(rows["split"], ALL_SPLITS, "split")
        # in single precision, as the values are: 23.6 would else lie beyond 23.6
        magnitude, redshift = (
            np.asarray(rows[f"true_{name}"], np.float32) for name in ("magnitude", "redshift")
        )
        counted = {
            "rows_by_class": np.bincount(kind, minlength=len(CLASSES)),
            "rows_by_split": np.bincount(split, minlength=len(ALL_SPLITS)),
            "misplaced": np.array([_count_misplaced(rows["parent_id"], rows["split"])]),
            "magnitudes": _by_class(kind, _bin(magnitude, MAGNITUDE_EDGES, "left"), len(MAGNITUDE_EDGES) - 1),
            "redshifts": _by_class(kind, _bin(redshift, REDSHIFT_EDGES, "right"), len(REDSHIFT_EDGES) - 1),
            **_quasars(magnitude[kind == CLASSES.index("qso")], redshift[kind == CLASSES.index("qso")]),
            **_bands(flux, np.asarray(rows["flux_err"]), _bin(magnitude, BAND_MAGNITUDE_EDGES, "left")),
        }
        return self.merge(RealismTally(**counted))

    def merge(self, other: RealismTally) -> RealismTally:
        """Return the sum of two tallies.

        Raises
        ------
        ValueError
            If they count different numbers of bands.
        """
        if self.band_rows.shape != other.band_rows.shape:
            raise ValueError(f"tallies of {len(self.band_rows)} and of {len(other.band_rows)} bands")
        return RealismTally(**{name: getattr(self, name) + getattr(other, name) for name in _shapes(0)})

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists of whole numbers, and what they count: ``classes``, ``splits`` and ``bins``.

        Each histogram of ``signal`` comes without the zeros at its end.
        """
        content = {name: getattr(self, name).tolist() for name in _shapes(0) if name != "signal"}
        bins = {
            "magnitudes": MAGNITUDE_EDGES.tolist(),
            "redshifts": REDSHIFT_EDGES.tolist(),
            "band_magnitudes": BAND_MAGNITUDE_EDGES.tolist(),
            "signal": SIGNAL_EDGES.tolist(),
            "qso_magnitudes": [list(limits) for limits in QSO_MAGNITUDES],
            "qso_redshifts": [list(limits) for limits in QSO_REDSHIFTS],
        }
        return content | {
            "signal": [[_trimmed(part) for part in band] for band in self.signal.tolist()],
            "classes": list(CLASSES),
            "splits": list(ALL_SPLITS),
            "bins": bins,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RealismTally:
        """Return the tally that `to_dict` described.

        Raises
        ------
        ValueError
            If a part is missing or has another shape.
        """
        shapes = _shapes(len(content.get("band_rows", ())))
        if missing := sorted(set(shapes) - set(content)):
            raise ValueError(f"tally without {', '.join(missing)}")
        steps = len(SIGNAL_EDGES) - 1
        signal = [[part + [0] * (steps - len(part)) for part in band] for band in content["signal"]]
        parts = {
            name: np.array(signal if name == "signal" else content[name], dtype=np.int64).reshape(shape)
            for name, shape in shapes.items()
        }
        return cls(**parts)


def _shapes(bands: int) -> dict[str, tuple[int, ...]]:
    magnitudes = len(BAND_MAGNITUDE_EDGES) - 1
    return {
        "rows_by_class": (len(CLASSES),),
        "rows_by_split": (len(ALL_SPLITS),),
        "misplaced": (1,),
        "magnitudes": (len(CLASSES), len(MAGNITUDE_EDGES) - 1),
        "redshifts": (len(CLASSES), len(REDSHIFT_EDGES) - 1),
        "quasars": (len(QSO_MAGNITUDES), len(QSO_REDSHIFTS)),
        "halves": (2,),
        "band_rows": (bands, magnitudes),
        "non_detections": (bands, magnitudes),
        "signal": (bands, magnitudes, len(SIGNAL_EDGES) - 1),
    }


def _positions(names: np.ndarray, allowed: tuple[str, ...], column: str) -> np.ndarray:
    unique, inverse = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    unknown = [str(name) for name in unique if name not in allowed]
    if unknown:
        raise ValueError(f"{column}: {unknown[0]!r} is none of {', '.join(allowed)}")
    return np.array([allowed.index(name) for name in unique], dtype=np.int64)[inverse]


def _bin(values: np.ndarray, edges: np.ndarray, side: str) -> np.ndarray:
    """Bins (n,) of values; "left": the upper edge belongs to a bin, "right": the lower one."""
    found = np.searchsorted(edges.astype(values.dtype), values, side=side) - 1  # type: ignore[call-overload]
    return np.clip(found, 0, len(edges) - 2)


def _by_class(kind: np.ndarray, place: np.ndarray, bins: int) -> np.ndarray:
    return np.bincount(kind * bins + place, minlength=len(CLASSES) * bins).reshape(len(CLASSES), bins)


def _count_misplaced(parent_ids: np.ndarray, splits: np.ndarray) -> int:
    """Count rows whose parent's name says another split; names of held-out libraries say none."""
    pairs = np.char.add(np.char.add(np.asarray(splits, dtype=str), "\n"), np.asarray(parent_ids, dtype=str))
    unique, counts = np.unique(pairs, return_counts=True)
    parts = [pair.split("\n", 1) for pair in unique.tolist()]
    if not parts:
        return 0
    said, names = (np.array(column) for column in zip(*parts, strict=True))
    wrong = (said != HELD_OUT) & (split_of(names) != said)
    return int(counts[wrong].sum())


def _quasars(magnitude: np.ndarray, redshift: np.ndarray) -> dict[str, np.ndarray]:
    rows = _bin(magnitude, np.array([QSO_MAGNITUDES[0][0], *(high for _, high in QSO_MAGNITUDES)]), "left")
    columns = _bin(redshift, np.array([QSO_REDSHIFTS[0][0], *(high for _, high in QSO_REDSHIFTS)]), "right")
    shape = (len(QSO_MAGNITUDES), len(QSO_REDSHIFTS))
    place = rows * shape[1] + columns
    high = redshift >= np.float32(HIGH_REDSHIFT)
    return {
        "quasars": np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape),
        "halves": np.bincount(high.astype(np.int64), minlength=2),
    }


def _bands(flux: np.ndarray, error: np.ndarray, place: np.ndarray) -> dict[str, np.ndarray]:
    bins, steps = len(BAND_MAGNITUDE_EDGES) - 1, len(SIGNAL_EDGES) - 1
    bands = flux.shape[1]
    cell = np.arange(bins * bands).reshape(bands, bins).T[place]
    observed = np.isfinite(flux)
    detected = observed & (flux > 0) & (error > 0)
    signal = np.log10(flux[detected].astype(np.float64) / error[detected])
    step = np.clip(np.searchsorted(SIGNAL_EDGES, signal, side="right") - 1, 0, steps - 1)
    shape = (bands, bins)
    return {
        "band_rows": np.bincount(cell[observed], minlength=bands * bins).reshape(shape),
        "non_detections": np.bincount(cell[observed & ~detected], minlength=bands * bins).reshape(shape),
        "signal": np.bincount(cell[detected] * steps + step, minlength=bands * bins * steps).reshape(
            *shape, steps
        ),
    }


def _trimmed(values: list[int]) -> list[int]:
    last = max((place for place, value in enumerate(values) if value), default=-1)
    return values[: last + 1]
