"""Measure what a committee gains and loses when its networks are trained further on another sky.

    python benchmarks/further_training.py COMMITTEE RUN FOLDER [--blends 0.05 0.2] [--members 1] [--more SAMPLES]
        [--data PACK]

COMMITTEE is a folder of one, as of the package (jpasbatch/committees/jpas60), and RUN the output folder of the job
that trained it. All its networks, or the first --members of them, are trained for some epochs more at a low rate that
falls, as [committee] begin does, once for each share of objects with a neighbour; after ``--blends`` alone they are
scored as they are. SAMPLES is the output folder of a mock whose samples are added (sample ``extra`` of the scores).
Scores are those of ``compare_networks.py``, of the vote, as it is and after; and of all objects that test and all that
validate with a neighbour each, since of the 10,000 that are tested few are bright.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare_networks import Sample, Tests, features_of, read_labelled, score, summary, test_sets

from jpasbatch.job.job import load_job
from jpasbatch.learning.backend import limit_threads_once, load_keras
from jpasbatch.learning.beginning import networks_of
from jpasbatch.learning.calibration import TemperatureCalibration, softmax
from jpasbatch.learning.classifiers.networks import ResidualNetwork
from jpasbatch.learning.judgement import vote
from jpasbatch.learning.manifest import Manifest
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.learning.training import compiled, predicted_logits
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.scoring.stress import spoil_sample, survey_stresses
from jpasbatch.storage.stores.artefacts import load_committee

JOBS = Path(__file__).resolve().parents[1] / "jobs" / "pretrained"
MODEL = ResidualNetwork(width=256, blocks=4)


def train_further(member: TrainedNetwork, sample: Sample, plan: TrainingPlan | None, seed: int) -> Any:
    """Return the Keras model of a member after some epochs more; without a plan, as it is."""
    classes = len(sample.job.classes)
    network = MODEL.build(member.n_inputs, classes, seed)
    MODEL.assign(network, member.weights)
    if plan is None:
        return network
    assert member.scaling is not None
    rows_alone = LabelledFeatures(sample.noiseless[:, :0], sample.labels, tuple(sample.job.classes))
    network = compiled(network, plan, rows_alone)
    targets = np.eye(classes, dtype=np.float32)
    for number in range(1, plan.epochs + 1):
        features, rows = sample.draw(seed, 100 + number)
        known = targets[sample.labels[rows]]
        network.fit(member.scaling(features), known, batch_size=plan.batch_size, shuffle=False, verbose=0)
    return network


def with_more(sample: Sample, more: Sample) -> Sample:
    """Return two samples as one."""
    flux, error = (
        np.concatenate([getattr(one.photometry, name) for one in (sample, more)])
        for name in ("flux", "flux_err")
    )
    noiseless = np.concatenate([sample.noiseless, more.noiseless])
    labels = np.concatenate([sample.labels, more.labels])
    return Sample(sample.job, sample.augmentation, sample.survey, Photometry(flux, error), noiseless, labels)


def with_neighbours(run: Path, sample: Sample) -> Tests:
    """Return all objects that test and all that validate, each with a fainter neighbour."""
    (stress,) = (one for one in survey_stresses(sample.survey) if one.name == "blends")
    found = {}
    for part in ("test", "validation"):
        whole = read_labelled(run / "mock" / part, sample.job, sample.survey, 10_000_000)
        features = features_of(spoil_sample(whole.photometry, stress, sample.survey), sample.survey)
        usable = np.isfinite(features).all(axis=1)
        magnitude = ab_magnitude(whole.photometry.flux[:, sample.survey.reference_index])
        found[part] = features[usable], whole.labels[usable], magnitude[usable]
    return found


def judged(networks: list[Any], members: list[TrainedNetwork], tests: Tests) -> dict[str, np.ndarray]:
    """Return the vote of some networks with one temperature, by the name of a set."""
    votes = {}
    for name, (features, _, _) in tests.items():
        logits = [
            predicted_logits(one, member.scaling(features))
            for one, member in zip(networks, members, strict=True)
        ]
        votes[name] = vote(
            np.stack([softmax(one.astype(np.float64)) for one in logits], axis=1).astype(np.float32)
        )
    _, labels, magnitude = tests["validation"]
    calibration = TemperatureCalibration().fit(votes["validation"], magnitude, labels)
    return {name: calibration(one, None) for name, one in votes.items()}


def main() -> None:
    """Score the committee as it is, and after each further training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("committee", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--blends", type=float, nargs="*", default=[0.05, 0.2])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--members", type=int)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--more", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    load_keras()
    limit_threads_once(options.threads)
    text, graph = load_committee(options.committee)[:2]
    manifest = Manifest.from_json(text)
    job = load_job(JOBS / f"{manifest.survey.name}.toml", options.data or Path())
    survey = load_survey(job.survey)
    members = networks_of(manifest, graph, MODEL)[: options.members]
    tests = test_sets(options.run, job, survey, options.data)
    sample = read_labelled(options.run / "mock" / "training", job, survey, 10_000_000, noiseless=True)
    neighbours = with_neighbours(options.run, sample)
    if options.more:
        sample = with_more(
            sample, read_labelled(options.more / "mock" / "training", job, survey, 10_000_000, True)
        )
        extra = read_labelled(options.more / "mock" / "test", job, survey, 10_000)
        magnitude = ab_magnitude(extra.photometry.flux[:, survey.reference_index])
        features = features_of(extra.photometry, survey)
        usable = np.isfinite(features).all(axis=1)
        tests["extra"] = features[usable], extra.labels[usable], magnitude[usable]
    faults = job.augmentation.faults
    runs = [
        ("as it is", 0, faults.blends),
        *((f"blends {share:g}", options.epochs, share) for share in options.blends),
    ]
    for title, epochs, share in runs:
        augmentation = replace(job.augmentation, faults=replace(faults, blends=share))
        drawn = replace(sample, augmentation=augmentation)
        begun = time.process_time()
        plan = TrainingPlan(max(epochs, 1), 512, options.learning_rate, schedule="cosine", weight_decay=0.01)
        networks = [
            train_further(one, drawn, plan if epochs else None, 1000 + number)
            for number, one in enumerate(members)
        ]
        every = tests | {f"neighbours, {part}": one for part, one in neighbours.items()}
        probabilities = judged(networks, members, every)
        found = score({name: probabilities[name] for name in tests}, tests)
        print(f"{title}: {time.process_time() - begun:.0f} s\n  {summary(found)}", flush=True)
        blended = {name: every[name] for name in every if name not in tests}
        scores = score({name: probabilities[name] for name in blended}, blended)
        print("  " + " | ".join(f"{name} {one:.4f}" for name, one in scores.items()), flush=True)
        found |= scores
        if "extra" in tests:
            _, labels, magnitude = tests["extra"]
            right = probabilities["extra"].argmax(axis=1) == labels
            bins = ((17, 20), (20, 21.5), (21.5, 22.5), (22.5, 23.6))
            parts = [right[(magnitude > low) & (magnitude <= high)] for low, high in bins]
            print(
                "  extra, right: " + ", ".join(f"{one.mean():.3f} of {one.size}" for one in parts), flush=True
            )
        stem = options.folder / f"{title.replace(' ', '-')}{'-more' if options.more else ''}"
        stem.with_suffix(".json").write_text(json.dumps(found), encoding="utf-8")
        np.savez(f"{stem}.npz", **{key: one.astype(np.float32) for key, one in probabilities.items()})


if __name__ == "__main__":
    main()
