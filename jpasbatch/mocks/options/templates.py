"""The table ``[mock]`` of a job whose mock sky descends from template packs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, MultipleOf

from jpasbatch.mocks.descendants.galaxy_variety import GalaxyVariety
from jpasbatch.mocks.descendants.quasars import QuasarVariety
from jpasbatch.mocks.descendants.stars import StarVariety
from jpasbatch.mocks.options.stellarity import Stellarity
from jpasbatch.options import Options
from jpasbatch.photometry.noise import NoiseModel

CLASSES = ("star", "galaxy", "qso")
SETS = ("training", "validation", "test", "field", "survey", "held_out")
"""Names of the sets that a mock can make; the position of a set is part of its objects' ids: append only."""


@dataclass(frozen=True)
class BalancedSamples(Options):
    """The balanced sets; the numbers are those of paper A's table 1, per class star, galaxy and quasar.

    Parameters
    ----------
    training, validation, test : int
        Objects of each class; half of the quasars lie below z = 2.1, half above. 0 makes no such set.
    held_out : int
        Objects of each class that descend from observed libraries which are never learnt from (stars and
        galaxies; no such library of quasars is known).
    magnitudes : {"natural", "uniform"}
        Distribution of r within a class: that of the sky, or flat.
    near_share : float
        Share of the galaxies of training, validation and test that are taken from those of the sky for others
        nearer than z = 0.105, evenly over redshift and magnitude. Assumed.
    near_reach : float
        Redshift to which these others thin out, linearly from z = 0.105. By the default they end there, and galaxies
        just beyond are rare in what is learnt.
    incomplete_share : float
        Share of the rows of training, validation and test in which each of `incomplete_bands` is missing or not
        with even chances, so that a committee learns to do without them.
    incomplete_bands : tuple of str
        Names of bands.
    """

    training: Annotated[int, Interval(ge=0, le=10_000_000), MultipleOf(2)] = 100_000
    validation: Annotated[int, Interval(ge=0, le=10_000_000), MultipleOf(2)] = 10_000
    test: Annotated[int, Interval(ge=0, le=10_000_000), MultipleOf(2)] = 10_000
    held_out: Annotated[int, Interval(ge=0, le=10_000_000), MultipleOf(2)] = 0
    magnitudes: Literal["natural", "uniform"] = "natural"
    near_share: Annotated[float, Interval(ge=0, le=1)] = 0.2
    near_reach: Annotated[float, Interval(ge=0.105, le=0.5)] = 0.105
    incomplete_share: Annotated[float, Interval(ge=0, le=1)] = 0.0
    incomplete_bands: tuple[str, ...] = ()

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        if self.incomplete_share > 0 and not self.incomplete_bands:
            raise ValueError("incomplete_bands = []: name the bands that incomplete_share of the rows lack")


@dataclass(frozen=True)
class FieldCounts(Options):
    """A field of one square degree with exact numbers: those of paper A's 1 deg2 test set."""

    star: Annotated[int, Interval(ge=0, le=1_000_000)] = 2190
    galaxy: Annotated[int, Interval(ge=0, le=1_000_000)] = 6410
    qso: Annotated[int, Interval(ge=0, le=1_000_000)] = 510

    @property
    def total(self) -> int:
        """Objects of all classes."""
        return self.star + self.galaxy + self.qso


@dataclass(frozen=True)
class SurveyPlan(Options):
    """A survey of any area with the natural mix of classes.

    Parameters
    ----------
    area_deg2 : float
        0 makes no survey.
    star_per_deg2, galaxy_per_deg2 : float
        In 17 < r <= 23.6: those of paper A's field.
    qso_per_deg2 : float
        0 takes the number of the table itself (415, Palanque-Delabrouille et al. 2016).
    library : int
        Spectra of each class that are made once and then observed again and again, each time at a magnitude of
        its own; 0 makes one for every object. A library serves tests of speed at full size.
    """

    area_deg2: Annotated[float, Interval(ge=0, le=15_000)] = 0.0
    star_per_deg2: Annotated[float, Interval(ge=0, le=200_000)] = 2190.0
    galaxy_per_deg2: Annotated[float, Interval(ge=0, le=200_000)] = 6410.0
    qso_per_deg2: Annotated[float, Interval(ge=0, le=20_000)] = 0.0
    library: Annotated[int, Interval(ge=0, le=1_000_000)] = 0


