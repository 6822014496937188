"""The product ``examples``: the J-spectra of a few objects of every class and magnitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.page import package_file
from jpasbatch.pages.spectra import Spectrum, example_spectra, spectrum_numbers
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.examples.tally import Example, ExampleSpectra, ExampleTally
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Product, Setting
from jpasbatch.products.record import HEALPIX_COLUMN, probability_column
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN = ("flux", "flux_err", "true_class", "true_redshift")


def look_up_spectra(chosen: Sequence[Example], look_up: LookUp, survey: Survey) -> tuple[Spectrum, ...]:
    """Return the J-spectra of chosen objects, with their true classes where they are known."""
    table = look_up({one.object_id: one.healpix_29 for one in chosen}, SHOWN)
    photometry: Photometry = photometry_from_table(table, survey)
    return ExampleSpectra.of(chosen, table, photometry).spectra


def spectra_figure(
    spectra: tuple[Spectrum, ...], setting: Setting, text: str, whole: bool = False
) -> PageFigure:
    """Return J-spectra as a figure of the page; see `example_spectra`."""
    survey, classes = setting.survey, setting.class_names
    widths = np.array([band.width for band in survey.bands])
    drawing = example_spectra(spectra, classes, survey.wavelengths, widths, setting.bins, whole)
    bands = [band.name for band in survey.bands]
    return PageFigure(drawing, text, spectrum_numbers(spectra, classes, bands, survey.wavelengths))


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
        return ExampleSpectra(look_up_spectra(chosen, look_up, self.setting.survey))

    def figures(self, found: ExampleSpectra, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the J-spectra; nothing where there are none."""
        if not found.spectra:
            return {}
        return {"examples": spectra_figure(found.spectra, self.setting, "Example J-spectrum")}

    def section(
        self, found: ExampleSpectra, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the J-spectra; None where there are none."""
        if not found.spectra:
            return None
        template = package_file("products/examples/section.html.j2")
        body = render_body(template, self.setting.class_names, figures=figures)
        return Section("examples", "Example J-spectra", "Examples", body)
