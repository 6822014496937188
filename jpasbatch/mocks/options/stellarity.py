"""Options: how often SExtractor calls a point a point, by magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval, MaxLen, MinLen

from jpasbatch.options import Options

STELLARITY_EDGES = (17.0, 20.0, 22.5, 23.6)
"""r; of the bins in which the ratio was measured."""

Ratio = Annotated[float, Interval(gt=0, le=1)]


@dataclass(frozen=True)
class Stellarity(Options):
    """How CLASS_STAR fades with magnitude.

    Parameters
    ----------
    point_ratio : tuple of float
        Objects with CLASS_STAR > 0.5 for each star or quasar, in 17 < r <= 20, to 22.5 and to 23.6. The default is
        what miniJPAS shows: 0.93, 0.72, 0.18 (Martinez-Solaeche et al. 2023, A&A 673, A103, section 5, R_point), with
        stars and quasars as their networks count them. They must fall.
    compact_share : float
        Share of bright galaxies that look like points; it falls with magnitude as that of points does. Assumed.
    host_share : float
        Share of quasars below z = 0.5 that their hosts make look extended. Assumed.
    """

    point_ratio: Annotated[tuple[Ratio, ...], MinLen(3), MaxLen(3)] = (0.93, 0.72, 0.18)
    compact_share: Annotated[float, Interval(ge=0, le=0.5)] = 0.02
    host_share: Annotated[float, Interval(ge=0, le=1)] = 0.3

    def check_relations(self) -> None:
        """Check that the ratios fall."""
        first, second, third = self.point_ratio
        if not first > second > third:
            raise ValueError(f"point_ratio: found {self.point_ratio!r}; they must fall from bin to bin")
