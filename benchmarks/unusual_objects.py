"""How well objects that are like nothing learnt are known, and how the products change when they are left out.

    python benchmarks/unusual_objects.py RUN JOB --data FOLDER > TABLE.md

RUN holds the sets ``test`` and ``survey`` of a template mock and a committee that knows what is ordinary; JOB is its
job file. FOLDER holds ``jpas_filters``, ``star_libraries`` (with ``rrarchetype-star.fits.gz`` of redrock-archetypes)
and ``galaxy_agn_templates`` (brown dwarfs, galaxies with lines, Seyferts: the template library of LePhare and EAZY).

Odd kinds are template spectra through the real curves, observed with the noise of test objects; sums of two test
objects; and test objects with wrong bands (``odd_kinds.py``). AUROC is against test objects of about the same
magnitude. Of the survey, one part after the other is made odd: what comes of numbers of quasars and of targets, with
and without a veto.
"""

import argparse
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odd_kinds import BLENDS, WRONG, filter_weights, template_kinds

from jpasbatch.job.job import load_job
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.judgement import Judgement
from jpasbatch.learning.novelty.novelty import SUBSETS, UNSAFE
from jpasbatch.learning.samples import label
from jpasbatch.photometry.noise import NoiseModel, observe_again, sky_noise
from jpasbatch.photometry.photometry import Photometry, ab_magnitude, flux_from_ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.artefacts import committee_version

MAGNITUDES, REACH, BROADER = (19.0, 21.0, 22.5), 0.25, 0.5
ROWS, SURVEY_ROWS = 1500, 150_000
QUASARS, WANTED, FAINTEST_TARGET = slice(2, 4), 3, 22.5
TRUTH = ("flux", "flux_err", "true_class", "true_redshift")


@dataclass(frozen=True, eq=False)
class Objects:
    """Photometry of n objects, their labels (-1: no class) and magnitudes."""

    photometry: Photometry
    labels: np.ndarray
    magnitude: np.ndarray

    def take(self, rows: np.ndarray) -> "Objects":
        """Return some of the objects."""
        return Objects(self.photometry.select(rows), self.labels[rows], self.magnitude[rows])


def read_set(run: Path, name: str, job, survey: Survey, committee: Committee, rows: int) -> Objects:
    """Return objects of a set that have features, of partitions spread over it, until there are enough."""
    catalogue, flux, error, labels = open_catalogue(run / "mock" / name), [], [], []
    for place in np.random.default_rng(1).permutation(len(catalogue.pixels)):
        table = read_partition(catalogue.partition_path(*catalogue.pixels[place]), TRUTH)
        photometry = photometry_from_table(table, survey)
        finite = np.isfinite(committee.features(photometry)).all(axis=1)
        true_class = table["true_class"].to_numpy(zero_copy_only=False)
        labels.append(label(true_class, table["true_redshift"].to_numpy(), job.classes)[finite])
        flux.append(photometry.flux[finite])
        error.append(photometry.flux_err[finite])
        if sum(map(len, labels)) >= rows:
            break
    photometry = Photometry(np.concatenate(flux), np.concatenate(error))
    return Objects(
        photometry, np.concatenate(labels), ab_magnitude(photometry.flux[:, survey.reference_index])
    )


class Observer:
    """Observes spectra as the objects of a set were observed."""

    def __init__(self, objects: Objects, survey: Survey, rng: np.random.Generator) -> None:
        self.survey, self.rng = survey, rng
        given = objects.photometry
        self.sky = sky_noise(given.flux, given.flux_err, survey.zero_point_error)

    def __call__(self, shapes: np.ndarray, magnitude: np.ndarray) -> Photometry:
        """Return observations of shapes (n, bands) at magnitudes (n,)."""
        reference = shapes[:, [self.survey.reference_index]]
        true = (shapes / reference * flux_from_ab_magnitude(magnitude)[:, None]).astype(np.float32)
        sky = self.sky[self.rng.integers(len(self.sky), size=len(true))]
        return Photometry(*observe_again(true, sky, self.survey.zero_point_error, NoiseModel(), self.rng))


def odd_objects(
    test: Objects, kinds: dict[str, np.ndarray], observer: Observer, magnitude: float
) -> Iterator[tuple[str, Photometry]]:
    """Yield each kind with its observations at about a magnitude."""
    rng = observer.rng
    for kind, shapes in kinds.items():
        chosen = shapes[rng.integers(len(shapes), size=ROWS)]
        yield kind, observer(chosen, magnitude + rng.uniform(-REACH, REACH, ROWS))
    for kind, (first, second) in BLENDS.items():
        # each about half of the light
        near = np.abs(test.magnitude - magnitude - 0.75) < BROADER
        one, other = (
            test.photometry.select(rng.choice(np.flatnonzero(near & np.isin(test.labels, labels)), ROWS))
            for labels in (first, second)
        )
        yield f"blend: {kind}", Photometry(one.flux + other.flux, np.hypot(one.flux_err, other.flux_err))
    near = np.flatnonzero(np.abs(test.magnitude - magnitude) < REACH)
    for kind, change in WRONG.items():
        yield kind, change(test.photometry.select(rng.choice(near, ROWS)), rng)


# what is said of them


def auroc(ordinary: np.ndarray, odd: np.ndarray) -> float:
    """Return the probability that an odd object has the higher score of the two; ties count half."""
    order = np.sort(ordinary)
    places = np.searchsorted(order, odd, "left") + np.searchsorted(order, odd, "right")
    return float(places.mean() / (2 * len(order)))


