"""How well the yield of a target list is forecast, on many mock skies of known truth, and what plain cuts would yield.

    python benchmarks/target_yield.py COMMITTEE JOB --mock RUN/mock --skies 40 --figure FIGURE.png

RUN holds the sets ``survey`` (objects as frequent as on the sky) and ``test`` (as many of each class) of a template
mock whose parents the committee did not learn from; JOB is its job file. Each sky is three fields of one HEALPix pixel
of nside 32 (10.1 deg2), one of them with 0.7 and one with 1.3 times the objects of the middle one, and is drawn as a
Poisson process from the objects of ``survey``. All that follows is done by the package: the validation sample is
calibrated, class shares are found, probabilities corrected, candidates found, fibres given, and the yield is forecast
with its interval. Then it is counted how many targets truly are QSOs of z > 2.1.

By default the committee's own validation sample is used, which is the same for all skies; with ``--divide`` the parents
are divided anew for each sky: half of them give a validation sample, the others the sky. ``--balanced RUN/mock`` takes
the validation samples from the set ``test`` of another mock: of a larger set they have fewer objects in common. Objects
of validation samples count as often as the sky has them (column ``sky_weight``); ``--unweighted`` leaves that out.

Plain cuts take as many objects (of each field, where fibres are counted by field): those of the highest probability as
the committee gives it, or any with more than 0.5.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from judged_objects import PER_DEG2, Judged, judge, sums_by_stratum

from jpasbatch.committees.registry import committee_folder
from jpasbatch.job.job import load_job
from jpasbatch.learning.novelty.novelty import SUBSETS
from jpasbatch.pages.style import BLUE, INK, ORANGE, house_style, new_figure
from jpasbatch.priors.calibrations.registry import calibrated
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Prior, Reference, fit_prior
from jpasbatch.priors.redraws import Moves
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.products.counts.variances import count_variances
from jpasbatch.products.protocol import Partition
from jpasbatch.products.targets.candidates import find_candidates
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.targets import TargetTally, chosen_targets, listed_candidates
from jpasbatch.products.targets.yields import shared_shift
from jpasbatch.storage.stores.artefacts import load_validation

NSIDE, FIELDS = 32, {5010: 0.7, 5011: 1.0, 5012: 1.3}
"""Nested pixels that are fields, and how dense each is."""

FIELD_DEG2 = 41252.96 / (12 * NSIDE**2)
AREA = FIELD_DEG2 * len(FIELDS)
DENSITIES = (20, 40, 60, 80, 100, 120, 150, 200)
WANTED, QUASARS, FAINTEST = 3, [2, 3], 23.6
"""Position of the class that is wanted, and what the job counts."""
RULE = TargetProgramme(min_probability=0.02)
KINDS = ("on average", "in each field")
KEYS = ("targets", "expected", "low", "high", "true", "by_committee", "any")


@dataclass(frozen=True)
class Trial:
    """What all skies have in common; without ``balanced`` objects the sample is the committee's own."""

    sky: Judged
    balanced: Judged | None
    sample: ValidationSample
    classes: tuple[str, ...]
    rows: int
    options: PriorOptions
    weighted: bool


@dataclass(frozen=True)
class Sky:
    """Objects with their fields and their probabilities under the mix of the sky."""

    objects: Judged
    field: np.ndarray
    posteriors: np.ndarray
    shift: float

    def partition(self, rng: np.random.Generator) -> Partition:
        """Return the objects as the package reads them; an identifier is the number of its object."""
        rows = len(self.field)
        within = rng.integers(0, 1 << 2 * (29 - 5), rows)  # nside 32 is of order 5
        probability = self.posteriors.astype(np.float32)
        record = pa.table(
            {
                "_healpix_29": (self.field << 2 * (29 - 5)) + within,
                "object_id": pa.array(np.arange(rows)).cast(pa.string()),
                "ra": rng.uniform(0, 1, rows),
                "dec": rng.uniform(0, 1, rows),
                "probability_qso_high": probability[:, WANTED],
                "predicted_class": pa.array(["qso_high"]).take(pa.array(np.zeros(rows, dtype=np.int8))),
                "subset": pa.array(SUBSETS).take(pa.array(self.objects.subset)),
                "magnitude_r": self.objects.magnitude,
            }
        )
        return Partition(record, record.select(["object_id"]), np.full(rows, -1, dtype=np.int16))


