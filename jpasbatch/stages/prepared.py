"""Labelled samples as arrays in the folder of a training: read and checked once, then shared by all members."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.config import Job
from jpasbatch.errors import InputError
from jpasbatch.learning.samples import UNLABELLED, LabelledFeatures, label
from jpasbatch.mocks.noise import NoiseModel
from jpasbatch.mocks.template_options import TemplateSky
from jpasbatch.photometry.features import Features, make_features
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import matrix_of, photometry_from_table
from jpasbatch.stages.commits import hash_files
from jpasbatch.stages.draws import TrainingDraws
from jpasbatch.stages.samples import NOISELESS, read_sample
from jpasbatch.storage.files import written_aside
from jpasbatch.storage.ledger import Ledger

TRAINING, VALIDATION = SAMPLES = ("training", "validation")


@dataclass(frozen=True, eq=False)
class PreparedSample:
    """A sample whose objects all have a class and features.

    Attributes
    ----------
    photometry : Photometry
    labels : ndarray of int16, shape (n,)
    noiseless : ndarray of float32, shape (n, bands), or None
    """

    photometry: Photometry
    labels: np.ndarray
    noiseless: np.ndarray | None = None

    def magnitude(self, survey: Survey) -> np.ndarray:
        """Return the magnitude of the reference band, float32 (n,)."""
        return ab_magnitude(self.photometry.flux[:, survey.reference_index])

    def labelled(self, features: Features, classes: tuple[str, ...]) -> LabelledFeatures:
        """Return features and labels of all objects."""
        return LabelledFeatures(features(self.photometry), self.labels, classes)


def prepare_sample(files: list[str], part: str, job: Job, folder: str) -> dict[str, Any]:
    """Read a labelled sample, write aside what can teach, then commit.

    Returns
    -------
    dict
        ``rows``, ``rejected`` rows by reason, ``classes`` (rows by class) and the state of the features, which are
        fitted to the whole training sample.
    """
    survey = load_survey(job.survey)
    noiseless = part == TRAINING and job.augmentation.noise == "fresh"
    accepted, rejected = read_sample([Path(path) for path in files], survey, job, noiseless)
    photometry, labels = photometry_from_table(accepted, survey), _labels(accepted, job)
    ledger = Ledger(Path(folder) / "ledger")
    fitted = ledger.read(TRAINING)
    features = (
        make_features(job.features.kind, survey, job.features.options).fit(photometry)
        if fitted is None
        else make_features(job.features.kind, survey, fitted["features"])
    )
    usable = (labels != UNLABELLED) & np.isfinite(features(photometry)).all(axis=1)
    unused = int((~usable).sum())
    if part == TRAINING:
        usable &= _chosen(len(usable), job.samples.training_share, job.seed)
    sample = PreparedSample(
        photometry.select(usable),
        labels[usable],
        matrix_of(accepted, NOISELESS, len(survey.bands))[usable] if noiseless else None,
    )
    by_class = dict(
        zip(job.classes, np.bincount(sample.labels, minlength=len(job.classes)).tolist(), strict=True)
    )
    _check_classes(by_class, part, files)
    rejected["no class of the job, or no features"] = unused
    record = {
        "rows": len(sample.labels),
        "rejected": {reason: count for reason, count in sorted(rejected.items()) if count},
        "classes": by_class,
        "features": features.state(),
        "files": hash_files(Path(folder), _save_sample(sample, Path(folder), part)),
    }
    ledger.commit(part, record)
    return record


def _labels(table: pa.Table, job: Job) -> np.ndarray:
    return label(
        table["true_class"].to_numpy(zero_copy_only=False), table["true_redshift"].to_numpy(), job.classes
    )


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
    arrays = {"flux": sample.photometry.flux, "flux_err": sample.photometry.flux_err, "labels": sample.labels}
    if sample.noiseless is not None:
        arrays["noiseless"] = sample.noiseless
    paths = []
    for name, array in arrays.items():
        path = folder / f"{part}-{name}.npy"
        with written_aside(path) as aside, aside.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        paths.append(path)
    return paths


def read_prepared(folder: Path, part: str) -> PreparedSample:
    """Read a sample that `prepare_sample` wrote; the members of a machine share its pages."""

    def read(name: str) -> np.ndarray:
        return np.load(folder / f"{part}-{name}.npy", mmap_mode="r", allow_pickle=False)

    noiseless = read("noiseless") if (folder / f"{part}-noiseless.npy").is_file() else None
    return PreparedSample(Photometry(read("flux"), read("flux_err")), read("labels"), noiseless)


def fitted_features(folder: Path, job: Job, survey: Survey) -> Features:
    """Return the job's features as they were fitted to the training sample.

    Raises
    ------
    InputError
        When no training sample was prepared.
    """
    record = Ledger(folder / "ledger").read(TRAINING)
    if record is None:
        raise InputError(f"{folder}: no training sample was prepared there")
    return make_features(job.features.kind, survey, record["features"])


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
    """Return the noise of the job's own mock, or that of mocks as they come."""
    return job.mock.noise if isinstance(job.mock, TemplateSky) else NoiseModel()
