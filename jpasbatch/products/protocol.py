"""What a product is: something that is made of the predictions of a whole survey.

Every partition is counted on a worker into a *tally*. Tallies merge in any order to the tally of the survey. What that
says (its *findings*) is shown in a section of the page, written into ``summary.json``, and published as files.
`jpasbatch.products.registry.PRODUCTS` lists all products; ``docs/extending.md`` shows how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import pyarrow as pa

from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.pages.style import bin_label
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.publication import Version, Writer
from jpasbatch.products.sections import Number, PageFigure, Section

if TYPE_CHECKING:
    from markupsafe import Markup

    from jpasbatch.footprint.completeness import Completeness
    from jpasbatch.footprint.coverage import Coverage
    from jpasbatch.learning.redshifts import RedshiftRanges
    from jpasbatch.priors.prior import Prior

LookUp = Callable[[Mapping[str, int], Sequence[str] | None], pa.Table]
"""Reads rows of the photometry: takes the order-29 HEALPix pixel of each object by its identifier, and names of
columns (None: all of them); returns these columns, one row an object, in the same order."""

Parts = Callable[[str], Iterator[pa.Table]]
"""Reads what a product left of every partition under a name, partition by partition in the order of the sky."""


class Tally(Protocol):
    """What was counted of a part of a survey."""

    def merge(self, other: Self) -> Self:
        """Return the tally of both parts; the order of parts must not matter, to the last bit."""
        ...

    def extract(self) -> Any:
        """Return what the tally says."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values, without options and classes."""
        ...


Found = TypeVar("Found")
TallyT = TypeVar("TallyT", bound=Tally)
FoundT = TypeVar("FoundT")


@dataclass(frozen=True)
class JobTable:
    """A table of the job file with options of a product.

    Attributes
    ----------
    name : str
    kind : type or annotation
        A frozen dataclass, or a tuple of them for an array of tables.
    default : object
        What a job without the table has.
    paths : tuple of str
        Keys that name files; what the files hold decides the result too.
    """

    name: str
    kind: Any
    default: Any
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What all products of a job have in common.

    Attributes
    ----------
    survey : Survey
    classes : mapping of str to ClassDefinition
        In the order of the committee's outputs.
    seed : int
        Of all that is drawn at random.
    corrected : bool
        Whether the probabilities that products read are those under the class mix of the sky.
    prior : Prior, optional
        Where they are: the class shares that were found. Known where findings are made of tallies, not on workers.
    coverage : Coverage, optional
        The observed part of the sky, where files say it; known as the prior is.
    completeness : Completeness, optional
        The detected share of each magnitude, where a file says it; known as the prior is.
    provenance : mapping of str to str
        Job, fingerprints and versions, for the metadata of tables; known as the prior is.
    redshifts : RedshiftRanges, optional
        The ranges of redshift that candidates have probabilities of; None where records have no redshifts.
    """

    survey: Survey
    classes: Mapping[str, ClassDefinition]
    seed: int = 0
    corrected: bool = False
    prior: Prior | None = None
    coverage: Coverage | None = None
    completeness: Completeness | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    redshifts: RedshiftRanges | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.classes)

    @property
    def bins(self) -> tuple[str, ...]:
        """Magnitude bins of the survey's reference band as people write them."""
        return tuple(bin_label(self.survey.reference_band, limits) for limits in self.survey.magnitude_bins)


@dataclass(frozen=True)
class Columns:
    """Columns that a product reads of every partition; what no product asks for is not read.

    Attributes
    ----------
    predictions : tuple of str
        Of `jpasbatch.products.record.record_schema`.
    photometry : tuple of str
        Of `jpasbatch.photometry.table.catalogue_schema`.
    truth : bool
        Whether the product counts `Partition.labels`.
    """

    predictions: tuple[str, ...] = ()
    photometry: tuple[str, ...] = ()
    truth: bool = False


@dataclass(frozen=True)
class Partition:
    """The rows of a partition, or of a part of one.

    Attributes
    ----------
    predictions, photometry : pyarrow.Table
        The same objects in the same order, with the columns that products asked for.
    labels : ndarray of int16, shape (n,)
        Position of the true class; -1 where it is not known.
    observed : ndarray of bool, shape (n,), optional
        Which objects lie in the observed part of the sky; None where no file says it.
    """

    predictions: pa.Table
    photometry: pa.Table
    labels: np.ndarray
    observed: np.ndarray | None = None

    @property
    def outside(self) -> int:
        """Objects that lie outside of the observed part of the sky."""
        return 0 if self.observed is None else int((~self.observed).sum())

    @cached_property
    def observed_part(self) -> Partition:
        """The objects in the observed part of the sky, which densities count; all where no file says it."""
        if self.observed is None:
            return self
        kept = pa.array(self.observed)
        return Partition(
            self.predictions.filter(kept), self.photometry.filter(kept), self.labels[self.observed]
        )


