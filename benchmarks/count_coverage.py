"""How well numbers of quasars come out, and how often their intervals hold, on many skies of known truth.

    python benchmarks/count_coverage.py COMMITTEE JOB --pool RUN/mock --realisations 200 --area 1

RUN holds the balanced sets ``validation`` and ``test`` of a template mock, from whose parents the committee did not
learn. Each realisation divides these parents anew at random: some give a validation sample, the others a sky, in which
each class has the density of the mock survey. Objects of the sky are drawn as a Poisson process of that density. Then
the validation sample is calibrated, the class shares are found, and objects are counted by class and magnitude bin.
The truth is the density of what the sky is drawn from.

Several words after ``--calibration`` or ``--method`` compare all of them, each on the same skies: a short table, of
quasars alone.

``--outside 0.1`` adds objects outside of the area in which is counted, a tenth as many, with `MORE_STARS` times
as many stars among them: class shares are found from all, as `jpasbatch correct` does.

``--wrong RUN/mock`` names sets of another mock, of which the skies are made while the committee and its validation
sample stay; ``--variants RUN/mock ...`` names mocks whose validation samples give the systematic term. These hold the
same objects, as mocks of one seed do: what differs is what is wrong, and not which objects were drawn.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from judged_objects import PER_DEG2, Judged, judge, sums_by_stratum
from scipy.special import gammaln

from jpasbatch.committees.registry import committee_folder
from jpasbatch.job.job import load_job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.calibrations.registry import calibrated
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Prior, Reference, fit_prior
from jpasbatch.priors.redraws import Moves
from jpasbatch.priors.strata import Strata
from jpasbatch.products.counts.estimates import ONE_SIGMA, CountEstimate
from jpasbatch.products.counts.variances import count_variances
from jpasbatch.products.record import magnitude_bin
from jpasbatch.scoring.metrics import ReliabilityTally

GROUPS = {"quasars": [2, 3], "star": [0], "galaxy": [1], "qso_low": [2], "qso_high": [3]}
"""Positions of the classes that are counted together."""
MORE_STARS = 3.0


@dataclass(frozen=True)
class Trial:
    """What all realisations have in common.

    ``validation`` and ``sky`` are pools of the same parents; ``variants`` are pools whose validation samples are tried
    as well, with the row of each object of ``validation`` in them: -1 where it is in none.
    """

    validation: Judged
    sky: Judged
    variants: dict[str, tuple[Judged, np.ndarray]]
    classes: tuple[str, ...]
    bins: tuple[tuple[float, float], ...]
    area: float
    rows: int
    share: float
    outside: float
    options: PriorOptions


def places_in(variant: Judged, pool: Judged) -> np.ndarray:
    """Return the row of each object of a pool in a variant, int64 (n,); -1 where it is not."""
    order = np.argsort(variant.name)
    nearest = order[np.searchsorted(variant.name, pool.name, sorter=order).clip(max=len(order) - 1)]
    return np.where(variant.name[nearest] == pool.name, nearest, -1)


def validation_rows(trial: Trial, parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows of the pool that descend from some parents and are in all variants, as many of each class."""
    pool, rows = trial.validation, trial.rows
    own = np.isin(pool.parent, parents)
    for _, places in trial.variants.values():
        own &= places >= 0
    chosen = (np.flatnonzero(own & (pool.labels == one)) for one in np.unique(pool.labels))
    return np.concatenate([rng.permutation(places)[:rows] for places in chosen])


def realise(trial: Trial, seed: int) -> dict[str, list[float]]:
    """Return, in all and by magnitude bin, what is true, what is found, its errors, and the committee's own sum."""
    rng = np.random.default_rng([seed, 5])
    parents = np.unique(trial.validation.parent)
    known = parents[rng.random(len(parents)) < trial.share]
    chosen = validation_rows(trial, known, rng)
    sample = trial.validation.take(chosen).sample()
    own = trial.sky.take(np.flatnonzero(~np.isin(trial.sky.parent, known)))
    numbers = np.bincount(own.labels, minlength=len(trial.classes))
    expected = np.array([PER_DEG2[name] for name in trial.classes]) * trial.area / numbers
    sky = own.take(np.repeat(np.arange(len(own.labels)), rng.poisson(expected[own.labels])))
    strata = Strata.fit(sample.magnitude, trial.options)
    reference = Reference(*calibrated(sample, trial.options.calibration), strata)
    stratum = reference.strata.stratum_of(sky.magnitude, sky.class_star)
    cells = cells_of(trial, reference, [sky, outside(trial, own, expected, rng)])
    prior = fit_prior(cells, reference, trial.options, trial.classes)
    moves = Moves(cells, reference, trial.options, prior)
    variants = [pool.take(places[chosen]).sample() for pool, places in trial.variants.values()]
    prior = replace(
        prior,
        redrawn=moves.by_redraws(seed, range(trial.options.redraws)),
        variants=tuple(trial.variants),
        varied=np.array([moves.by_variant(one) for one in variants]).reshape(-1, *prior.shares.shape),
    )
    return counted(trial, prior, sky, stratum) | true_counts(trial, own, expected)


