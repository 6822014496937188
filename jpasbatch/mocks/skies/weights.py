"""How often the objects of a balanced set are on the sky, from their ids: the column ``sky_weight`` of a set."""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.descendants.galaxies import mixed_kinds, mixed_shares
from jpasbatch.mocks.descendants.stars import star_mixes
from jpasbatch.mocks.populations import draws, sky_weights
from jpasbatch.mocks.skies.objects import Workshop, brightness_of
from jpasbatch.photometry.streams import ObjectStreams

WEIGHTED_SETS = ("validation", "test")
"""Sets whose objects have a weight; those of field and survey are as frequent as on the sky."""


def weights_on_the_sky(
    workshop: Workshop, true_class: str, split: str, streams: ObjectStreams, odd: np.ndarray
) -> np.ndarray:
    """Return the density on the sky of what each object of a balanced set is, over that in the set, float64 (n,).

    What was drawn for an object is drawn once more: its stream gives the same again.

    Parameters
    ----------
    workshop : Workshop
    true_class : {"star", "galaxy", "qso"}
    split : str
        Of the parents.
    streams : ObjectStreams
    odd : ndarray of bool, shape (n,)
        Which quasars were drawn beyond z = 2.1.
    """
    options = workshop.options
    flat, faintest = options.samples.magnitudes == "uniform", workshop.faintest
    parents = workshop.parents(true_class)
    if true_class == "star":
        brightness = brightness_of(draws.draw_stars(streams, flat, faintest))
        sky, learnt = (
            star_mixes(parents, brightness, options.stars, rare)
            for rare in (options.stars.rare_in_the_sky, options.stars.rare_learnt)
        )
        kind = streams.named("star parent").choice(learnt)[:, None]
        return (np.take_along_axis(sky, kind, 1) / np.take_along_axis(learnt, kind, 1))[:, 0]
    if true_class == "galaxy":
        near_share, near_reach = options.samples.near_share, options.samples.near_reach
        places = draws.draw_galaxies(streams, flat, near_share, faintest, near_reach)
        learnt, sky = (
            mixed_shares(parents, split, shares)
            for shares in (options.galaxies.kinds_learnt, options.galaxies.kinds_in_the_sky)
        )
        kinds = mixed_kinds(options.galaxies.kinds_learnt, streams)
        further = sky_weights.galaxy_weights(*places, near_share, flat, faintest, near_reach)
        return further * sky_weights.kind_weights(sky, learnt, kinds)
    redshift = np.where(odd, draws.HALVES["high"][0], draws.HALVES["low"][0])
    magnitude = np.empty(len(streams))
    for half, rows in (("low", ~odd), ("high", odd)):
        magnitude[rows], _ = draws.draw_quasars(streams[rows], half, flat, faintest)
    return sky_weights.quasar_weights(magnitude, redshift, flat, faintest)
