"""Job and cluster files: TOML into frozen objects, checked; a typo is an error that names the key.

A job file holds the science, a cluster file where it runs; the command line holds neither. Each table of a
job file is an options dataclass of the room that it configures, so that a new option is written once.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from jpasbatch.compute.cluster import AddressCluster, LocalCluster, SerialCluster
from jpasbatch.config_errors import check_values, explain
from jpasbatch.errors import InputError
from jpasbatch.learning.augmentation import Augmentation
from jpasbatch.learning.calibration import CALIBRATIONS
from jpasbatch.learning.models import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.runtimes import InferenceOptions
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.learning.training import TrainingPlan
from jpasbatch.learning.trees import BoostedTrees, RandomForest
from jpasbatch.mocks.broadband.options import BroadbandSky
from jpasbatch.mocks.populations import MockSky
from jpasbatch.mocks.spectra import ObservedSpectra
from jpasbatch.mocks.template_options import TemplateSky
from jpasbatch.photometry.features import FEATURES
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.products.counts import CountOptions
from jpasbatch.products.distributions import DistributionOptions
from jpasbatch.products.survey_tally import ProductOptions
from jpasbatch.products.targets import TargetProgramme
from jpasbatch.products.weave import Submission
from jpasbatch.storage.catalogue import PartitionOptions

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
DATA_VARIABLE = "JPASBATCH_DATA"
DATA_PLACEHOLDER = "{data}"
PATHS = {
    "catalogue": ("input", "filter_table"),
    "samples": ("training", "validation", "filter_table"),
    "mock": ("spectra", "filters", "templates"),
    "committee": ("artefact",),
    "submission": ("template",),
}
"""Keys of a job file that hold paths, relative to the working directory."""


class Section(BaseModel):
    """A table of a job file: frozen, and any key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class CatalogueSection(Section):
    """Where the survey's tables are and how they become a partitioned catalogue.

    Attributes
    ----------
    input : str, optional
        A table or a folder of tables (FITS, Parquet, CSV, VOTable). Without it the job's mock is ingested.
    sample : str, optional
        Which set of the job's mock is the catalogue, where the mock makes sets; without it the mock says.
    filter_table : str, optional
        A CEFCA ``Filter`` table (CSV) that names the bands of array columns in files without one.
    cuts : QualityCuts
        Which quality flags a row may carry, and what to do when an object id occurs twice.
    partitions : PartitionOptions
        How the sky is divided.
    """

    input: str | None = None
    sample: Literal["training", "validation", "test", "field", "survey", "held_out"] | None = None
    filter_table: str | None = None
    cuts: QualityCuts = QualityCuts()
    partitions: PartitionOptions = PartitionOptions()

    @model_validator(mode="after")
    def _one_source(self) -> CatalogueSection:
        if self.input is not None and self.sample is not None:
            raise ValueError("give input (tables of a survey) or sample (a set of the mock), and not both")
        return self


class FeaturesSection(Section):
    """Which representation of the fluxes the classifier sees.

    Attributes
    ----------
    kind : str
    missing, mask : optional
        Options of the kind ``magnitudes_and_errors``.
    without : tuple of str
        Groups of bands, or bands, that the classifier does not see.
    """

    kind: str = "relative_flux"
    missing: Literal["zero", "band_median", "neighbours"] | None = None
    mask: bool | None = None
    without: tuple[str, ...] = ()

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
        """Options that are set, as `jpasbatch.photometry.features.make_features` takes them."""
        named = {"missing": self.missing, "mask": self.mask, "without": list(self.without) or None}
        return {key: value for key, value in named.items() if value is not None}


