"""The product ``counts_by_place``: objects and densities by pixel, by tile and by field, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.products.accumulation import SKY_DEG2, parent_pixels, with_rows
from jpasbatch.products.counts.fields import field_rows
from jpasbatch.products.counts.place_tally import CELLS, PlaceTally, tile_areas
from jpasbatch.products.counts.tables import DENSITY, description, write_healpix
from jpasbatch.products.counts.tally import CountOptions, CountSummary, is_selected
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Parts, Product, Writer
from jpasbatch.products.published import table_writers
from jpasbatch.products.record import (
    HEALPIX_COLUMN,
    magnitude_column,
    probability_column,
    record_probabilities,
)
from jpasbatch.products.sections import Section, render_body
from jpasbatch.products.targets.targets import TargetLists

if TYPE_CHECKING:
    from markupsafe import Markup

FILES = tuple(
    f"counts/{name}"
    for name in (
        "density_map.fits",
        "density_map.parquet",
        "tiles.ecsv",
        "tiles.parquet",
        "fields.ecsv",
        "fields.parquet",
    )
)

TEMPLATE = """\
<p>Objects by class, observed area and density of quasars, with units and provenance: by HEALPix pixel of nside
{{ nside }}
({% for name in files[:2] %}<a href="{{ name }}"><code>{{ name }}</code></a>{{ ", " if not loop.last }}{% endfor %};
healpy reads the first), by tile and by field
({% for name in files[2:] %}<a href="{{ name }}"><code>{{ name }}</code></a>{{ ", " if not loop.last }}{% endfor %}).
</p>
{% if unclaimed > 0 %}<p class="soft">{{ unclaimed | count(4) }} deg² of the observed area are in pixels of nside
{{ cells }} without any object: no tile has them.</p>{% endif %}
"""


class CountsByPlace(Product[PlaceTally, PlaceTally]):
    """Objects by pixel, tile and field."""

    name = "counts_by_place"

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> CountOptions:
        """Return the options of the counts."""
        return tables["counts"]

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        names = [HEALPIX_COLUMN, *(probability_column(name) for name in self.setting.class_names)]
        names += [magnitude_column(self.options.band_role), "class_star"]
        return Columns(predictions=tuple(names), photometry=("tile",))

    def create(self) -> PlaceTally:
        """Return the tally of no objects."""
        return PlaceTally.create(len(self.setting.classes))

    def add(self, tally: PlaceTally, partition: Partition) -> PlaceTally:
        """Return the tally with the observed part of a partition added."""
        rows, options = partition.observed_part, self.options
        record = rows.predictions
        probabilities = record_probabilities(record, self.setting.class_names).astype(np.float64)
        probabilities[~is_selected(record, options)] = 0.0
        objects = np.ones((record.num_rows, 1), dtype=np.int64)
        values = np.hstack([objects, exact(probabilities), exact(probabilities**2)])
        healpix = record[HEALPIX_COLUMN].to_numpy()
        pixel, cell = parent_pixels(healpix, options.nside), parent_pixels(healpix, CELLS * options.nside)
        tile = rows.photometry["tile"].to_numpy(zero_copy_only=False).astype(str)
        return tally.merge(PlaceTally.of(pixel, cell, tile, values))

    def from_record(self, record: dict[str, Any]) -> PlaceTally:
        """Return the tally that `to_record` described."""
        return PlaceTally.from_dict(record)

    def extract(self, tally: PlaceTally, look_up: LookUp) -> PlaceTally:
        """Return the tally itself: areas are known by the counts."""
        return tally

    def section(self, found: PlaceTally, findings: Findings, figures: Mapping[str, Markup]) -> Section | None:
        """Return where the tables are; None for a survey without objects."""
        counts = findings.get(CountSummary)
        if counts is None or not len(found.pixels):
            return None
        content = {
            "nside": self.options.nside,
            "cells": CELLS * self.options.nside,
            "files": FILES,
            "unclaimed": areas_of_tiles(found, counts, findings)[1],
        }
        body = render_body(TEMPLATE, self.setting.class_names, **content)
        return Section("places", "Tables by place", "Tables", body)

    def files(
        self, found: PlaceTally, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return the map of densities, and the tables of tiles and fields."""
        counts = findings.get(CountSummary)
        if counts is None:
            return {}
        rows = "observed" if self.setting.coverage else "of the pixels that hold objects"
        if counts.area_kind == "given":
            rows = "shares of the given area, by the pixels that hold objects"
        described = description(findings, created) | {"area_of_rows": rows}
        described["selection"] = selection_text(self.options)
        units = self._units()
        density_map = self._density_map(found, counts)
        maps = table_writers("counts/density_map", density_map, units, described)
        as_fits = partial(
            write_healpix, nside=self.options.nside, table=density_map, units=units, described=described
        )
        writers: dict[str, Writer] = {
            "counts/density_map.fits": as_fits,
            **maps,
            **table_writers("counts/tiles", self._tiles(found, counts, findings), units, described),
            **table_writers("counts/fields", fields_table(counts, findings), FIELD_UNITS, described),
        }
        return {name: writers[name] for name in FILES}

    def _units(self) -> dict[str, str]:
        densities = [f"density_{name}" for name in self.setting.class_names]
        return {"area": "deg2", **dict.fromkeys(["density", "density_error", *densities], DENSITY)}

    def _density_map(self, found: PlaceTally, counts: CountSummary) -> pa.Table:
        """Return one row a pixel that was observed or holds an object."""
        sums = with_rows(counts.pixels, found.pixels, found.pixel_sums)
        area = counts.pixel_area_deg2
        whole = SKY_DEG2 / (12 * self.options.nside**2)
        return pa.table(
            {
                "pixel": counts.pixels,
                "observed_fraction": area / whole,
                "area": area,
                **self._numbers(sums, area),
            }
        )

    def _tiles(self, found: PlaceTally, counts: CountSummary, findings: Findings) -> pa.Table:
        area = areas_of_tiles(found, counts, findings)[0]
        return pa.table(
            {
                "tile_id": pa.array(found.tile_names, pa.string()),
                "area": area,
                **self._numbers(found.tile_sums, area),
            }
        )

    def _numbers(self, sums: np.ndarray, area: np.ndarray) -> dict[str, np.ndarray]:
        """Return objects, the number of each class with its error, and densities."""
        names, classes = self.setting.class_names, len(self.setting.classes)
        number, squares = inexact(sums[:, 1 : 1 + classes]), inexact(sums[:, 1 + classes :])
        columns = {"objects": sums[:, 0]}
        columns |= {f"number_{name}": number[:, one] for one, name in enumerate(names)}
        columns |= {f"error_{name}": np.sqrt(squares[:, one]) for one, name in enumerate(names)}
        per = np.divide(1.0, area, out=np.full(len(area), np.nan), where=area > 0)
        counted = [names.index(name) for name in self.options.classes]
        columns["density"] = number[:, counted].sum(axis=1) * per
        columns["density_error"] = np.sqrt(squares[:, counted].sum(axis=1)) * per
        return columns | {f"density_{name}": number[:, one] * per for one, name in enumerate(names)}