def draw_sky(trial: Trial, rng: np.random.Generator) -> tuple[Judged, np.ndarray, ValidationSample]:
    """Return the objects of a sky with their fields, and the validation sample that goes with it."""
    pool, sample = trial.sky, trial.sample
    if trial.balanced is not None:
        parents = np.union1d(pool.parent, trial.balanced.parent)
        known = parents[rng.random(len(parents)) < 0.5]
        own = np.isin(trial.balanced.parent, known)
        places = (np.flatnonzero(own & (trial.balanced.labels == one)) for one in range(len(trial.classes)))
        rows = np.concatenate([rng.permutation(here)[: trial.rows] for here in places])
        sample = trial.balanced.take(rows).sample(trial.weighted)
        pool = pool.take(np.flatnonzero(~np.isin(pool.parent, known)))
    numbers = np.bincount(pool.labels, minlength=len(trial.classes))
    expected = np.array([PER_DEG2[name] for name in trial.classes]) * FIELD_DEG2 / numbers
    times = [rng.poisson(expected[pool.labels] * dense) for dense in FIELDS.values()]
    rows = np.concatenate([np.repeat(np.arange(len(pool.labels)), one) for one in times])
    field = np.repeat(np.array(list(FIELDS)), [one.sum() for one in times])
    return pool.take(rows), field, sample


def corrected_sky(trial: Trial, seed: int) -> Sky:
    """Draw a sky, find its class shares and correct its probabilities, as `jpasbatch correct` does."""
    objects, field, sample = draw_sky(trial, np.random.default_rng([seed, 11]))
    reference = Reference(
        *calibrated(sample, trial.options.calibration), Strata.fit(sample.magnitude, trial.options)
    )
    stratum = reference.strata.stratum_of(objects.magnitude, objects.class_star)
    placed = (objects.probabilities, objects.magnitude, objects.missing, stratum)
    cells = reference.measure.cells(*placed)
    prior = fit_prior(cells, reference, trial.options, trial.classes)
    moves = Moves(cells, reference, trial.options, prior)
    prior = replace(prior, redrawn=moves.by_redraws(seed, range(trial.options.redraws)))
    posteriors = prior.correct(*placed)
    return Sky(objects, field, posteriors, shift_of(prior, posteriors, objects.magnitude, stratum))


def shift_of(prior: Prior, posteriors: np.ndarray, magnitude: np.ndarray, stratum: np.ndarray) -> float:
    """Return the error that all log-odds share, from that of the number of quasars."""
    counted = magnitude < FAINTEST
    sums, products = sums_by_stratum(posteriors[counted], stratum[counted], len(prior.strata), QUASARS)
    p = posteriors[counted][:, QUASARS].sum(axis=1)
    errors = count_variances(sums, products, QUASARS, prior)
    return shared_shift((errors.calibration**0.5, errors.systematic**0.5), float((p * (1 - p)).sum()))


def rule_of(kind: str, density: float) -> TargetProgramme:
    """Return the rule that gives so many fibres per deg2."""
    if kind == KINDS[0]:
        return replace(RULE, density=f"{density} / deg2")
    return replace(RULE, per_field=round(density * FIELD_DEG2))


def plain_cut(sky: Sky, score: np.ndarray, chosen: np.ndarray, by_field: bool) -> int:
    """Return how many are right among as many objects of the highest score as a list holds."""
    field = sky.field if by_field else np.zeros_like(sky.field)
    rows = np.flatnonzero(score > 0)
    rows = rows[np.lexsort((-score[rows], field[rows]))]
    found = 0
    for one, number in zip(*np.unique(field[chosen], return_counts=True), strict=True):
        found += int((sky.objects.labels[rows[field[rows] == one][:number]] == WANTED).sum())
    return found


def observe(trial: Trial, seed: int) -> dict[str, list[float]]:
    """Return, for each kind and density, what is forecast and what comes true on one sky."""
    sky = corrected_sky(trial, seed)
    rng = np.random.default_rng([seed, 12])
    partition = sky.partition(rng)
    inside = (sky.objects.magnitude > 17) & (sky.objects.magnitude < FAINTEST)
    raw = np.where(inside, sky.objects.probabilities[:, WANTED], 0)
    anyone = np.where(raw > 0.5, rng.uniform(0.1, 1, len(raw)), 0)
    found: dict[str, list[float]] = {key: [] for key in KEYS}
    for kind in KINDS:
        for density in DENSITIES:
            rule = rule_of(kind, density)
            candidates = find_candidates(partition, (rule,), 1)
            summary = TargetTally.create(rule).add(candidates).extract()
            summary = replace(summary, area_deg2=AREA, shift=sky.shift)
            names = chosen_targets(listed_candidates(candidates, summary))["object_id"]
            chosen = names.cast(pa.int64()).to_numpy()
            low, high = summary.interval
            right = int((sky.objects.labels[chosen] == WANTED).sum())
            plain = [plain_cut(sky, score, chosen, kind == KINDS[1]) for score in (raw, anyone)]
            for key, value in zip(
                KEYS, (len(chosen), summary.expected, low, high, right, *plain), strict=True
            ):
                found[key].append(value)
    return found


TRIAL: list[Trial] = []
"""Of this process: a fork shares its arrays with the workers."""


def observe_one(seed: int) -> dict[str, list[float]]:
    """Observe a sky of the process's trial."""
    return observe(TRIAL[0], seed)


HEAD = (
    "| fibres per deg2 | targets | forecast | true | true - forecast | half of the interval | scatter | in 68 % | "
    "purity, forecast | purity | right per deg2 | by committee | any above 0.5 |"
)


