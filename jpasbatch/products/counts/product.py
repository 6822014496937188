"""The product ``counts``: how many quasars there are per square degree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.footprint.options import AreaOptions
from jpasbatch.pages.page import count_text, package_file
from jpasbatch.products.accumulation import SKY_DEG2
from jpasbatch.products.counts.errors import CountErrors
from jpasbatch.products.counts.estimates import ERRORS, CountEstimate
from jpasbatch.products.counts.fields import field_rows
from jpasbatch.products.counts.figure import counts_by_bin, density_numbers
from jpasbatch.products.counts.tally import (
    CountOptions,
    CountSummary,
    CountTally,
    PoissonCount,
    poisson_count,
)
from jpasbatch.products.protocol import Columns, Findings, JobTable, LookUp, Partition, Product
from jpasbatch.products.record import HEALPIX_COLUMN, magnitude_column, probability_column
from jpasbatch.products.sections import Number, PageFigure, Section, render_body
from jpasbatch.products.targets.targets import TargetLists

if TYPE_CHECKING:
    from markupsafe import Markup

AREAS = {
    "occupied": ("area", "measured from the pixels that hold objects"),
    "given": ("area", "given"),
    "effective area": ("effective area", "the part that was observed and is not masked"),
    "footprint": ("footprint", "where the survey looked; what is masked there is not known"),
}
"""What each kind of area is called at the top of the page, and how it is known."""

EXPECTED = 20.0
"""Objects that a pixel expects which is empty by no chance."""

MUCH_WORSE = 3.0
"""Times the error of a Poisson count beyond which classes are hardly told apart."""

MOST_EMPTY = 0.01
"""Share of the observed area in such pixels above which the area is that of another catalogue."""

MOST_HELD = 3.0
"""How many times the given area pixels with objects may have: at the edges of a small field they have more."""

MOST_OUTSIDE = 0.2
"""Share of the objects outside of the observed part above which masks and catalogue hardly belong together."""

FIELD_ROWS = 24
"""Fields that the page shows."""


class Counts(Product[CountTally, CountSummary]):
    """Counts and densities of quasars by summed probability and by threshold."""

    name = "counts"
    tables = (
        JobTable("counts", CountOptions, CountOptions()),
        JobTable("area", AreaOptions, AreaOptions(), ("file", "exclude_circles", "exclude_polygons")),
    )

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> CountOptions:
        """Return the options of the counts, with the area if the table ``area`` gives it as a number."""
        counts, area = tables["counts"], tables["area"]
        if counts.area_deg2 is not None and area.kind != "occupied":
            raise ValueError(
                f"counts.area_deg2 = {counts.area_deg2:g} and [area] kind = '{area.kind}': allowed is one of the two"
            )
        return counts if area.area_deg2 is None else replace(counts, area_deg2=area.area_deg2)

    @classmethod
    def named_classes(cls, options: CountOptions) -> Iterable[tuple[str, Sequence[str]]]:
        """Yield the classes that are counted."""
        yield "counts.classes", options.classes

    @classmethod
    def named_roles(cls, options: CountOptions) -> Iterable[tuple[str, str]]:
        """Yield the band of the magnitude limit."""
        yield "counts.band_role", options.band_role

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        needed = [HEALPIX_COLUMN, *(probability_column(name) for name in self.options.classes)]
        needed += [magnitude_column(self.options.band_role), "magnitude_bin", "class_star"]
        return Columns(predictions=tuple(needed))

    def create(self) -> CountTally:
        """Return the tally of no objects."""
        return CountTally.create(self.options, len(self.setting.bins))

    def add(self, tally: CountTally, partition: Partition) -> CountTally:
        """Return the tally with the observed part of a partition added, and what lies outside counted."""
        return tally.add(partition.observed_part.predictions, partition.outside)

    def from_record(self, record: dict[str, Any]) -> CountTally:
        """Return the tally that `to_record` described."""
        return CountTally.from_dict(record, self.options)

    def extract(self, tally: CountTally, look_up: LookUp) -> CountSummary:
        """Return totals, and densities on the observed area."""
        return tally.extract(self.setting.coverage)

    def numbers(self, found: CountSummary, findings: Findings) -> Iterator[Number]:
        """Yield the number of objects, the area, and the numbers or densities of quasars."""
        inside = f"{found.objects:,} of them in the observed part of the sky" if found.outside else ""
        yield Number("objects classified", f"{found.objects + found.outside:,}", inside)
        limit = f"{found.options.band_role}\u00a0<\u00a0{found.options.brighter_than:g}"  # unbroken
        threshold = f"probability > {found.options.threshold:g}, {limit}"
        errors = findings.get(CountErrors)
        if np.isnan(found.area_deg2):
            yield _summed_number(found, errors, limit)
            yield Number("QSOs", count_text(found.above_threshold.value), threshold)
            return
        label, note = AREAS[found.area_kind]
        yield Number(label, f"{found.area_deg2:,.2f} deg²", note)
        yield _summed_number(found, errors, limit)
        density = found.above_threshold.per(found.area_deg2)
        yield Number("QSOs per deg²", count_text(density.value, 1), threshold)

    def warnings(self, found: CountSummary, findings: Findings) -> Iterator[str]:
        """Yield what makes densities impossible or counts too low."""
        if np.isnan(found.area_deg2):
            yield (
                "The objects are too sparse to measure an area from the pixels that they cover, so that no densities "
                "are given: such a sample was selected, or needs its area_deg2 in [counts]."
            )
        yield from area_warnings(found)
        errors = findings.get(CountErrors)
        if errors is not None and errors.corrected and hardly_told_apart(errors.selected):
            yield (
                "The committee can hardly tell what is counted from other classes: the number is known to "
                f"{count_text(errors.selected.counting)} only. A better committee is needed, or [prior] kind = 'table'."
            )
        if found.without_class_star:
            yield (
                f"{found.without_class_star:,} of {found.objects:,} objects have no stellarity (class_star) and "
                "were left out of the QSO counts, which ask for one."
            )

    def figures(self, found: CountSummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the densities by magnitude; nothing where there is no area."""
        if np.isnan(found.area_deg2):
            return {}
        survey = self.setting.survey
        numbers = density_numbers(found, findings.get(CountErrors), survey.magnitude_bins)
        text = "QSOs per square degree in each magnitude bin; the table gives the numbers"
        drawing = counts_by_bin(numbers, found.options.threshold, survey.reference_band)
        return {"counts": PageFigure(drawing, text, numbers)}

    def section(
        self, found: CountSummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the counts of the survey, by magnitude, and by field."""
        targets = findings.get(TargetLists)
        body = render_body(
            package_file("products/counts/section.html.j2"),
            self.setting.class_names,
            {"interval": interval_text},
            counts=found,
            options=found.options,
            bins=self.setting.bins,
            band=self.setting.survey.reference_band,
            figures=figures,
            measured="counts" in figures,
            targets=bool(targets and targets.lists),
            fields=field_rows(found, targets),
            errors=findings.get(CountErrors),
            field_rows_shown=FIELD_ROWS,
        )
        return Section("counts", "QSO counts", "QSO counts", body)

    def summary(self, found: CountSummary, findings: Findings) -> dict[str, Any]:
        """Return numbers and densities with their intervals."""
        return {"counts": self.headline(found, findings)}

    def headline(self, found: CountSummary, findings: Findings) -> dict[str, Any]:
        """Return numbers and densities with their intervals."""
        values = {
            "area_deg2": found.area_deg2,
            "area_kind": found.area_kind,
            "outside_area": found.outside,
            "objects": found.objects,
            "without_class_star": found.without_class_star,
            "summed_probability": _density(found.summed, found.area_deg2),
            "above_threshold": _density(found.above_threshold, found.area_deg2),
        }
        errors = findings.get(CountErrors)
        if errors is None:
            return values
        bins = dict(zip(self.setting.bins, errors.bins, strict=True))
        return values | {
            "corrected_for_class_mix": errors.corrected,
            "summed_probability": _estimated(errors.selected, found.area_deg2, errors.corrected),
            "by_magnitude": {
                name: _estimated(one, found.area_deg2, errors.corrected) for name, one in bins.items()
            },
        }


def hardly_told_apart(estimate: CountEstimate) -> bool:
    """Return whether a number is known far worse than one of as many objects that are surely of their class."""
    return estimate.counting > max(MUCH_WORSE * np.sqrt(estimate.value + 1.0), 0.5 * estimate.value)


def area_warnings(found: CountSummary) -> Iterator[str]:
    """Yield what readers must know of the area."""
    empty = empty_deg2(found)
    if empty > MOST_EMPTY * found.area_deg2:
        yield (
            f"{empty:.3g} of {found.area_deg2:.4g} deg² that were observed hold no object: [area] reaches beyond the "
            "catalogue, or a part of it is missing, so that densities are too low."
        )
    whole = len(found.occupied) * SKY_DEG2 / (12 * found.options.nside**2)
    if found.area_kind == "given" and found.area_deg2 > whole > 0:
        yield (
            f"The area is given as {found.area_deg2:.4g} deg², and all pixels of nside {found.options.nside} that hold "
            f"an object have {whole:.4g} deg²: parts of the catalogue may be missing, so that densities are too low."
        )
    if found.area_kind == "given" and found.measured_area_deg2 > MOST_HELD * found.area_deg2:
        yield (
            f"The area is given as {found.area_deg2:.4g} deg², and the pixels of nside {found.options.area_nside} that "
            f"hold an object have {found.measured_area_deg2:.4g} deg²: densities are too high; see area_deg2."
        )
    if found.area_kind == "footprint":
        yield (
            "Densities are those on the footprint of a MOC: what is masked within it is not known, so that they are "
            "too low. [area] exclude_circles, or another kind of [area], gives the effective area."
        )
    everything = found.objects + found.outside
    if found.outside > MOST_OUTSIDE * everything:
        yield (
            f"{found.outside:,} of {everything:,} objects lie outside of the observed part of the sky: [area] may be "
            "of another catalogue, in another order of pixels, or in hours."
        )


def empty_deg2(found: CountSummary) -> float:
    """Return the observed area of pixels that hold no object although they should, deg2."""
    held = found.pixel_objects > 0
    if found.area_kind in ("occupied", "given") or not held.any():
        return 0.0
    density = found.pixel_objects.sum() / found.pixel_area_deg2[held].sum()
    return float(found.pixel_area_deg2[~held & (density * found.pixel_area_deg2 > EXPECTED)].sum())


def _summed_number(found: CountSummary, errors: CountErrors | None, limit: str) -> Number:
    """Return the headline: the sum of probabilities with its interval, and smaller the truth where it is known.

    Where probabilities are corrected, the committee's own sum stands last and smaller.
    """
    measured = not np.isnan(found.area_deg2)
    unit, label = (found.area_deg2, "QSOs per deg²") if measured else (1.0, "QSOs")
    corrected = errors is not None and errors.corrected
    one = (errors.selected.interval if errors and corrected else found.summed).per(unit)
    notes = [f"{limit}; 68\u00a0%: {count_text(one.lower, 1)} to {count_text(one.upper, 1)}"]
    if errors is not None and not np.isnan(errors.selected.true):
        notes.append(f"true: {count_text(errors.selected.per(unit).true, 1)}")
    if errors is not None and corrected:
        notes.append(f"the committee's own sum: {count_text(errors.selected.per(unit).committee, 1)}")
    else:
        notes.append("sum of the committee's own probabilities")
    return Number(label, count_text(one.value, 1), "; ".join(notes))


def _estimated(estimate: CountEstimate, area_deg2: float, corrected: bool) -> dict[str, float]:
    """Return a count with its interval, each error, the committee's own sum, and the truth where it is known."""
    if not corrected:
        known = _density(poisson_count(estimate.value), area_deg2)
    else:
        known, wide = (_density(one, area_deg2) for one in (estimate.interval, estimate.wide_interval))
        known |= {f"{end}_95": wide[end] for end in ("lower", "upper")}
        known |= {name: getattr(estimate, name) for name in ERRORS}
        known |= {"committee": estimate.committee, "committee_per_deg2": estimate.per(area_deg2).committee}
    if np.isnan(estimate.true):
        return known
    return known | {"true": estimate.true, "true_per_deg2": estimate.per(area_deg2).true}


def _density(count: PoissonCount, area_deg2: float) -> dict[str, float]:
    scaled = count.per(area_deg2)
    return {"number": count.value, "per_deg2": scaled.value, "lower": scaled.lower, "upper": scaled.upper}


def interval_text(count: PoissonCount, digits: int = 1) -> str:
    """Return a count with its interval: "163.0 (+13.8 / −12.8)"."""
    if np.isnan(count.value):
        return "–"
    above, below = count.upper - count.value, count.value - count.lower
    return f"{count.value:,.{digits}f} (+{above:,.{digits}f} / −{below:,.{digits}f})"
