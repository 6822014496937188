"""The product ``examples``: the J-spectra of a few objects of every class and magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.page import package_file
from jpasbatch.pages.spectra import example_spectra
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.examples.tally import ExampleSpectra, ExampleTally
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Product
from jpasbatch.products.record import HEALPIX_COLUMN, probability_column
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN = ("flux", "flux_err", "true_class", "true_redshift")


class Examples(Product[ExampleTally, ExampleSpectra]):
    """Example objects. The tally holds who they are; their fluxes are read at the end, and no others."""

    name = "examples"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        probabilities = tuple(probability_column(name) for name in self.setting.class_names)
        return Columns(
            predictions=("object_id", HEALPIX_COLUMN, *probabilities, "predicted_class", "magnitude_bin")
        )

    def create(self) -> ExampleTally:
        """Return the choice among no objects."""
        return ExampleTally.create(self.setting.class_names)

    def add(self, tally: ExampleTally, partition: Partition) -> ExampleTally:
        """Return the choice among the objects of a partition too."""
        return tally.add(partition.predictions)

    def from_record(self, record: dict[str, Any]) -> ExampleTally:
        """Return the choice that `to_record` described."""
        return ExampleTally.from_dict(record)

    def extract(self, tally: ExampleTally, look_up: LookUp) -> ExampleSpectra:
        """Return the J-spectra of the chosen objects, with their true classes where they are known."""
        chosen = tally.extract()
        if not chosen:
            return ExampleSpectra(())
        table = look_up({one.object_id: one.healpix_29 for one in chosen}, SHOWN)
        photometry: Photometry = photometry_from_table(table, self.setting.survey)
        return ExampleSpectra.of(chosen, table, photometry)

    def figures(self, found: ExampleSpectra, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the J-spectra; nothing where there are none."""
        if not found.spectra:
            return {}
        survey = self.setting.survey
        figure = example_spectra(
            found.spectra,
            self.setting.class_names,
            survey.wavelengths,
            np.array([band.width for band in survey.bands]),
            self.setting.bins,
        )
        text = "Example J-spectra, one for each predicted class and magnitude bin"
        return {"examples": PageFigure(figure, text)}

    def section(
        self, found: ExampleSpectra, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the J-spectra; None where there are none."""
        if not found.spectra:
            return None
        template = package_file("products/examples/section.html.j2")
        body = render_body(template, self.setting.class_names, figures=figures)
        return Section("examples", "Example J-spectra", "Examples", body)