def outside(trial: Trial, own: Judged, expected: np.ndarray, rng: np.random.Generator) -> Judged:
    """Return objects beside the counted area, of another mix."""
    more = np.array([MORE_STARS if name == "star" else 1.0 for name in trial.classes])
    return own.take(
        np.repeat(np.arange(len(own.labels)), rng.poisson((trial.outside * more * expected)[own.labels]))
    )


def cells_of(trial: Trial, reference: Reference, parts: list[Judged]) -> Cells:
    """Return the cells of all objects from which class shares are found."""
    strata, measure = reference.strata, reference.measure
    found = (
        measure.cells(
            one.probabilities, one.magnitude, one.missing, strata.stratum_of(one.magnitude, one.class_star)
        )
        for one in parts
    )
    return Cells.merged(found, len(trial.classes))


def true_counts(trial: Trial, own: Judged, expected: np.ndarray) -> dict[str, list[float]]:
    """Return the expected numbers of what a sky is drawn from."""
    true = []
    for group in GROUPS.values():
        numbers = np.where(np.isin(own.labels, group), expected[own.labels], 0.0)
        true += [float(numbers[chosen].sum()) for chosen in selections(trial, own.magnitude)]
    return {"true": true}


def selections(trial: Trial, magnitude: np.ndarray) -> list[np.ndarray]:
    """Return which objects are in any magnitude bin, and which in each."""
    number = magnitude_bin(magnitude, trial.bins)
    return [number >= 0, *(number == one for one in range(len(trial.bins)))]


def counted(trial: Trial, prior: Prior, sky: Judged, stratum: np.ndarray) -> dict[str, list[float]]:
    """Return the numbers that are found, their errors, and the committee's own sums."""
    posteriors = prior.correct(sky.probabilities, sky.magnitude, sky.missing, stratum)
    keys = ("value", "counting", "calibration", "systematic", "committee", "ece", "own_ece")
    found: dict[str, list[float]] = {key: [] for key in keys}
    parts = selections(trial, sky.magnitude)
    errors = [
        [calibration_error(each[chosen], sky.labels[chosen]) for each in (posteriors, sky.probabilities)]
        for chosen in parts
    ]
    for group in GROUPS.values():
        for chosen, (ece, own_ece) in zip(parts, errors, strict=True):
            sums, products = sums_by_stratum(posteriors[chosen], stratum[chosen], len(prior.strata), group)
            variances = count_variances(sums, products, group, prior)
            found["value"].append(float(sums.sum()))
            for key, variance in variances._asdict().items():
                found[key].append(float(np.sqrt(np.nan_to_num(variance))))
            found["committee"].append(float(sky.probabilities[chosen][:, group].sum(dtype=np.float64)))
            found["ece"].append(ece)
            found["own_ece"].append(own_ece)
    return found


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error, the mean over the classes, in ten bins of probability."""
    return ReliabilityTally.create(probabilities.shape[1]).add(labels, probabilities).extract().ece


TRIAL: list[Trial] = []
"""Of this process: a fork shares its arrays with the workers."""


def realise_one(options: PriorOptions, seed: int) -> dict[str, list[float]]:
    """Realise a sky of the process's trial, with these options."""
    return realise(replace(TRIAL[0], options=options), seed)


