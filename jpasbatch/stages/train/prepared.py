"""Labelled samples as arrays in the folder of a training: read and checked once, then shared by all members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.job.job import Job
from jpasbatch.learning.augmentation import open_gaps
from jpasbatch.learning.samples import UNLABELLED, LabelledFeatures
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.noise import NoiseModel
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import matrix_of
from jpasbatch.scoring.folds import member_folds, member_rows, stratified_folds
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.mock_parts import TEMPLATES
from jpasbatch.stages.run.samples import (
    NOISELESS,
    groups_of,
    labels_of,
    read_sample,
    sample_photometry,
    sky_weights_of,
    stellarity_of,
)
from jpasbatch.stages.train.draws import TrainingDraws
from jpasbatch.storage.stores.files import written_aside

TRAINING, VALIDATION = SAMPLES = ("training", "validation")
OPTIONAL = ("noiseless", "fold", "weight", "class_star")
"""Arrays that not every sample has, in the order of `PreparedSample`."""
LABELLED = "labelled"
"""The one sample of a job with folds."""


@dataclass(frozen=True, eq=False)
class PreparedSample:
    """A sample whose objects all have a class and features.

    Attributes
    ----------
    photometry : Photometry
    labels : ndarray of int16, shape (n,)
    group : ndarray of int32, shape (n,)
        The same number for objects that descend from one parent.
    noiseless : ndarray of float32, shape (n, bands), or None
    fold : ndarray of int16, shape (n,), or None
    weight : ndarray of float32, shape (n,), or None
        How often the sky has what an object is, over how often the sample has it; None: each counts once.
    class_star : ndarray of float32, shape (n,), or None
        Stellarity, NaN where unknown; None: of no object.
    """

    photometry: Photometry
    labels: np.ndarray
    group: np.ndarray
    noiseless: np.ndarray | None = None
    fold: np.ndarray | None = None
    weight: np.ndarray | None = None
    class_star: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> PreparedSample:
        """Return some of the objects."""

        def part(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[rows]

        return PreparedSample(
            self.photometry.select(rows),
            self.labels[rows],
            self.group[rows],
            part(self.noiseless),
            part(self.fold),
            part(self.weight),
            part(self.class_star),
        )

    def magnitude(self, survey: Survey) -> np.ndarray:
        """Return the magnitude of the reference band, float32 (n,)."""
        return ab_magnitude(self.photometry.flux[:, survey.reference_index])

    def labelled(self, features: Features, classes: tuple[str, ...]) -> LabelledFeatures:
        """Return features and labels of all objects."""
        return LabelledFeatures(features(self.photometry), self.labels, classes)


@dataclass(frozen=True)
class SampleFacts(Facts):
    """What the commit of a prepared sample tells.

    Attributes
    ----------
    rejected, classes : dict of str to int
        Rows that were refused, by reason, and rows that are kept, by class.
    features : dict
        State of the features, which are fitted to the whole training sample.
    """

    rejected: dict[str, int]
    classes: dict[str, int]
    features: dict[str, Any]


def sample_parts(job: Job) -> tuple[str, ...]:
    """Return the samples that a job learns from; the first one fits its features."""
    return SAMPLES if job.samples.folds is None else (LABELLED,)


def prepare_sample(
    job: Job, folder: str, part: str, files: list[str], fitted: Mapping[str, Any] | None
) -> Made:
    """Read a labelled sample and write aside what can teach.

    The commit holds `SampleFacts`.

    Parameters
    ----------
    job : Job
    folder : str
        Of the run.
    part : str
        Which sample.
    files : list of str
        Its tables.
    fitted : mapping, optional
        State of features that are fitted; without it they are fitted to this sample.
    """
    survey = load_survey(job.survey, job.catalogue.aperture)
    noiseless = part == sample_parts(job)[0] and job.augmentation.noise == "fresh"
    accepted, rejected = read_sample([Path(path) for path in files], survey, job, noiseless)
    photometry, labels = sample_photometry(accepted, survey, job), labels_of(accepted, job)
    if part == VALIDATION:
        photometry = with_gaps(photometry, job, survey)
    features = (
        make_features(job.features.kind, survey, job.features.options).fit(photometry)
        if fitted is None
        else fitted_features(job, survey, fitted)
    )
    usable = (labels != UNLABELLED) & np.isfinite(features(photometry)).all(axis=1)
    unused = int((~usable).sum())
    if part == TRAINING:
        usable &= _chosen(len(usable), job.samples.training_share, job.seed)
    weights = sky_weights_of(accepted)
    stellarity = None if part == TRAINING else stellarity_of(accepted)  # no network learns from it
    sample = PreparedSample(
        photometry.select(usable),
        labels[usable],
        groups_of(accepted)[usable],
        matrix_of(accepted, NOISELESS, len(survey.bands))[usable] if noiseless else None,
        _folds(accepted, labels, usable, job),
        None if weights is None else weights[usable],
        None if stellarity is None else stellarity[usable],
    )
    by_class = dict(
        zip(job.classes, np.bincount(sample.labels, minlength=len(job.classes)).tolist(), strict=True)
    )
    _check_classes(by_class, part, files)
    rejected["no class of the job, or no features"] = unused
    facts = SampleFacts(
        rejected={reason: count for reason, count in sorted(rejected.items()) if count},
        classes=by_class,
        features=dict(features.state()),
    )
    return Made(len(sample.labels), facts, _save_sample(sample, Path(folder), part))


def with_gaps(photometry: Photometry, job: Job, survey: Survey) -> Photometry:
    """Return the photometry of a validation sample with gaps in as many objects as the training sees.

    They are drawn once: the same rows in the same order lack the same bands. So probabilities are calibrated for
    objects with gaps, and a committee knows with how few bands it was tried.
    """
    if not job.augmentation.gaps:
        return photometry
    rng = np.random.default_rng([job.seed, 5])
    return photometry.with_fluxes(
        *open_gaps(photometry.flux, photometry.flux_err, job.augmentation.gaps, survey, rng)
    )


def _folds(table: pa.Table, labels: np.ndarray, usable: np.ndarray, job: Job) -> np.ndarray | None:
    if job.samples.folds is None:
        return None
    identifiers = table["object_id"].filter(pa.array(usable)).to_pylist()
    return stratified_folds(identifiers, labels[usable], job.samples.folds, job.samples.fold_seed)


def _chosen(rows: int, share: float, seed: int) -> np.ndarray:
    """Return which rows (rows,) a share of them is: as many as it says, of all parts of the sky alike."""
    chosen = np.zeros(rows, dtype=bool)
    order = np.random.default_rng([seed, 4]).permutation(rows)
    chosen[order[: round(rows * share)]] = True
    return chosen


def _check_classes(by_class: dict[str, int], part: str, files: list[str]) -> None:
    empty = [name for name, count in by_class.items() if count == 0]
    if empty:
        raise InputError(
            f"the {part} sample ({', '.join(files[:3])}) holds no usable object of class {', '.join(empty)}; "
            f"found {by_class}. Add such objects, or correct `truth` and `redshift` in [classes]"
        )


def _save_sample(sample: PreparedSample, folder: Path, part: str) -> list[Path]:
    arrays = {"flux": sample.photometry.flux, "flux_err": sample.photometry.flux_err}
    arrays |= {"labels": sample.labels, "group": sample.group}
    if sample.photometry.auxiliary:  # one array, in the order of the job
        arrays["auxiliary"] = np.stack(list(sample.photometry.auxiliary.values()), axis=1)
    optional = {name: getattr(sample, name) for name in OPTIONAL}
    arrays |= {name: array for name, array in optional.items() if array is not None}
    paths = []
    for name, array in arrays.items():
        path = folder / f"{part}-{name}.npy"
        with written_aside(path) as aside, aside.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        paths.append(path)
    return paths


def read_prepared(folder: Path, part: str, auxiliary: Sequence[str] = ()) -> PreparedSample:
    """Read a sample that `prepare_sample` wrote; the members of a machine share its pages.

    Parameters
    ----------
    folder : Path
    part : str
    auxiliary : sequence of str
        The auxiliary columns of the job, in its order; features that need them refuse a sample without.
    """

    def read(name: str) -> np.ndarray:
        return np.load(folder / f"{part}-{name}.npy", mmap_mode="r", allow_pickle=False)

    optional = (read(name) if (folder / f"{part}-{name}.npy").is_file() else None for name in OPTIONAL)
    further = dict(zip(auxiliary, read("auxiliary").T, strict=True)) if auxiliary else {}
    photometry = Photometry(read("flux"), read("flux_err"), further)
    return PreparedSample(photometry, read("labels"), read("group"), *optional)


def member_samples(folder: Path, job: Job, index: int) -> tuple[PreparedSample, PreparedSample]:
    """Return what a member learns from and what validates it: the two samples, or the parts of one."""
    if job.samples.folds is None:
        training, validation = (read_prepared(folder, part, job.features.auxiliary) for part in SAMPLES)
        return training, validation
    sample = read_prepared(folder, LABELLED, job.features.auxiliary)
    assert sample.fold is not None
    pairs = member_folds(job.samples.folds, job.committee.members, job.samples.nested)
    learns, validates = member_rows(sample.fold, *pairs[index])
    return sample.take(learns), sample.take(validates)


def fitted_features(job: Job, survey: Survey, state: Mapping[str, Any]) -> Features:
    """Return the job's features as they were fitted to the training sample."""
    return make_features(job.features.kind, survey, dict(state))


def training_draws(
    sample: PreparedSample, job: Job, survey: Survey, features: Features, seed: int
) -> TrainingDraws:
    """Return the training set of a member, as the job's ``[augmentation]`` makes it from the sample."""
    return TrainingDraws(
        photometry=sample.photometry,
        noiseless=sample.noiseless,
        labels=sample.labels,
        classes=tuple(job.classes),
        survey=survey,
        features=features,
        augmentation=job.augmentation,
        noise=noise_model(job),
        seed=seed,
    )


def noise_model(job: Job) -> NoiseModel:
    """Return the noise of the job's own mock where it descends from template packs, else the default noise."""
    if job.mock is None or job.mock.kind != TEMPLATES:
        return NoiseModel()
    return NoiseModel(**job.mock.options.get("noise", {}))
