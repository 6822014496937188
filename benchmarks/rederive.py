"""How fast a new calibration, or a new prior, makes all posteriors of a survey anew.

    python benchmarks/rederive.py FOLDER [--rows 40_000_000] [--rounds 1] [--committee jpas60]

No network is run. Predictions are drawn from what a committee says of its validation sample, in the mix of the sky,
each a little other than the one that it is drawn from. All else is as the stages publish it: partitions of order 5,
all columns, a collection that ``jpasbatch correct`` takes for its own. FOLDER keeps it: a second call makes none.

Every line of the table is one ``jpasbatch correct`` from its start to its end, on two workers, with a value of
``[prior]`` that was not asked for before in its round. Processor seconds are user and system of all its processes.
Bytes are those of the posteriors.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import pyarrow as pa

from jpasbatch.committees.registry import committee_folder
from jpasbatch.learning.novelty.novelty import SUBSETS
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.products.record import record_schema
from jpasbatch.storage.catalogue.partitions import write_partition
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
from jpasbatch.storage.catalogue.publication import publish_extension
from jpasbatch.storage.stores.artefacts import load_committee, load_validation
from jpasbatch.storage.stores.opening import open_store

JOB = """
name   = "rederive"
survey = "jpas60"

[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}

[committee]
artefact = "{committee}"

[counts]
classes       = ["qso_low", "qso_high"]
band_role     = "r"
brighter_than = 23.6

[prior]
{prior}
"""
MIX = {"star": 0.24, "galaxy": 0.71, "qso_low": 0.03, "qso_high": 0.02}
ORDER, MAP_ORDER = 5, 8
ROWS_A_PARTITION = 28_200
JITTER = 0.1
STEPS = {
    "first": "",
    "another calibration": 'calibration = "temperature"',
    "another prior": 'calibration = "temperature"\nmethod = "unfolding"',
    "another calibration, matrix": 'calibration = "matrix"',
    "another calibration, isotonic": 'calibration = "isotonic"',
    "another prior, a table": 'kind = "table"\ntable = "{table}"',
}
"""Options of [prior] of each line."""
TABLE = "brightest,faintest,star,galaxy,qso_low,qso_high\n10,20,6,3,0.5,0.5\n20,30,2,7,0.6,0.4\n"


@lru_cache(maxsize=1)
def sample_of(committee: str) -> tuple[ValidationSample, tuple[str, ...]]:
    """Return what a committee says of its validation sample, and its classes."""
    folder = committee_folder(committee)
    classes = tuple(load_committee(folder)[0]["classes"])
    return Validation.from_bytes(load_validation(folder)[0], classes).sample, classes


def rows_of(committee: str, pixel: int) -> pa.Table:
    """Return the predictions of a partition."""
    sample, classes = sample_of(committee)
    rng = np.random.default_rng([5, pixel])
    shares = np.array([MIX[name] for name in classes]) / np.bincount(sample.labels, minlength=len(classes))
    count = int(rng.poisson(ROWS_A_PARTITION))
    chosen = rng.choice(len(sample), count, p=shares[sample.labels] / shares[sample.labels].sum())
    index = np.sort((pixel << 48) + rng.integers(1 << 48, size=count))
    ra, dec = healpy.pix2ang(2**29, index, nest=True, lonlat=True)
    logs = np.log(np.maximum(sample.probabilities[chosen].astype(np.float64), 1e-7))
    odds = np.exp(logs * np.exp(JITTER * rng.standard_normal((count, 1))))
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    star = classes.index("galaxy") != sample.labels[chosen]
    columns: dict[str, Any] = {
        "_healpix_29": index,
        "object_id": [f"survey-{pixel * 10_000_000 + number}" for number in rng.permutation(count)],
        "ra": ra,
        "dec": dec,
        "predicted_class": np.array(classes)[probabilities.argmax(axis=1)],
        "subset": np.array(SUBSETS)[rng.integers(len(SUBSETS), size=count)],
        "class_star": np.clip(np.where(star, 0.95, 0.05) + 0.1 * rng.standard_normal(count), 0, 1),
        "missing_bands": sample.missing[chosen],
        "magnitude_r": sample.magnitude[chosen] + 0.05 * rng.standard_normal(count),
        "magnitude_bin": rng.integers(-1, 3, size=count),
        "quality": rng.integers(32, size=count),
    }
    columns |= {f"probability_{name}": probabilities[:, number] for number, name in enumerate(classes)}
    schema = record_schema(load_survey("jpas60"), classes)
    arrays = [
        pa.array(columns[one.name] if one.name in columns else rng.random(count), one.type) for one in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_one(committee: str, output: Path, pixel: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the rows of a partition and its predictions; return their records."""
    table, store, name = rows_of(committee, pixel), open_store(output), f"{ORDER}_{pixel}"
    parts = (table.select(["_healpix_29", "object_id", "ra", "dec"]), table)
    staged = (write_partition(part, store, "sky/.staging", name) for part in parts)
    photometry, predictions = (one.facts((ORDER, pixel), "sky", "0" * 64).to_record() for one in staged)
    return photometry, predictions


