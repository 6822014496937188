"""Compare networks that cost the same to classify with: dense layers as today, attention over bands, sets of bands.

    python benchmarks/compare_networks.py RUN FOLDER [--rows 60000] [--epochs 15] [--seeds 1 2] [--data PACK]

RUN is the output folder of jobs/pretrained/jpas60.toml, of which the mock alone is read. Every network learns from the
same objects in the same order, drawn anew with gaps and faults at each epoch as the job says, with the same plan, and
is scored alone, with one temperature that is fitted to the validation sample (with gaps). ``pretrained`` is the network
of today that first learns to fill in noiseless fluxes from spoilt ones, for a third of the same epochs. Prints a line a
network and seed, and keeps the votes in FOLDER. The networks are described in ``set_networks.py``. With --data, BOSS
spectra are scored too (FOLDER/boss_spectra and FOLDER/jpas_filters of it), which is no criterion.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from set_networks import BandAttention, Bands, BandSet, QueryAttention

from jpasbatch.job.job import Job, load_job
from jpasbatch.learning.augmentation import Augmentation, open_gaps, spoil
from jpasbatch.learning.backend import limit_threads_once, load_keras
from jpasbatch.learning.calibration import TemperatureCalibration, softmax
from jpasbatch.learning.classifiers.networks import ResidualNetwork
from jpasbatch.learning.f1 import weighted_f1
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures, label
from jpasbatch.learning.scaling import InputScaling
from jpasbatch.learning.training import compiled, predicted_logits
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.skies.builtin import observed_spectra_table
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.noise import observe_again, sky_noise
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import matrix_of
from jpasbatch.scoring.stress import TRIPLE, UNSPOILT, spoil_sample, survey_stresses
from jpasbatch.stages.run.samples import NOISELESS, labels_of, list_sample, read_sample, sample_photometry
from jpasbatch.stages.train.prepared import noise_model

JOB = Path(__file__).resolve().parents[1] / "jobs" / "pretrained" / "jpas60.toml"
TESTED, EVERY_TRIPLE = 10_000, 6
BINS = 10
"""Of the highest probability, for the expected calibration error."""
BOSS_SEEDS = range(1, 11)
RESIDUAL = ResidualNetwork(width=256, blocks=4)
SETS = {"attention": BandAttention(), "queries": QueryAttention(), "set": BandSet()}
KINDS = ("residual", *SETS, "pretrained")


@dataclass(frozen=True)
class Sample:
    """Objects with their true fluxes, and everything that an epoch is drawn with."""

    job: Job
    augmentation: Augmentation
    survey: Survey
    photometry: Photometry
    noiseless: np.ndarray
    labels: np.ndarray

    @cached_property
    def sky(self) -> np.ndarray:
        """Noise of the sky of each band, (n, bands)."""
        return sky_noise(self.noiseless, self.photometry.flux_err, self.survey.zero_point_error)

    def draw(self, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return features (m, inputs) of an epoch, in an order drawn by chance, and the rows (m,) that they are of."""
        rng = np.random.default_rng([seed, 2, number])
        measured = observe_again(
            self.noiseless, self.sky, self.survey.zero_point_error, noise_model(self.job), rng
        )
        features = features_of(Photometry(*spoil(measured, self.augmentation, self.survey, rng)), self.survey)
        rows = rng.permutation(np.flatnonzero(np.isfinite(features).all(axis=1)))
        return features[rows], rows

    def true_fluxes(self) -> np.ndarray:
        """Return the relative fluxes that a network fills in, (n, bands - 1); NaN where a band was never observed."""
        relative = features_of(Photometry(self.noiseless, self.photometry.flux_err), self.survey)
        others = np.arange(len(self.survey.bands)) != self.survey.reference_index
        found = relative[:, : others.sum()]
        found[np.isnan(self.noiseless[:, others])] = np.nan
        return found


def features_of(photometry: Photometry, survey: Survey) -> np.ndarray:
    """Return the features of today, (n, 3 bands); NaN where they are not defined."""
    return make_features("fluxes_and_errors", survey, {})(photometry)


def read_labelled(path: Path, job: Job, survey: Survey, rows: int, noiseless: bool = False) -> Sample:
    """Return some objects of a sample, drawn by chance."""
    table, _ = read_sample(list_sample(path), survey, job, noiseless)
    labels = labels_of(table, job)
    chosen = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(labels >= 0))[:rows])
    photometry = sample_photometry(table, survey, job).select(chosen)
    true = matrix_of(table, NOISELESS, len(survey.bands))[chosen] if noiseless else photometry.flux
    return Sample(job, job.augmentation, survey, photometry, true, labels[chosen])