@dataclass(frozen=True)
class TileOptions(Options):
    """The tiles of the sky: each has depths, seeing and zero points of its own.

    Parameters
    ----------
    area_deg2 : float
        Of a tile.
    depth_offset : float
        By how much all tiles are deeper (or, if negative, shallower) than the real ones, mag.
    depth_scatter : float
        Standard deviation of a tile's depth in a band around that of the real tile that it repeats, mag.
    virtual : int
        Tiles that the objects of the balanced samples are spread over.
    dust : float
        Median E(B-V) of the Milky Way over tiles (lognormal, 0.5 in the logarithm), mag.
    """

    area_deg2: Annotated[float, Interval(ge=0.01, le=20)] = 1.0
    depth_offset: Annotated[float, Interval(ge=-3, le=3)] = 0.0
    depth_scatter: Annotated[float, Interval(ge=0, le=2)] = 0.1
    virtual: Annotated[int, Interval(ge=1, le=1_000_000)] = 1000
    dust: Annotated[float, Interval(ge=0, le=1)] = 0.02


@dataclass(frozen=True)
class TemplateSky(Options):
    """A mock sky whose objects descend from the spectra of a template pack (docs/template_pack.md).

    Parameters
    ----------
    kind : str
        "templates".
    templates : str
        Folder of the template pack.
    seed : int
        Of everything drawn.
    classes : tuple of str
        Which of "star", "galaxy" and "qso" to make. Without galaxies, quasars have no hosts.
    ra, dec : float
        Centre of field and survey in degrees.
    partition_rows : int
        Rows of a partition, about.
    flagged_share : float
        Share of rows that bear a flag or a mask flag.
    compared : int
        Objects of each class that the realism report compares with observed ones.
    samples, field, survey, tiles : BalancedSamples, FieldCounts, SurveyPlan, TileOptions
        What is made, and under which conditions.
    stars, galaxies, quasars : StarVariety, GalaxyVariety, QuasarVariety
        How objects vary beyond their parents.
    stellarity : Stellarity
        How well points and galaxies are told apart, by magnitude.
    noise : NoiseModel
        Of the photometry.
    """

    kind: Literal["templates"] = "templates"
    templates: str = ""
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] = 1
    classes: tuple[str, ...] = CLASSES
    ra: Annotated[float, Interval(ge=0, le=360)] = 214.5
    dec: Annotated[float, Interval(ge=-85, le=85)] = 52.6
    partition_rows: Annotated[int, Interval(ge=100, le=2_000_000)] = 50_000
    flagged_share: Annotated[float, Interval(ge=0, le=1)] = 0.0
    compared: Annotated[int, Interval(ge=20, le=100_000)] = 3000
    samples: BalancedSamples = dataclasses.field(default_factory=BalancedSamples)
    field: FieldCounts = dataclasses.field(default_factory=FieldCounts)
    survey: SurveyPlan = dataclasses.field(default_factory=SurveyPlan)
    tiles: TileOptions = dataclasses.field(default_factory=TileOptions)
    stars: StarVariety = dataclasses.field(default_factory=StarVariety)
    galaxies: GalaxyVariety = dataclasses.field(default_factory=GalaxyVariety)
    quasars: QuasarVariety = dataclasses.field(default_factory=QuasarVariety)
    stellarity: Stellarity = dataclasses.field(default_factory=Stellarity)
    noise: NoiseModel = dataclasses.field(default_factory=NoiseModel)

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        if not self.templates:
            raise ValueError("templates = '': name the folder of the template pack (docs/template_pack.md)")
        unknown = [name for name in self.classes if name not in CLASSES]
        if unknown or not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes = {list(self.classes)}: some of {', '.join(CLASSES)}, each once")
