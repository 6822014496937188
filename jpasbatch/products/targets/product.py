"""The product ``targets``: lists of targets for spectrographs, as files that WEAVE takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.pages.page import package_file
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.protocol import (
    Columns,
    Findings,
    JobTable,
    LookUp,
    Partition,
    Parts,
    Product,
    Writer,
)
from jpasbatch.products.record import (
    HEALPIX_COLUMN,
    magnitude_column,
    magnitude_error_column,
    probability_column,
)
from jpasbatch.products.sections import Number, PageFigure, Section, render_body
from jpasbatch.products.targets.figure import target_priorities
from jpasbatch.products.targets.lists import TargetListsTally, TargetOptions
from jpasbatch.products.targets.targets import (
    TargetLists,
    TargetProgramme,
    chosen_but_vetoed,
    select_targets,
    target_schema,
)
from jpasbatch.products.targets.weave import Submission, weave_file_name, write_weave_catalogue
from jpasbatch.products.targets.weave_template import WeaveTemplate, read_template
from jpasbatch.regular_files import require_regular

if TYPE_CHECKING:
    from markupsafe import Markup


class Targets(Product[TargetListsTally, TargetLists]):
    """Target lists."""

    name = "targets"
    tables = (
        JobTable("targets", tuple[TargetProgramme, ...], ()),
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

    def columns(self) -> Columns:
        """Return the columns that `add` reads; none without lists."""
        if not self.options.programmes:
            return Columns()
        written = target_schema().names
        needed = [
            name
            for role in self.setting.survey.reported_bands
            for name in (magnitude_column(role), magnitude_error_column(role))
            if name in written
        ]
        for programme in self.options.programmes:
            needed += [magnitude_column(programme.magnitude_role)]
            needed += [probability_column(name) for name in programme.classes]
        fixed = (HEALPIX_COLUMN, "object_id", "ra", "dec", "predicted_class", "magnitude_bin", "class_star")
        return Columns(predictions=tuple(dict.fromkeys((*fixed, "subset", *needed))))

    def create(self) -> TargetListsTally:
        """Return the tally of no objects."""
        return TargetListsTally.create(self.options.programmes)

    def add(self, tally: TargetListsTally, partition: Partition) -> TargetListsTally:
        """Return the tally with the targets of a partition added."""
        programmes, seed = self.options.programmes, self.setting.seed
        targets = [select_targets(partition.predictions, one, seed) for one in programmes]
        vetoed = [chosen_but_vetoed(partition.predictions, one) for one in programmes]
        if partition.observed is None:
            return tally.add(targets, targets, vetoed)
        inside = partition.observed_part.predictions
        return tally.add(targets, [select_targets(inside, one, seed) for one in programmes], vetoed)

    def from_record(self, record: dict[str, Any]) -> TargetListsTally:
        """Return the tally that `to_record` described."""
        return TargetListsTally.from_dict(record, self.options.programmes)

    def parts(self, tally: TargetListsTally) -> Mapping[str, pa.Table]:
        """Return the targets of the partition, list by list."""
        return {_part(number): targets for number, targets in enumerate(tally.targets)}

    def extract(self, tally: TargetListsTally, look_up: LookUp) -> TargetLists:
        """Return the numbers of each list."""
        return TargetLists(tally.extract())

    def numbers(self, found: TargetLists, findings: Findings) -> Iterator[Number]:
        """Yield the number of targets of all lists."""
        if found.lists:
            total = sum(one.number for one in found.lists)
            names = ", ".join(one.programme.programme for one in found.lists)
            yield Number("WEAVE targets", f"{total:,}", names)

    def warnings(self, found: TargetLists, findings: Findings) -> Iterable[str]:
        """Return what is blank and must be filled in before a submission."""
        return self.options.submission.warnings() if found.lists else ()

    def figures(self, found: TargetLists, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the priorities of each list."""
        return {
            f"priorities{number}": PageFigure(
                target_priorities(one), f"Targets of {one.programme.programme} by priority"
            )
            for number, one in enumerate(found.lists)
        }

    def section(
        self, found: TargetLists, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return a table of the lists and their priorities; None without lists."""
        if not found.lists:
            return None
        counts = findings.get(CountSummary)
        body = render_body(
            package_file("products/targets/section.html.j2"),
            self.setting.class_names,
            lists=found.lists,
            files=[weave_file_name(one.programme) for one in found.lists],
            counts=counts,
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
                "priorities": one.priorities.tolist(),
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
        """Return a target catalogue for each list."""
        return {
            f"targets/{weave_file_name(programme)}": partial(self._write, number, parts, created)
            for number, programme in enumerate(self.options.programmes)
        }

    def _write(self, number: int, parts: Parts, created: str, file: BinaryIO) -> None:
        submission = self.options.submission
        template = _template(submission.template)
        programme = self.options.programmes[number]
        write_weave_catalogue(file, parts(_part(number)), programme, submission, created, template)


def _part(number: int) -> str:
    return f"targets-{number}"


def _template(path: str) -> WeaveTemplate | None:
    if not path:
        return None
    try:
        require_regular(Path(path))
        with Path(path).open("rb") as file:
            return read_template(file)
    except OSError as error:
        raise InputError(f"submission.template: cannot read {path} ({error.strerror})") from error
