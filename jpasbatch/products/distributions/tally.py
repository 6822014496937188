"""Histograms of the records: magnitudes, colours and confidence, by predicted class and magnitude bin.

They are what figures 12 and 13 of Martinez-Solaeche et al. (2023, A&A 673, A103) need, in a size that does
not depend on the number of objects.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Interval

from jpasbatch.options import Options
from jpasbatch.products.accumulation import decode_counts, encode_counts, require_equal
from jpasbatch.products.record import class_indices, magnitude_column, probability_column

Steps = Annotated[int, Interval(ge=1, le=500)]


@dataclass(frozen=True)
class DistributionOptions(Options):
    """Axes of the histograms.

    Attributes
    ----------
    magnitude_role : str
        Reported band whose magnitudes are histogrammed; usually the reference band.
    magnitude_range : (float, float)
        AB mag.
    magnitude_steps : int
    colour_x, colour_y : (str, str)
        Roles of the two magnitudes whose difference is a colour: (u, g) is u - g.
    colour_x_range, colour_y_range : (float, float)
        Mag.
    colour_steps : int
        Cells along each axis.
    confidence_steps : int
        Cells of the largest probability, from 0 to 1.
    point_like_above : float
        Stellarity (class_star) above which an object is point-like.
    extended_classes : tuple of str
        Classes whose objects should look extended; those that the job does not have are ignored.
    """

    magnitude_role: str = "r"
    magnitude_range: tuple[float, float] = (15.0, 25.0)
    magnitude_steps: Steps = 50
    colour_x: tuple[str, str] = ("u", "g")
    colour_y: tuple[str, str] = ("g", "r")
    colour_x_range: tuple[float, float] = (-1.5, 4.5)
    colour_y_range: tuple[float, float] = (-1.0, 2.5)
    colour_steps: Steps = 70
    confidence_steps: Steps = 20
    point_like_above: float = 0.5
    extended_classes: tuple[str, ...] = ("galaxy",)

    def check_relations(self) -> None:
        """Raise `ValueError` where the ends of an axis do not ascend."""
        for key in ("magnitude_range", "colour_x_range", "colour_y_range"):
            low, high = getattr(self, key)
            if not low < high:
                raise ValueError(f"{key} = {(low, high)}: must ascend")


@dataclass(frozen=True)
class Distributions:
    """What a `DistributionTally` says; edges have one value more than there are cells.

    Attributes
    ----------
    options : DistributionOptions
    classes : tuple of str
    magnitude_edges, colour_x_edges, colour_y_edges, confidence_edges : float64
    magnitudes : int64 (classes, magnitude cells)
    colours : int64 (magnitude bins, classes, x cells, y cells)
    without_colours : int64 (magnitude bins, classes)
        Objects that a colour diagram cannot show: a band not detected, or outside the axes.
    confidence : int64 (magnitude bins, classes, confidence cells)
    shapes : int64 (magnitude bins, classes, 2)
        Extended and point-like objects by stellarity; those without stellarity are in neither.
    """

    options: DistributionOptions
    classes: tuple[str, ...]
    magnitude_edges: np.ndarray
    colour_x_edges: np.ndarray
    colour_y_edges: np.ndarray
    confidence_edges: np.ndarray
    magnitudes: np.ndarray
    colours: np.ndarray
    without_colours: np.ndarray
    confidence: np.ndarray
    shapes: np.ndarray

    def shape_ratios(self) -> list[dict[str, float]]:
        """Compare stellarity with predicted classes in each magnitude bin (Martinez-Solaeche et al. 2023, section 5).

        Returns
        -------
        list of dict
            ``point``, ``extended``: objects by stellarity; ``point_class``, ``extended_class``: by predicted class;
            ``r_point``, ``r_extended``: the ratios of the two, NaN where nothing is predicted. Empty where no class
            should look extended.
        """
        large = np.isin(self.classes, self.options.extended_classes)
        if not large.any() or large.all():
            return []
        rows = []
        for extended, point in (part.T for part in self.shapes):
            both = extended + point
            found = {
                "point": float(point.sum()),
                "extended": float(extended.sum()),
                "point_class": float(both[~large].sum()),
                "extended_class": float(both[large].sum()),
            }
            for key in ("point", "extended"):
                predicted = found[f"{key}_class"]
                found[f"r_{key}"] = found[key] / predicted if predicted else float("nan")
            rows.append(found)
        return rows


@dataclass(frozen=True)
class DistributionTally:
    """The histograms of `Distributions`, to be added to and merged."""

    options: DistributionOptions
    classes: tuple[str, ...]
    magnitudes: np.ndarray
    colours: np.ndarray
    without_colours: np.ndarray
    confidence: np.ndarray
    shapes: np.ndarray

    @classmethod
    def create(
        cls, classes: tuple[str, ...], magnitude_bins: int, options: DistributionOptions | None = None
    ) -> "DistributionTally":
        """Return empty histograms for a survey with so many magnitude bins."""
        options = options or DistributionOptions()
        grid = (magnitude_bins, len(classes))
        return cls(
            options=options,
            classes=tuple(classes),
            magnitudes=np.zeros((len(classes), options.magnitude_steps), dtype=np.int64),
            colours=np.zeros((*grid, options.colour_steps, options.colour_steps), dtype=np.int64),
            without_colours=np.zeros(grid, dtype=np.int64),
            confidence=np.zeros((*grid, options.confidence_steps), dtype=np.int64),
            shapes=np.zeros((*grid, 2), dtype=np.int64),
        )

    def add(self, record: pa.Table) -> "DistributionTally":
        """Return this tally with the records of a partition added."""
        options = self.options
        predicted = class_indices(record, self.classes)
        number = record["magnitude_bin"].to_numpy().astype(np.int64)
        added = DistributionTally.create(self.classes, len(self.without_colours), options)

        magnitude = record[magnitude_column(options.magnitude_role)].to_numpy()
        cell = cells(magnitude, options.magnitude_range, options.magnitude_steps)
        inside = cell >= 0
        np.add.at(added.magnitudes, (predicted[inside], cell[inside]), 1)

        binned = number >= 0
        best = np.max([record[probability_column(name)].to_numpy() for name in self.classes], axis=0)
        cell = cells(best, (0.0, 1.0), options.confidence_steps)
        np.add.at(added.confidence, (number[binned], predicted[binned], cell[binned]), 1)

        stellarity = record["class_star"].to_numpy()
        point_like = (stellarity > options.point_like_above).astype(np.int64)
        known = binned & np.isfinite(stellarity)
        np.add.at(added.shapes, (number[known], predicted[known], point_like[known]), 1)

        x = cells(_colour(record, options.colour_x), options.colour_x_range, options.colour_steps)
        y = cells(_colour(record, options.colour_y), options.colour_y_range, options.colour_steps)
        shown = binned & (x >= 0) & (y >= 0)
        np.add.at(added.colours, (number[shown], predicted[shown], x[shown], y[shown]), 1)
        hidden = binned & ~shown
        np.add.at(added.without_colours, (number[hidden], predicted[hidden]), 1)
        return self.merge(added)

    def merge(self, other: "DistributionTally") -> "DistributionTally":
        """Return the histograms of both parts."""
        require_equal(self.options, other.options, "axes")
        require_equal(self.classes, other.classes, "classes")
        return DistributionTally(
            self.options,
            self.classes,
            self.magnitudes + other.magnitudes,
            self.colours + other.colours,
            self.without_colours + other.without_colours,
            self.confidence + other.confidence,
            self.shapes + other.shapes,
        )

    def extract(self) -> Distributions:
        """Return the histograms with their axes."""
        options = self.options
        return Distributions(
            options=options,
            classes=self.classes,
            magnitude_edges=np.linspace(*options.magnitude_range, options.magnitude_steps + 1),
            colour_x_edges=np.linspace(*options.colour_x_range, options.colour_steps + 1),
            colour_y_edges=np.linspace(*options.colour_y_range, options.colour_steps + 1),
            confidence_edges=np.linspace(0, 1, options.confidence_steps + 1),
            magnitudes=self.magnitudes,
            colours=self.colours,
            without_colours=self.without_colours,
            confidence=self.confidence,
            shapes=self.shapes,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the tally without its axes as JSON-able values."""
        return {"classes": list(self.classes)} | {
            name: encode_counts(getattr(self, name)) for name in _COUNTS
        }

    @classmethod
    def from_dict(
        cls, values: dict[str, Any], options: DistributionOptions | None = None
    ) -> "DistributionTally":
        """Return the tally that `to_dict` wrote for the same axes."""
        arrays = {name: decode_counts(values[name]) for name in _COUNTS}
        tally = cls(options or DistributionOptions(), tuple(values["classes"]), **arrays)
        empty = cls.create(tally.classes, len(tally.without_colours), tally.options)
        for name in _COUNTS:
            require_equal(getattr(empty, name).shape, arrays[name].shape, f"axes ({name})")
        return tally


_COUNTS = ("magnitudes", "colours", "without_colours", "confidence", "shapes")


def cells(values: np.ndarray, axis_range: tuple[float, float], steps: int) -> np.ndarray:
    """Return the cell of each value, int64 (n,); -1 outside the range (its upper end is inside) or NaN."""
    low, high = axis_range
    with np.errstate(invalid="ignore"):
        cell = np.floor((np.asarray(values, dtype=np.float64) - low) / (high - low) * steps)
        cell = np.where(values == high, steps - 1, cell)
    inside = (cell >= 0) & (cell < steps)
    return np.where(inside, cell, -1).astype(np.int64)


def _colour(record: pa.Table, roles: tuple[str, str]) -> np.ndarray:
    blue, red = (record[magnitude_column(role)].to_numpy() for role in roles)
    return blue - red