def realised(way: PriorOptions, seeds: Iterable[int], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return what `realise` does of each seed, (realisations, numbers), with these options."""
    with ProcessPoolExecutor(options.workers) as executor:
        found = list(executor.map(partial(realise_one, way), seeds))
    return {key: np.array([one[key] for one in found]) for key in found[0]}


def covered(trial: Trial, columns: dict[str, np.ndarray], share: float, systematic: float) -> np.ndarray:
    """Return whether the published interval of each number holds the truth, bool (realisations, numbers).

    The parents of a sky here are few too, as those of the validation sample are, and the truth of each sky is that of
    its own. Parents add to the variance as 1 / share by the sample, and as 1 / (1 - share) by the sky: together
    1 / (1 - share) of what the sample adds alone. Objects of a real sky are all their own parents.
    """
    parents = (1.0 - trial.share) ** -0.5
    held = np.empty(columns["value"].shape, dtype=bool)
    for place in np.ndindex(held.shape):
        one = {key: float(values[place]) for key, values in columns.items()}
        terms = (one["counting"], parents * one["calibration"], systematic * one["systematic"], np.nan)
        estimate = CountEstimate(one["value"], *terms, one["committee"], one["true"])
        interval = estimate.interval_of(share)
        held[place] = interval.lower <= one["true"] <= interval.upper
    return held


def coverage_of_counts(mean: float, share: float) -> float:
    """Return how often intervals of whole Poisson counts of one mean hold it: what no estimate can better."""
    reach = 8 * np.sqrt(mean) + 8
    numbers = np.arange(max(int(mean - reach), 0), int(mean + reach))
    probability = np.exp(numbers * np.log(mean) - mean - gammaln(numbers + 1.0))
    intervals = (
        CountEstimate(float(one), max(one, 0.25) ** 0.5, np.nan, np.nan, np.nan, 0.0, mean).interval_of(share)
        for one in numbers
    )
    return float(probability @ np.array([one.lower <= mean <= one.upper for one in intervals]))


def rows_of_table(trial: Trial, columns: dict[str, np.ndarray]) -> Iterator[str]:
    """Yield the rows of a Markdown table, in all and by magnitude bin."""
    held = [covered(trial, columns, share, systematic) for systematic in (0.0, 1.0) for share in SHARES]
    bins = ["all", *(f"{low:g} to {high:g}" for low, high in trial.bins)]
    for place, name in enumerate(f"{group} | {one}" for group in GROUPS for one in bins):
        one = {key: values[:, place] for key, values in columns.items()}
        ratio, true = one["value"] / one["true"], one["true"].mean()
        off, error = (
            one["value"] - one["true"],
            np.hypot(one["counting"], one["calibration"] / (1.0 - trial.share) ** 0.5),
        )
        means = [f"{rms(one[key]):.1f}" for key in ("counting", "calibration", "systematic")]
        shares = [f"{one[:, place].mean():.3f}" for one in held]
        alone = [f"{coverage_of_counts(float(true), share):.2f}" for share in SHARES]
        yield (
            f"| {name} | {true:.1f} | {ratio.mean():.3f} ± {ratio.std() / len(ratio) ** 0.5:.3f} | "
            f"{(one['committee'] / one['true']).mean():.3f} | {rms(off):.1f} | {' | '.join(means)} | "
            f"{rms(off) / rms(error):.2f} | {' | '.join(shares)} | {', '.join(alone)} | "
            f"{one['own_ece'].mean():.4f} | {one['ece'].mean():.4f} |"
        )


def rms(values: np.ndarray) -> float:
    """Return the square root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def compared(trial: Trial, columns: dict[str, np.ndarray]) -> Iterator[str]:
    """Yield what comes of the quasars, in all and by magnitude bin, as cells of a Markdown table."""
    shares = [covered(trial, columns, share, 0.0) for share in SHARES]
    for place in range(len(trial.bins) + 1):
        one = {key: values[:, place] for key, values in columns.items()}
        ratio = one["value"] / one["true"]
        held = [f"{each[:, place].mean():.2f}" for each in shares]
        spread = ratio.std() / len(ratio) ** 0.5
        yield f"{ratio.mean():.3f} ± {spread:.3f}, {held[0]}, {held[1]}, {one['ece'].mean():.4f}"


SHARES = (ONE_SIGMA, 0.95)
HEAD = (
    "| counted | bin | true | found / true | committee / true | off by | counting | calibration | systematic | pull | "
    "in 68 % | in 95 % | with systematic: in 68 % | in 95 % | counts alone | ECE, committee | ECE |"
)


def main() -> None:
    """Print ratios and coverages as a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("committee", help="folder of a run or committee, or the name of one of the package")
    parser.add_argument("job", type=Path)
    parser.add_argument("--pool", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--wrong", type=Path, help="folder of the sets of which skies are made instead")
    parser.add_argument("--variants", type=Path, nargs="*", default=(), help="for the systematic term")
    parser.add_argument("--area", type=float, default=1.0, help="of a realisation, deg2")
    parser.add_argument("--realisations", type=int, default=200)
    parser.add_argument("--rows", type=int, default=4000, help="of each class in a validation sample")
    parser.add_argument("--share", type=float, default=0.15, help="of the parents in a validation sample")
    parser.add_argument(
        "--outside", type=float, default=0.0, help="objects outside, in parts of those inside"
    )
    parser.add_argument("--redraws", type=int, default=PriorOptions().redraws)
    parser.add_argument("--method", nargs="+", default=["expectation_maximisation"])
    parser.add_argument("--calibration", nargs="+", default=["vector"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    job, version = load_job(options.job), committee_folder(options.committee)
    pool = judge(version, job, options.pool)
    variants = {path: judge(version, job, path) for path in options.variants}
    trial = Trial(
        pool,
        judge(version, job, options.wrong) if options.wrong else pool,
        {path.parent.name: (one, places_in(one, pool)) for path, one in variants.items()},
        tuple(job.classes),
        load_survey(job.survey).magnitude_bins,
        options.area,
        options.rows,
        options.share,
        options.outside,
        PriorOptions(),
    )
    TRIAL.append(trial)
    ways = [
        PriorOptions(method=method, redraws=options.redraws, calibration=calibration)
        for calibration in options.calibration
        for method in options.method
    ]
    seeds = range(options.seed, options.seed + options.realisations)
    if len(ways) == 1:
        print(HEAD, "|---" * 17 + "|", *rows_of_table(trial, realised(ways[0], seeds, options)), sep="\n")
    else:
        names = ["all", *(f"{low:g} to {high:g}" for low, high in trial.bins)]
        print("", "calibration", "method", *names, "", sep=" | ")
        print("|---" * (2 + len(names)) + "|")
        for way in ways:
            cells = compared(trial, realised(way, seeds, options))
            print("", way.calibration, way.method, *cells, "", sep=" | ", flush=True)
    print(json.dumps({key: str(value) for key, value in vars(options).items()}))


if __name__ == "__main__":
    main()
