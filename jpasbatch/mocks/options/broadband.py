"""The table ``[mock]`` of a job whose mock has galaxies and active nuclei in the broad bands of any survey."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, MinLen

from jpasbatch.options import Options

SETS = ("training", "validation", "test", "survey")
"""The position of a set is part of its objects' ids: append only."""


@dataclass(frozen=True)
class Selection(Options):
    """Which objects of a class are in a set, by their magnitude in one band without noise.

    Parameters
    ----------
    band : str
        Name of a band; the survey's reference band if empty.
    brightest, faintest : float
        AB magnitudes.
    half : float
        Magnitude at which half of the objects are chosen, as spectroscopy chooses; 99 chooses all.
    softness : float
        Width of that fall, magnitudes: the share is 1 / (1 + exp((m - half) / softness)).
    quiescent_share, type2_share : float
        Share of the quiescent galaxies, or of the nuclei of type 2, that are chosen, over that of the others of
        their class: infrared surveys choose few of the former, optical spectroscopy recognises few of the latter.
        Those that are not chosen are in no set.
    """

    band: str = ""
    brightest: Annotated[float, Interval(ge=5, le=35)] = 14.0
    faintest: Annotated[float, Interval(ge=5, le=35)] = 22.0
    half: Annotated[float, Interval(ge=5, le=99)] = 99.0
    softness: Annotated[float, Interval(ge=0.01, le=5)] = 0.5
    quiescent_share: Annotated[float, Interval(ge=0, le=1)] = 1.0
    type2_share: Annotated[float, Interval(ge=0, le=1)] = 1.0

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        if not self.brightest + 0.5 <= self.faintest:
            raise ValueError(
                f"faintest = {self.faintest!r}: must be at least brightest + 0.5 ({self.brightest})"
            )


@dataclass(frozen=True)
class LabelledSets(Options):
    """The labelled sets.

    Parameters
    ----------
    training, validation, test : int
        Objects; 0 makes no such set.
    agn_share : float
        Share of them that have an active nucleus.
    galaxies, nuclei : Selection
        Of objects without and with one.
    """

    training: Annotated[int, Interval(ge=0, le=10_000_000)] = 2000
    validation: Annotated[int, Interval(ge=0, le=10_000_000)] = 0
    test: Annotated[int, Interval(ge=0, le=10_000_000)] = 0
    agn_share: Annotated[float, Interval(ge=0, le=1)] = 0.14
    galaxies: Selection = dataclasses.field(default_factory=lambda: Selection(half=20.5))
    nuclei: Selection = dataclasses.field(default_factory=lambda: Selection(half=21.5, type2_share=0.15))


@dataclass(frozen=True)
class FieldPlan(Options):
    """The field, which nothing is learnt from: the set ``survey``.

    Parameters
    ----------
    sources : int
        Objects; 0 makes no field.
    agn_share : float
        Share of them that have an active nucleus.
    galaxies, nuclei : Selection
        Of objects without and with one.
    """

    sources: Annotated[int, Interval(ge=0, le=10_000_000)] = 20_000
    agn_share: Annotated[float, Interval(ge=0, le=1)] = 0.15
    galaxies: Selection = dataclasses.field(default_factory=Selection)
    nuclei: Selection = dataclasses.field(default_factory=Selection)


@dataclass(frozen=True)
class Coverage(Options):
    """Bands that were observed together: where, how completely, and what counts as detected.

    The first entry that names a band holds for it; a band that none names is observed everywhere.

    Parameters
    ----------
    bands : tuple of str
        Names of bands, of instruments or of groups of the survey.
    area_deg2 : float
        Observed disc around the centre of the field, square degrees; 0 stands for the whole field.
    hole_deg2 : float
        Disc around the centre that was not observed.
    lost : float
        Share of the objects inside the area that all of these bands lack together: gaps, bright stars, blends.
    lost_single : float
        Share that a single band lacks, band by band.
    signal_to_noise : float
        At which an object is listed as detected in a band.
    depth_offset : float
        Magnitudes by which these bands go deeper than the survey's depths.
    zero_point : float
        Magnitudes by which the published magnitudes are off: negative where they are too bright.
    scatter, band_scatter : float, optional
        As `BroadbandNoise.instrument_scatter` and `BroadbandNoise.band_scatter`, which hold where these are not given;
        the first is shared by all bands of the entry.
    """

    bands: Annotated[tuple[str, ...], MinLen(1)] = ()
    area_deg2: Annotated[float, Interval(ge=0, le=40_000)] = 0.0
    hole_deg2: Annotated[float, Interval(ge=0, le=40_000)] = 0.0
    lost: Annotated[float, Interval(ge=0, le=1)] = 0.0
    lost_single: Annotated[float, Interval(ge=0, le=1)] = 0.0
    signal_to_noise: Annotated[float, Interval(ge=1, le=100)] = 5.0
    depth_offset: Annotated[float, Interval(ge=-5, le=5)] = 0.0
    zero_point: Annotated[float, Interval(ge=-5, le=5)] = 0.0
    scatter: Annotated[float, Interval(ge=0, le=2)] | None = None
    band_scatter: Annotated[float, Interval(ge=0, le=2)] | None = None

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        if self.area_deg2 and self.hole_deg2 >= self.area_deg2:
            raise ValueError(
                f"hole_deg2 = {self.hole_deg2!r}: must be smaller than area_deg2 ({self.area_deg2})"
            )

    @property
    def name(self) -> str:
        """By which its random numbers are drawn."""
        return ", ".join(self.bands)


