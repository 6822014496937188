"""Tables of a job file that belong to no single room: where things are, and which of them are used."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from jpasbatch.learning.calibration import CALIBRATIONS
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.carried.rules import CarriedRule
from jpasbatch.photometry.features.registry import FEATURES
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.overlaps import LINKS, OverlapOptions
from jpasbatch.storage.catalogue.plan import PartitionOptions

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Section(BaseModel):
    """A table of a job file: frozen, and any key that it does not know is an error.

    Attributes
    ----------
    unwritten : frozenset of str
        Keys that a dump lacks where they are empty. What a job does not use is no part of its fingerprints, so that a
        key that came later makes no run out of date.
    """

    unwritten: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _without_unused(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = write(self)
        return {key: value for key, value in content.items() if value or key not in self.unwritten}


def check_name(name: str) -> str:
    """Return a name that can be that of a folder and a column, or raise `ValueError`."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"found {name!r}; allowed: a lower-case letter or digit, then a-z 0-9 _ - (40 at most)"
        )
    return name


def check_calibration(kind: str) -> str:
    """Return a kind of calibration, or raise `ValueError`."""
    if kind not in CALIBRATIONS:
        raise ValueError(f"found '{kind}'; allowed: {', '.join(CALIBRATIONS)}")
    return kind


def named_column(value: Any) -> Any:
    """Return the table that a name alone stands for: a column that travels under its own name."""
    return {"column": value} if isinstance(value, str) else value


class CatalogueSection(Section):
    """Where the survey's tables are and how they become a partitioned catalogue.

    Attributes
    ----------
    input : str, optional
        A table or a folder of tables (FITS, Parquet, CSV, VOTable). Without it the job's mock is ingested.
    sample : str, optional
        Which set of the job's mock is the catalogue, where the mock makes sets; without it the mock says.
    variants : dict of str to str
        Samples of mocks that are wrong in a stated way, by name: how far counts move when such a sample validates the
        committee is their systematic error.
    filter_table : str, optional
        A CEFCA ``Filter`` table (CSV) that names the bands of array columns in files without one.
    aperture : str
        In which fluxes are read, by its name in the survey file (``"3_0_cor"``), also those of tables to learn from;
        the survey's own choice without it. Sets that a mock makes have no apertures.
    carry : tuple of CarriedColumn
        Further columns of the tables that travel into the catalogue: names, or tables with ``column``, ``name`` (that
        in the catalogue) and ``missing`` (a number that stands for "not known").
    rules : tuple of CarriedRule
        What a row must meet in the columns that travel.
    rejected : {"whole", "reasons"}
        Whether rows that are rejected are kept with all columns of their files (in ``quarantine/ingest-...-rows``), or
        only their ids, positions and reasons: whole rows take as much space as they do in the files.
    cuts : QualityCuts
        Which quality flags a row may carry, and what to do when an object id occurs twice.
    overlaps : OverlapOptions, optional
        How rows of overlapping tiles become one row an object; without it every row is one.
    partitions : PartitionOptions
        How the sky is divided.
    """

    unwritten: ClassVar[frozenset[str]] = frozenset({"carry", "rules", "overlaps"})

    input: str | None = None
    sample: Literal["training", "validation", "test", "field", "survey", "held_out"] | None = None
    filter_table: str | None = None
    aperture: str = ""
    carry: tuple[Annotated[CarriedColumn, BeforeValidator(named_column)], ...] = ()
    rules: tuple[CarriedRule, ...] = ()
    rejected: Literal["whole", "reasons"] = "whole"
    cuts: QualityCuts = QualityCuts()
    overlaps: OverlapOptions | None = None
    partitions: PartitionOptions = PartitionOptions()

    @model_validator(mode="after")
    def _one_source(self) -> CatalogueSection:
        if self.input is not None and self.sample is not None:
            raise ValueError("give input (tables of a survey) or sample (a set of the mock), and not both")
        return self

    @model_validator(mode="after")
    def _links_have_a_name_of_their_own(self) -> CatalogueSection:
        if self.overlaps is not None and any(one.published.lower() == LINKS for one in self.carry):
            raise ValueError(
                f"carry: '{LINKS}' is the column of the rows that [catalogue.overlaps] dropped; rename it"
            )
        return self


