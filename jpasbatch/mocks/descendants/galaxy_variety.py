"""Options: which kinds of galaxies there are, and how they vary beyond their parents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval

from jpasbatch.mocks.shares import check_shares
from jpasbatch.options import Options

MIXED_KINDS = ("starburst", "active", "post-starburst", "bulge and disc")
"""Kinds of parents that galaxies of either colour may descend from; all others follow from colour and redshift."""

KINDS_IN_THE_SKY = {"starburst": 0.01, "active": 0.02, "post-starburst": 0.005, "bulge and disc": 0.05}
"""Starbursts: 1 % of star-forming galaxies (Bergvall et al. 2016, A&A 587, A72). Post-starbursts: 0.2 % near (Zabludoff
et al. 1996, ApJ 466, 104) to about 1 % at z = 0.7 (Wild et al. 2016, MNRAS 463, 832). Nuclei that are seen in the
continuum: half of the Seyferts; assumed. Bulge and disc: ordinary galaxies of other templates; assumed."""

KINDS_LEARNT = {"starburst": 0.10, "active": 0.06, "post-starburst": 0.03, "bulge and disc": 0.10}
"""Shares in the balanced sets: as many as it takes to be known. Assumed."""


@dataclass(frozen=True)
class GalaxyVariety(Options):
    """How galaxies vary beyond their parents.

    Parameters
    ----------
    line_width_blue, line_width_red : float
        Mean rest equivalent width of H beta in Angstrom, exponential, on top of the parent's own lines.
    young_light : float
        Mean share of young stars' light at 5500 Angstrom added to blue galaxies of M_r = -17.5 and fainter,
        exponential; less for brighter ones, none from -20 on: the parents are bright and have their own.
    burst_share : float
        Share of the dwarfs among blue galaxies (M_r > -19) in a burst of star formation: those with H alpha wider than
        100 Angstrom, 6 % (Lee et al. 2009, ApJ 692, 1305).
    burst_width : float
        Mean rest equivalent width of H beta of these and of starbursts, instead of `line_width_blue`.
    seyfert_share : float
        Share of galaxies with the lines of a Seyfert 2 nucleus; all of the kind "active" have them.
    seyfert_width : float
        Median rest equivalent width of [O III] 5008 of these in Angstrom of the continuum at H beta (scatter
        0.35 dex).
    liner_share : float
        Share of red galaxies with the lines of a LINER: a fifth of all bright galaxies, most of them early types
        (Ho et al. 1997, ApJ 487, 568).
    liner_width : float
        Median rest equivalent width of [N II] 6585 of these, as above. Assumed: a few Angstrom in Ho et al. 1997.
    line_dust : float
        Mean E(B-V) in front of the lines, magnitudes, exponential: H alpha / H beta about 3.6 (star-forming galaxies of
        SDSS have 3 to 6; Groves et al. 2012, MNRAS 419, 1402).
    bulge_light : float
        Largest share of old light that is added to blue galaxies nearer than z = 0.1, uniform from 0: what an
        aperture of a few arcsec holds of a near galaxy is not what a spectrum of its core holds.
    continuum_wiggles : float
        Standard deviation of the continuum's wiggles.
    kinds_in_the_sky, kinds_learnt : dict of str to float
        Shares of the kinds of `MIXED_KINDS` in field and survey, and in training, validation and test; the rest are
        the ordinary galaxies. A kind that the template pack does not give leaves its share to these.
    """

    line_width_blue: Annotated[float, Interval(ge=0, le=100)] = 5.0
    line_width_red: Annotated[float, Interval(ge=0, le=100)] = 0.3
    young_light: Annotated[float, Interval(ge=0, le=1)] = 0.2
    burst_share: Annotated[float, Interval(ge=0, le=1)] = 0.06
    burst_width: Annotated[float, Interval(ge=0, le=100)] = 25.0
    seyfert_share: Annotated[float, Interval(ge=0, le=0.5)] = 0.04
    seyfert_width: Annotated[float, Interval(ge=0, le=500)] = 20.0
    liner_share: Annotated[float, Interval(ge=0, le=0.5)] = 0.2
    liner_width: Annotated[float, Interval(ge=0, le=100)] = 2.0
    line_dust: Annotated[float, Interval(ge=0, le=2)] = 0.2
    bulge_light: Annotated[float, Interval(ge=0, le=0.9)] = 0.3
    continuum_wiggles: Annotated[float, Interval(ge=0, le=0.3)] = 0.03
    kinds_in_the_sky: dict[str, float] = field(default_factory=lambda: dict(KINDS_IN_THE_SKY))
    kinds_learnt: dict[str, float] = field(default_factory=lambda: dict(KINDS_LEARNT))

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        for key in ("kinds_in_the_sky", "kinds_learnt"):
            check_shares(key, getattr(self, key), MIXED_KINDS)
