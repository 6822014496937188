"""Seconds per epoch of a committee: members one after the other, side by side in processes, or stacked in one pass.

    python benchmarks/stacked_training.py [--rows 60000] [--members 8] [--rounds 3]

Stacked members are one network of batched products of matrices: each has its own initial weights, dropout masks
and order of the rows. All ways run in turn, each in fresh processes; the table gives medians, and their ratios to
the first. The first epoch, which holds the tracing, does not count.
"""

import argparse
import os
import statistics
import subprocess
import sys

COMMON = """
import sys, time
import numpy as np
from jpasbatch.learning.backend import limit_threads, load_keras, to_numpy
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.training import Monitor

rows, members, threads = map(int, sys.argv[1:4])
limit_threads(threads)
rng = np.random.default_rng(1)
labels = rng.integers(4, size=rows).astype(np.int16)
features = rng.normal(size=(rows, 59)).astype(np.float32) + labels[:, None]
sample = LabelledFeatures(features, labels, ("a", "b", "c", "d"))
few = LabelledFeatures(features[:2000], labels[:2000], sample.classes)
model, plan = MultilayerPerceptron(), TrainingPlan(epochs=3, batch_size=1024)
"""

ALONE = (
    COMMON
    + """
total = 0.0
for seed in range(members):
    times = []
    model.train(plan, sample, few, seed, Monitor(on_epoch=lambda *_: times.append(time.monotonic())))
    total += float(np.median(np.diff(times)))
print(total)
"""
)

STACKED = (
    COMMON
    + """
keras = load_keras()
ops = keras.ops
singles = [model.weights(model.build(59, 4, seed)) for seed in range(members)]

class Stacked(keras.Model):
    def __init__(self):
        super().__init__()
        self.layers_ = []
        for number, parts in enumerate(zip(*singles)):
            kernel, bias = (np.stack([part[k] for part in parts]) for k in (0, 1))
            hidden = number < len(singles[0]) - 1
            constraint = keras.constraints.MaxNorm(model.max_norm, axis=1) if hidden else None
            self.layers_.append((
                self.add_weight(shape=kernel.shape, initializer=lambda *a, v=kernel, **k: ops.convert_to_tensor(v),
                                constraint=constraint, name=f"kernel_{number}"),
                self.add_weight(shape=(members, 1, bias.shape[1]),
                                initializer=lambda *a, v=bias[:, None], **k: ops.convert_to_tensor(v),
                                name=f"bias_{number}"),
            ))
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs, training=False):
        flow = ops.transpose(inputs, (1, 0, 2))
        for number, (kernel, bias) in enumerate(self.layers_):
            flow = ops.matmul(flow, kernel) + bias
            if number < len(self.layers_) - 1:
                flow = ops.relu(flow)
                if training:
                    flow = keras.random.dropout(flow, model.dropout, seed=self.seed_generator)
        return ops.transpose(flow, (1, 0, 2))

class Batches(keras.utils.PyDataset):
    def __init__(self, orders, targets):
        super().__init__()
        self.orders, self.targets = orders, targets
    def __len__(self):
        return -(-rows // plan.batch_size)
    def __getitem__(self, number):
        chosen = self.orders[:, number * plan.batch_size : (number + 1) * plan.batch_size].T
        return features[chosen], self.targets[chosen]

def loss(true, logits):
    return members * keras.losses.categorical_crossentropy(true, logits, from_logits=True)

network = Stacked()
adam = keras.optimizers.Adam(plan.learning_rate)
network.compile(optimizer=adam, loss=loss, steps_per_execution=16, jit_compile=False)
targets, seconds = sample.targets(), []
for epoch in range(plan.epochs):
    orders = np.stack([np.random.default_rng([seed, 1, epoch]).permutation(rows) for seed in range(members)])
    start = time.monotonic()
    network.fit(Batches(orders, targets), verbose=0, shuffle=False)
    seconds.append(time.monotonic() - start)
print(float(np.median(seconds[1:])))
"""
)


def run(script: str, rows: int, members: int, threads: int, processes: int = 1) -> float:
    """Return the seconds that all processes took for an epoch of all their members; the slowest counts."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(rows), str(members), str(threads)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(processes)
    ]
    return max(float(process.communicate()[0]) for process in started)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows, members, cores = options.rows, options.members, os.cpu_count() or 1
    ways = {
        f"one after the other, {cores} threads": lambda: run(ALONE, rows, members, cores),
        f"{cores} processes of one thread": lambda: run(ALONE, rows, members // cores, 1, cores),
        f"stacked, {cores} threads": lambda: run(STACKED, rows, members, cores),
        f"stacked, {cores} processes of one thread": lambda: run(STACKED, rows, members // cores, 1, cores),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    first = statistics.median(next(iter(seconds.values())))
    print(f"{members} members of 8 x 200, {rows:,} rows, batches of 1024, {os.cpu_count()} cores\n")
    print("| way | seconds per epoch of the committee | ratio |\n|---|---|---|")
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.1f} | {middle / first:.2f} |")


if __name__ == "__main__":
    main()
