"""Mock objects that are made for measuring only: drawn like those of a set, but part of none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.options.templates import CLASSES
from jpasbatch.mocks.skies.objects import Kinds, Workshop, draw_kinds
from jpasbatch.photometry.conditions import TYPICAL_SEEING, Conditions
from jpasbatch.photometry.streams import ObjectStreams

FIRST_ID = 1 << 60
"""Of these objects; the ids of sets lie below."""

CLASS_BIT = 50
BATCH, MOST_BATCHES = 50_000, 60


@dataclass(frozen=True, eq=False)
class Drawn:
    """Objects of one class: what they are, and their random streams."""

    true_class: str
    split: str
    kinds: Kinds
    streams: ObjectStreams

    def __len__(self) -> int:
        return len(self.streams)

    def __getitem__(self, rows: np.ndarray) -> Drawn:
        kinds = Kinds(self.kinds.magnitude[rows], self.kinds.redshift[rows], self.kinds.parent[rows])
        return Drawn(self.true_class, self.split, kinds, self.streams[rows])


def draw_objects(
    workshop: Workshop,
    true_class: str,
    split: str,
    number: int,
    keep: Callable[[Kinds], np.ndarray],
    half: str = "all",
) -> Drawn:
    """Draw objects of a class, and keep the first of those that are wanted.

    Parameters
    ----------
    workshop : Workshop
    true_class : {"star", "galaxy", "qso"}
    split : str
        Of the parents.
    number : int
        Of objects; fewer are returned where 3 million draws hold fewer.
    keep : function
        Of `Kinds`; says which are wanted, bool (n,).
    half : str
        See `draw_kinds`.
    """
    start = FIRST_ID + (CLASSES.index(true_class) << CLASS_BIT)
    parts: list[Drawn] = []
    for batch in range(MOST_BATCHES):
        streams = ObjectStreams(workshop.options.seed, start + batch * BATCH + np.arange(BATCH))
        drawn = Drawn(true_class, split, draw_kinds(workshop, true_class, split, streams, half), streams)
        parts.append(drawn[np.flatnonzero(keep(drawn.kinds))])
        if sum(map(len, parts)) >= number:
            break
    return _join(parts)[np.arange(min(sum(map(len, parts)), number))]


def _join(parts: list[Drawn]) -> Drawn:
    streams = parts[0].streams[:0]
    streams.keys = np.concatenate([part.streams.keys for part in parts])
    kinds = Kinds(
        *(
            np.concatenate([getattr(part.kinds, name) for part in parts])
            for name in ("magnitude", "redshift", "parent")
        )
    )
    return Drawn(parts[0].true_class, parts[0].split, kinds, streams)


def plain_conditions(workshop: Workshop, number: int, dust: float = 0.0) -> Conditions:
    """Return conditions that change no colour but by Galactic dust of one E(B-V) in magnitudes."""
    shape = (number, len(workshop.survey.bands))
    return Conditions(
        sky=np.zeros(shape, dtype=np.float32),
        zero_point=np.ones(shape, dtype=np.float32),
        seeing=np.full(shape, TYPICAL_SEEING, dtype=np.float32),
        dust=np.full(number, dust),
    )


def unvaried(workshop: Workshop) -> Workshop:
    """Return a workshop whose stars and galaxies are their parents, without lines or wiggles of their own."""
    options = workshop.options
    stars = dataclasses.replace(options.stars, continuum_wiggles=0.0)
    galaxies = dataclasses.replace(
        options.galaxies,
        line_width_blue=0.0,
        line_width_red=0.0,
        seyfert_share=0.0,
        liner_share=0.0,
        bulge_light=0.0,
        kinds_in_the_sky={},
        continuum_wiggles=0.0,
    )
    changed = dataclasses.replace(options, stars=stars, galaxies=galaxies)
    return Workshop(changed, workshop.ingredients, workshop.survey)
