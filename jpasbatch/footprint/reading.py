"""From the table ``[area]`` of a job file to the observed part of the sky."""

from __future__ import annotations

from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.footprint.coverage import Coverage
from jpasbatch.footprint.maps import read_map, read_moc
from jpasbatch.footprint.options import AreaOptions
from jpasbatch.footprint.randoms import coverage_of
from jpasbatch.footprint.regions import circles_of, drawn, polygons_of
from jpasbatch.footprint.tables import read_given


def read_coverage(options: AreaOptions) -> Coverage | None:
    """Return the observed part of the sky; None where no file says it.

    Raises
    ------
    InputError
        When a file is missing, cannot be read, or says something impossible; when what is excluded lies elsewhere; or
        when nothing is left of the sky.
    """
    if not options.masked:
        return None
    coverage = _base(options)
    if not len(coverage.starts):
        raise InputError(
            f"[area] file {options.file}: no pixel of the grid of nside {options.nside_of_polygons} has its centre in "
            "what it describes; allowed are larger polygons, or [area] nside larger"
        )
    kinds = (
        ("exclude_circles", circles_of, options.nside_of_circles),
        ("exclude_polygons", polygons_of, options.nside_of_polygons),
    )
    for key, read, nside in kinds:
        if name := getattr(options, key):
            given = read_given(f"[area] {key}", Path(name))
            masks = drawn(read(given, options.ra, options.dec), nside)
            left = coverage.without(masks)
            if left.area_deg2 == coverage.area_deg2:
                hours = "" if given.numbers(given.column(options.ra)).max() > 24 else "; are they in hours?"
                raise given.wrong(
                    f"nothing of it lies in the observed part of the sky, so that it masks nothing{hours}"
                )
            coverage = left
        if not len(coverage.starts):
            raise given.wrong(f"nothing is left of [area] file {options.file} without what this excludes")
    return coverage


def _base(options: AreaOptions) -> Coverage:
    key, path = "[area] file", Path(options.file)
    if options.kind == "moc":
        return read_moc(key, path)
    if options.kind == "map":
        return read_map(key, path)
    given = read_given(key, path)
    if options.kind == "randoms":
        return coverage_of(given, options)
    return drawn(polygons_of(given, options.ra, options.dec), options.nside_of_polygons)
