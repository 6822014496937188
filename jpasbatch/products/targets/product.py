"""The product ``targets``: lists of targets for spectrographs, as files that WEAVE takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.pages.page import package_file
from jpasbatch.products.counts.errors import CountErrors
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.expected.tally import ThresholdCurves
from jpasbatch.products.posteriors import committee_column
from jpasbatch.products.protocol import (
    Columns,
    Findings,
    JobTable,
    LookUp,
    Partition,
    Parts,
    Product,
    Version,
    Writer,
)
from jpasbatch.products.published import description, table_writers
from jpasbatch.products.record import record_schema
from jpasbatch.products.sections import Number, PageFigure, Section, render_body
from jpasbatch.products.targets.candidates import find_candidates, veto_columns
from jpasbatch.products.targets.exclusions import exclusions_of
from jpasbatch.products.targets.figure import (
    chosen_lengths,
    priority_numbers,
    target_priorities,
    yield_figure,
    yield_numbers,
)
from jpasbatch.products.targets.lists import TargetListsTally, TargetOptions
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.published_list import TEMPLATE, PublishedList
from jpasbatch.products.targets.targets import TargetLists
from jpasbatch.products.targets.told import list_warnings, rule_lines
from jpasbatch.products.targets.weave import Submission, weave_file_name
from jpasbatch.products.targets.weave_template import open_template
from jpasbatch.products.targets.yields import CURVE_UNITS, curve_table, shared_shift

if TYPE_CHECKING:
    from markupsafe import Markup


class Targets(Product[TargetListsTally, TargetLists]):
    """Target lists."""

    name = "targets"
    tables = (
        JobTable("targets", tuple[TargetProgramme, ...], (), paths=("exclude", "exclude_circles", "fields")),
        JobTable("submission", Submission, Submission(), paths=("template",)),
    )

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> TargetOptions:
        """Return the lists, and who submits them."""
        return TargetOptions(tables["targets"], tables["submission"])

    @classmethod
    def named_classes(cls, options: TargetOptions) -> Iterable[tuple[str, Sequence[str]]]:
        """Yield the classes of each list."""
        for number, programme in enumerate(options.programmes):
            yield f"targets[{number}].classes", programme.classes

    @classmethod
    def named_roles(cls, options: TargetOptions) -> Iterable[tuple[str, str]]:
        """Yield the band of the magnitude limits of each list."""
        for number, programme in enumerate(options.programmes):
            yield f"targets[{number}].magnitude_role", programme.magnitude_role

    def check(self) -> None:
        """Raise `InputError` where a list has another number of limits than the survey has magnitude bins."""
        survey = self.setting.survey
        for number, programme in enumerate(self.options.programmes):
            limits = len(programme.min_probability_by_bin)
            if limits not in (0, len(survey.magnitude_bins)):
                raise InputError(
                    f"targets[{number}].min_probability_by_bin has {limits} values: survey {survey.name!r} has "
                    f"{len(survey.magnitude_bins)} magnitude bins"
                )

    def check_files(self) -> None:
        """Raise `InputError` where a table of a rule, or the template, cannot be used."""
        for programme in self.options.programmes:
            exclusions_of(programme)
        if self.options.submission.template:
            open_template(Path(self.options.submission.template), TEMPLATE)

    def columns(self) -> Columns:
        """Return the columns that `add` reads: all of the records, and what vetoes read; none without lists."""
        if not self.options.programmes:
            return Columns()
        survey, classes = self.setting.survey, self.setting.class_names
        own = record_schema(survey, classes, self.setting.redshifts).names
        if self.setting.corrected:
            own += [committee_column(name) for name in classes]
        vetoes = [name for rule in self.options.programmes for name in veto_columns(rule)]
        further = tuple(dict.fromkeys(name for name in vetoes if name not in own))
        return Columns(predictions=tuple(own), photometry=further)

    def create(self) -> TargetListsTally:
        """Return the tally of no objects."""
        return TargetListsTally.create(self.options.lists)

    def add(self, tally: TargetListsTally, partition: Partition) -> TargetListsTally:
        """Return the tally with the candidates of a partition added."""
        if not self.options.programmes:
            return tally
        lists, seed = self.options.lists, self.setting.seed
        return tally.add([find_candidates(partition, rules, seed) for rules in lists])

    def from_record(self, record: dict[str, Any]) -> TargetListsTally:
        """Return the tally that `to_record` described."""
        return TargetListsTally.from_dict(record, self.options.lists)

    def parts(self, tally: TargetListsTally) -> Mapping[str, pa.Table]:
        """Return the candidates of the partition, list by list."""
        return {_part(number): found for number, found in enumerate(tally.candidates)}

    def extract(self, tally: TargetListsTally, look_up: LookUp) -> TargetLists:
        """Return what each list holds; `complete` gives it the area."""
        return TargetLists(tally.extract())

    def complete(self, found: TargetLists, findings: Findings) -> TargetLists:
        """Return the lists with the area that densities are of, and the error that all probabilities share."""
        area, shift = _area(findings), _shared_shift(findings)
        return TargetLists(tuple(replace(one, area_deg2=area, shift=shift) for one in found.lists))

    def numbers(self, found: TargetLists, findings: Findings) -> Iterator[Number]:
        """Yield the number of targets of all lists."""
        if found.lists:
            total = sum(one.number for one in found.lists)
            names = ", ".join(one.programme.programme for one in found.lists)
            yield Number("WEAVE targets", f"{total:,}", names)

    def warnings(self, found: TargetLists, findings: Findings) -> Iterable[str]:
        """Return what is blank and must be filled in before a submission, and what a list does not keep."""
        if not found.lists:
            return
        yield from self.options.submission.warnings()
        for one in found.lists:
            yield from list_warnings(one)

    def figures(self, found: TargetLists, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the priorities of each list, and what more fibres gain."""
        figures = {}
        for number, one in enumerate(found.lists):
            name = one.programme.programme
            numbers, text = priority_numbers(one), f"Targets of {name} by priority"
            figures[f"priorities{number}"] = PageFigure(target_priorities(numbers), text, numbers)
            if len(one.entries):
                numbers, text = yield_numbers(one), f"What more fibres gain for {name}"
                figures[f"yield{number}"] = PageFigure(
                    yield_figure(numbers, chosen_lengths(one)), text, numbers
                )
        return figures

    def section(
        self, found: TargetLists, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return a table of the lists, their rules and priorities; None without lists."""
        if not found.lists:
            return None
        counts = findings.get(CountSummary)
        body = render_body(
            package_file("products/targets/section.html.j2"),
            self.setting.class_names,
            lists=found.lists,
            files=[weave_file_name(one.programme) for one in found.lists],
            rules=[list(rule_lines(one)) for one in found.lists],
            dense=counts is not None and counts.area_deg2 > 0,
            figures=figures,
        )
        return Section("targets", "WEAVE targets", "WEAVE targets", body)

    def summary(self, found: TargetLists, findings: Findings) -> dict[str, Any]:
        """Return the numbers of each list, by its file."""
        lists = {
            weave_file_name(one.programme): {
                "number": one.number,
                "vetoed": one.vetoed,
                "expected_right": one.expected,
                "expected_right_interval": list(one.interval),
                "priorities": one.priorities.tolist(),
                "submittable": not self.options.submission.warnings() and one.number > 0,
                "rules": [asdict(line) for line in rule_lines(one)],
            }
            for one in found.lists
        }
        return {"targets": lists}

    def headline(self, found: TargetLists, findings: Findings) -> dict[str, Any]:
        """Return the number of targets of each list, by its file."""
        return {weave_file_name(one.programme): one.number for one in found.lists}

    def files(
        self, found: TargetLists, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return what more fibres gain, of each list."""
        writers: dict[str, Writer] = {}
        for one in found.lists:
            stem = weave_file_name(one.programme).removesuffix(".fits")
            table = curve_table(one.curves, one.area_of_curves, one.shift)
            told = description(findings, created) | {"meaning": MEANING}
            writers |= table_writers(f"targets/{stem}-yield", table, CURVE_UNITS, told)
        return writers

    def versions(
        self, found: TargetLists, parts: Parts, findings: Findings, look_up: LookUp
    ) -> Iterable[Version]:
        """Return a version of each list."""
        told = {key: text for key, text in description(findings, "").items() if key != "created"}
        told |= {"bands": ",".join(self.setting.survey.band_names)}
        for number, one in enumerate(found.lists):
            candidates = partial(parts, _part(number))
            yield PublishedList(one, self.options.submission, candidates, look_up, told).version()


MEANING = (
    "the best lists that a rule allows, by length; expected_right: sum of probabilities, with the central 68 % of what "
    "may come true; fibres_per_field: 0 where fibres are not counted by field; gain_of_last_fibre: mean probability of "
    "the objects that the last fibre of each field got"
)


def _part(number: int) -> str:
    return f"targets-{number}"


def _area(findings: Findings) -> float:
    counts = findings.get(CountSummary)
    return counts.area_deg2 if counts is not None and counts.area_deg2 > 0 else float("nan")


def _shared_shift(findings: Findings) -> float:
    """Return the standard error of the log-odds that all objects share, as far as counts know it.

    What a wrong calibration and wrong mocks do to the count of the job, in units of what a shift of all log-odds does.
    """
    errors, curves, counts = (
        findings.get(CountErrors),
        findings.get(ThresholdCurves),
        findings.get(CountSummary),
    )
    if errors is None or curves is None or counts is None:
        return 0.0
    counted = counts.options.classes
    place = -1 if len(counted) > 1 else findings.setting.class_names.index("".join(counted))
    moved = float(
        curves.variance[-1, place, 0]
    )  # of the group that is counted, above threshold 0: sum of p (1 - p)
    return shared_shift((errors.selected.calibration, errors.selected.systematic), moved)
