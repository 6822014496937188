"""Which objects were observed in which bands: bands that share an instrument are missing together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.options.broadband import BroadbandSky, Coverage
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import Survey


@dataclass(frozen=True, eq=False)
class BandPlan:
    """How the bands of a survey were observed.

    Attributes
    ----------
    entries : tuple of Coverage
        Those of the options, and one for each instrument of the bands that none of them names.
    entry : ndarray of int64, shape (bands,)
        Which entry holds for each band.
    depth : ndarray, shape (bands,)
        5-sigma AB magnitudes.
    signal_to_noise : ndarray, shape (bands,)
        Of a detection.
    zero_point : ndarray, shape (bands,)
        Error of the published magnitudes.
    scatter : ndarray, shape (entries,)
        Shared by the bands of an entry, magnitudes.
    band_scatter : ndarray, shape (bands,)
        Of single bands, magnitudes.
    """

    entries: tuple[Coverage, ...]
    entry: np.ndarray
    depth: np.ndarray
    signal_to_noise: np.ndarray
    zero_point: np.ndarray
    scatter: np.ndarray
    band_scatter: np.ndarray


def plan_bands(options: BroadbandSky, survey: Survey) -> BandPlan:
    """Return how each band was observed.

    Raises
    ------
    InputError
        If an entry names neither a band, nor an instrument, nor a group of the survey, or would take the
        survey's reference band away from some objects: they could be in no catalogue.
    """
    entry = np.full(len(survey.bands), -1)
    for number, coverage in reversed(list(enumerate(options.coverage))):
        for name in coverage.bands:
            found = [
                row
                for row, band in enumerate(survey.bands)
                if name in (band.name, band.instrument, band.group)
            ]
            if not found:
                known = sorted(
                    {item for band in survey.bands for item in (band.instrument, band.group) if item}
                )
                raise InputError(
                    f"[[mock.coverage]] bands: {name!r} is no band, instrument or group of survey {survey.name!r}; its "
                    f"bands are {', '.join(survey.band_names)}; instruments and groups {', '.join(known) or 'none'}"
                )
            entry[found] = number
    entries = list(options.coverage)
    for row in np.flatnonzero(entry < 0):
        everywhere = Coverage(bands=(survey.bands[row].instrument or survey.bands[row].group or "unnamed",))
        if everywhere not in entries:
            entries.append(everywhere)
        entry[row] = entries.index(everywhere)
    _check_reference(entries[entry[survey.reference_index]], survey)

    def of_bands(key: str) -> np.ndarray:
        return np.array([getattr(entries[number], key) for number in entry])

    noise = options.noise
    alone = [noise.band_scatter if (own := entries[number].band_scatter) is None else own for number in entry]
    shared = [noise.instrument_scatter if one.scatter is None else one.scatter for one in entries]
    return BandPlan(
        entries=tuple(entries),
        entry=entry,
        depth=np.array([band.depth for band in survey.bands]) + of_bands("depth_offset"),
        signal_to_noise=of_bands("signal_to_noise"),
        zero_point=of_bands("zero_point"),
        scatter=np.array(shared),
        band_scatter=np.array(alone),
    )


def _check_reference(coverage: Coverage, survey: Survey) -> None:
    if coverage.area_deg2 or coverage.hole_deg2 or coverage.lost or coverage.lost_single:
        raise InputError(
            f"[[mock.coverage]] takes the reference band {survey.reference_band!r} away from some objects, which no "
            "catalogue of this survey can hold; give its bands an entry without area_deg2, hole_deg2, lost and "
            "lost_single"
        )


def observed_bands(plan: BandPlan, enclosed_deg2: np.ndarray, streams: ObjectStreams) -> np.ndarray:
    """Return which bands of which objects were observed, bool (n, bands).

    Parameters
    ----------
    plan : BandPlan
    enclosed_deg2 : ndarray, shape (n,)
        Area of the disc around the centre of the field on whose rim the object lies.
    streams : ObjectStreams
    """
    observed = np.empty((len(streams), plan.entry.size), dtype=bool)
    single = streams.named("lost alone").uniform(size=observed.shape)
    for number, coverage in enumerate(plan.entries):
        inside = enclosed_deg2 >= coverage.hole_deg2
        if coverage.area_deg2:
            inside &= enclosed_deg2 < coverage.area_deg2
        # named after its bands: further entries change nothing of this one
        inside &= streams.named(f"lost {coverage.name}").uniform() >= coverage.lost
        bands = np.flatnonzero(plan.entry == number)
        observed[:, bands] = inside[:, None] & (single[:, bands] >= coverage.lost_single)
    return observed
