"""Objects per second and core of the mock's steps: noise, spectra by class, library.

    python benchmarks/mock_speed.py --data FOLDER

No step uses more than one thread. Medians of the rounds, all steps in turn in each round.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from jpasbatch.mocks.options.templates import CLASSES, TemplateSky
from jpasbatch.mocks.parents.packs.ingredients import gather
from jpasbatch.mocks.skies.objects import Workshop
from jpasbatch.mocks.skies.places import Places, first_id
from jpasbatch.mocks.skies.templates import conditions_of, make_library, make_rows
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE
from jpasbatch.photometry.noise import observe_objects
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import load_survey

SURVEY = load_survey("jpas60")
NOISE_OBJECTS, OBJECTS = 200_000, 4_000


def places(true_class: str, number: int) -> dict[str, Places]:
    """Return objects of one class of the training set."""
    ids = first_id("training", true_class) + np.arange(number)
    nowhere = np.zeros(number)
    tiles = FIRST_VIRTUAL_TILE + np.arange(number) % 1000
    return {true_class: Places(ids, np.arange(number), nowhere, nowhere, tiles)}


def seconds(function) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the template pack")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    mock = TemplateSky(templates=str(options.data))
    workshop = Workshop(mock, gather(options.data, CLASSES, SURVEY, False), SURVEY)
    rng = np.random.default_rng(1)
    flux = rng.exponential(1.0, (NOISE_OBJECTS, len(SURVEY.bands))).astype(np.float32)
    streams = ObjectStreams(1, np.arange(NOISE_OBJECTS))
    conditions = conditions_of(workshop, FIRST_VIRTUAL_TILE + np.arange(NOISE_OBJECTS) % 1000)
    library = {"star": make_library(workshop, "star", np.arange(2000))}
    steps = {
        "noise of 60 bands": (
            NOISE_OBJECTS,
            lambda: observe_objects(flux, conditions, streams, mock.noise, SURVEY.zero_point_error),
        )
    }
    for name in CLASSES:
        chosen = places(name, OBJECTS)
        steps[f"rows, {name}"] = (
            OBJECTS,
            lambda chosen=chosen: make_rows(workshop, "training", chosen, None),
        )
    many = places("star", 20_000)
    steps["rows from the library"] = (20_000, lambda: make_rows(workshop, "survey", many, library))
    measured: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, (_, function) in steps.items():
            measured[name].append(seconds(function))
    print("| step | objects/s and core |\n|---|---|")
    for name, (number, _) in steps.items():
        print(f"| {name} | {number / statistics.median(measured[name]):,.0f} |")


if __name__ == "__main__":
    main()
