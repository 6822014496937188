"""Quasars: a parent near the redshift, its lines varied, dust, its host, broad absorption, the forest.

Each step is a recipe of its own with its own random stream; switching one off changes no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from jpasbatch.mocks.descendants.residuals import add_wiggles
from jpasbatch.mocks.descendants.sightlines import absorb_broadly, absorb_forest
from jpasbatch.mocks.parents.analytic.quasars import LINES, host_ratio
from jpasbatch.mocks.parents.parents import Parents
from jpasbatch.mocks.spectra.cosmology import log_luminosity
from jpasbatch.mocks.spectra.dust import redden_quasars
from jpasbatch.mocks.spectra.grids import BLUE_PIXELS, LOG_STEP, observed_grid, rest_grid, rest_pixel
from jpasbatch.options import Options
from jpasbatch.photometry.streams import ObjectStreams

NEIGHBOURS = 40
"""Parents among which an object finds its own: half of them just below its redshift, half above."""

VARIED_LINES = tuple(line for line in LINES if line[1] >= 4.0 and line[0] > 1200.0)
"""Of the built-in list: those of at least 4 Angstrom rest equivalent width."""

BALDWIN_SLOPES = {1547.5: 0.13, 1637.8: 0.071, 1906.0: 0.02, 2799.1: 0.07}
"""d log EW / d M of the lines' cores; 0 for the others. Keys are rest wavelengths of `VARIED_LINES`. He II, C III]
and Mg II: the trends of BOSS quasars in simqso (McGreer et al. 2013, as desisim publishes them after Harris et al.
2016); C IV: chosen so that the whole line follows their 0.095; Lyman alpha has no trend there."""

TYPICAL_MAGNITUDE = {"sdss": 18.9, "boss": 20.8}
"""Median r of the parents by their survey; their own magnitudes are not published with the components."""

LONGEST_BALDWIN_REACH = 2.5
"""Magnitudes beyond the parent's over which the trend is followed: where it was measured."""


@dataclass(frozen=True)
class QuasarVariety(Options):
    """How quasars vary beyond their parents.

    Parameters
    ----------
    line_scatter : float
        Standard deviation of log10 of each line's strength relative to the parent's, dex.
    line_strength : float
        Strength of all lines relative to the parent's: 1 for what is known of quasars, another for mocks that are wrong
        on purpose.
    reddening_scale : float
        Scale of the exponential distribution of E(B-V) of SMC dust, magnitudes. Its median is taken off: the
        parents hold the dust of optically selected quasars, and the objects get its scatter and its tail.
    reddened_share, reddened_scale : float
        Share of quasars that lie behind more dust than optical selection likes, as many with broad low-ionisation
        absorption do (Richards et al. 2003, AJ 126, 1131: 6 %), and the scale of its exponential distribution.
    broad_absorption_share, reddened_absorption_share : float
        Share of quasars with a broad-absorption trough; and of those that lie behind more dust, for the two go
        together (37 % in Urrutia et al. 2009, ApJ 698, 1095).
    weak_line_share, weak_line_strength : float
        Share of quasars whose lines are all weak, and the mean of their strength relative to the parent's, uniform from
        0 to twice it. 1.3 % above z = 3 (Diamond-Stanic et al. 2009, ApJ 699, 782); more at low luminosity, where
        spectroscopic surveys miss them: assumed.
    continuum_wiggles : float
        Standard deviation of the continuum's wiggles (see `descendants.residuals`).
    host_below : float
        Redshift below which host light is added.
    """

    line_scatter: Annotated[float, Interval(ge=0, le=0.5)] = 0.10
    line_strength: Annotated[float, Interval(ge=0, le=5)] = 1.0
    reddening_scale: Annotated[float, Interval(ge=0, le=0.5)] = 0.03
    reddened_share: Annotated[float, Interval(ge=0, le=1)] = 0.06
    reddened_scale: Annotated[float, Interval(ge=0, le=0.5)] = 0.12
    broad_absorption_share: Annotated[float, Interval(ge=0, le=1)] = 0.12
    reddened_absorption_share: Annotated[float, Interval(ge=0, le=1)] = 0.37
    weak_line_share: Annotated[float, Interval(ge=0, le=1)] = 0.03
    weak_line_strength: Annotated[float, Interval(ge=0, le=0.5)] = 0.3
    continuum_wiggles: Annotated[float, Interval(ge=0, le=0.3)] = 0.04
    host_below: Annotated[float, Interval(ge=0, le=2)] = 1.0


