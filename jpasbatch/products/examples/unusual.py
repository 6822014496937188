"""The product ``unusual``: the J-spectra of the most unusual objects, to see at once what is wrong, or new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.learning.novelty.novelty import UNSAFE
from jpasbatch.pages.spectra import Spectrum
from jpasbatch.products.accumulation import stable_hash
from jpasbatch.products.examples.product import look_up_spectra, spectra_figure
from jpasbatch.products.examples.tally import HASHES, ExampleTally
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Product
from jpasbatch.products.record import HEALPIX_COLUMN, class_indices, probability_column
from jpasbatch.products.sections import PageFigure, Section, render_body
from jpasbatch.products.subsets import subset_numbers

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN_OF_CLASS = 3
"""Objects of each predicted class."""

STEP = 0.001
"""Of the score: it is rounded to that."""

HIGHEST = 1e6
"""Score that no object has: the rank of one without an end would be none."""

TEMPLATE = """\
<figure>{{ figures.unusual }}
<figcaption>The {{ shown }} unsafe objects of each predicted class that are stranger than all others; a hash of the
identifier decides between equal ones. A novelty of 2 is that of one in a hundred ordinary objects, 3 of one in a
thousand. Artefacts, wrong zero points and blends look like that, and so does what no training sample
holds.</figcaption></figure>
"""


@dataclass(frozen=True)
class UnusualSpectra:
    """The J-spectra of the most unusual objects, by class, the strangest first."""

    spectra: tuple[Spectrum, ...]


class Unusual(Product[ExampleTally, UnusualSpectra]):
    """The most unusual objects. The tally holds who they are; their fluxes are read at the end, and no others."""

    name = "unusual"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        probabilities = tuple(probability_column(name) for name in self.setting.class_names)
        names = ("object_id", HEALPIX_COLUMN, *probabilities, "predicted_class", "novelty", "subset")
        return Columns(predictions=names)

    def create(self) -> ExampleTally:
        """Return the choice among no objects."""
        return ExampleTally.create(self.setting.class_names, SHOWN_OF_CLASS)

    def add(self, tally: ExampleTally, partition: Partition) -> ExampleTally:
        """Return the choice among the unsafe objects of a partition too."""
        records = partition.predictions
        unsafe = records.filter(pa.array(subset_numbers(records) == UNSAFE))
        kinds = class_indices(unsafe, self.setting.class_names)
        score = np.clip(unsafe["novelty"].to_numpy().astype(np.float64), 0, HIGHEST) / STEP
        hashes = stable_hash(unsafe["object_id"].to_pylist(), "unusual")
        bins, before = np.zeros(len(kinds), dtype=np.int64), -np.rint(score).astype(np.int64)
        return tally.among(unsafe, kinds, bins, hashes, before)

    def from_record(self, record: dict[str, Any]) -> ExampleTally:
        """Return the choice that `to_record` described."""
        return ExampleTally.from_dict(record)

    def extract(self, tally: ExampleTally, look_up: LookUp) -> UnusualSpectra:
        """Return the J-spectra of the chosen objects, with their true classes where they are known."""
        chosen = tally.extract()
        if not chosen:
            return UnusualSpectra(())
        spectra = look_up_spectra(chosen, look_up, self.setting.survey)
        return UnusualSpectra(
            tuple(
                replace(spectrum, magnitude_bin=-1, remark=f"novelty {-(one.rank // HASHES) * STEP:.2f}")
                for spectrum, one in zip(spectra, chosen, strict=True)
            )
        )

    def figures(self, found: UnusualSpectra, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the J-spectra; nothing where there are none."""
        if not found.spectra:
            return {}
        text = "J-spectrum of an unusual object"
        return {"unusual": spectra_figure(found.spectra, self.setting, text, whole=True)}

    def section(
        self, found: UnusualSpectra, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the J-spectra; None where there are none."""
        if not found.spectra:
            return None
        body = render_body(TEMPLATE, self.setting.class_names, figures=figures, shown=SHOWN_OF_CLASS)
        return Section("unusual", "The most unusual objects", "Gallery", body)
