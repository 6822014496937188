"""Compare calibrations of one committee off the mocks: none, one temperature, and by magnitude.

    python benchmarks/calibrations.py JOB RUN [--data PACK] [--real TABLE]

JOB trained a committee from a mock of its own in the output folder RUN. Each calibration is fitted to the votes on the
validation sample, as training does it, and judges the test sample under every stress and the held-out libraries;
nothing is trained. TABLE is a table of the survey with columns ``class`` (star, galaxy, qso) and ``redshift``: real
objects. Prints a line a calibration, and the errors of the differences by drawing objects again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare_networks import expected_error

from jpasbatch.job.job import Job, load_job
from jpasbatch.learning.calibration import CALIBRATIONS, Calibration, make_calibration
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.f1 import weighted_f1
from jpasbatch.learning.judgement import vote
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.scoring.stress import UNSPOILT, spoil_sample, survey_stresses
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.samples import labels_of, list_sample, read_sample, sample_photometry
from jpasbatch.stages.train.prepared import with_gaps
from jpasbatch.storage.stores.artefacts import committee_version

TESTED = 10_000
REDRAWS = 200
Votes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Votes (n, classes), labels and reference magnitudes of a set."""


def read_set(path: Path, job: Job, survey: Survey, rows: int | None = None) -> tuple[Photometry, np.ndarray]:
    """Return photometry and labels of the objects of a sample that have a class, or of some drawn by chance."""
    table, _ = read_sample(list_sample(path), survey, job)
    photometry, labels = sample_photometry(table, survey, job), labels_of(table, job)
    chosen = np.flatnonzero(labels >= 0)
    if rows is not None:
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:rows])
    return photometry.select(chosen), labels[chosen]


def votes_on(committee: Committee, photometry: Photometry, labels: np.ndarray, survey: Survey) -> Votes:
    """Return what a committee says of objects before it is calibrated."""
    usable, members = committee.member_probabilities(photometry)
    magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])
    return vote(members), labels[usable], magnitude[usable]


def gather(job: Job, run: Path, survey: Survey, committee: Committee, real: Path | None) -> dict[str, Votes]:
    """Return the votes on the validation sample, the libraries, the test sample under stress, and real objects."""
    mock = run / "mock"
    table, _ = read_sample(list_sample(mock / "validation"), survey, job)
    photometry, labels = with_gaps(sample_photometry(table, survey, job), job, survey), labels_of(table, job)
    known = labels >= 0
    found = {"validation": votes_on(committee, photometry.select(known), labels[known], survey)}
    found["libraries"] = votes_on(committee, *read_set(mock / "held_out", job, survey), survey)
    test, labels = read_set(mock / "test", job, survey, TESTED)
    for stress in survey_stresses(survey):
        found[f"stress {stress.title}"] = votes_on(
            committee, spoil_sample(test, stress, survey), labels, survey
        )
    if real is not None:
        found["real"] = votes_on(committee, *read_set(real, job, survey), survey)
    return found


def line(votes: dict[str, Votes], calibration: Calibration, bright: float, faint: float) -> dict[str, float]:
    """Return the scores of a calibration; stars are counted to ``faint``, bright objects to ``bright``."""
    calibrated = {name: (calibration(one[0], one[2]), *one[1:]) for name, one in votes.items()}
    f1 = {
        name: weighted_f1(p.argmax(axis=1), labels, p.shape[1]) for name, (p, labels, _) in calibrated.items()
    }
    ece = {name: expected_error(p, labels) for name, (p, labels, _) in calibrated.items()}
    called, brightest = [], []
    stresses = [name for name in votes if name.startswith("stress")]
    for p, labels, magnitude in (calibrated[name] for name in stresses):
        stars, near = (labels == 0) & (magnitude < faint), magnitude < bright
        called.append(float((p[stars].argmax(axis=1) == p.shape[1] - 1).mean()))
        brightest.append(weighted_f1(p[near].argmax(axis=1), labels[near], p.shape[1]))
    unspoilt = f"stress {UNSPOILT}"
    found = {
        "unspoilt": f1[unspoilt],
        "mean of stresses": float(np.mean([f1[name] for name in stresses])),
        "worst stress": min(f1[name] for name in stresses),
        "ECE unspoilt": ece[unspoilt],
        "ECE mean": float(np.mean([ece[name] for name in stresses])),
        "ECE worst": max(ece[name] for name in stresses),
        "stars called QSO high, worst": max(called),
        "bright, worst": min(brightest),
        "libraries": f1["libraries"],
        "ECE libraries": ece["libraries"],
    }
    if "real" in votes:
        p, labels, magnitude = calibrated["real"]
        right = p.argmax(axis=1) == labels
        found |= {"real, right": float(right.mean()), "ECE real": ece["real"]}
        found |= {
            f"real {title}, right": float(right[labels == number].mean())
            for number, title in ((0, "stars"), (1, "galaxies"))
        }
        stars_to_quasars = (labels < 2) & (p.argmax(axis=1) >= 2)
        found["real called QSO"] = float(stars_to_quasars.sum())
    return found


def errors(votes: Votes, one: Calibration, other: Calibration) -> tuple[float, float]:
    """Return the errors of the differences of weighted f1 and of ECE of two calibrations, by drawing objects again."""
    rng = np.random.default_rng(0)
    p, labels, magnitude = votes
    ours, theirs = one(p, magnitude), other(p, magnitude)
    found = []
    for _ in range(REDRAWS):
        rows = rng.integers(len(labels), size=len(labels))
        scores = [
            (
                weighted_f1(q[rows].argmax(axis=1), labels[rows], q.shape[1]),
                expected_error(q[rows], labels[rows]),
            )
            for q in (ours, theirs)
        ]
        found.append(np.subtract(*scores))
    return tuple(np.std(found, axis=0))


def main() -> None:
    """Print a line of scores for each calibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--bright", type=float, default=20.0)
    parser.add_argument("--faint", type=float, default=22.5)
    options = parser.parse_args()
    job = load_job(options.job, options.data or Path())
    survey = load_survey(job.survey)
    committee = open_committee(str(committee_version(options.run / "committee")), survey, job.inference)
    votes = gather(job, options.run, survey, committee, options.real)
    p, labels, magnitude = votes["validation"]
    fitted = {kind: make_calibration(kind).fit(p, magnitude, labels) for kind in CALIBRATIONS}
    for kind, calibration in fitted.items():
        found = line(votes, calibration, options.bright, options.faint)
        print(f"{kind} {calibration.state() if kind == 'temperature' else ''}")
        print("  " + " | ".join(f"{name} {value:.4f}" for name, value in found.items()))
    for name in (f"stress {UNSPOILT}", "libraries", *(["real"] if "real" in votes else [])):
        f1, ece = errors(votes[name], fitted["temperature"], fitted["magnitude"])
        print(f"errors of temperature less magnitude, {name}: f1 {f1:.4f}, ECE {ece:.4f}")


if __name__ == "__main__":
    main()
