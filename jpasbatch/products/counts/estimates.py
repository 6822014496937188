"""A number of objects with the terms of its error, and the intervals that they make."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from jpasbatch.products.counts.tally import PoissonCount, poisson_count

ERRORS = ("counting", "calibration", "systematic", "field_to_field")
"""Terms of the error of a count."""

ONE_SIGMA = 0.6827
"""Share of the intervals that pages and tables give: that of one standard deviation."""


@dataclass(frozen=True)
class CountEstimate:
    """A number of objects with its errors, standard deviations.

    Attributes
    ----------
    value : float
        Sum of the probabilities under the class mix of the sky.
    counting, calibration, systematic, field_to_field : float
        NaN where they are not known.
    committee : float
        Sum of the probabilities as the committee gives them.
    true : float
        Objects that are truly of the classes; NaN where the truth of an object is not known.
    """

    value: float
    counting: float
    calibration: float
    systematic: float
    field_to_field: float
    committee: float
    true: float

    def per(self, area_deg2: float) -> CountEstimate:
        """Return the density per deg2; NaN where the area is zero or not known."""
        scale = 1 / area_deg2 if area_deg2 > 0 else np.nan
        return CountEstimate(*(scale * getattr(self, item.name) for item in fields(self)))

    @property
    def interval(self) -> PoissonCount:
        """The number with its central 68 % interval, of all errors that are known."""
        return self.interval_of(ONE_SIGMA)

    @property
    def wide_interval(self) -> PoissonCount:
        """The number with its central 95 % interval, of all errors that are known."""
        return self.interval_of(0.95)

    def interval_of(self, share: float) -> PoissonCount:
        """Return the number with the central interval that holds the density of the sky in a share of all skies.

        Counting is skewed as that of a Poisson count with the same relative error; the other terms are symmetric, and
        added in squares. Where no counting error is known, the number is taken for a Poisson count.

        Parameters
        ----------
        share : float
            Above 0 and below 1.
        """
        from scipy.special import ndtri

        value, deviations = max(self.value, 0.0), float(ndtri(0.5 + share / 2))
        if not self.counting > 0:
            return poisson_count(value, deviations)
        others = deviations * np.sqrt(
            np.nansum([self.calibration**2, self.systematic**2, self.field_to_field**2])
        )
        below, above = counting_sides(value, self.counting, share)
        lower = max(value - float(np.hypot(below, others)), 0.0)
        return PoissonCount(self.value, lower, value + float(np.hypot(above, others)))


def counting_sides(value: float, counting: float, share: float) -> tuple[float, float]:
    """Return how far an interval of the counting error alone reaches below and above a number.

    The number is taken for a Poisson count m in units of counting**2 / value, which has the same relative error. Its
    limits are quantiles of the gamma distribution of shape m + 1/2 (Jeffreys' interval; Brown, Cai & DasGupta 2003,
    Statistica Sinica 13, 19). Over densities that are near to each other they hold as often as they say. Limits that
    hold *at least* as often for every density (Gehrels 1986) hold 78 % of densities from 3 to 8 where 68 are said, and
    73 % of those from 20 to 35.

    A number below its error is mostly objects that look like others: its error is that of these, and it is no more
    skewed than a count of one.

    Parameters
    ----------
    value, counting : float
        Not negative, and above 0.
    share : float
        Of the interval.
    """
    from scipy.special import gammaincinv

    unit = counting**2 / max(value, counting)
    effective = (counting / unit) ** 2
    lower, upper = (float(gammaincinv(effective + 0.5, end)) for end in (0.5 - share / 2, 0.5 + share / 2))
    return unit * max(effective - lower, 0.0), unit * max(upper - effective, 0.0)