@dataclass(frozen=True, eq=False)
class QuasarFamily:
    """What quasars are made of.

    Attributes
    ----------
    parents : Parents
    hosts : Parents or None
        Galaxies (kinds "red" and "blue") of the same splits; no host light without them.
    troughs : dict of str to ndarray
        Broad-absorption transmission (k, 3910) by split.
    variety : QuasarVariety
    """

    parents: Parents
    hosts: Parents | None
    troughs: dict[str, np.ndarray]
    variety: QuasarVariety


def choose_quasars(parents: Parents, split: str, redshift: np.ndarray, streams: ObjectStreams) -> np.ndarray:
    """Return the parent (n,) of each object: one of the split's `NEIGHBOURS` about its redshift."""
    rows = parents.rows_of_split[split]
    rows = rows[np.argsort(parents.redshift[rows], kind="stable")]
    width = min(NEIGHBOURS, rows.size)
    nearest = np.searchsorted(parents.redshift[rows], redshift)
    first = np.clip(nearest - width // 2, 0, rows.size - width)
    return rows[first + streams.named("quasar parent").integers(width)]


def quasar_spectra(
    family: QuasarFamily,
    split: str,
    chosen: np.ndarray,
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
) -> np.ndarray:
    """Return spectra (n, 1626) float32 of quasars, f_lambda in any unit, on `observed_grid`.

    Parameters
    ----------
    family : QuasarFamily
    split : str
        Of hosts and troughs; also that of the parents.
    chosen : ndarray of int, shape (n,)
        From `choose_quasars`.
    magnitude_and_redshift : (ndarray, ndarray), each (n,)
        r magnitude and redshift wanted.
    streams : ObjectStreams
    """
    magnitude, redshift = magnitude_and_redshift
    variety = family.variety
    flux = unabsorbed_spectra(family, chosen, magnitude_and_redshift, streams)
    heavy = lies_behind_dust(variety, streams)
    share = np.where(heavy, variety.reddened_absorption_share, variety.broad_absorption_share)
    absorb_broadly(flux, redshift, family.troughs[split], streams, share)
    if family.hosts is not None:
        _add_hosts(flux, (family.hosts, split), (magnitude, redshift), streams, variety)
    absorb_forest(flux, redshift, streams)
    return flux


def unabsorbed_spectra(
    family: QuasarFamily,
    chosen: np.ndarray,
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
) -> np.ndarray:
    """Return the same before anything lies in front of them or beside: no broad absorption, forest or host.

    Lines, wiggles and dust are those that `quasar_spectra` gives the same objects; parameters and result are as
    there.
    """
    magnitude, redshift = magnitude_and_redshift
    variety, parents = family.variety, family.parents
    flux = parents.observed(chosen, redshift)
    flux = np.maximum(flux, np.float32(1e-3) * flux.mean(axis=1, keepdims=True))
    typical = np.array([TYPICAL_MAGNITUDE.get(kind, 20.0) for kind in parents.kind[chosen]])
    _vary_lines(flux, redshift, np.clip(magnitude - typical, -2.0, LONGEST_BALDWIN_REACH), streams, variety)
    add_wiggles(flux, variety.continuum_wiggles, streams.named("quasar continuum"))
    excess = streams.named("quasar dust").exponential(variety.reddening_scale)
    excess -= np.log(2) * variety.reddening_scale
    heavy = streams.named("heavy quasar dust amount").exponential(variety.reddened_scale)
    excess += np.where(lies_behind_dust(variety, streams), heavy, 0.0)
    redden_quasars(flux, redshift, excess)
    return flux


def lies_behind_dust(variety: QuasarVariety, streams: ObjectStreams) -> np.ndarray:
    """Return which quasars (n,) lie behind more dust than optical selection likes."""
    return streams.named("heavy quasar dust").uniform() < variety.reddened_share


def _line_profiles() -> np.ndarray:
    """Lines (k, 3910) relative to the continuum: Gaussians of the composite's equivalent widths."""
    grid = rest_grid()
    profiles = [
        width / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * ((grid - centre) / sigma) ** 2)
        for centre, width, sigma, _, _ in VARIED_LINES
    ]
    return np.array(profiles, dtype=np.float32)


