"""Files that compare jobs: TOML into frozen objects, checked as job files are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from jpasbatch.job.job import expand_data, read_toml, validate
from jpasbatch.job.paths import absolute_paths
from jpasbatch.job.sections import Section, check_calibration, check_name
from jpasbatch.storage.foreign.options import ForeignTable


class CombinedSection(Section):
    """Several classifiers that vote together, by a fit to the validation sample.

    Attributes
    ----------
    name : str
    of : tuple of str
        Titles of classifiers.
    """

    name: str
    of: Annotated[tuple[str, ...], Field(min_length=2)]


class ChosenSection(Section):
    """The best of several classifiers, chosen anew in every fold by what validates it: a choice that sees no test.

    What the best of them is better by on the tests, than this, is the luck of having been chosen there.

    Attributes
    ----------
    name : str
    of : tuple of str
        Titles of classifiers.
    by : {"roc_auc", "log_loss"}
        Area under the curve of the class that is sought, or the mean logarithmic loss; both on those objects that
        validate all of them.
    """

    name: str
    of: Annotated[tuple[str, ...], Field(min_length=2)]
    by: Literal["roc_auc", "log_loss"] = "log_loss"


class RepeatsSection(Section):
    """Seeds with which everything is trained and tested again: what a difference is worth.

    Attributes
    ----------
    seeds : tuple of int
        Of the trainings; each in the place of the job's own.
    folds : bool
        Whether objects are dealt to folds anew too, with the seed in the place of ``fold_seed``.
    of : tuple of str
        Titles of the classifiers; all of them if empty. What is made of others is left out.
    """

    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=2, max_length=100)]
    folds: bool = True
    of: tuple[str, ...] = ()

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("the same seed twice is the same training twice; give different ones")
        return seeds


class CalibratedSection(Section):
    """A classifier that is calibrated in another way, on the validation sample.

    Attributes
    ----------
    name : str
    of : str
        Title of a classifier.
    kind : str
        Kind of calibration.
    """

    name: str
    of: str
    kind: str

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return check_calibration(kind)


class PublishedSection(Section):
    """Scores that others published, measured on other data.

    Attributes
    ----------
    name : str
    source : str
    confusion : tuple of matrices
        One for each bin of magnitude: true class in rows, predicted class in columns, in the order of the job's
        classes.
    completeness : dict of str to float
        By class, of all objects.
    accuracy, roc_auc : float, optional
        Of all objects.
    """

    name: str
    source: str
    confusion: tuple[tuple[tuple[int, ...], ...], ...] = ()
    completeness: dict[str, float] = Field(default_factory=dict)
    accuracy: float | None = None
    roc_auc: float | None = None


class DetectionSection(Section):
    """One class that the classifiers are to find among all others.

    Attributes
    ----------
    of : str
        The class.
    others_completeness : float
        Completeness of the other classes at which the classifiers are compared.
    """

    of: str
    others_completeness: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.85


class ExternalSection(Section):
    """A score that others give to the same objects, for instance what a fit of spectral energy distributions says.

    Attributes
    ----------
    name : str
    table : str
        A CSV file.
    id, column : str
        Its columns with the object id and with the score; objects without a number are left out.
    descending : bool
        Whether a low score speaks for the class.
    """

    name: str
    table: str
    id: str
    column: str
    descending: bool = False


class FieldSection(Section):
    """Objects without labels, on which the classifiers are asked how far they agree.

    Attributes
    ----------
    table : str
        A table or a folder of tables of the survey.
    of : tuple of str
        Titles of the classifiers.
    """

    table: str
    of: Annotated[tuple[str, ...], Field(min_length=2, max_length=6)]


class FindingsSection(Section):
    """Titles of the classifiers on which the findings of paper A are tested."""

    network: str
    network_hybrid: str
    forest: str
    reduced: str | None = None
    reduced_hybrid: tuple[str, ...] = ()


class Comparison(Section):
    """A file that compares jobs.

    Attributes
    ----------
    name, title : str
    jobs : tuple of str
        Job files, relative to the folder of this file; their titles name the classifiers.
    sample : str
        Test sample that is compared in full.
    further : tuple of str
        Test samples of which the table shows the scores of all objects.
    reference : str
        Title of the classifier that the others are measured against.
    combined, chosen, calibrated, published, findings, detection, external, foreign, field, repeats
        See there.
    """

    name: str
    title: str
    jobs: Annotated[tuple[str, ...], Field(min_length=2)]
    sample: str
    further: tuple[str, ...] = ()
    reference: str
    combined: tuple[CombinedSection, ...] = ()
    chosen: tuple[ChosenSection, ...] = ()
    calibrated: tuple[CalibratedSection, ...] = ()
    published: tuple[PublishedSection, ...] = ()
    findings: FindingsSection | None = None
    detection: DetectionSection | None = None
    external: tuple[ExternalSection, ...] = ()
    foreign: tuple[ForeignTable, ...] = ()
    field: FieldSection | None = None
    repeats: RepeatsSection | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        return check_name(name)


def load_comparison(path: Path, data: Path | None = None) -> Comparison:
    """Read and check a file that compares jobs; the paths of its jobs become absolute.

    Parameters
    ----------
    path : Path
    data : Path, optional
        What ``{data}`` stands for.

    Raises
    ------
    InputError
        As `load_job`.
    """
    tables = expand_data(read_toml(path), data, path)
    if isinstance(jobs := tables.get("jobs"), list):
        tables["jobs"] = [str((path.parent / one).resolve()) if isinstance(one, str) else one for one in jobs]
    if isinstance(foreign := tables.get("foreign"), list):
        tables["foreign"] = absolute_paths(foreign, ("table",))
    return validate(Comparison, tables, path)
