"""The table ``[mock]`` of a job whose mock is the built-in sky."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jpasbatch.mocks.ranges import check_ranges
from jpasbatch.photometry.noise import NoiseModel


@dataclass(frozen=True)
class MockSky:
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
    seed: int = 1
    tiles: int = 4
    area_deg2: float = 1.0
    ra: float = 214.5
    dec: float = 52.6
    training_per_class: int = 6000
    validation_per_class: int = 1500
    flagged_share: float = 0.01
    incomplete_share: float = 0.0
    incomplete_bands: tuple[str, ...] = ()
    filters: str = ""
    noise: NoiseModel = field(default_factory=NoiseModel)

    def __post_init__(self) -> None:
        if self.kind != "builtin":
            raise ValueError(f"kind = {self.kind!r}: must be 'builtin'")
        limits = {
            "seed": (0, 2**32 - 1),
            "tiles": (1, 10_000),
            "area_deg2": (1e-4, 10_000),
            "ra": (0, 360),
            "dec": (-80, 80),
            "training_per_class": (1, 1_000_000),
            "validation_per_class": (1, 1_000_000),
            "flagged_share": (0, 1),
            "incomplete_share": (0, 1),
        }
        check_ranges(self, limits)
        if self.incomplete_share > 0 and not self.incomplete_bands:
            raise ValueError("incomplete_bands = (): name the bands that incomplete_share of the rows lack")