Tests = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Features, labels and reference magnitudes by the name of a set."""


def test_sets(run: Path, job: Job, survey: Survey, data: Path | None) -> Tests:
    """Return the validation sample with gaps, held-out libraries, the test sample under each stress, and BOSS."""
    found = {}

    def add(name: str, photometry: Photometry, labels: np.ndarray) -> None:
        features = features_of(photometry, survey)
        usable = np.isfinite(features).all(axis=1) & (labels >= 0)
        magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])
        found[name] = features[usable], labels[usable], magnitude[usable]

    validation = read_labelled(run / "mock" / "validation", job, survey, 30_000)
    fluxes = validation.photometry.flux, validation.photometry.flux_err
    gaps = open_gaps(*fluxes, job.augmentation.gaps, survey, np.random.default_rng(77))
    add("validation", Photometry(*gaps), validation.labels)
    libraries = read_labelled(run / "mock" / "held_out", job, survey, 100_000)
    add("libraries", libraries.photometry, libraries.labels)
    test = read_labelled(run / "mock" / "test", job, survey, TESTED)
    stresses = survey_stresses(survey)
    chosen = [one for one in stresses if one.name != TRIPLE]
    for stress in [*chosen, *[one for one in stresses if one.name == TRIPLE][::EVERY_TRIPLE]]:
        add(stress.title, spoil_sample(test.photometry, stress, survey), test.labels)
    for seed in BOSS_SEEDS if data else ():
        options = ObservedSpectra(
            spectra=str(data / "boss_spectra"), filters=str(data / "jpas_filters"), seed=seed
        )
        table = observed_spectra_table(options, survey)
        labels = label(table["true_class"], table["true_redshift"], job.classes)
        add(f"boss {seed}", Photometry(table["flux"], table["flux_err"]), labels)
    return found


def train(kind: str, sample: Sample, plan: TrainingPlan, seed: int) -> tuple[Any, InputScaling]:
    """Return a trained Keras model and the scaling of its features."""
    scaling = InputScaling.fit(sample.draw(seed, 1)[0])
    survey, classes = sample.survey, len(sample.job.classes)
    if kind in SETS:
        size = len(survey.bands)
        unknown = np.full(3 * size, 3.0, dtype=np.float32)
        bands = Bands(size, survey.reference_index, scaling(unknown[None])[0, 2 * size - 1 : -1])
        network = SETS[kind].build(bands, classes, seed)
        epochs: Iterator[int] = iter(range(1, plan.epochs + 1))
    else:
        network = RESIDUAL.build(3 * len(survey.bands), classes, seed)
        first = plan.epochs // 3 if kind == "pretrained" else 0
        if first:
            _fill_in(network, sample, scaling, seed, first)
        epochs = iter(range(first + 1, plan.epochs + 1))
        plan = TrainingPlan(**{**vars(plan), "epochs": plan.epochs - first})
    network = compiled(
        network,
        plan,
        LabelledFeatures(sample.photometry.flux[:, :0], sample.labels, tuple(sample.job.classes)),
    )
    targets = np.eye(classes, dtype=np.float32)
    for number in epochs:
        features, rows = sample.draw(seed, number)
        outcome = network.fit(
            scaling(features),
            targets[sample.labels[rows]],
            batch_size=plan.batch_size,
            shuffle=False,
            verbose=0,
        )
        print(
            f"  {kind} {seed}: epoch {number}, loss {outcome.history['loss'][0]:.4f}",
            file=sys.stderr,
            flush=True,
        )
    return network, scaling


def _fill_in(network: Any, sample: Sample, scaling: InputScaling, seed: int, epochs: int) -> None:
    """Train all but the logits of a network: noiseless relative fluxes of all bands from spoilt photometry."""
    keras = load_keras()
    ops = keras.ops
    true = sample.true_fluxes()
    width = true.shape[1]
    true = np.arcsinh((true - scaling.centre[:width]) / scaling.scale[:width])

    def loss(target: Any, found: Any) -> Any:
        known = ops.isfinite(target)
        difference = ops.where(known, target, 0.0) - ops.where(known, found, 0.0)
        return ops.mean(ops.square(difference), axis=-1)

    filling = RESIDUAL.build(scaling.centre.size, width, seed)
    filling.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, jit_compile=False)
    for number in range(1, epochs + 1):
        features, rows = sample.draw(seed, number)
        outcome = filling.fit(scaling(features), true[rows], batch_size=512, shuffle=False, verbose=0)
        print(
            f"  filling in {seed}: epoch {number}, loss {outcome.history['loss'][0]:.4f}",
            file=sys.stderr,
            flush=True,
        )
    for layer in filling.layers:
        if layer.name != "logits" and layer.get_weights():
            network.get_layer(layer.name).set_weights(layer.get_weights())


def expected_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error of the highest probability."""
    highest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((highest * BINS).astype(int), BINS - 1)
    sums = np.bincount(place, right - highest, minlength=BINS)
    return float(np.abs(sums).sum() / len(labels))


