"""Measure the inference of a catalogue, from Parquet to published predictions, against the product of matrices.

Makes a catalogue of random photometry (partitions of the rows asked for) and a committee of the paper's shape, once,
in a folder; then each way classifies all of it, in turn:

- ``bare loop``: one process a core, each runs `classify_partition` over its share; no Dask, nothing published;
- ``stage``: `jpasbatch infer` on two workers, publication included, in float32 and in bfloat16.

The limit is the fastest product of matrices of ``forward_pass.py`` on one thread, times the number of processes:
each of them has one thread. Rows a second of the stage are those of the partitions' phase, and with the publication.

Run: ``python benchmarks/survey_inference.py FOLDER [--partitions 24] [--rows 40000] [--rounds 3]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from forward_pass import FLOP, INPUTS, make_members, product_ways, seconds

from jpasbatch.learning.inference import has_bfloat16

PROCESSES = 2
ORDER = 5
JOB = """
name   = "benchmark"
survey = "jpas60"

[classes]
star     = { truth = ["star"] }
galaxy   = { truth = ["galaxy"] }
qso_low  = { truth = ["qso"], redshift = [0.0, 2.1] }
qso_high = { truth = ["qso"], redshift = [2.1, 10.0] }

[catalogue]
input = "nowhere"

[committee]
artefact = "COMMITTEE"

[inference]
precision = "PRECISION"

[counts]
classes       = ["qso_high"]
band_role     = "g"
brighter_than = 23.0
"""


def make_catalogue(folder: Path, partitions: int, rows: int) -> None:
    """Publish partitions of random photometry, as large and as hard to compress as that of a survey."""
    from jpasbatch.photometry.survey import load_survey
    from jpasbatch.photometry.table import catalogue_schema, required_elements
    from jpasbatch.storage.catalogue.partitions import write_partition
    from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
    from jpasbatch.storage.stores.opening import open_store

    survey = load_survey("jpas60")
    canonical = catalogue_schema(survey)
    index = pa.field("_healpix_29", pa.int64(), nullable=False)
    schema = required_elements(pa.schema([index, *canonical], metadata=canonical.metadata))
    rng, records = np.random.default_rng(1), []
    for number in range(partitions):
        pixel = 3000 + number
        cells = np.sort(rng.integers(pixel << 48, (pixel + 1) << 48, rows))
        table = pa.table(_columns(cells, number, rng, schema), schema=schema)
        staged = write_partition(table, open_store(folder / "sky"), ".staging", f"{ORDER}_{pixel}")
        records.append(staged.facts((ORDER, pixel), "", "ab").to_record())
    publish_primary(folder / "sky", "photometry", records, schema, {}, PrimaryOptions(map_order=8))


def _columns(cells: np.ndarray, number: int, rng: np.random.Generator, schema: pa.Schema) -> list[pa.Array]:
    import healpy

    rows = len(cells)
    ra, dec = healpy.pix2ang(2**29, cells, nest=True, lonlat=True)
    flux = rng.lognormal(1.0, 1.0, (rows, 1)) * rng.lognormal(0.0, 0.3, (rows, 60))
    error = 0.05 * flux + 0.1 * rng.random((rows, 60))
    flux[rng.random((rows, 60)) < 0.02] = np.nan
    flux[:, 54:] = np.abs(flux[:, 54:])
    values: dict[str, Any] = {
        "_healpix_29": cells,
        "object_id": [f"{number}-{row}" for row in range(rows)],
        "ra": ra,
        "dec": dec,
        "flux": flux,
        "flux_err": error,
        "flags": np.zeros(rows),
        "mask_flags": np.zeros(rows),
        "class_star": rng.random(rows),
        "tile": ["1"] * rows,
        "true_class": [None] * rows,
        "true_redshift": np.full(rows, np.nan),
    }

    def column(field: pa.Field) -> pa.Array:
        value = values[field.name]
        if pa.types.is_fixed_size_list(field.type):
            return pa.FixedSizeListArray.from_arrays(pa.array(value.ravel(), pa.float32()), type=field.type)
        return pa.array(value, field.type) if isinstance(value, list) else pa.array(value).cast(field.type)

    return [column(field) for field in schema]


def make_committee(folder: Path) -> Path:
    """Save a committee of the paper's shape with random weights."""
    from jpasbatch.job.job import load_job
    from jpasbatch.learning.description import TrainingFacts, describe_committee
    from jpasbatch.learning.graph import committee_graph
    from jpasbatch.learning.judgement import Jury
    from jpasbatch.photometry.features.registry import make_features
    from jpasbatch.photometry.survey import load_survey
    from jpasbatch.storage.stores.artefacts import save_committee

    survey, members = load_survey("jpas60"), make_members()
    features = make_features("relative_flux", survey)
    job = load_job(write_job(folder, folder, "float32"))
    manifest = describe_committee(survey, features, job.classes, members, Jury.plain(), TrainingFacts())
    return save_committee(folder / "committee", manifest.to_json(), committee_graph(members, INPUTS))