def _vary_lines(
    flux: np.ndarray,
    redshift: np.ndarray,
    fainter: np.ndarray,
    streams: ObjectStreams,
    variety: QuasarVariety,
) -> None:
    """Strengthen or weaken lines in place: by the Baldwin effect over `fainter` magnitudes, and by chance.

    With lines L over the continuum, flux = C (1 + sum L); line k becomes s_k L_k, so that the flux is
    multiplied by (1 + sum s L) / (1 + sum L), which is always positive.
    """
    slopes = np.array([BALDWIN_SLOPES.get(line[0], 0.0) for line in VARIED_LINES])
    scatter = variety.line_scatter * streams.named("quasar lines").normal(size=(len(flux), len(slopes)))
    strength = variety.line_strength * 10 ** (slopes * fainter[:, None] + scatter)
    drawn = streams.named("weak quasar lines")
    weak = drawn.uniform() < variety.weak_line_share
    strength *= np.where(weak, 2 * variety.weak_line_strength * drawn.uniform(), 1.0)[:, None]
    profiles = _line_profiles()
    start = BLUE_PIXELS - np.log1p(redshift) / LOG_STEP
    for number, (line, profile) in enumerate(zip(VARIED_LINES, profiles, strict=True)):
        # only the pixels within 5 sigma of the line
        reach = int(5 * line[2] / line[0] / LOG_STEP) + 1
        centre = rest_pixel(line[0])
        for row in range(len(flux)):
            low = max(centre - reach - int(start[row]), 0)
            high = min(centre + reach - int(start[row]), flux.shape[1])
            if low < high:
                part = profile[int(start[row]) + low : int(start[row]) + high]
                flux[row, low:high] *= (1 + np.float32(strength[row, number]) * part) / (1 + part)


def _add_hosts(
    flux: np.ndarray,
    hosts_and_split: tuple[Parents, str],
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
    variety: QuasarVariety,
) -> None:
    """Add a galaxy of the same split in place, by luminosity at 5100 Angstrom (Shen et al. 2011, eq. 1).

    Only what goes beyond the light of a bright quasar's host, which the parents hold already.
    """
    (hosts, split), (magnitude, redshift) = hosts_and_split, magnitude_and_redshift
    drawn = streams.named("quasar host")
    scatter, red = drawn.normal(0.0, 0.25), drawn.uniform() < 0.4
    pools = {True: hosts.of_kind(split, "red"), False: hosts.of_kind(split, "blue")}
    picks = drawn.uniform()
    ratio = host_ratio(log_luminosity(magnitude, redshift, 6250.0)) * 10**scatter
    grid = rest_grid()
    window = (grid > 5050) & (grid < 5150)
    for row in np.flatnonzero(redshift < variety.host_below):
        pool = pools[bool(red[row])]
        if not pool.size:
            continue
        host = pool[[min(int(picks[row] * pool.size), pool.size - 1)]]
        level = hosts.rest(host)[0, window].mean()
        at = int(np.clip(rest_pixel(5100.0) - BLUE_PIXELS + np.log1p(redshift[row]) / LOG_STEP, 0, 1625))
        own = flux[row, max(at - 10, 0) : at + 10].mean()
        flux[row] += np.float32(ratio[row] * own / level) * hosts.observed(host, redshift[[row]])[0]


def rest_spectrum_width(
    flux: np.ndarray, redshift: np.ndarray, line: tuple[float, float], continuum: tuple[float, ...]
) -> np.ndarray:
    """Return rest equivalent widths (n,) in Angstrom, by the sum over a straight continuum.

    Parameters
    ----------
    flux : ndarray, shape (n, 1626)
        On `observed_grid`, without forest and noise.
    redshift : ndarray, shape (n,)
    line : (float, float)
        Limits of the sum, rest Angstrom.
    continuum : (float, float, float, float)
        Two windows, rest Angstrom, whose means give the continuum.

    Returns
    -------
    ndarray, shape (n,), float64
        NaN where the grid does not show all of it.
    """
    wavelength = observed_grid()[None, :] / (1 + redshift[:, None])
    windows = [(wavelength > low) & (wavelength < high) for low, high in (continuum[:2], continuum[2:], line)]
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = [np.where(w, flux, 0).sum(axis=1) / w.sum(axis=1) for w in windows[:2]]
    centres = [0.5 * (low + high) for low, high in (continuum[:2], continuum[2:])]
    slope = (levels[1] - levels[0]) / (centres[1] - centres[0])
    base = levels[0][:, None] + slope[:, None] * (wavelength - centres[0])
    step = np.gradient(observed_grid())[None, :] / (1 + redshift[:, None])
    width = np.where(windows[2], (flux / base - 1) * step, 0.0).sum(axis=1)
    seen = (wavelength[:, 0] < min(continuum)) & (wavelength[:, -1] > max(continuum))
    return np.where(seen, width, np.nan)
