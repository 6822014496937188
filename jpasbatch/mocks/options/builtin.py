"""The table ``[mock]`` of a job whose mock is the built-in sky."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Interval

from jpasbatch.options import Options
from jpasbatch.photometry.noise import NoiseModel


@dataclass(frozen=True)
class MockSky(Options):
    """The built-in mock sky: for demonstration, not for science.

    Parameters
    ----------
    kind : str
        "builtin".
    seed : int
        Of everything drawn.
    tiles : int
        Tables that the sky is cut into.
    area_deg2 : float
        Of all tiles together, in square degrees.
    ra, dec : float
        Centre of the field in degrees.
    training_per_class, validation_per_class : int
        Objects of each of `SAMPLE_CLASSES` in the balanced samples.
    flagged_share : float
        Share of rows that bear a flag or a mask flag.
    incomplete_share : float
        Share of training and validation rows that lack `incomplete_bands`, so that a committee
        learns to do without them.
    incomplete_bands : tuple of str
        Names of bands.
    filters : str
        Folder of published filter curves; approximate curves of the survey's bands if empty.
    noise : NoiseModel
        Of the photometry.
    """

    kind: Literal["builtin"] = "builtin"
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] = 1
    tiles: Annotated[int, Interval(ge=1, le=10_000)] = 4
    area_deg2: Annotated[float, Interval(ge=0.0001, le=10_000)] = 1.0
    ra: Annotated[float, Interval(ge=0, le=360)] = 214.5
    dec: Annotated[float, Interval(ge=-80, le=80)] = 52.6
    training_per_class: Annotated[int, Interval(ge=1, le=1_000_000)] = 6000
    validation_per_class: Annotated[int, Interval(ge=1, le=1_000_000)] = 1500
    flagged_share: Annotated[float, Interval(ge=0, le=1)] = 0.01
    incomplete_share: Annotated[float, Interval(ge=0, le=1)] = 0.0
    incomplete_bands: tuple[str, ...] = ()
    filters: str = ""
    noise: NoiseModel = field(default_factory=NoiseModel)

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        if self.incomplete_share > 0 and not self.incomplete_bands:
            raise ValueError("incomplete_bands = (): name the bands that incomplete_share of the rows lack")
