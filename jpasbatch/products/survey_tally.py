"""All tallies of a survey as one: what a partition adds to the products, and what the report shows."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.accumulation import require_equal
from jpasbatch.products.counts import CountOptions, CountTally
from jpasbatch.products.distributions import DistributionOptions, DistributionTally
from jpasbatch.products.examples import ExampleTally
from jpasbatch.products.sky import SkyTally
from jpasbatch.products.targets.targets import TargetProgramme, TargetTally, select_targets


@dataclass(frozen=True)
class ProductOptions:
    """What is made of the probabilities of a survey.

    Attributes
    ----------
    counts : CountOptions
    distributions : DistributionOptions
    targets : tuple of TargetProgramme
    examples_per_kind : int
        Example objects for each predicted class and magnitude bin; the report shows one.
    seed : int
        Of the targets' sub-priorities.
    """

    counts: CountOptions = field(default_factory=CountOptions)
    distributions: DistributionOptions = field(default_factory=DistributionOptions)
    targets: tuple[TargetProgramme, ...] = ()
    examples_per_kind: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.examples_per_kind < 1:
            raise ValueError(f"examples_per_kind = {self.examples_per_kind}: must be at least 1")
        names = [(one.programme, one.trimester) for one in self.targets]
        if len(set(names)) != len(names):
            raise ValueError("targets: two lists have the same programme and trimester, and so the same file")


def check_products(options: ProductOptions, survey: Survey, classes: tuple[str, ...]) -> None:
    """Refuse options that name classes or magnitudes which the records do not have.

    Raises
    ------
    InputError
        Naming the key, what was found, and what is allowed.
    """
    axes = options.distributions
    roles = [
        ("counts.band_role", options.counts.band_role),
        ("distributions.magnitude_role", axes.magnitude_role),
        *(("distributions.colour_x", role) for role in axes.colour_x),
        *(("distributions.colour_y", role) for role in axes.colour_y),
        *(
            (f"targets[{number}].magnitude_role", one.magnitude_role)
            for number, one in enumerate(options.targets)
        ),
    ]
    for key, role in roles:
        if role not in survey.reported_bands:
            allowed = ", ".join(survey.reported_bands) or "none"
            raise InputError(f"{key} = {role!r}: survey {survey.name!r} reports the magnitudes {allowed}")
    named = [("counts.classes", name) for name in options.counts.classes]
    for number, programme in enumerate(options.targets):
        named += [(f"targets[{number}].classes", name) for name in programme.classes]
        limits = len(programme.min_probability_by_bin)
        if limits not in (0, len(survey.magnitude_bins)):
            raise InputError(
                f"targets[{number}].min_probability_by_bin has {limits} values: survey {survey.name!r} has "
                f"{len(survey.magnitude_bins)} magnitude bins"
            )
    for key, name in named:
        if name not in classes:
            raise InputError(f"{key} names {name!r}: the classes are {', '.join(classes)}")


@dataclass(frozen=True)
class SurveyTally:
    """The tallies of a survey; `add` takes a partition, `merge` another tally."""

    options: ProductOptions
    counts: CountTally
    sky: SkyTally
    distributions: DistributionTally
    examples: ExampleTally
    targets: tuple[TargetTally, ...]

    @classmethod
    def create(cls, classes: tuple[str, ...], magnitude_bins: int, options: ProductOptions) -> "SurveyTally":
        """Return empty tallies for these classes and so many magnitude bins."""
        return cls(
            options=options,
            counts=CountTally.create(options.counts, magnitude_bins),
            sky=SkyTally.create(classes),
            distributions=DistributionTally.create(classes, magnitude_bins, options.distributions),
            examples=ExampleTally.create(classes, options.examples_per_kind),
            targets=tuple(TargetTally.create(programme) for programme in options.targets),
        )

    def add(self, record: pa.Table, table: pa.Table, photometry: Photometry) -> "SurveyTally":
        """Return these tallies with a partition added; rows of all three agree (see `ExampleTally.add`)."""
        seed = self.options.seed
        return SurveyTally(
            options=self.options,
            counts=self.counts.add(record),
            sky=self.sky.add(record),
            distributions=self.distributions.add(record),
            examples=self.examples.add(record, table, photometry),
            targets=tuple(one.add(select_targets(record, one.programme, seed)) for one in self.targets),
        )

    def merge(self, other: "SurveyTally") -> "SurveyTally":
        """Return the tallies of both parts."""
        require_equal(self.options, other.options, "product options")
        return SurveyTally(
            options=self.options,
            counts=self.counts.merge(other.counts),
            sky=self.sky.merge(other.sky),
            distributions=self.distributions.merge(other.distributions),
            examples=self.examples.merge(other.examples),
            targets=tuple(mine.merge(one) for mine, one in zip(self.targets, other.targets, strict=True)),
        )

    def extract(self) -> dict[str, Any]:
        """Return the summaries under the names that `ReportContent` gives them."""
        return {
            "counts": self.counts.extract(),
            "sky": self.sky.extract(),
            "distributions": self.distributions.extract(),
            "examples": self.examples.extract(),
            "targets": tuple(one.extract() for one in self.targets),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the tallies without their options as JSON-able values."""
        return {
            "counts": self.counts.to_dict(),
            "sky": self.sky.to_dict(),
            "distributions": self.distributions.to_dict(),
            "examples": self.examples.to_dict(),
            "targets": [one.to_dict() for one in self.targets],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], options: ProductOptions) -> "SurveyTally":
        """Return the tallies that `to_dict` wrote for the same options."""
        return cls(
            options=options,
            counts=CountTally.from_dict(values["counts"], options.counts),
            sky=SkyTally.from_dict(values["sky"]),
            distributions=DistributionTally.from_dict(values["distributions"], options.distributions),
            examples=ExampleTally.from_dict(values["examples"]),
            targets=tuple(
                TargetTally.from_dict(one, programme)
                for one, programme in zip(values["targets"], options.targets, strict=True)
            ),
        )
