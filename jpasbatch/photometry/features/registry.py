"""Every kind of features; a further kind is a class with the methods of `Features`, and joins `KINDS`."""

from __future__ import annotations

from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.photometry.features.auxiliary import WithAuxiliary
from jpasbatch.photometry.features.band_removal import WithoutBands
from jpasbatch.photometry.features.fluxes import Colours, FluxesAndErrors, RelativeFlux
from jpasbatch.photometry.features.magnitudes import MagnitudesAndErrors, NeighbourColours
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.survey import Survey

KINDS = (RelativeFlux, Colours, FluxesAndErrors, MagnitudesAndErrors, NeighbourColours)

FEATURES: dict[str, type] = {kind.name: kind for kind in KINDS}
"""Every kind of features by its name in a job file."""


def make_features(kind: str, survey: Survey, state: dict[str, Any] | None = None) -> Features:
    """Return the features of a kind.

    Parameters
    ----------
    kind : str
    survey : Survey
    state : dict, optional
        The options of the kind, or a whole `Features.state`; ``without`` names groups of bands that no kind sees, and
        ``auxiliary`` columns that are seen besides.

    Raises
    ------
    InputError
        If the kind is unknown or the state does not belong to it.
    """
    if kind not in FEATURES:
        raise InputError(f"features kind = {kind!r}: allowed are {', '.join(map(repr, FEATURES))}")
    options = dict(state or {})
    hidden, further = tuple(options.pop("without", ())), options.pop("auxiliary", ())
    try:
        features = FEATURES[kind](survey, **options)
        features = WithoutBands(features, survey, hidden) if hidden else features
        return WithAuxiliary(features, further) if further else features
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"features kind = {kind!r}: its stored state {state!r} is not valid ({error})"
        ) from None


def auxiliary_of(features: Features) -> tuple[str, ...]:
    """Return the columns that features see beside the photometry."""
    return features.auxiliary if isinstance(features, WithAuxiliary) else ()
