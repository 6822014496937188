"""The product ``sky``: where on the sky all objects lie, and where the predicted quasars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.page import package_file
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.protocol import Columns, Findings, Partition, Product
from jpasbatch.products.record import HEALPIX_COLUMN
from jpasbatch.products.sections import PageFigure, Section, render_body
from jpasbatch.products.sky.figure import density_maps, sky_map, sky_numbers
from jpasbatch.products.sky.tally import SkyMap, SkyTally

if TYPE_CHECKING:
    from markupsafe import Markup


class Sky(Product[SkyTally, SkyMap]):
    """Maps of the density of objects."""

    name = "sky"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        return Columns(predictions=(HEALPIX_COLUMN, "predicted_class"))

    def create(self) -> SkyTally:
        """Return the tally of no objects."""
        return SkyTally.create(self.setting.class_names)

    def add(self, tally: SkyTally, partition: Partition) -> SkyTally:
        """Return the tally with the observed part of a partition added: densities are on the observed area."""
        return tally.add(partition.observed_part.predictions)

    def from_record(self, record: dict[str, Any]) -> SkyTally:
        """Return the tally that `to_record` described."""
        return SkyTally.from_dict(record)

    def figures(self, found: SkyMap, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the maps of all objects and of the classes that are counted as quasars."""
        if not len(found.pixels):
            return {}
        counts, coverage = findings.get(CountSummary), self.setting.coverage
        wanted = counts.options.classes if counts else found.classes[-1:]
        counted = tuple(name for name in wanted if name in found.classes)
        maps = density_maps(found, counted, counts, coverage)
        return {"sky": PageFigure(sky_map(maps, coverage), "Map of the sky", sky_numbers(maps))}

    def section(self, found: SkyMap, findings: Findings, figures: Mapping[str, Markup]) -> Section | None:
        """Return the maps; None for a survey without objects."""
        if not figures:
            return None
        template = package_file("products/sky/section.html.j2")
        counts, coverage = findings.get(CountSummary), self.setting.coverage
        known = counts is not None and not np.isnan(counts.area_deg2)
        content = {"figures": figures, "covered": coverage is not None, "measured": known}
        return Section("sky", "Sky", "Sky", render_body(template, found.classes, **content))
