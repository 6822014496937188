"""How many QSOs per square degree: by summed probability and by threshold, with Poisson intervals.

Section 5 of Martinez-Solaeche et al. (2023) counts the QSOs of miniJPAS in two ways, both for point-like
sources (``class_star`` > 0.5) brighter than g = 23: objects whose QSO probability exceeds 0.5 (163 per deg2
for their ANN1), and the sum of the QSO probabilities of all objects (182.1). `CountTally` does both.

The area is that of `jpasbatch.footprint` where files say what was observed; objects outside are counted apart. Else it
is measured: the fine pixels (``area_nside``) that hold at least one catalogue object, whatever its class or magnitude.
Pixels at the edge of the footprint count whole, so that the area of a small field comes out a few per cent too large.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from annotated_types import Interval, MinLen

from jpasbatch.footprint.coverage import Coverage
from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.options import Options
from jpasbatch.products.accumulation import (
    SKY_DEG2,
    decode_counts,
    encode_counts,
    healpix_order,
    parent_pixels,
    require_equal,
    sum_by_pixel,
    with_rows,
)
from jpasbatch.products.record import HEALPIX_COLUMN, magnitude_column, record_probabilities

MINIMUM_OCCUPANCY = 5.0
"""Objects per fine pixel below which the pixels with objects say more about the objects than about the area: at
5 a fraction of exp(-5), 0.7 %, of the covered pixels is empty by chance."""


@dataclass(frozen=True)
class CountOptions(Options):
    """What is counted.

    Attributes
    ----------
    classes : tuple of str
        Classes whose probabilities are summed to that of a QSO.
    band_role : str
        Reported band of the magnitude limit (``"g"``).
    brighter_than : float
        Magnitude limit, AB mag, exclusive.
    minimum_class_star : float or None
        Lower limit of the stellarity, exclusive; None counts extended sources too.
    nside : int
        HEALPix grid of the counts per pixel.
    area_nside : int
        Finer grid that measures the area.
    threshold : float
        QSO probability above which an object counts as one.
    area_deg2 : float or None
        True area, deg2, when it is known; None measures it.
    """

    classes: Annotated[tuple[str, ...], MinLen(1)] = ("qso_low", "qso_high")
    band_role: str = "g"
    brighter_than: float = 23.0
    minimum_class_star: Annotated[float, Interval(ge=0, lt=1)] | None = None
    nside: int = 64
    area_nside: int = 2048
    threshold: Annotated[float, Interval(gt=0, lt=1)] = 0.5
    area_deg2: Annotated[float, Interval(gt=0, le=SKY_DEG2)] | None = None

    def check_relations(self) -> None:
        """Raise `ValueError` where the grids are none of HEALPix, or one is not finer than the other."""
        order, fine = healpix_order(self.nside), healpix_order(self.area_nside, "area_nside")
        if not order + 2 <= fine <= order + 6:
            raise ValueError(
                f"area_nside is {self.area_nside}: it must be 4 to 64 times nside, which is {self.nside}"
            )


@dataclass(frozen=True)
class PoissonCount:
    """A count with the central 68.27 % frequentist interval of a Poisson mean.

    For a sum of probabilities the interval is that of the same formula at a count that is no integer.
    """

    value: float
    lower: float
    upper: float

    def per(self, area_deg2: float) -> "PoissonCount":
        """Return the density per deg2; NaN where the area is zero."""
        scale = 1 / area_deg2 if area_deg2 > 0 else np.nan
        return PoissonCount(self.value * scale, self.lower * scale, self.upper * scale)


def poisson_count(value: float, sigma: float = 1.0) -> PoissonCount:
    """Return a count with its interval (astropy ``frequentist-confidence``, Gehrels 1986) of so many deviations."""
    from astropy.stats import poisson_conf_interval

    lower, upper = poisson_conf_interval(np.asarray(float(value)), "frequentist-confidence", sigma=sigma)
    return PoissonCount(float(value), float(lower), float(upper))


@dataclass(frozen=True)
class CountSummary:
    """What a `CountTally` says.

    Attributes
    ----------
    options : CountOptions
    objects : int
        Objects of any class and magnitude in the observed part of the sky.
    without_class_star : int
        Objects that the stellarity cut excluded because their ``class_star`` is unknown.
    area_deg2, measured_area_deg2 : float
        Area used for densities (the one given, else the measured one), and the measured one. Without a given
        one the first is NaN, and with it all densities, where objects are too few to measure an area
        (`MINIMUM_OCCUPANCY`): a sample that was selected has no density.
    summed, above_threshold : PoissonCount
        QSOs by summed probability and by threshold.
    by_class : dict of str to float
        Summed probability of each counted class.
    bins_summed, bins_above_threshold : tuple of PoissonCount
        The same for each magnitude bin of the survey's reference band, without the magnitude limit.
    pixels : int64 (p,)
        Nested pixels at ``options.nside``.
    pixel_area_deg2, pixel_objects, pixel_summed, pixel_above_threshold : (p,)
        Covered area, objects and QSO counts of each pixel. The areas sum to ``area_deg2`` where that is known.
    area_kind : {"occupied", "given", "effective area", "footprint"}
        How the area is known: from the pixels that hold objects, as a number, or from masks.
    outside : int
        Objects outside of the observed part of the sky, which nothing else here counts.
    occupied, covered : int64 (o,), uint8 (o, bytes)
        Nested pixels at ``options.nside`` that hold objects, and of each one bit for each fine pixel that does.
    """

    options: CountOptions
    objects: int
    without_class_star: int
    area_deg2: float
    measured_area_deg2: float
    summed: PoissonCount
    above_threshold: PoissonCount
    by_class: dict[str, float]
    bins_summed: tuple[PoissonCount, ...]
    bins_above_threshold: tuple[PoissonCount, ...]
    pixels: np.ndarray
    pixel_area_deg2: np.ndarray
    pixel_objects: np.ndarray
    pixel_summed: np.ndarray
    pixel_above_threshold: np.ndarray
    area_kind: Literal["occupied", "given", "effective area", "footprint"] = "occupied"
    outside: int = 0
    occupied: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    covered: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.uint8))


def is_point_like(record: pa.Table, options: CountOptions) -> np.ndarray:
    """Return which objects pass the stellarity cut, bool (n,); unknown stellarity does not."""
    if options.minimum_class_star is None:
        return np.ones(record.num_rows, dtype=bool)
    return record["class_star"].to_numpy() > options.minimum_class_star


def is_selected(record: pa.Table, options: CountOptions) -> np.ndarray:
    """Return which objects the job counts, by stellarity and magnitude limit, bool (n,)."""
    magnitude = record[magnitude_column(options.band_role)].to_numpy()
    return is_point_like(record, options) & (magnitude < options.brighter_than)


@dataclass(frozen=True)
class CountTally:
    """Counts per pixel and per magnitude bin; its size depends on the area only.

    Attributes
    ----------
    options : CountOptions
    without_class_star : int
    pixels : int64 (p,)
        Nested pixels at ``options.nside``, ascending.
    counts : int64 (p, 2 + classes)
        Objects; selected objects above the threshold; summed probability of each class (`exact`).
    covered : uint8 (p, bytes)
        One bit for each fine pixel that holds an object.
    bins : int64 (magnitude bins, 1 + classes)
        Point-like objects above the threshold; summed probability of each class (`exact`).
    outside : int
        Objects outside of the observed part of the sky; the rest counts none of them.
    """

    options: CountOptions
    without_class_star: int
    pixels: np.ndarray
    counts: np.ndarray
    covered: np.ndarray
    bins: np.ndarray
    outside: int = 0

    @classmethod
    def create(cls, options: CountOptions, magnitude_bins: int) -> "CountTally":
        """Return an empty tally for a survey with so many magnitude bins."""
        columns = len(options.classes)
        return cls(
            options=options,
            without_class_star=0,
            pixels=np.zeros(0, dtype=np.int64),
            counts=np.zeros((0, 2 + columns), dtype=np.int64),
            covered=np.zeros((0, cls._covered_bytes(options)), dtype=np.uint8),
            bins=np.zeros((magnitude_bins, 1 + columns), dtype=np.int64),
        )

    @staticmethod
    def _covered_bytes(options: CountOptions) -> int:
        return (options.area_nside // options.nside) ** 2 // 8

    def add(self, record: pa.Table, outside: int = 0) -> "CountTally":
        """Return this tally with the records (see `record_schema`) of a partition added, and of others their number."""
        options = self.options
        probability = record_probabilities(record, options.classes)
        units = exact(probability)
        above = probability.sum(axis=1, dtype=np.float64) > options.threshold
        point_like, selected = is_point_like(record, options), is_selected(record, options)
        unknown = 0
        if options.minimum_class_star is not None:
            unknown = int(np.isnan(record["class_star"].to_numpy()).sum())
        columns = [np.ones(record.num_rows, dtype=np.int64)[:, None], (above & selected)[:, None]]
        values = np.hstack([*columns, units * selected[:, None]]).astype(np.int64)

        healpix = record[HEALPIX_COLUMN].to_numpy()
        pixels, counts = sum_by_pixel(parent_pixels(healpix, options.nside), values)
        bins = np.zeros_like(self.bins)
        number = record["magnitude_bin"].to_numpy()
        binned = point_like & (number >= 0)
        np.add.at(bins, number[binned], np.hstack([above[:, None], units])[binned])
        covered = self._covered(healpix, pixels)
        return self.merge(CountTally(options, unknown, pixels, counts, covered, bins, outside))

    def _covered(self, healpix: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        children = (self.options.area_nside // self.options.nside) ** 2
        fine = np.unique(parent_pixels(healpix, self.options.area_nside))
        bits = np.zeros((len(pixels), children), dtype=np.uint8)
        bits[np.searchsorted(pixels, fine // children), fine % children] = 1
        return np.packbits(bits, axis=1)

    def merge(self, other: "CountTally") -> "CountTally":
        """Return the tally of both parts.

        Raises
        ------
        ValueError
            When the options differ.
        """
        require_equal(self.options, other.options, "count options")
        stacked = np.concatenate([self.pixels, other.pixels])
        pixels, counts = sum_by_pixel(stacked, np.concatenate([self.counts, other.counts]))
        covered = np.zeros((len(pixels), self.covered.shape[1]), dtype=np.uint8)
        np.bitwise_or.at(
            covered, np.searchsorted(pixels, stacked), np.concatenate([self.covered, other.covered])
        )
        unknown = self.without_class_star + other.without_class_star
        bins, outside = self.bins + other.bins, self.outside + other.outside
        return CountTally(self.options, unknown, pixels, counts, covered, bins, outside)

    def extract(self, coverage: Coverage | None = None) -> CountSummary:
        """Return totals, densities and counts per pixel.

        Parameters
        ----------
        coverage : Coverage, optional
            The observed part of the sky; its area then is that of all densities, and pixels that were observed have a
            row whether or not they hold an object.
        """
        options = self.options
        fine_deg2 = SKY_DEG2 / (12 * options.area_nside**2)
        pixels, counts = self.pixels, self.counts
        pixel_area = np.bitwise_count(self.covered).sum(axis=1, dtype=np.int64) * fine_deg2
        measured = float(pixel_area.sum())
        totals = counts.sum(axis=0)
        area, kind = self._area(measured, fine_deg2, int(totals[0])), "occupied"
        if coverage is not None:
            pixels, pixel_area = coverage.areas(options.nside)
            counts = with_rows(pixels, self.pixels, counts)
            area, kind = coverage.area_deg2, coverage.name
        elif options.area_deg2 is not None:
            # pixels share the given area as they share the measured one: each density is of the same area
            kind, pixel_area = "given", pixel_area * (area / measured if measured > 0 else 1.0)
        return CountSummary(
            options=options,
            objects=int(totals[0]),
            without_class_star=self.without_class_star,
            area_deg2=area,
            measured_area_deg2=measured,
            summed=poisson_count(float(inexact(totals[2:]).sum())),
            above_threshold=poisson_count(float(totals[1])),
            by_class=dict(zip(options.classes, inexact(totals[2:]).tolist(), strict=True)),
            bins_summed=tuple(poisson_count(value) for value in inexact(self.bins[:, 1:]).sum(axis=1)),
            bins_above_threshold=tuple(poisson_count(value) for value in self.bins[:, 0]),
            pixels=pixels,
            pixel_area_deg2=pixel_area,
            pixel_objects=counts[:, 0],
            pixel_summed=inexact(counts[:, 2:]).sum(axis=1),
            pixel_above_threshold=counts[:, 1],
            area_kind=kind,
            outside=self.outside,
            occupied=self.pixels,
            covered=self.covered,
        )

    def _area(self, measured: float, fine_deg2: float, objects: int) -> float:
        if self.options.area_deg2 is not None:
            return self.options.area_deg2
        return measured if objects * fine_deg2 >= MINIMUM_OCCUPANCY * measured else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the tally without its options as JSON-able values."""
        return {
            "without_class_star": self.without_class_star,
            "pixels": self.pixels.tolist(),
            "counts": encode_counts(self.counts),
            "covered": [row.tobytes().hex() for row in self.covered],
            "bins": encode_counts(self.bins),
            "outside": self.outside,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], options: CountOptions) -> "CountTally":
        """Return the tally that `to_dict` wrote for the same options."""
        width = cls._covered_bytes(options)
        covered = np.frombuffer(bytes.fromhex("".join(values["covered"])), dtype=np.uint8).reshape(-1, width)
        empty = cls.create(options, values["bins"]["shape"][0])
        tally = replace(
            empty,
            without_class_star=int(values["without_class_star"]),
            pixels=np.asarray(values["pixels"], dtype=np.int64),
            counts=decode_counts(values["counts"]),
            covered=covered,
            bins=decode_counts(values["bins"]),
            outside=int(values["outside"]),
        )
        require_equal(empty.counts.shape[1], tally.counts.shape[1], "numbers of classes")
        return tally
