"""What holds a version back: what two versions say of themselves, compared with the gates of the job. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jpasbatch.job.gates import GateOptions

FEWEST = 100.0
"""Expected objects of a class below which its relative change says nothing."""

LISTED = 5
"""Tiles and bands that a finding names."""


class Interval(NamedTuple):
    """A number with its 68 % interval."""

    value: float
    lower: float
    upper: float

    @property
    def error(self) -> float:
        """Half of the interval."""
        return (self.upper - self.lower) / 2


class Tile(NamedTuple):
    """By how much the colours of a tile are off in a band, mag."""

    tile: str
    band: str
    offset: float


@dataclass(frozen=True)
class Facts:
    """What a version says of itself.

    Attributes
    ----------
    classes : dict of str to float
        Expected objects of each class.
    area_deg2 : float
        NaN where it is not known; shares of all objects are compared then.
    counted : dict of str to Interval
        Counted quasars per deg2 by what they are of: all of them, and each magnitude bin.
    rows, quarantined : int
    unsafe_share : float
        NaN where it is not known.
    committee : str
        Name of the committee's version; empty without one.
    learnt_from : str or None
        Kind of its training sample; None where its manifest does not say.
    tiles : tuple of Tile
        The largest offsets first; empty where they were not measured.
    """

    classes: Mapping[str, float] = field(default_factory=dict)
    area_deg2: float = math.nan
    counted: Mapping[str, Interval] = field(default_factory=dict)
    rows: int = 0
    quarantined: int = 0
    unsafe_share: float = math.nan
    committee: str = ""
    learnt_from: str | None = None
    tiles: tuple[Tile, ...] = ()

    @property
    def quarantined_share(self) -> float:
        """Share of the rows that are in quarantine."""
        return self.quarantined / self.rows if self.rows else 0.0


class Finding(NamedTuple):
    """What a gate found: its key in ``[gates]``, what was found, what is allowed, and where to look."""

    gate: str
    found: str
    allowed: str
    look: str

    def __str__(self) -> str:
        return f"{self.gate}: {self.found}; allowed is {self.allowed}. Look at {self.look}"


def find(options: GateOptions, now: Facts, before: Facts | None) -> list[Finding]:
    """Return what holds a version back.

    Parameters
    ----------
    options : GateOptions
    now : Facts
        Of the new version.
    before : Facts or None
        Of the published one; None before the first, which gates that compare let pass.
    """
    found = [*_unsafe(options, now), *_learnt_from(options, now), *_zero_points(options, now)]
    if before is not None:
        found += [
            *_counts(options, now, before),
            *_sigma(options, now, before),
            *_quarantine(options, now, before),
            *_committee(options, now, before),
        ]
    return found


def _counts(options: GateOptions, now: Facts, before: Facts) -> Iterator[Finding]:
    """Yield the classes whose density moved too much; of one that vanished or appeared too."""
    if options.counts is None:
        return
    measured = not math.isnan(now.area_deg2) and not math.isnan(before.area_deg2)
    units = [one.area_deg2 if measured else sum(one.classes.values()) for one in (before, now)]
    unit = "per deg²" if measured else "of all objects"
    for name in dict.fromkeys((*before.classes, *now.classes)):
        numbers = [one.classes.get(name, 0.0) for one in (before, now)]
        if max(numbers) < FEWEST or not all(units):
            continue
        old, new = (number / one for number, one in zip(numbers, units, strict=True))
        moved = (new - old) / old if old > 0 else math.inf
        if abs(moved) > options.counts:
            yield Finding(
                "counts",
                f"{name}: {old:.4g} {unit} are published, now {new:.4g} ({100 * moved:+.1f} %)",
                f"a change of {100 * options.counts:g} %",
                "report.html#counts, counts/tiles.ecsv",
            )


def _sigma(options: GateOptions, now: Facts, before: Facts) -> Iterator[Finding]:
    """Yield the counts of quasars that moved by too many standard errors of both versions together."""
    if options.counts_sigma is None:
        return
    for name, new in now.counted.items():
        old = before.counted.get(name)
        if old is None or math.isnan(new.value) or math.isnan(old.value):
            continue
        error = math.hypot(old.error, new.error)
        moved = abs(new.value - old.value) / error if error > 0 else (0.0 if new == old else math.inf)
        if moved > options.counts_sigma:
            yield Finding(
                "counts_sigma",
                f"{name}: {old.value:.4g} ± {old.error:.2g} per deg² are published, now {new.value:.4g} ± "
                f"{new.error:.2g}: {moved:.1f} standard errors",
                f"{options.counts_sigma:g}",
                "report.html#counts",
            )


def _quarantine(options: GateOptions, now: Facts, before: Facts) -> Iterator[Finding]:
    if options.quarantined is None:
        return
    old, new = before.quarantined_share, now.quarantined_share
    if new - old > options.quarantined:
        yield Finding(
            "quarantined",
            f"{100 * new:.2f} % of {now.rows:,} rows are in quarantine, and {100 * old:.2f} % of {before.rows:,} in "
            "what is published",
            f"a rise by {100 * options.quarantined:g} % of the rows",
            "quarantine/, and the reasons in summary.json",
        )


def _unsafe(options: GateOptions, now: Facts) -> Iterator[Finding]:
    """Yield that too many objects are unlike the training sample, or that it is not known how many are."""
    if options.unsafe is None:
        return
    allowed = f"{100 * options.unsafe:g} %, of ordinary objects 1 % are"
    if math.isnan(now.unsafe_share):
        yield Finding(
            "unsafe", "the committee does not know what is ordinary", allowed, "report.html#subsets"
        )
    elif now.unsafe_share > options.unsafe:
        yield Finding(
            "unsafe",
            f"{100 * now.unsafe_share:.2f} % of the objects are unlike what the committee learnt",
            allowed,
            "report.html#subsets: magnitudes, tiles and bands",
        )


def _zero_points(options: GateOptions, now: Facts) -> Iterator[Finding]:
    if options.zero_point is None:
        return
    limit = options.zero_point
    off = [one for one in now.tiles if abs(one.offset) > limit]
    if off:
        named = [f"{one.tile} {one.band} {one.offset:+.3f}" for one in off[:LISTED]]
        named += ["..."] if len(off) > LISTED else []
        yield Finding(
            "zero_point",
            f"{len(off)} zero point{'s look' if off[1:] else ' looks'} off, mag: {', '.join(named)}",
            f"{limit:g} mag from the median of all tiles",
            "zero_points.ecsv",
        )


def _committee(options: GateOptions, now: Facts, before: Facts) -> Iterator[Finding]:
    if options.new_committee and before.committee and now.committee != before.committee:
        yield Finding(
            "new_committee",
            f"the committee is {now.committee}, and that of what is published {before.committee}",
            "the same one",
            "the card of the committee (evaluation/card.md), and report.html",
        )


def _learnt_from(options: GateOptions, now: Facts) -> Iterator[Finding]:
    if options.learnt_from and now.committee and now.learnt_from not in options.learnt_from:
        yield Finding(
            "learnt_from",
            f"by its card the committee learnt from {now.learnt_from or 'what is not recorded'}",
            ", ".join(options.learnt_from),
            "the card of the committee (evaluation/card.md)",
        )