def score(probabilities: dict[str, np.ndarray], tests: Tests) -> dict[str, float]:
    """Return what is said of a network: f1 and calibration errors of each set, and the worst of the stresses."""
    found: dict[str, float] = {}
    for name, (_, labels, magnitude) in tests.items():
        p = probabilities[name]
        decided = p.argmax(axis=1)
        found[f"f1 {name}"] = weighted_f1(decided, labels, p.shape[1])
        found[f"ece {name}"] = expected_error(p, labels)
        bright, stars = magnitude < 20, (labels == 0) & (magnitude < 22.5)
        if bright.sum() > 100:
            found[f"bright {name}"] = weighted_f1(decided[bright], labels[bright], p.shape[1])
        if stars.sum() > 100:
            found[f"called {name}"] = float((decided[stars] == 3).mean())
        for number, kind in enumerate(("star", "galaxy") if name == "libraries" else ()):
            here = (labels == number) & (magnitude > 17) & (magnitude <= 21.5)
            found[f"right {kind}"] = float((decided[here] == number).mean())
    return found


def summary(found: dict[str, float]) -> str:
    """Return a line of the scores that are compared."""
    stresses = [
        key[4:]
        for key in found
        if key.startswith("ece ") and key[4:] not in ("validation", "libraries", "extra")
    ]
    boss = [key for key in stresses if key.startswith("boss")]
    stresses = [key for key in stresses if key not in boss]
    triples = [found[f"f1 {key}"] for key in stresses if key.startswith(TRIPLE)]
    parts = {
        "unspoilt": found[f"f1 {UNSPOILT}"],
        "3 missing": found["f1 missing at random: 3 bands"],
        "10 missing": found["f1 missing at random: 10 bands"],
        "three neighbours, worst": min(triples),
        "tray": found["f1 pattern of the survey: tray"],
        "bad bands": found["f1 bands wrong: one to three in every object"],
        "blends": found["f1 blends: a fainter neighbour in every object"],
        "shallower": found["f1 shallower: 0.3 mag"],
        "bright, worst": min(found[f"bright {key}"] for key in stresses),
        "stars called QSO high, worst": max(found[f"called {key}"] for key in stresses),
        "ECE": found[f"ece {UNSPOILT}"],
        "ECE, worst": max(found[f"ece {key}"] for key in stresses),
        "libraries": found["f1 libraries"],
        "ECE libraries": found["ece libraries"],
        "library stars": found["right star"],
        "library galaxies": found["right galaxy"],
    }
    if boss:
        parts["BOSS"] = float(np.mean([found[f"f1 {key}"] for key in boss]))
    return " | ".join(f"{name} {value:.4f}" for name, value in parts.items())


def main() -> None:
    """Train and score every kind of network with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    load_keras()
    limit_threads_once(options.threads)
    job = load_job(JOB, options.data or Path())
    survey = load_survey(job.survey)
    sample = read_labelled(options.run / "mock" / "training", job, survey, options.rows, noiseless=True)
    tests = test_sets(options.run, job, survey, options.data)
    plan = TrainingPlan(options.epochs, 512, options.learning_rate, schedule="cosine", weight_decay=0.01)
    for seed in options.seeds:
        for kind in options.kinds:
            begun = time.process_time()
            network, scaling = train(kind, sample, plan, seed)
            trained, begun = time.process_time() - begun, time.process_time()
            logits = {name: predicted_logits(network, scaling(one[0])) for name, one in tests.items()}
            judged = time.process_time() - begun
            votes = {name: softmax(one.astype(np.float64)) for name, one in logits.items()}
            _, labels, magnitude = tests["validation"]
            calibration = TemperatureCalibration().fit(votes["validation"], magnitude, labels)
            probabilities = {name: calibration(one, None) for name, one in votes.items()}
            cost = (
                SETS[kind].multiplications(len(survey.bands), 4)
                if kind in SETS
                else RESIDUAL.multiplications(180, 4)
            )
            rows = sum(len(one[1]) for one in tests.values())
            title = f"{kind}, seed {seed}, rate {options.learning_rate:g}"
            print(
                f"{title}: {cost} multiplications, {network.count_params()} weights, trained {trained:.0f} s, "
                f"judged {rows / judged:.0f} rows a second, temperature {calibration.temperature:.3f}"
            )
            found = score(probabilities, tests)
            print("  " + summary(found), flush=True)
            name = f"{kind}-{seed}-{options.learning_rate:g}-{options.epochs}"
            (options.folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
            np.savez(
                options.folder / f"{name}.npz", **{key: one.astype(np.float32) for key, one in votes.items()}
            )


if __name__ == "__main__":
    main()