def print_kinds(
    test: Objects, judgement: Judgement, committee: Committee, kinds: dict, survey: Survey
) -> None:
    observer = Observer(test, survey, np.random.default_rng(5))
    cells: dict[str, list[str]] = {}
    for magnitude in MAGNITUDES:
        ordinary = judgement.novelty.score[np.abs(test.magnitude - magnitude) < BROADER]
        for kind, photometry in odd_objects(test, kinds, observer, magnitude):
            judged = committee.judge(photometry)
            found = judged.novelty.take(judged.usable)
            share = (found.subset == UNSAFE).mean()
            cells.setdefault(kind, []).append(f"{auroc(ordinary, found.score):.2f} / {100 * share:.0f}")
    print(
        "| kind | "
        + " | ".join(f"r = {one:g}" for one in MAGNITUDES)
        + " |\n|---|"
        + "---|" * len(MAGNITUDES)
    )
    for kind, row in cells.items():
        print(f"| {kind} | " + " | ".join(row) + " |")


def print_false_alarms(name: str, objects: Objects, judgement: Judgement) -> None:
    edges = (17, 19, 20, 21, 22, 23, 24)
    print(
        f"\n| {name}: r | objects | "
        + " | ".join(f"{one}, %" for one in SUBSETS)
        + " |\n|---|---|---|---|---|---|"
    )
    for low, high in itertools.pairwise(edges):
        rows = (objects.magnitude > low) & (objects.magnitude <= high)
        shares = np.bincount(judgement.novelty.subset[rows], minlength=len(SUBSETS)) / rows.sum()
        print(
            f"| {low} to {high} | {rows.sum()} | " + " | ".join(f"{100 * one:.2f}" for one in shares) + " |"
        )


def scenarios(
    sky: Objects, kinds: dict[str, np.ndarray], observer: Observer
) -> Iterator[tuple[str, Objects]]:
    """Yield skies of which a part is odd: what is replaced has no class, what has wrong bands keeps its own."""
    rng = observer.rng
    yield "as it is", sky

    def changed(share: float, change: Callable[[Objects], Photometry], keeps: bool) -> Objects:
        rows = np.flatnonzero(rng.random(len(sky.labels)) < share)
        part, labels = change(sky.take(rows)), sky.labels.copy()
        flux, error = sky.photometry.flux.copy(), sky.photometry.flux_err.copy()
        flux[rows], error[rows] = part.flux, part.flux_err
        if not keeps:
            labels[rows] = -1
        return Objects(
            Photometry(flux, error), labels, ab_magnitude(flux[:, observer.survey.reference_index])
        )

    def mixed(part: Objects) -> Photometry:
        names = list(kinds)
        shapes = [kinds[names[one]] for one in rng.integers(len(names), size=len(part.labels))]
        chosen = np.array([one[rng.integers(len(one))] for one in shapes])
        return observer(chosen, part.magnitude)

    yield "1 % of other kinds, in equal parts", changed(0.01, mixed, keeps=False)
    one_band, tiles = WRONG["one bright band"], WRONG["zero points of all bands, 0.2 mag rms"]
    yield "2 % with one bright band", changed(0.02, lambda part: one_band(part.photometry, rng), keeps=True)
    yield (
        "10 % with zero points 0.2 mag off",
        changed(0.1, lambda part: tiles(part.photometry, rng), keeps=True),
    )


def print_products(sky: Objects, kinds: dict, committee: Committee, observer: Observer) -> None:
    print(
        "\n| sky | subsets | quasars, found / true | targets | right, % | true QSO z > 2.1 in them |\n"
        "|---|---|---|---|---|---|"
    )
    for name, objects in scenarios(sky, kinds, observer):
        judgement = committee.judge(objects.photometry)
        bright = judgement.usable & (objects.magnitude < FAINTEST_TARGET)
        true = (np.isin(objects.labels, (2, 3)) & bright).sum()
        for title, kept in (
            ("all", bright),
            ("without unsafe", bright & (judgement.novelty.subset != UNSAFE)),
        ):
            found = judgement.probabilities[kept][:, QUASARS].sum()
            targets = (
                kept & (np.nan_to_num(judgement.probabilities[:, WANTED]) >= 0.5) & (objects.magnitude > 17)
            )
            right = (objects.labels[targets] == WANTED).sum()
            print(
                f"| {name} | {title} | {found / true:.3f} | {targets.sum()} | {100 * right / targets.sum():.1f} | "
                f"{right} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("job", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    os.environ.setdefault("JPASBATCH_DATA", str(options.data))
    job = load_job(options.job)
    survey = load_survey(job.survey)
    committee = open_committee(str(committee_version(options.run / "committee")), survey)
    if committee.ordinary is None:
        raise SystemExit("this committee does not know what is ordinary: train it again")
    kinds = template_kinds(options.data, filter_weights(options.data, survey))
    test, sky = (
        read_set(options.run, name, job, survey, committee, SURVEY_ROWS) for name in ("test", "survey")
    )
    judged = committee.judge(test.photometry)
    print_kinds(test, judged, committee, kinds, survey)
    print_false_alarms("test", test, judged)
    print_false_alarms("survey", sky, committee.judge(sky.photometry))
    print_products(sky, kinds, committee, Observer(test, survey, np.random.default_rng(6)))


if __name__ == "__main__":
    main()