@dataclass(frozen=True)
class BroadbandNoise(Options):
    """How measured magnitudes scatter.

    Parameters
    ----------
    depth_scatter : float
        Standard deviation of the depth between objects, band by band, magnitudes.
    source_noise : float
        Magnitudes above the depth at which the noise of the source itself equals that of the sky.
    band_scatter, instrument_scatter : float
        Scatter that no error tells, band by band and of all bands of an entry of `Coverage` together, magnitudes:
        apertures, zero points, neighbours, variability.
    outlier_share, outlier_factor : float
        Share of measurements whose noise is so many times as large as their error says.
    variety : float
        Standard deviation, in magnitudes, by which objects differ from their parents, smoothly over wavelength.
    decimals : int
        To which published magnitudes and errors are rounded; an error is at least one unit of the last.
    """

    depth_scatter: Annotated[float, Interval(ge=0, le=2)] = 0.15
    source_noise: Annotated[float, Interval(ge=-5, le=20)] = 2.9
    band_scatter: Annotated[float, Interval(ge=0, le=1)] = 0.03
    instrument_scatter: Annotated[float, Interval(ge=0, le=1)] = 0.05
    outlier_share: Annotated[float, Interval(ge=0, le=1)] = 0.01
    outlier_factor: Annotated[float, Interval(ge=1, le=100)] = 4.0
    variety: Annotated[float, Interval(ge=0, le=1)] = 0.10
    decimals: Annotated[int, Interval(ge=1, le=6)] = 3


@dataclass(frozen=True)
class BroadbandSky(Options):
    """A mock of galaxies and active nuclei in broad bands, whose magnitudes are published as the survey's are.

    Parameters
    ----------
    kind : str
        "broadband".
    seed : int
        Of everything drawn, parents aside.
    parents : int
        Energy distributions of each class; a tenth each belongs to validation and test.
    ra, dec : float
        Centre of the field in degrees.
    area_deg2 : float
        Of the field, a disc.
    table_rows : int
        Objects of a table.
    labelled : LabelledSets
    field : FieldPlan
    coverage : tuple of Coverage
    noise : BroadbandNoise
    """

    kind: Literal["broadband"] = "broadband"
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] = 1
    parents: Annotated[int, Interval(ge=100, le=20_000)] = 3000
    ra: Annotated[float, Interval(ge=0, le=360)] = 270.0
    dec: Annotated[float, Interval(ge=-90, le=90)] = 66.56
    area_deg2: Annotated[float, Interval(ge=0.001, le=10_000)] = 5.4
    table_rows: Annotated[int, Interval(ge=50, le=1_000_000)] = 5000
    labelled: LabelledSets = dataclasses.field(default_factory=LabelledSets)
    field: FieldPlan = dataclasses.field(default_factory=FieldPlan)
    coverage: tuple[Coverage, ...] = ()
    noise: BroadbandNoise = dataclasses.field(default_factory=BroadbandNoise)

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        if not any(self.sets.values()):
            raise ValueError(
                "labelled, field: no set has an object; give training, validation, test or sources"
            )

    @property
    def sets(self) -> dict[str, int]:
        """Objects of each set that is not empty."""
        numbers = {name: getattr(self.labelled, name) for name in SETS[:3]} | {"survey": self.field.sources}
        return {name: number for name, number in numbers.items() if number}

    def selection(self, set_name: str, true_class: str) -> Selection:
        """Return the selection of a class in a set."""
        plan = self.field if set_name == "survey" else self.labelled
        return plan.galaxies if true_class == "sfg" else plan.nuclei

    def numbers(self, set_name: str) -> dict[str, int]:
        """Return the exact numbers of a set by class."""
        share = self.field.agn_share if set_name == "survey" else self.labelled.agn_share
        total = self.sets.get(set_name, 0)
        nuclei = round(share * total)
        return {"sfg": total - nuclei, "agn": nuclei}