class SamplesSection(Section):
    """Labelled tables to learn from, and to test on, in any form that ``ingest`` reads.

    Attributes
    ----------
    training, validation : str, optional
        Without them the job's mock provides both.
    training_share : float
        Share of the training sample that is learnt from, drawn by the job's seed.
    tests : dict of str to str
        Samples that ``evaluate`` scores the committee on, by name; without any, the test set of the job's mock.
    filter_table : str, optional
        A CEFCA ``Filter`` table (CSV) that names the bands of array columns in files without one.
    """

    training: str | None = None
    validation: str | None = None
    training_share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    tests: dict[str, str] = {}
    filter_table: str | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> SamplesSection:
        if (self.training is None) != (self.validation is None):
            raise ValueError(
                "give both training and validation, or neither (then the job's mock provides them)"
            )
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
        Classifiers to train (paper A: eight networks).
    grow : bool
        Whether to stop earlier, once the validation f1 does not improve with another member.
    artefact : str, optional
        Folder of a trained committee to use instead of training one.
    """

    members: Annotated[int, Field(ge=1, le=64)] = 8
    grow: bool = False
    artefact: str | None = None


Model = Annotated[
    MultilayerPerceptron | ResidualNetwork | RandomForest | BoostedTrees, Field(discriminator="kind")
]
Mock = Annotated[MockSky | ObservedSpectra | TemplateSky | BroadbandSky, Field(discriminator="kind")]


class Job(Section):
    """A whole job file.

    Attributes
    ----------
    name : str
        Lower-case name, used in reports.
    survey : str
        A survey of the package (``jpas60``) or the path of a survey file.
    seed : int
        From which all random streams of training derive.
    """

    name: str
    title: str = ""
    survey: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    classes: dict[str, ClassDefinition] = {}
    mock: Mock | None = None
    catalogue: CatalogueSection = CatalogueSection()
    features: FeaturesSection = FeaturesSection()
    samples: SamplesSection = SamplesSection()
    model: Model = MultilayerPerceptron()
    training: TrainingPlan = TrainingPlan()
    augmentation: Augmentation = Augmentation()
    calibration: CalibrationSection = CalibrationSection()
    committee: CommitteeSection = CommitteeSection()
    inference: InferenceOptions = InferenceOptions()
    counts: CountOptions = CountOptions()
    distributions: DistributionOptions = DistributionOptions()
    targets: tuple[TargetProgramme, ...] = ()
    submission: Submission = Submission()

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        return check_name(name)

    @model_validator(mode="after")
    def _classes_exist(self) -> Job:
        for class_name in self.classes:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", class_name):
                raise ValueError(
                    f"classes: '{class_name}' must be a-z 0-9 _ since columns are named after it"
                )
        sections = [("counts", self.counts), *((f"targets[{i}]", t) for i, t in enumerate(self.targets))]
        for key, section in sections if self.classes else ():
            unknown = [name for name in section.classes if name not in self.classes]
            if unknown:
                raise ValueError(
                    f"{key}.classes: '{unknown[0]}' is not a class of this job; allowed: {', '.join(self.classes)}"
                )
        _ = self.products  # two target lists in one file are refused
        return self

    @property
    def products(self) -> ProductOptions:
        """What is made of the probabilities."""
        return ProductOptions(self.counts, self.distributions, self.targets, seed=self.seed)


def load_job(path: Path, data: Path | None = None) -> Job:
    """Read and check a job file.

    Parameters
    ----------
    path : Path
        A TOML file.
    data : Path, optional
        What ``{data}`` stands for in its paths; the variable ``JPASBATCH_DATA`` otherwise.

    Returns
    -------
    Job

    Raises
    ------
    InputError
        When the file is missing, is not TOML, has an unknown key or a value that is not allowed.
    """
    tables = resolve_paths(expand_data(read_toml(path), data, path))
    if isinstance(model := tables.get("model"), dict):
        tables["model"] = {"kind": MultilayerPerceptron.kind, **model}
    return validate(Job, tables, path)


def load_cluster(path: Path | None) -> SerialCluster | LocalCluster | AddressCluster:
    """Read and check a cluster file; without one, two processes on this machine.

    Raises
    ------
    InputError
        As `load_job`.
    """
    if path is None:
        return LocalCluster()
    cluster_type = Annotated[SerialCluster | LocalCluster | AddressCluster, Field(discriminator="kind")]
    return validate(cluster_type, read_toml(path), path)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    InputError
        When it cannot be read or parsed (duplicate keys are refused by TOML itself), or holds a value
        that no key takes.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # also integers of 5000 digits and lists 1000 deep
        raise InputError(f"{path}: not valid TOML: {error}") from error
    try:
        check_values(tables)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return tables


def expand_data(value: Any, data: Path | None, path: Path) -> Any:
    """Replace ``{data}`` in every string of a job by the folder of public data.

    Raises
    ------
    InputError
        When a path needs the folder and none is named.
    """
    if isinstance(value, dict):
        return {key: expand_data(item, data, path) for key, item in value.items()}
    if isinstance(value, list):
        return [expand_data(item, data, path) for item in value]
    if not isinstance(value, str) or DATA_PLACEHOLDER not in value:
        return value
    folder = data or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if folder is None:
        raise InputError(
            f"{path}: '{value}' needs the folder of public data; name it with --data FOLDER or {DATA_VARIABLE}"
        )
    return value.replace(DATA_PLACEHOLDER, str(folder))


def resolve_paths(tables: dict[str, Any]) -> dict[str, Any]:
    """Make the paths of a job absolute: workers have working directories of their own."""
    resolved = dict(tables)
    for table, keys in PATHS.items():
        if isinstance(section := tables.get(table), dict):
            named = {key: _absolute(section[key]) for key in keys if key in section}
            resolved[table] = {**section, **named}
    samples = resolved.get("samples")
    if isinstance(samples, dict) and isinstance(tests := samples.get("tests"), dict):
        resolved["samples"] = samples | {"tests": {name: _absolute(path) for name, path in tests.items()}}
    survey = tables.get("survey")
    if isinstance(survey, str) and survey.endswith(".toml"):
        resolved["survey"] = _absolute(survey)
    return resolved


def _absolute(value: Any) -> Any:
    return str(Path(value).absolute()) if isinstance(value, str) and value else value


def validate(kind: Any, tables: dict[str, Any], path: Path) -> Any:
    """Return the checked object; nothing is converted (``"15"`` and ``15.0`` are no whole numbers)."""
    try:
        # a union of dataclasses has no model above it that would forbid unknown keys
        config = None if isinstance(kind, type) else ConfigDict(extra="forbid")
        # of all forms only JSON is strict about types and takes a list for a tuple
        return TypeAdapter(kind, config=config).validate_json(json.dumps(tables), strict=True)
    except ValidationError as error:
        lines = [explain(kind, item) for item in error.errors()]
        raise InputError(f"{path}: " + "; ".join(dict.fromkeys(lines))) from error
