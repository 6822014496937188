"""Job and cluster files: TOML into frozen objects, checked; a typo is an error that names the key.

A job file holds the science, a cluster file where it runs; the command line holds neither. Each table of a
job file is an options dataclass of the room that it configures, so that a new option is written once.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from jpasbatch.compute.clusters.executor import Cluster
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.pools import load_pools
from jpasbatch.compute.clusters.registry import CLUSTERS, import_kind
from jpasbatch.errors import InputError
from jpasbatch.job.explanations import check_values, choices, explain
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.job.gates import GateOptions
from jpasbatch.job.learning_checks import check_learning
from jpasbatch.job.paths import resolve_paths
from jpasbatch.job.sections import (
    CalibrationSection,
    CatalogueSection,
    CommitteeSection,
    FeaturesSection,
    MockTable,
    SamplesSection,
    Section,
    check_name,
)
from jpasbatch.job.travelling import (
    check_auxiliary,
    check_combination,
    check_fetched,
)
from jpasbatch.job.unions import OneOf
from jpasbatch.learning.augmentation import Augmentation
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.classifiers.protocol import Classifier
from jpasbatch.learning.classifiers.registry import CLASSIFIERS
from jpasbatch.learning.decision import Decision
from jpasbatch.learning.inference import InferenceOptions
from jpasbatch.learning.losses import LOSSES, CrossEntropy, Loss
from jpasbatch.learning.plan import TrainingOptions, TrainingPlan
from jpasbatch.learning.redshifts import RedshiftOptions
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.learning.stopping import STOP_RULES, LowestLoss, StopRule
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.priors.options import PriorOptions
from jpasbatch.products.registry import ProductRequest, check_tables, product_tables
from jpasbatch.regular_files import read_text
from jpasbatch.scoring.options import CombinationOptions, EvaluationOptions
from jpasbatch.storage.foreign.options import ForeignTable, check_foreign

DATA_VARIABLE = "JPASBATCH_DATA"
DATA_PLACEHOLDER = "{data}"
if TYPE_CHECKING:
    ProductTables = Section
else:
    # the tables that products declare: no list of them is kept here
    ProductTables = create_model(
        "ProductTables",
        __base__=Section,
        __module__=__name__,
        **{table.name: (table.kind, table.default) for table in product_tables()},
    )


class Job(ProductTables):
    """A whole job file.

    Attributes
    ----------
    name : str
        Lower-case name, used in reports.
    survey : str
        A survey of the package (``jpas60``) or the path of a survey file.
    seed : int
        From which all random streams of training derive.
    mock : MockTable, optional
        The table as it is written; `jpasbatch.mocks.options.table.load_checked_job` checks and completes it.
    fetch : FetchOptions, optional
        Tables of a TAP service; they are the catalogue's input then.
    foreign : tuple of ForeignTable
        What others say of the objects of the catalogue.
    combination : CombinationOptions, optional
        Our classifier and those of others as one.
    gates : GateOptions
        What holds the publication of a new version back.
    """

    unwritten: ClassVar[frozenset[str]] = frozenset({"foreign", "combination"})

    name: str
    title: str = ""
    survey: str
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    classes: dict[str, ClassDefinition] = Field(default_factory=dict)
    mock: MockTable | None = None
    fetch: FetchOptions | None = None
    catalogue: CatalogueSection = CatalogueSection()
    foreign: tuple[ForeignTable, ...] = ()
    features: FeaturesSection = FeaturesSection()
    samples: SamplesSection = SamplesSection()
    model: Annotated[Classifier, OneOf(CLASSIFIERS)] = MultilayerPerceptron()
    training: TrainingOptions = TrainingOptions()
    loss: Annotated[Loss, OneOf(LOSSES)] = CrossEntropy()
    stop: Annotated[StopRule, OneOf(STOP_RULES)] = LowestLoss()
    augmentation: Augmentation = Augmentation()
    calibration: CalibrationSection = CalibrationSection()
    decision: Decision = Decision()
    prior: PriorOptions = PriorOptions()
    committee: CommitteeSection = CommitteeSection()
    inference: InferenceOptions = InferenceOptions()
    redshifts: RedshiftOptions | None = None
    evaluation: EvaluationOptions = EvaluationOptions()
    combination: CombinationOptions | None = None
    gates: GateOptions = GateOptions()

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        return check_name(name)

    @model_validator(mode="after")
    def _loss_and_stop_fit(self) -> Job:
        check_learning(self.model, self.plan, self.decision, self.classes, self.samples, self.committee)
        return self

    @model_validator(mode="after")
    def _columns_travel(self) -> Job:
        check_auxiliary(self.features.auxiliary, self.model, self.catalogue, self.fetch is not None)
        check_fetched(self.fetch, self.catalogue.carry)
        return self

    @property
    def auxiliary(self) -> tuple[CarriedColumn, ...]:
        """The columns that the classifier sees besides, as tables have them."""
        carried = {one.published: one for one in self.catalogue.carry}
        return tuple(carried.get(name, CarriedColumn(name)) for name in self.features.auxiliary)

    @model_validator(mode="after")
    def _one_catalogue(self) -> Job:
        if self.fetch is not None and (self.catalogue.input is not None or self.catalogue.sample is not None):
            raise ValueError(
                "fetch: the tables that are fetched are the catalogue; leave out catalogue.input and sample"
            )
        return self

    @model_validator(mode="after")
    def _classes_exist(self) -> Job:
        for class_name in self.classes:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", class_name):
                raise ValueError(
                    f"classes: '{class_name}' must be a-z 0-9 _ since columns are named after it"
                )
        check_tables(self.product_options, tuple(self.classes))
        try:
            check_foreign(self.foreign, tuple(self.classes))
            check_combination(self.combination, self.foreign, self.combined, tuple(self.classes))
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def combined(self) -> tuple[ForeignTable, ...]:
        """The tables of others that are combined with our classifier."""
        if self.combination is None:
            return ()
        return tuple(
            one for one in self.foreign if not self.combination.of or one.name in self.combination.of
        )

    @property
    def plan(self) -> TrainingPlan:
        """How a member is trained: the tables ``[training]``, ``[loss]`` and ``[stop]`` together."""
        return TrainingPlan(**asdict(self.training), loss=self.loss, stop=self.stop)

    @property
    def product_options(self) -> dict[str, Any]:
        """The tables of products, by name."""
        return {table.name: getattr(self, table.name) for table in product_tables()}

    @property
    def products(self) -> ProductRequest:
        """What is made of the probabilities."""
        corrected = self.prior.kind != "none"
        return ProductRequest(self.survey, self.classes, self.seed, self.product_options, corrected)


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
    return validate(Job, read_job(path, data), path)


def read_job(path: Path, data: Path | None = None) -> dict[str, Any]:
    """Return the tables of a job file, with absolute paths; their keys and values are not checked yet.

    Parameters and errors as for `load_job`.
    """
    tables = resolve_paths(expand_data(read_toml(path), data, path))
    if isinstance(model := tables.get("model"), dict):
        tables["model"] = {"kind": MultilayerPerceptron.kind, **model}
    return tables


def load_cluster(path: Path | None) -> Cluster:
    """Read and check a cluster file; without one, two processes on this machine.

    Raises
    ------
    InputError
        As `load_job`.
    """
    if path is None:
        return LocalCluster()
    tables = read_toml(path)
    if "pools" in tables:
        return load_pools(tables, _one_cluster, str(path))
    return _one_cluster(tables, path)


def _one_cluster(tables: dict[str, Any], where: Path | str) -> Cluster:
    if "kind" not in tables:
        raise InputError(f"{where}: 'kind' is missing; allowed: {', '.join(CLUSTERS)}")
    kind = str(tables["kind"])
    if kind not in CLUSTERS:
        raise InputError(f"{where}: kind: found '{kind}'{choices(kind, list(CLUSTERS))}")
    return validate(import_kind(kind), tables, where)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    InputError
        When it cannot be read or parsed (duplicate keys are refused by TOML itself), or holds a value
        that no key takes.
    """
    try:
        tables = tomllib.loads(read_text(path))
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


def validate(kind: type, tables: dict[str, Any], origin: Path | str) -> Any:
    """Return the checked object; nothing is converted (``"15"`` and ``15.0`` are no whole numbers).

    Parameters
    ----------
    kind : type
        What the tables become: a model or a dataclass.
    tables : dict
    origin : Path or str
        Where the tables come from; errors begin with it.

    Raises
    ------
    InputError
        When a key is unknown or missing, or a value is not allowed; it names all of them.
    """
    try:
        # of all forms only JSON is strict about types and takes a list for a tuple
        return TypeAdapter(kind).validate_json(json.dumps(tables), strict=True)
    except ValidationError as error:
        lines = [explain(kind, item) for item in error.errors()]
        raise InputError(f"{origin}: " + "; ".join(dict.fromkeys(lines))) from error