FIELD_UNITS = {"ra": "deg", "dec": "deg", "area": "deg2", "density": DENSITY, "target_density": DENSITY}


def fields_table(counts: CountSummary, findings: Findings) -> pa.Table:
    """Return observed area, quasars and targets of each field: `jpasbatch.products.counts.fields.field_rows`."""
    rows = field_rows(counts, findings.get(TargetLists))
    kinds = {"pixel": pa.int64(), "above": pa.int64(), "targets": pa.int64()}
    names = ("pixel", "ra", "dec", "area", "covered", "summed", "above", "targets", "target_density")
    columns = {name: pa.array([row[name] for row in rows], kinds.get(name, pa.float64())) for name in names}
    density = [row["summed"] / row["area"] if row["area"] > 0 else float("nan") for row in rows]
    columns["density"] = pa.array(density, pa.float64())
    shown = {"covered": "observed_fraction", "summed": "number", "above": "number_above_threshold"}
    return pa.table({shown.get(name, name): values for name, values in columns.items()})


def areas_of_tiles(found: PlaceTally, counts: CountSummary, findings: Findings) -> tuple[np.ndarray, float]:
    """Return the observed area of each tile, deg2, and that of pixels without an object, which no tile has."""
    coverage, nside = findings.setting.coverage, counts.options.nside
    if coverage is not None:
        return tile_areas(found, *coverage.areas(CELLS * nside))
    # occupied pixels: cells share the area of their parent as its objects
    held, _, number = found.cells
    cells, place = np.unique(held, return_inverse=True)
    objects = np.bincount(place, number, len(cells))
    parent = np.searchsorted(counts.pixels, cells // CELLS**2)
    within = np.bincount(parent, objects, len(counts.pixels))
    return tile_areas(found, cells, objects / within[parent] * counts.pixel_area_deg2[parent])


def selection_text(options: CountOptions) -> str:
    """Return which objects are counted, in words."""
    star = "" if options.minimum_class_star is None else f", class_star > {options.minimum_class_star:g}"
    return f"{options.band_role} < {options.brighter_than:g}{star}; density: {' + '.join(options.classes)}"
