"""How well numbers of quasars come out, and how often their intervals hold, on many skies of known truth.

    python benchmarks/count_coverage.py RUN JOB --realisations 200 --area 1

RUN holds the sets ``validation`` and ``survey`` of a template mock (larger than what is drawn of them) and a trained
committee; JOB is its job file. Each realisation draws a sky from ``survey`` (each object as often as a Poisson process
of that density gives it) and a validation sample from ``validation``, calibrates, finds the class shares, and counts
quasars by magnitude bin. The truth is the density of ``survey``. ``--wrong`` changes what the skies are, and not what
the committee learnt: "stars" takes half of the stars away, "galaxies" makes red galaxies half as many.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.job.job import load_job
from jpasbatch.learning.samples import label
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Reference, fit_prior
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.validation import ValidationSample
from jpasbatch.products.counts.errors import calibration_variance, counting_variance
from jpasbatch.products.record import magnitude_bin
from jpasbatch.scoring.metrics import ReliabilityTally
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.artefacts import committee_version

COLUMNS = ("flux", "flux_err", "class_star", "true_class", "true_redshift")
COUNTED = [2, 3]


@dataclass(frozen=True)
class Judged:
    """What a committee says of a set: probabilities (n, classes), magnitude, class_star and label of each object."""

    probabilities: np.ndarray
    magnitude: np.ndarray
    class_star: np.ndarray
    labels: np.ndarray

    def take(self, rows: np.ndarray) -> "Judged":
        """Return some of the objects, possibly more than once."""
        return Judged(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def judge(run: Path, job, name: str) -> Judged:
    """Return what the committee of a run says of one of its sets."""
    survey = load_survey(job.survey)
    committee = open_committee(str(committee_version(run / "committee")), survey)
    catalogue = open_catalogue(run / "mock" / name)
    parts = []
    for pixel in catalogue.pixels:
        table = read_partition(catalogue.partition_path(*pixel), COLUMNS)
        photometry = photometry_from_table(table, survey)
        judgement = committee.judge(photometry)
        table = table.filter(pa.array(judgement.usable))
        labels = label(
            table["true_class"].to_numpy(zero_copy_only=False), table["true_redshift"].to_numpy(), job.classes
        )
        magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])[judgement.usable]
        probabilities = judgement.probabilities[judgement.usable].astype(np.float32)
        parts.append((probabilities, magnitude, table["class_star"].to_numpy(), labels))
    return Judged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def kept(pool: Judged, wrong: str, rng: np.random.Generator) -> Judged:
    """Return the pool of skies that are not as the committee's mocks."""
    if wrong == "none":
        return pool
    lost = pool.labels == {"stars": 0, "galaxies": 1}[wrong]
    return pool.take(np.flatnonzero(~lost | (rng.random(len(lost)) < 0.5)))


def realise(given: tuple[Judged, Judged, float, int, PriorOptions, tuple, int]) -> dict[str, list[float]]:
    """Return, by magnitude bin and in all, the number that is found, its error, and the committee's own sum."""
    pool, validation, share, rows_per_class, options, bins, seed = given
    rng = np.random.default_rng([seed, 5])
    sky = pool.take(np.repeat(np.arange(len(pool.labels)), rng.poisson(share, len(pool.labels))))
    drawn = np.concatenate(
        [
            rng.choice(np.flatnonzero(validation.labels == one), rows_per_class, replace=False)
            for one in np.unique(validation.labels)
        ]
    )
    sample = validation.take(drawn)
    reference_sample = ValidationSample(
        sample.probabilities, sample.magnitude.astype(np.float32), sample.labels.astype(np.int16)
    )
    calibration, calibrated = reference_sample.calibrated()
    reference = Reference(calibration, calibrated, Strata.fit(calibrated.magnitude, options))
    stratum = reference.strata.stratum_of(sky.magnitude, sky.class_star)
    cells = reference.cells(sky.probabilities, sky.magnitude, stratum)
    prior = fit_prior(cells, reference, options, ("star", "galaxy", "qso_low", "qso_high"), seed)
    posteriors = prior.correct(sky.probabilities, sky.magnitude, stratum)
    number = magnitude_bin(sky.magnitude, bins)
    found: dict[str, list[float]] = {
        "value": [],
        "counting": [],
        "calibration": [],
        "committee": [],
        "ece": [],
    }
    for chosen in [number >= 0, *(number == one for one in range(len(bins)))]:
        sums, products = sums_by_stratum(posteriors[chosen], stratum[chosen], len(reference.strata))
        found["value"].append(float(sums.sum()))
        found["counting"].append(counting_variance(sums, products, COUNTED, prior) ** 0.5)
        found["calibration"].append(calibration_variance(sums, COUNTED, prior) ** 0.5)
        found["committee"].append(float(sky.probabilities[chosen][:, COUNTED].sum(dtype=np.float64)))
        found["ece"].append(calibration_error(posteriors[chosen], sky.labels[chosen]))
    return found