def make_survey(committee: str, output: Path, rows: int) -> None:
    """Publish a catalogue and its predictions."""
    pixels = range(3000, 3000 + max(1, round(rows / ROWS_A_PARTITION)))
    with ProcessPoolExecutor(2) as executor:
        work = (executor.submit(write_one, committee, output, pixel) for pixel in pixels)
        photometry, predictions = zip(*(one.result() for one in list(work)), strict=True)
    classes = sample_of(committee)[1]
    schema = record_schema(load_survey("jpas60"), classes)
    given = pa.schema([schema.field(name) for name in ("_healpix_29", "object_id", "ra", "dec")])
    sky, total = output / "sky", sum(one["rows"] for one in photometry)
    publish_primary(sky, "photometry", photometry, given, {}, PrimaryOptions(map_order=MAP_ORDER))
    publish_extension(sky, "predictions", predictions, schema, {}, total)
    shutil.rmtree(sky / ".staging", ignore_errors=True)


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command and return its seconds, and those of the processors: user and system, of all its processes."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def forget(output: Path) -> None:
    """Remove what earlier corrections left."""
    for path in (output / "sky").glob("posteriors-*"):
        (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    for name in ("sky/.staging", "work/correct"):
        shutil.rmtree(output / name, ignore_errors=True)


def posterior_bytes(output: Path) -> int:
    """Return the bytes of the posteriors that are published last."""
    record = json.loads((output / "work" / "correct.json").read_bytes())
    return sum(path.stat().st_size for path in (output / record["posteriors"]).rglob("*.parquet"))


def steps_of(output: Path) -> dict[str, float]:
    """Return the seconds of each step of the last correction."""
    record = json.loads((output / "work" / "correct.json").read_bytes())
    return {
        title.removeprefix("correct: "): round(one["seconds"], 1) for title, one in record["measured"].items()
    }


def lines(options: argparse.Namespace, output: Path) -> Iterator[str]:
    """Yield the rows of a Markdown table."""
    rows = sum(
        record["rows"]
        for path in (output / "sky").glob("predictions-*/provenance.json")
        for record in json.loads(path.read_bytes())["partitions"]
    )
    table, job = output.parent / "shares.csv", output.parent / "job.toml"
    table.write_text(TABLE)
    for _ in range(options.rounds):
        forget(output)
        for name, prior in STEPS.items():
            if options.steps and name not in options.steps:
                continue
            job.write_text(JOB.format(committee=options.committee, prior=prior.format(table=table)))
            command = [sys.executable, "-m", "jpasbatch", "correct", str(job), "--output", str(output)]
            seconds, processors = timed(command)
            yield (
                f"| {name} | {rows:,} | {seconds:.1f} | {rows / seconds / 1e6:.2f} | {processors:.1f} | "
                f"{1e6 * processors / rows:.2f} | {posterior_bytes(output) / rows:.1f} | {steps_of(output)} |"
            )


def main() -> None:
    """Make the survey where there is none, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=40_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--committee", default="jpas60")
    parser.add_argument("--steps", nargs="*", choices=STEPS, help="lines of the table; all without it")
    options = parser.parse_args()
    output = options.folder.resolve() / "output"
    if not (output / "sky" / "collection.properties").is_file():
        (output / "sky").mkdir(parents=True, exist_ok=True)
        make_survey(options.committee, output, options.rows)
    print(
        "| what is new | rows | seconds | million rows/s | processor seconds | the same, of a million rows | "
        "bytes a row | seconds of each step |"
    )
    print("|---" * 8 + "|")
    for line in lines(options, output):
        print(line, flush=True)


if __name__ == "__main__":
    main()