class MockTable(BaseModel):
    """The table of a job's mock, as plain data: only `jpasbatch.mocks` knows what its other keys mean.

    Attributes
    ----------
    kind : str
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str

    @property
    def options(self) -> dict[str, Any]:
        """The other keys of the table with their values, as TOML or JSON holds them."""
        return dict(self.model_extra or {})


class FeaturesSection(Section):
    """Which representation of the fluxes the classifier sees.

    Attributes
    ----------
    kind : str
    missing, mask : optional
        Options of the kind ``magnitudes_and_errors``.
    without : tuple of str
        Groups of bands, or bands, that the classifier does not see.
    auxiliary : tuple of str
        Columns of numbers, by their names in the catalogue, that the classifier sees besides.
    """

    unwritten: ClassVar[frozenset[str]] = frozenset({"auxiliary"})

    kind: str = "relative_flux"
    missing: Literal["zero", "band_median", "neighbours"] | None = None
    mask: bool | None = None
    without: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()

    @field_validator("auxiliary")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a column is named twice")
        return names

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in FEATURES:
            raise ValueError(f"found '{kind}'; allowed: {', '.join(sorted(FEATURES))}")
        return kind

    @model_validator(mode="after")
    def _options_of_the_kind(self) -> FeaturesSection:
        allowed = getattr(FEATURES[self.kind], "options", ())
        foreign = [
            key for key in ("missing", "mask") if getattr(self, key) is not None and key not in allowed
        ]
        if foreign:
            raise ValueError(
                f"'{foreign[0]}' is no option of kind '{self.kind}'; allowed: {', '.join(allowed)}"
            )
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options that are set, as `jpasbatch.photometry.features.registry.make_features` takes them."""
        named: dict[str, Any] = {
            "missing": self.missing,
            "mask": self.mask,
            "without": list(self.without) or None,
        }
        named["auxiliary"] = list(self.auxiliary) or None
        return {key: value for key, value in named.items() if value is not None}


class SamplesSection(Section):
    """Labelled tables to learn from, and to test on, in any form that ``ingest`` reads.

    Attributes
    ----------
    training, validation : str, optional
        Without them the job's mock provides both.
    labelled : str, optional
        One sample for both, and to test on: cross validation.
    folds : int
        Into how many parts it is divided, each with the same share of every class; 3 at least.
    fold_seed : int
        Jobs of the same sample, folds and seed have the same parts.
    nested : bool
        Whether the part that is tested decides nothing; false is the way of Chen et al. 2021, whose training stops
        on the part that it is scored on.
    training_share : float
        Share of the training sample that is learnt from, drawn by the job's seed.
    tests : dict of str to str
        Samples that ``evaluate`` scores the committee on, by name; without any, the test set of the job's mock.
    variants : dict of str to str
        Samples of mocks that are wrong in a stated way, by name: how far counts move when such a sample validates the
        committee is their systematic error.
    filter_table : str, optional
        A CEFCA ``Filter`` table (CSV) that names the bands of array columns in files without one.
    """

    training: str | None = None
    validation: str | None = None
    labelled: str | None = None
    folds: Annotated[int, Field(ge=3, le=100)] | None = None
    fold_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    nested: bool = True
    training_share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    tests: dict[str, str] = {}
    variants: dict[str, str] = {}
    filter_table: str | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> SamplesSection:
        if (self.training is None) != (self.validation is None):
            raise ValueError(
                "give both training and validation, or neither (then the job's mock provides them)"
            )
        if (self.labelled is None) != (self.folds is None):
            raise ValueError("labelled and folds belong together: one sample, and how many parts it has")
        if self.labelled is not None and (self.training is not None or self.training_share < 1.0):
            raise ValueError("with labelled there is no training, validation or training_share")
        return self


class CalibrationSection(Section):
    """How the committee's probabilities are calibrated on the validation sample."""

    kind: str = "none"

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return check_calibration(kind)


class CommitteeSection(Section):
    """How many classifiers vote, or where a trained committee lies.

    Attributes
    ----------
    members : int
        Classifiers to train (paper A: eight networks); with folds, of each fold.
    grow : bool
        Whether to stop earlier, once the validation f1 does not improve with another member.
    weights : {"float32", "float16"}
        How the weights of networks are kept. In half precision a committee takes half of the space; it is calibrated
        and scored as it is kept, and computes in single precision.
    artefact : str, optional
        Folder of a trained committee to use instead of training one, or the name of one that comes with the package.
    begin : str, optional
        The same of a committee whose networks the training begins with (fine-tuning). It must be of the same survey,
        classes, ``[features]`` and ``[model]``; features and input scaling stay as they are there. Where the job has
        more members than that committee, they begin with its members in turn.
    """

    members: Annotated[int, Field(ge=1, le=64)] = 8
    grow: bool = False
    weights: Literal["float32", "float16"] = "float32"
    artefact: str | None = None
    begin: str | None = None