def sums_by_stratum(
    posteriors: np.ndarray, stratum: np.ndarray, strata: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums that `counting_variance` takes."""
    sums, products = np.zeros((strata, len(COUNTED))), np.zeros((strata, posteriors.shape[1]))
    np.add.at(sums, stratum, posteriors[:, COUNTED])
    np.add.at(products, stratum, posteriors * posteriors[:, COUNTED].sum(axis=1, keepdims=True))
    return sums, products


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error, the mean over the classes, in ten bins of probability."""
    return ReliabilityTally.create(probabilities.shape[1]).add(labels, probabilities).extract().ece


def realisations(options, job, pool: Judged, validation: Judged) -> Iterator[tuple]:
    """Yield what each realisation needs."""
    prior = PriorOptions(method=options.method, redraws=options.redraws)
    bins = load_survey(job.survey).magnitude_bins
    for number in range(options.realisations):
        yield (
            pool,
            validation,
            options.area / options.pool_area,
            options.rows,
            prior,
            bins,
            options.seed + number,
        )


def main() -> None:
    """Print ratios and coverages as a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("job", type=Path)
    parser.add_argument("--pool-area", type=float, required=True, help="of the set survey, deg2")
    parser.add_argument("--area", type=float, default=1.0, help="of a realisation, deg2")
    parser.add_argument("--realisations", type=int, default=200)
    parser.add_argument("--rows", type=int, default=4000, help="of each class in a validation sample")
    parser.add_argument("--redraws", type=int, default=12)
    parser.add_argument("--method", default="expectation_maximisation")
    parser.add_argument("--wrong", default="none", choices=("none", "stars", "galaxies"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    job = load_job(options.job)
    pool, validation = (judge(options.run, job, name) for name in ("survey", "validation"))
    pool = kept(pool, options.wrong, np.random.default_rng(options.seed))
    bins = load_survey(job.survey).magnitude_bins
    number = magnitude_bin(pool.magnitude, bins)
    is_quasar = np.isin(pool.labels, COUNTED)
    share = options.area / options.pool_area
    true = [
        share * float((is_quasar & chosen).sum())
        for chosen in [number >= 0, *(number == one for one in range(3))]
    ]
    with ProcessPoolExecutor(options.workers) as executor:
        found = list(executor.map(realise, realisations(options, job, pool, validation)))
    columns = {key: np.array([one[key] for one in found]) for key in found[0]}
    error = np.hypot(columns["counting"], columns["calibration"])
    pull = (columns["value"] - true) / error
    print(
        "| bin | true | found / true | committee / true | counting | calibration | in 68 % | in 95 % | ECE |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for place, name in enumerate(["all", *(f"{low:g} to {high:g}" for low, high in bins)]):
        ratios = [columns[key][:, place].mean() / true[place] for key in ("value", "committee")]
        print(
            f"| {name} | {true[place]:.1f} | {ratios[0]:.3f} | {ratios[1]:.3f} | "
            f"{columns['counting'][:, place].mean():.1f} | {columns['calibration'][:, place].mean():.1f} | "
            f"{(np.abs(pull[:, place]) < 1).mean():.3f} | {(np.abs(pull[:, place]) < 1.96).mean():.3f} | "
            f"{columns['ece'][:, place].mean():.4f} |"
        )
    print(
        json.dumps(vars(options) | {"run": str(options.run.name), "job": str(options.job.name)}, default=str)
    )


if __name__ == "__main__":
    main()
