"""The product ``distributions``: magnitudes, colours, confidence and shapes by predicted class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jpasbatch.pages.page import package_file
from jpasbatch.products.distributions.figures import (
    colour_colour,
    colour_numbers,
    confidence,
    confidence_numbers,
    magnitude_histograms,
    magnitude_numbers,
)
from jpasbatch.products.distributions.tally import DistributionOptions, Distributions, DistributionTally
from jpasbatch.products.protocol import Columns, Findings, JobTable, Partition, Product
from jpasbatch.products.record import magnitude_column, probability_column
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup


class Histograms(Product[DistributionTally, Distributions]):
    """Histograms of the predictions."""

    name = "distributions"
    tables = (JobTable("distributions", DistributionOptions, DistributionOptions()),)

    @classmethod
    def named_roles(cls, options: DistributionOptions) -> Iterable[tuple[str, str]]:
        """Yield the bands of the axes."""
        yield "distributions.magnitude_role", options.magnitude_role
        for key in ("colour_x", "colour_y"):
            for role in getattr(options, key):
                yield f"distributions.{key}", role

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        roles = dict.fromkeys(role for _, role in self.named_roles(self.options))
        needed = [magnitude_column(role) for role in roles]
        needed += [probability_column(name) for name in self.setting.class_names]
        return Columns(predictions=(*needed, "predicted_class", "magnitude_bin", "class_star"))

    def create(self) -> DistributionTally:
        """Return the tally of no objects."""
        return DistributionTally.create(self.setting.class_names, len(self.setting.bins), self.options)

    def add(self, tally: DistributionTally, partition: Partition) -> DistributionTally:
        """Return the tally with a partition added."""
        return tally.add(partition.predictions)

    def from_record(self, record: dict[str, Any]) -> DistributionTally:
        """Return the tally that `to_record` described."""
        return DistributionTally.from_dict(record, self.options)

    def figures(self, found: Distributions, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the histograms of magnitudes, colours and confidence."""
        bins, band = self.setting.bins, self.setting.survey.reference_band
        magnitudes, sure = magnitude_numbers(found), confidence_numbers(found, bins)
        histograms = magnitude_histograms(magnitudes, found.magnitude_edges, found.classes, band)
        confident = confidence(sure, found.confidence_edges, found.classes, bins)
        text = "Colour-colour diagram by predicted class"
        return {
            "magnitudes": PageFigure(
                histograms, f"Histogram of {band} magnitudes by predicted class", magnitudes
            ),
            "colours": PageFigure(colour_colour(found, bins), text, colour_numbers(found, bins)),
            "confidence": PageFigure(confident, "Distribution of the largest probability by class", sure),
        }

    def section(
        self, found: Distributions, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the figures, and how stellarity agrees with the classes."""
        body = render_body(
            package_file("products/distributions/section.html.j2"),
            found.classes,
            figures=figures,
            shapes=found.shape_ratios(),
            options=found.options,
            bins=self.setting.bins,
        )
        return Section("colours", "Magnitudes and colours", "Magnitudes and colours", body)
