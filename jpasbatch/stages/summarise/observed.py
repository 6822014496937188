"""The observed part of the sky on its way to the workers: each partition gets what lies in its pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.footprint.completeness import Completeness, read_completeness
from jpasbatch.footprint.coverage import Coverage
from jpasbatch.footprint.shapes import centres
from jpasbatch.job.job import Job
from jpasbatch.products.protocol import Partition
from jpasbatch.products.record import HEALPIX_COLUMN
from jpasbatch.stages.run.partition_names import Pixel
from jpasbatch.storage.stores.store import Store, read_object

COARSE = 64
"""Grid in which the limits of a coverage are told."""


def completeness_of(job: Job) -> Completeness | None:
    """Read the detected share of magnitudes; None where the job names no file.

    Raises
    ------
    InputError
        When the file is wrong.
    """
    options = job.product_options["completeness"]
    return read_completeness(Path(options.file), options.band_role) if options.file else None


def share_coverage(coverage: Coverage, place: Store, names: Mapping[Pixel, str]) -> None:
    """Write the part of the coverage that lies in each partition, for the workers.

    Raises
    ------
    InputError
        When no partition has any: the coverage is of another part of the sky.
    """
    parts = {name: coverage.within(2**order, pixel) for (order, pixel), name in names.items()}
    if not any(len(part.starts) for part in parts.values()):
        pixels, _ = coverage.areas(COARSE)
        observed = centres(pixels, np.full(len(pixels), COARSE.bit_length() - 1))
        order, pixel = (np.array(one) for one in zip(*names, strict=True))
        hours = "; right ascension may be in hours" if observed[0].max() <= 24 else ""
        raise InputError(
            f"[area]: the catalogue lies outside of what was observed. Observed is {_limits(*observed)}, the "
            f"catalogue has {_limits(*centres(pixel, order))}{hours}"
        )
    there = place.keys("coverage")
    for name, part in parts.items():
        if _key(name) not in there:
            place.put(_key(name), part.to_bytes())


def with_observed(rows: Partition, place: Store, name: str) -> Partition:
    """Return the rows of a partition with which of them lie in the observed part of the sky."""
    coverage = Coverage.from_bytes(read_object(place, _key(name)))
    return replace(rows, observed=coverage.contains(rows.predictions[HEALPIX_COLUMN].to_numpy()))


def _key(name: str) -> str:
    return f"coverage/{name}.npz"


def _limits(ra: np.ndarray, dec: np.ndarray) -> str:
    return f"about ra {ra.min():.1f} to {ra.max():.1f}, dec {dec.min():+.1f} to {dec.max():+.1f}"