class Findings:
    """What the products of a survey found.

    Parameters
    ----------
    setting : Setting
    found : mapping
        What each product found, by the name of the product.
    origin_of_truth : str
        How the true classes are known, as the end of a sentence: "from the catalogue".
    """

    def __init__(self, setting: Setting, found: Mapping[str, Any], origin_of_truth: str) -> None:
        self.setting = setting
        self.found = dict(found)
        self.origin_of_truth = origin_of_truth

    def get(self, kind: type[Found]) -> Found | None:
        """Return what the product that finds this type found; None where there is no such product."""
        return next((one for one in self.found.values() if isinstance(one, kind)), None)

    def completed(self, products: Iterable[Product]) -> Findings:
        """Return these findings with what each product adds that knows what all others found."""
        found = {
            one.name: one.complete(self.found[one.name], self) for one in products if one.name in self.found
        }
        return Findings(self.setting, self.found | found, self.origin_of_truth)


class Product(Protocol[TallyT, FoundT]):
    """A product of one job. A subclass writes the methods that have no default, and those that differ.

    The record of a tally needs to hold neither options nor classes: it is read back by the same product.

    Attributes
    ----------
    name : str
        In tallies and in the output of ``summarise``.
    tables : tuple of JobTable
        Its options in the job file.
    setting : Setting
    options : object
        What `options_of` made of its tables; None for a product without tables.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[JobTable, ...]] = ()
    setting: Setting
    options: Any

    def __init__(self, setting: Setting, options: Any = None) -> None:
        self.setting = setting
        self.options = options

    # options

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> Any:
        """Return the product's options, made of the tables of a job; raise `ValueError` if they disagree."""
        return tables[cls.tables[0].name] if cls.tables else None

    @classmethod
    def named_classes(cls, options: Any) -> Iterable[tuple[str, Sequence[str]]]:
        """Yield each key of the job file that names classes, with these."""
        return ()

    @classmethod
    def named_roles(cls, options: Any) -> Iterable[tuple[str, str]]:
        """Yield each key of the job file that names a reported band by its role, with the role."""
        return ()

    def check(self) -> None:
        """Raise `InputError` where the options do not fit the survey."""

    def check_files(self) -> None:
        """Raise `InputError` where a file that the options name is wrong: before a run begins, and not at its end."""

    # tallies

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        ...

    def create(self) -> TallyT:
        """Return the tally of no objects."""
        ...

    def add(self, tally: TallyT, partition: Partition) -> TallyT:
        """Return the tally with a partition added."""
        ...

    def merge(self, tally: TallyT, other: TallyT) -> TallyT:
        """Return the tally of both parts; the order of parts must not matter, to the last bit."""
        return tally.merge(other)

    def to_record(self, tally: TallyT) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return tally.to_dict()

    def from_record(self, record: dict[str, Any]) -> TallyT:
        """Return the tally that `to_record` described."""
        ...

    def parts(self, tally: TallyT) -> Mapping[str, pa.Table]:
        """Return tables of the partition that was added last, to be kept for `files`, by name."""
        return {}

    def extract(self, tally: TallyT, look_up: LookUp) -> FoundT:
        """Return what the tally of the survey says."""
        return tally.extract()

    def complete(self, found: FoundT, findings: Findings) -> FoundT:
        """Return what was found, with what follows from the findings of other products."""
        return found

    # what is shown and published

    def numbers(self, found: FoundT, findings: Findings) -> Iterable[Number]:
        """Return numbers for the top of the page."""
        return ()

    def warnings(self, found: FoundT, findings: Findings) -> Iterable[str]:
        """Return what a reader must know before using the product, one sentence each."""
        return ()

    def figures(self, found: FoundT, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the figures of the section, by name; names are unique over all products."""
        return {}

    def section(self, found: FoundT, findings: Findings, figures: Mapping[str, Markup]) -> Section | None:
        """Return the section of the page, with the figures as SVG; None where there is nothing to show."""
        return None

    def summary(self, found: FoundT, findings: Findings) -> dict[str, Any]:
        """Return the product's part of ``summary.json``: JSON-able values by key of the file.

        Two products may share a key whose value is a dict; its keys then differ.
        """
        return {}

    def headline(self, found: FoundT, findings: Findings) -> dict[str, Any] | None:
        """Return what the stage records and the command line prints, under the name of the product."""
        return None

    def files(self, found: FoundT, parts: Parts, created: str, findings: Findings) -> Mapping[str, Writer]:
        """Return the files to publish, by path in the output folder.

        Parameters
        ----------
        parts : callable
            Reads what `parts` kept of each partition.
        created : str
            ISO date and time: an argument, so that files can be made again byte by byte.
        findings : Findings
            Of all products.
        """
        return {}

    def versions(self, found: FoundT, parts: Parts, findings: Findings, look_up: LookUp) -> Iterable[Version]:
        """Return what is published as versions; arguments as those of `files`, and what reads the photometry."""
        return ()
