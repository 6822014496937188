"""The table ``[gates]`` of a job file: when a new version is held back until somebody has looked at it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from annotated_types import Interval

from jpasbatch.options import Options

Origin = Literal["builtin", "templates", "broadband", "given"]


@dataclass(frozen=True)
class GateOptions(Options):
    """What may change from one published version to the next; a gate that is not set is open.

    Gates are policy: they decide what is published, never what is computed, and belong to no fingerprint.

    Attributes
    ----------
    counts : float, optional
        By how much the number of objects of a class per deg2 may move, relative to what is published. Classes of
        fewer than 100 expected objects are not looked at: their counts move by chance.
    counts_sigma : float, optional
        By how many standard errors the counted quasars per deg2 may move, as a whole and in each magnitude bin. The
        errors are those of the published 68 % intervals, of both versions.
    quarantined : float, optional
        By how much the share of rows in quarantine may rise.
    unsafe : float, optional
        Share of objects that may be unlike what the committee learnt ("unsafe"); 0.01 of ordinary objects are.
    zero_point : float, optional
        By how much the colours of a tile may be off, mag: the median over the tile of a band against the reference
        band, beside the median of all tiles.
    new_committee : bool
        Whether predictions of another committee than that of the published ones are held back.
    learnt_from : tuple of str
        Kinds of training sample that a committee may have learnt from, as its card says; empty allows any.
    """

    counts: Annotated[float, Interval(gt=0, lt=10)] | None = None
    counts_sigma: Annotated[float, Interval(gt=0, le=100)] | None = None
    quarantined: Annotated[float, Interval(ge=0, lt=1)] | None = None
    unsafe: Annotated[float, Interval(gt=0, lt=1)] | None = None
    zero_point: Annotated[float, Interval(gt=0, le=2)] | None = None
    new_committee: bool = False
    learnt_from: tuple[Origin, ...] = ()

    @property
    def are_set(self) -> bool:
        """Whether any gate is set."""
        return any(getattr(self, item.name) not in (None, False, ()) for item in fields(self))
