"""How sure the counts are: what the committee itself said, the truth where it is known, and four terms of error.

A count is the sum of the probabilities of the objects of a selection. Its errors, each with a column of its own:

- *counting*: another sky of the same density would hold other objects, and what looks alike cannot be told apart. From
  the information that the objects of each stratum have of its class shares.
- *calibration*: another validation sample would give other probabilities and other shares. From samples drawn again.
- *systematic*: the mocks that the committee was validated on are wrong. From how far counts move with the validation
  samples of mocks that are wrong in stated ways (``[samples.variants]``).
- *field to field*: densities differ from place to place by more than counting explains. From the scatter of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.priors.prior import Prior
from jpasbatch.products.accumulation import decode_counts, encode_counts, parent_pixels, sum_by_pixel, widened
from jpasbatch.products.counts.estimates import CountEstimate
from jpasbatch.products.counts.tally import CountOptions
from jpasbatch.products.counts.variances import Variances, count_variances
from jpasbatch.products.posteriors import STRATUM, committee_column
from jpasbatch.products.protocol import Columns, LookUp, Partition, Product
from jpasbatch.products.record import (
    HEALPIX_COLUMN,
    magnitude_column,
    probability_column,
    record_probabilities,
)

FEWEST_PIXELS = 8
"""Pixels below which their scatter says nothing of the variance between fields."""


@dataclass(frozen=True)
class CountErrors:
    """The counts of `jpasbatch.products.counts.tally.CountSummary` with their errors.

    Attributes
    ----------
    selected : CountEstimate
        Of the objects that the job counts.
    bins : tuple of CountEstimate
        Of each magnitude bin, without the magnitude limit.
    corrected : bool
        Whether the probabilities are those under the mix of the sky.
    """

    selected: CountEstimate
    bins: tuple[CountEstimate, ...]
    corrected: bool


@dataclass(frozen=True, eq=False)
class SelectionTally:
    """Sums over r selections (that of the job, then the magnitude bins), s strata and k classes, c of them counted.

    Attributes
    ----------
    sums : ndarray of int64, shape (r, s, c)
        Probabilities of the counted classes.
    products : ndarray of int64, shape (r, s, k)
        Probability of any counted class times that of each class.
    committee : ndarray of int64, shape (r,)
        The committee's own probability of any counted class.
    known, true : ndarray of int64, shape (r,)
        Objects, objects of known class, and those that are of a counted class.
    pixels : ndarray of int64, shape (p,)
    pixel_sums : ndarray of int64, shape (p, 2)
        Objects of each pixel, and probability of any counted class of those that the job counts.
    """

    sums: np.ndarray
    products: np.ndarray
    committee: np.ndarray
    objects: np.ndarray
    known: np.ndarray
    true: np.ndarray
    pixels: np.ndarray
    pixel_sums: np.ndarray

    def merge(self, other: SelectionTally) -> SelectionTally:
        """Return the tally of both parts."""
        pixels, sums = sum_by_pixel(
            np.concatenate([self.pixels, other.pixels]), np.concatenate([self.pixel_sums, other.pixel_sums])
        )
        added = {name: getattr(self, name) + getattr(other, name) for name in ADDED}
        return SelectionTally(**added, pixels=pixels, pixel_sums=sums)

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        arrays = {name: encode_counts(getattr(self, name)) for name in (*ADDED, "pixel_sums")}
        return {"pixels": self.pixels.tolist(), **arrays}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SelectionTally:
        """Return the tally that `to_dict` described."""
        arrays = {name: decode_counts(values[name]) for name in (*ADDED, "pixel_sums")}
        return cls(pixels=np.asarray(values["pixels"], dtype=np.int64), **arrays)

    def extract(self) -> SelectionTally:
        """Return itself: what it says depends on the prior."""
        return self


ADDED = ("sums", "products", "committee", "objects", "known", "true")


class CountedWithErrors(Product[SelectionTally, CountErrors]):
    """The errors of the counts; shown with these."""

    name = "count_errors"

    @classmethod
    def options_of(cls, tables: Any) -> CountOptions:
        """Return the options of the counts."""
        return tables["counts"]

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        options: CountOptions = self.options
        names = [probability_column(name) for name in self.setting.class_names]
        names += [HEALPIX_COLUMN, magnitude_column(options.band_role), "magnitude_bin", "class_star"]
        if self.setting.corrected:
            names += [STRATUM, *self._own_columns]
        return Columns(predictions=tuple(names), truth=True)

    @property
    def _own_columns(self) -> list[str]:
        """Columns of the committee's own probabilities of the counted classes."""
        own = committee_column if self.setting.corrected else probability_column
        return [own(name) for name in self.options.classes]

    @property
    def _counted(self) -> list[int]:
        return [self.setting.class_names.index(name) for name in self.options.classes]

    def create(self) -> SelectionTally:
        """Return the tally of no objects."""
        selections, classes = 1 + len(self.setting.bins), len(self.setting.classes)
        shapes = {
            "sums": (selections, 0, len(self.options.classes)),
            "products": (selections, 0, classes),
            **dict.fromkeys(ADDED[2:], (selections,)),
            "pixels": (0,),
            "pixel_sums": (0, 2),
        }
        return SelectionTally(**{name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()})

    def add(self, tally: SelectionTally, partition: Partition) -> SelectionTally:
        """Return the tally with the observed part of a partition added."""
        partition = partition.observed_part
        options, record = self.options, partition.predictions
        probabilities = record_probabilities(record, self.setting.class_names).astype(np.float64)
        own = np.sum([record[name].to_numpy() for name in self._own_columns], axis=0)
        any_counted = probabilities[:, self._counted].sum(axis=1)
        stratum = record[STRATUM].to_numpy() if self.setting.corrected else np.zeros(len(own), dtype=np.int16)
        strata = int(stratum.max(initial=-1)) + 1
        of_class = np.isin(partition.labels, self._counted)
        selections, found = list(self._selections(partition)), []
        for chosen in selections:
            sums = np.zeros((strata, len(options.classes)), dtype=np.int64)
            products = np.zeros((strata, probabilities.shape[1]), dtype=np.int64)
            np.add.at(sums, stratum[chosen], exact(probabilities[chosen][:, self._counted]))
            np.add.at(products, stratum[chosen], exact(probabilities[chosen] * any_counted[chosen, None]))
            known = partition.labels[chosen] >= 0
            numbers = (exact(own[chosen]).sum(), chosen.sum(), known.sum(), of_class[chosen].sum())
            found.append((sums, products, *numbers))
        columns = {
            name: np.array(values, dtype=np.int64)
            for name, values in zip(ADDED, zip(*found, strict=True), strict=True)
        }
        values = np.column_stack(
            [np.ones(len(own), dtype=np.int64), exact(np.where(selections[0], any_counted, 0.0))]
        )
        pixels, pixel_sums = sum_by_pixel(
            parent_pixels(record[HEALPIX_COLUMN].to_numpy(), options.nside), values
        )
        return self.merge(tally, SelectionTally(**columns, pixels=pixels, pixel_sums=pixel_sums))

    def _selections(self, partition: Partition) -> Iterable[np.ndarray]:
        """Yield which objects belong to the count of the job, and to each magnitude bin."""
        options, record = self.options, partition.predictions
        point_like = np.ones(record.num_rows, dtype=bool)
        if options.minimum_class_star is not None:
            point_like = record["class_star"].to_numpy() > options.minimum_class_star
        magnitude = record[magnitude_column(options.band_role)].to_numpy()
        yield point_like & (magnitude < options.brighter_than)
        number = record["magnitude_bin"].to_numpy()
        for bin_number in range(len(self.setting.bins)):
            yield point_like & (number == bin_number)

    def merge(self, tally: SelectionTally, other: SelectionTally) -> SelectionTally:
        """Return the tally of both parts; one may know fewer strata."""
        strata = max(tally.sums.shape[1], other.sums.shape[1])
        wide = (
            replace(one, sums=widened(one.sums, 1, strata), products=widened(one.products, 1, strata))
            for one in (tally, other)
        )
        return next(wide).merge(next(wide))

    def from_record(self, record: dict[str, Any]) -> SelectionTally:
        """Return the tally that `to_record` described."""
        return SelectionTally.from_dict(record)

    def extract(self, tally: SelectionTally, look_up: LookUp) -> CountErrors:
        """Return the counts with their errors."""
        prior = self.setting.prior
        estimates = [self._estimate(tally, selection, prior) for selection in range(len(tally.objects))]
        return CountErrors(estimates[0], tuple(estimates[1:]), prior is not None)

    def _estimate(self, tally: SelectionTally, selection: int, prior: Prior | None) -> CountEstimate:
        sums, products = inexact(tally.sums[selection]), inexact(tally.products[selection])
        all_known = tally.known[selection] == tally.objects[selection]
        spread = float(products[:, self._counted].sum())
        field = _field_variance(tally, spread) if selection == 0 else np.nan
        unknown = Variances(np.nan, np.nan, np.nan)
        found = unknown if prior is None else count_variances(sums, products, self._counted, prior)
        return CountEstimate(
            float(sums.sum()),
            float(np.sqrt(found.counting)),
            float(np.sqrt(found.calibration)),
            float(np.sqrt(found.systematic)),
            float(np.sqrt(field)),
            float(inexact(tally.committee[selection])),
            float(tally.true[selection]) if all_known else float("nan"),
        )


def _field_variance(tally: SelectionTally, spread: float) -> float:
    """Return the variance between pixels beyond counting; pixels weigh as the objects that they hold."""
    if len(tally.pixels) < FEWEST_PIXELS:
        return float("nan")
    objects, summed = tally.pixel_sums[:, 0].astype(np.float64), inexact(tally.pixel_sums[:, 1])
    expected = objects * summed.sum() / objects.sum()
    pixels = len(objects)
    return max(pixels / (pixels - 1) * float(((summed - expected) ** 2).sum()) - spread, 0.0)
