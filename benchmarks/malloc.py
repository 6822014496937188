"""Seconds per epoch of training with Dask's default for malloc and with ours, two members at once.

Each round runs both settings in turn in fresh processes; the table gives medians and their ratio.
"""

import argparse
import os
import statistics
import subprocess
import sys

from jpasbatch.compute.clusters.worker_settings import MALLOC

SETTINGS = {
    "Dask's default": {"MALLOC_TRIM_THRESHOLD_": str(64 * 2**10)},
    "ours": {name: str(value) for name, value in MALLOC.items()},
}
PROCESSES = 2

MEASURED = """
import time
import numpy as np
from jpasbatch.learning.backend import limit_threads
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.training import Monitor

limit_threads(1)
rng = np.random.default_rng(1)
samples = []
for rows in (24_000, 6_000):
    labels = rng.integers(4, size=rows).astype(np.int16)
    features = rng.normal(size=(rows, 59)).astype(np.float32) + labels[:, None]
    samples.append(LabelledFeatures(features, labels, ("a", "b", "c", "d")))
times = [time.monotonic()]
MultilayerPerceptron().train(
    TrainingPlan(epochs=4, batch_size=512), *samples, 1,
    Monitor(on_epoch=lambda epoch, logs: times.append(time.monotonic())),
)
print(*np.diff(times)[1:])
"""


def measure(malloc: dict[str, str]) -> list[float]:
    """Return the seconds of each epoch of each process but the first epoch, which holds the tracing."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MEASURED],
            env={**os.environ, **malloc},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    return [float(value) for process in running for value in process.communicate()[0].split()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for _ in range(rounds):
        for name, malloc in SETTINGS.items():
            seconds[name] += measure(malloc)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    fastest = min(medians.values())
    print("| malloc | seconds per epoch | ratio |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / fastest:.2f} |")


if __name__ == "__main__":
    main()