def write_job(folder: Path, committee: Path, precision: str) -> Path:
    path = folder / f"{precision}.toml"
    path.write_text(JOB.replace("COMMITTEE", str(committee)).replace("PRECISION", precision))
    return path


def forget(folder: Path) -> None:
    """Remove all predictions, so that the next run starts from nothing."""
    shutil.rmtree(folder / "work", ignore_errors=True)
    for path in (folder / "sky").glob("predictions-*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (folder / "sky" / ".staging").glob("[0-9a-f]*"):
        if path.is_dir():
            shutil.rmtree(path)


def run_stage(folder: Path, job: Path) -> dict[str, Any]:
    """Run ``jpasbatch infer`` as a user does, and return its record and the peak memory of a worker in MiB."""
    forget(folder)
    command = [sys.executable, "-m", "jpasbatch", "infer", str(job), "--output", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = watch(process)
    _, message = process.communicate()
    if process.returncode:
        raise RuntimeError(message)
    return json.loads((folder / "work" / "infer.json").read_bytes()) | {"peak": peak}


def watch(process: subprocess.Popen[str]) -> float:
    """Return the largest resident memory of a child of a process, MiB, until it ends."""
    import psutil

    peak, parent = 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        for child in parent.children(recursive=True):
            try:
                peak = max(peak, child.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.2)
    return peak


def bare_share(inference: Any, pixels: list[tuple[int, int]], names: list[str]) -> None:
    """Classify a share of the partitions in this process."""
    from jpasbatch.stages.infer.partition import classify_partition
    from jpasbatch.stages.run.commits import Run, commit_task

    run = Run(inference.store, inference.folder)
    for pixel, name in zip(pixels, names, strict=True):
        commit_task(run, classify_partition, name, (inference, *pixel, name))


def bare_loop(folder: Path, committee: Path, precision: str) -> float:
    """Return the seconds that processes without Dask take, from the moment at which all of them are ready."""
    from jpasbatch.learning.inference import InferenceOptions
    from jpasbatch.stages.infer.partition import Inference
    from jpasbatch.stages.run.partition_names import commit_names
    from jpasbatch.storage.catalogue.collection import open_catalogue

    forget(folder)
    catalogue = open_catalogue(folder / "sky")
    inference = Inference(
        store=str(folder),
        sky="sky",
        catalogue=f"sky/{catalogue.path.name}",
        folder="work/bare",
        staging="sky/.staging/0",
        committee=str(committee),
        survey="jpas60",
        options=InferenceOptions(precision=precision),  # type: ignore[arg-type]
        fingerprint="bare",
    )
    names = commit_names(catalogue)
    with get_context("spawn").Pool(PROCESSES) as pool:
        first = next(iter(names))
        warm = replace(inference, folder="work/warm")
        pool.starmap(bare_share, [(warm, [first], [f"warm-{n}"]) for n in range(PROCESSES)], chunksize=1)
        shares = [
            (inference, list(names)[n::PROCESSES], list(names.values())[n::PROCESSES])
            for n in range(PROCESSES)
        ]
        return seconds(lambda: pool.starmap(bare_share, shares, chunksize=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--partitions", type=int, default=24)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    if not (folder / "sky" / "collection.properties").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        make_catalogue(folder, options.partitions, options.rows)
    committee = make_committee(folder)
    products = product_ways(1)
    rows = options.partitions * options.rows
    found: dict[str, list[float]] = {}
    limit, peak = 0.0, 0.0
    precisions = ("float32", "bfloat16") if has_bfloat16() else ("float32",)
    if len(precisions) == 1:
        print("skipped: bfloat16, which this processor does not have")
    for _ in range(options.rounds):
        for (_, flop), way in products.items():
            repeats = max(1, int(4e9 // flop))
            spent = seconds(lambda way=way, n=repeats: [way() for _ in range(n)])
            limit = max(limit, PROCESSES * repeats * flop / spent / FLOP)
        for precision in precisions:
            found.setdefault(f"bare loop, {precision}", []).append(
                rows / bare_loop(folder, committee, precision)
            )
            record = run_stage(folder, write_job(folder, committee, precision))
            peak = max(peak, record["peak"])
            found.setdefault(f"stage, {precision}", []).append(rows / record["seconds"])
            partitions = record["seconds"] - record["seconds_publishing"]
            found.setdefault(f"stage without publishing, {precision}", []).append(rows / partitions)
            print(record["precision"], record["seconds"], record["seconds_publishing"], flush=True)
    print(
        f"{rows:,} rows in {options.partitions} partitions; limit of {PROCESSES} threads: {limit:,.0f} rows/s"
    )
    for name, values in found.items():
        rate = statistics.median(values)
        print(f"{name:<36} {rate:>10,.0f} rows/s  {rate / limit:>6.2f} of the limit")
    print(f"largest worker: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
