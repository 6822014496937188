"""What variety beyond the parents does to scores: small committees that learnt from mocks with, and without, it.

    python benchmarks/realism_steps.py --data FOLDER

20,000 objects of each class, two networks of 8 x 200, 10 epochs; scores on test mocks with 20 < r <= 22.5 and on the
inspected BOSS spectra (10 seeds of the survey's noise). Some minutes.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from jpasbatch.job.job import load_job
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.judgement import vote
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures, label
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.options.templates import CLASSES, BalancedSamples, TemplateSky
from jpasbatch.mocks.parents.packs.ingredients import gather
from jpasbatch.mocks.skies.builtin import observed_spectra_table
from jpasbatch.mocks.skies.objects import Workshop
from jpasbatch.mocks.skies.places import Places, first_id, numbers_of
from jpasbatch.mocks.skies.templates import SetTable, make_rows
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE
from jpasbatch.photometry.features.fluxes import RelativeFlux
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import load_survey
from jpasbatch.scoring.metrics import scores

SURVEY = load_survey("jpas60")
SAMPLES = BalancedSamples(
    training=20_000,
    validation=3_000,
    test=6_000,
    incomplete_share=0.5,
    incomplete_bands=("uJAVA", "uJPAS", "J1007"),
)
NOISE_SEEDS = range(1, 11)
BRIGHT, FAINT = 20.0, 22.5


def variants(data: Path) -> dict[str, TemplateSky]:
    """Return the mocks that are compared."""
    whole = TemplateSky(templates=str(data), samples=SAMPLES)
    plain = replace(
        whole,
        quasars=replace(
            whole.quasars,
            line_scatter=0.0,
            reddening_scale=0.0,
            reddened_share=0.0,
            broad_absorption_share=0.0,
            continuum_wiggles=0.0,
            host_below=0.0,
        ),
        galaxies=replace(
            whole.galaxies,
            line_width_blue=0.0,
            line_width_red=0.0,
            young_light=0.0,
            burst_share=0.0,
            seyfert_share=0.0,
            liner_share=0.0,
            bulge_light=0.0,
            continuum_wiggles=0.0,
        ),
        stars=replace(whole.stars, continuum_wiggles=0.0),
    )
    wild = replace(whole, quasars=replace(whole.quasars, line_scatter=0.2, continuum_wiggles=0.08))
    return {
        "parents alone": plain,
        "as it is": whole,
        "lines of quasars and their wiggles twice as wild": wild,
    }


def rows_of(workshop: Workshop, name: str) -> SetTable:
    """Return all rows of a balanced set; positions do not matter."""
    places = {}
    for true_class, number in numbers_of(workshop.options, name).items():
        ids = first_id(name, true_class) + np.arange(number)
        drawn = ObjectStreams(workshop.options.seed, ids).named("virtual tile")
        tile = FIRST_VIRTUAL_TILE + drawn.integers(workshop.options.tiles.virtual)
        places[true_class] = Places(ids, np.arange(number), np.zeros(number), np.zeros(number), tile)
    return make_rows(workshop, name, places, None)


def inputs(flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return relative fluxes."""
    return RelativeFlux(SURVEY)(Photometry(np.ascontiguousarray(flux), np.ascontiguousarray(error)))


def weighted_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the weighted f1 of four classes."""
    confusion = np.zeros((4, 4), dtype=np.int64)
    np.add.at(confusion, (predicted, true), 1)
    return scores(confusion).weighted_f1


def main() -> None:
    """Print the table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of public data")
    data = parser.parse_args().data
    definitions = load_job(Path("jobs/mock_sky.toml"), data).classes
    ingredients = gather(data, CLASSES, SURVEY, False)
    folders = {"spectra": str(data / "boss_spectra"), "filters": str(data / "jpas_filters")}
    boss = [observed_spectra_table(ObservedSpectra(**folders, seed=seed), SURVEY) for seed in NOISE_SEEDS]
    truth = label(boss[0]["true_class"], boss[0]["true_redshift"], definitions)
    known = truth >= 0
    print("| mock | (a) 20 < r <= 22.5 | (c) | gap |\n|---|---|---|---|")
    for name, options in variants(data).items():
        workshop = Workshop(options, ingredients, SURVEY)
        sets = {part: rows_of(workshop, part) for part in ("training", "validation", "test")}
        samples = [
            LabelledFeatures.from_rows(
                inputs(sets[part]["flux"], sets[part]["flux_err"]),
                label(sets[part]["true_class"], sets[part]["true_redshift"], definitions),
                tuple(definitions),
            )
            for part in ("training", "validation")
        ]
        plan = TrainingPlan(epochs=10, batch_size=512)
        members = [MultilayerPerceptron().train(plan, *samples, seed) for seed in (1, 2)]
        engine = InferenceEngine(committee_graph(members, samples[0].n_inputs))
        test = sets["test"]
        inside = (test["true_magnitude"] > BRIGHT) & (test["true_magnitude"] <= FAINT)
        features = inputs(test["flux"][inside], test["flux_err"][inside])
        labels = label(test["true_class"][inside], test["true_redshift"][inside], definitions)
        usable = np.isfinite(features).all(axis=1)
        own = weighted_f1(labels[usable], vote(engine.members(features[usable])).argmax(axis=1))
        real = np.mean(
            [
                weighted_f1(
                    truth[known],
                    vote(engine.members(inputs(table["flux"][known], table["flux_err"][known]))).argmax(
                        axis=1
                    ),
                )
                for table in boss
            ]
        )
        print(f"| {name} | {own:.3f} | {real:.3f} | {own - real:.3f} |", flush=True)


if __name__ == "__main__":
    main()