def table_rows(columns: dict[str, np.ndarray], kind: int) -> Iterator[str]:
    """Yield the rows of a Markdown table: means over the skies."""
    skies = len(columns["true"])
    for place, density in enumerate(DENSITIES):
        one = {key: values[:, kind * len(DENSITIES) + place] for key, values in columns.items()}
        off = one["true"] - one["expected"]
        held = ((one["low"] <= one["true"]) & (one["true"] <= one["high"])).mean()
        mean = {key: values.mean() for key, values in one.items()}
        half = (one["high"] - one["low"]).mean() / 2
        yield (
            f"| {density} | {mean['targets']:.0f} | {mean['expected']:.1f} | {mean['true']:.1f} | "
            f"{off.mean():+.2f} ± {off.std(ddof=1) / skies**0.5:.2f} | {half:.2f} | {off.std(ddof=1):.2f} | "
            f"{held:.3f} ± {(held * (1 - held) / skies) ** 0.5:.3f} | "
            f"{mean['expected'] / mean['targets']:.4f} | {mean['true'] / mean['targets']:.4f} | "
            + " | ".join(f"{mean[key] / AREA:.2f}" for key in ("true", "by_committee", "any"))
            + " |"
        )


def draw_figure(columns: dict[str, np.ndarray], path: Path) -> None:
    """Draw yield and purity against density: the forecast with its interval, what came true, and the plain cuts."""
    with house_style():
        figure = new_figure(9.2, 6.4)
        axes = figure.subplots(2, 2, sharex=True)
        for kind, name in enumerate(KINDS):
            rows = slice(kind * len(DENSITIES), (kind + 1) * len(DENSITIES))
            one = {key: values[:, rows] for key, values in columns.items()}
            targets = one["targets"].mean(axis=0)
            for line, scale in ((0, AREA), (1, targets)):
                panel, x = axes[line, kind], targets / AREA
                middle, low, high, true, raw, anyone = (one[key].mean(axis=0) / scale for key in KEYS[1:])
                panel.fill_between(
                    x, low, high, color=BLUE, alpha=0.25, lw=0, label="68 % interval of one sky"
                )
                panel.plot(x, middle, color=BLUE, label="forecast")
                scatter = one["true"].std(axis=0) / scale
                panel.errorbar(
                    x, true, scatter, color=ORANGE, fmt="o", ms=4, label="true, scatter of the skies"
                )
                panel.plot(x, raw, color=INK, lw=1, ls="--", label="as many by the committee's probability")
                panel.plot(x, anyone, color=INK, lw=1, ls=":", label="as many of any above 0.5")
                panel.set(
                    title=f"fibres {name}" if not line else "", ylim=(0, None) if not line else (None, 1.01)
                )
            axes[1, kind].set(xlabel="fibres per deg²")
        axes[0, 0].set(ylabel="right targets per deg²")
        axes[1, 0].set(ylabel="purity")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.savefig(path, dpi=110)


def main() -> None:
    """Print what was forecast and what came true as Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("committee", help="folder of a run or committee, or the name of one of the package")
    parser.add_argument("job", type=Path)
    parser.add_argument("--mock", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--skies", type=int, default=40)
    parser.add_argument("--divide", action="store_true", help="give each sky a validation sample of its own")
    parser.add_argument("--balanced", type=Path, help="folder of the sets that give these samples")
    parser.add_argument("--unweighted", action="store_true", help="validation samples count as they are")
    parser.add_argument("--rows", type=int, default=10_000, help="of each class in such a sample")
    parser.add_argument("--redraws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path, help="all numbers of all skies")
    options = parser.parse_args()
    job, version = load_job(options.job), committee_folder(options.committee)
    classes = tuple(job.classes)
    sample = Validation.from_bytes(load_validation(version)[0], classes).sample
    trial = Trial(
        judge(version, job, options.mock, ("survey",)),
        judge(version, job, options.balanced or options.mock, ("test",)) if options.divide else None,
        replace(sample, weights=np.ones(len(sample))) if options.unweighted else sample,
        classes,
        options.rows,
        PriorOptions(redraws=options.redraws),
        not options.unweighted,
    )
    TRIAL.append(trial)
    with ProcessPoolExecutor(options.workers) as executor:
        found = list(executor.map(observe_one, range(options.seed, options.seed + options.skies)))
    columns = {key: np.array([one[key] for one in found]) for key in KEYS}
    for kind, name in enumerate(KINDS):
        print(f"\nFibres {name}:\n", HEAD, "|---" * 13 + "|", *table_rows(columns, kind), sep="\n")
    print(json.dumps({key: str(value) for key, value in vars(options).items()}))
    if options.figure:
        draw_figure(columns, options.figure)
    if options.json:
        options.json.write_text(json.dumps({key: values.tolist() for key, values in columns.items()}))


if __name__ == "__main__":
    main()
