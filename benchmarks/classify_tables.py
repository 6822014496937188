"""Measure `jpasbatch classify` on tables beside what `infer` does with the same rows, both in one process.

Makes a catalogue of random photometry, the same rows as a FITS file and as Parquet, and a committee of the paper's
shape with random weights (or takes one), once, in a folder. Then these take turns:

- ``infer``: a loop over the partitions, as a worker has it: canonical Parquet to staged predictions;
- ``classify``, by format of the table and of the result: reading, units, cuts, judging, writing of all columns.

Rows a second, medians; the highest resident memory is that of the whole process.

Run: ``python benchmarks/classify_tables.py FOLDER [--rows 100000] [--rounds 3] [--committee FOLDER]``
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from forward_pass import seconds
from survey_inference import bare_share, forget, make_catalogue, make_committee

from jpasbatch.learning.inference import DEFAULT
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.classify.committee import NamedCommittee, name_committee
from jpasbatch.stages.classify.stage import ClassifyOptions, classify_tables
from jpasbatch.stages.infer.partition import Inference
from jpasbatch.stages.run.partition_names import commit_names
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.output.writing import write_table
from jpasbatch.storage.tables.tables import write_cefca_tile

PARTITIONS = 4
WAYS = (("fits", "fits"), ("parquet", "parquet"), ("fits", "parquet"))


def make_tables(folder: Path, survey: Survey) -> None:
    """Write the rows of the catalogue as a survey publishes them, in FITS and in Parquet."""
    catalogue = open_catalogue(folder / "sky")
    parts = [read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    table = pa.concat_tables(parts)
    photometry, count = photometry_from_table(table, survey), table.num_rows
    rows = {
        "tile_id": np.ones(count, dtype=int),
        "number": np.arange(count),
        "ra": table["ra"].to_numpy(),
        "dec": table["dec"].to_numpy(),
        "flux": photometry.flux,
        "flux_err": photometry.flux_err,
        "flags": np.zeros(count, dtype=int),
        "mask_flags": np.zeros(count, dtype=int),
        "class_star": table["class_star"].to_numpy(),
    }
    write_cefca_tile(folder / "table.fits", rows, survey)
    with (
        open_complete(folder / "table.fits", survey, 25_000) as complete,
        write_table(folder / "table.parquet", complete.schema, {}) as file,
    ):
        for piece in complete.pieces:
            file.write(piece)


def infer_way(folder: Path, committee: str, survey: str) -> Any:
    """Return a function that classifies all partitions as a worker of `infer` does."""
    catalogue = open_catalogue(folder / "sky")
    inference = Inference(
        store=str(folder),
        sky="sky",
        catalogue=f"sky/{catalogue.path.name}",
        folder="work/bare",
        staging="sky/.staging/0",
        committee=committee,
        survey=survey,
        options=DEFAULT,
        fingerprint="bare",
    )
    names = commit_names(catalogue)
    return lambda: bare_share(inference, list(names), list(names.values()))


def classify_way(folder: Path, named: NamedCommittee, given: str, written: str) -> Any:
    """Return a function that classifies a table into another."""
    table, output = folder / f"table.{given}", folder / f"classified.{written}"
    return lambda: classify_tables([table], output, named, ClassifyOptions(overwrite=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--committee", type=Path)
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    survey = load_survey("jpas60")
    if not (folder / "table.parquet").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        make_catalogue(folder, PARTITIONS, options.rows // PARTITIONS)
        make_tables(folder, survey)
    rows = open_catalogue(folder / "sky").rows
    named = name_committee(options.committee or make_committee(folder), survey)
    place = str(options.committee.resolve() if options.committee else folder / "committee" / named.name)
    ways = {"infer": infer_way(folder, place, survey.name)}
    for given, written in WAYS:
        ways[f"classify, {given} to {written}"] = classify_way(folder, named, given, written)
    found: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            forget(folder)
            shutil.rmtree(folder / "work", ignore_errors=True)
            before = time.process_time()
            found[name].append(rows / seconds(way))
            busy[name].append(time.process_time() - before)
    base, least = statistics.median(found["infer"]), statistics.median(busy["infer"])
    print(f"{rows:,} rows, committee {named.name}")
    for name, values in found.items():
        rate = statistics.median(values)
        processor = statistics.median(busy[name])
        print(
            f"{name:<32} {rate:>10,.0f} rows/s  {rate / base:>6.2f} of infer; processor: {processor:.2f} s, "
            f"{least / processor:.2f} of infer"
        )
    print(f"largest resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
