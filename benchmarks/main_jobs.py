"""Run a main job as a user would, on the tables of a mock sky, and look at what comes out beside the truth.

    python benchmarks/main_jobs.py jobs/jpas_qso.toml FOLDER --data PACK --area 10

makes a sky of the job's survey with the natural mix of classes from a template pack (docs/template_pack.md), writes
its tables as the survey publishes them, one a tile and without the truth, and runs the job on them from ingest to
report and targets. Then it says, by bin of magnitude: how many quasars there are, how many the job finds, which share
of them a limit of stellarity keeps, and how much else it lets in. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jpasbatch.job.job import load_job
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.tables.tables import write_published

LIMITS = (None, 0.01, 0.05, 0.1, 0.2, 0.5)
"""Limits of ``class_star`` that are compared; None: all objects."""
CANDIDATE = 0.5
"""Probability of a quasar above which an object is a candidate."""
QUASARS = ("qso_low", "qso_high")

MOCK = """\
name = "sky"
survey = "{survey}"
[classes]
star = {{ truth = ["star"] }}
galaxy = {{ truth = ["galaxy"] }}
qso_low = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}
[mock]
kind = "templates"
templates = "{{data}}"
seed = {seed}
[mock.samples]
training = 0
validation = 0
test = {test}
[mock.survey]
area_deg2 = {area}
[catalogue]
sample = "{sample}"
"""
"""A job that makes objects from a template pack: so many of each class to test on, or a sky of some area."""


def read_catalogue(folder: Path, columns: tuple[str, ...] | None = None) -> pa.Table:
    """Return all rows of a catalogue."""
    catalogue = open_catalogue(folder)
    return pa.concat_tables(
        read_partition(catalogue.partition_path(*pixel), columns) for pixel in catalogue.pixels
    )


def run(*arguments: str | Path) -> float:
    """Run a command of the package, and return its seconds."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "jpasbatch", *map(str, arguments)], check=True)
    return time.monotonic() - start


def make_sky(folder: Path, survey: Survey, area: float, data: Path, seed: int) -> pa.Table:
    """Make the mock sky, and return its rows with the truth."""
    job = folder / "sky.toml"
    job.write_text(
        MOCK.format(survey=survey.name, seed=seed, test=0, area=area, sample="survey"), encoding="utf-8"
    )
    if not (folder / "sky" / "mock" / "survey").is_dir():
        run("mock", job, "--data", data, "--output", folder / "sky")
    return read_catalogue(folder / "sky" / "mock" / "survey")


def write_tables(folder: Path, sky: pa.Table, survey: Survey) -> None:
    """Write the sky as the survey publishes its tables, one a tile, without the truth."""
    folder.mkdir(parents=True)
    photometry = photometry_from_table(sky, survey)
    tiles = sky["tile_number"].to_numpy()
    rows = {
        "tile_id": tiles,
        "number": np.arange(len(tiles)),
        "ra": sky["ra"].to_numpy(),
        "dec": sky["dec"].to_numpy(),
        "flux": photometry.flux,
        "flux_err": photometry.flux_err,
        "flags": sky["flags"].to_numpy(),
        "mask_flags": sky["mask_flags"].to_numpy(),
        "class_star": sky["class_star"].to_numpy(),
    }
    for tile in np.unique(tiles):
        of_tile = tiles == tile
        write_published(
            folder, f"tile-{tile}", {name: values[of_tile] for name, values in rows.items()}, survey
        )


def probabilities(run_folder: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Return the probability of a quasar of each named object, the committee's own and for the mix of the sky.

    NaN for objects that were not classified.
    """
    found = {}
    kinds = (("predictions", "probability_{}"), ("posteriors", "posterior_{}"))
    for kind, column in kinds:
        columns = tuple(column.format(name) for name in QUASARS)
        table = read_catalogue(current_extension(run_folder / "sky", kind), ("object_id", *columns))
        place = {name: row for row, name in enumerate(table["object_id"].to_pylist())}
        summed = np.append(sum(table[name].to_numpy().astype(float) for name in columns), np.nan)
        found[kind] = summed[[place.get(name, -1) for name in names]]
    return found


def tell(sky: pa.Table, found: dict[str, np.ndarray], survey: Survey) -> None:
    """Print what each limit of stellarity keeps, by bin of the survey."""
    flux = photometry_from_table(sky, survey).flux[:, survey.reference_index]
    magnitude, points = ab_magnitude(flux), sky["class_star"].to_numpy()
    truth = sky["true_class"].to_numpy(zero_copy_only=False).astype(str)
    quasar, extended = truth == "qso", truth == "galaxy"
    posterior = found["posteriors"]
    candidate = np.nan_to_num(posterior) > CANDIDATE
    print(
        "| bin | class_star above | objects | quasars kept | of summed probability | candidates: quasars found "
        "| purity | galaxies in them |\n|---|---|---|---|---|---|---|---|"
    )
    for low, high in survey.magnitude_bins:
        inside = (magnitude > low) & (magnitude <= high)
        all_quasars = int((inside & quasar).sum())
        for limit in LIMITS:
            kept = inside & ((points > limit) if limit is not None else True)
            chosen = kept & candidate
            right = int((chosen & quasar).sum())
            print(
                f"| {low:g} to {high:g} | {'none' if limit is None else limit} | {int(kept.sum()):,} "
                f"| {(kept & quasar).sum() / all_quasars:.3f} | {np.nansum(posterior[kept]) / all_quasars:.3f} "
                f"| {right / all_quasars:.3f} | {right / max(chosen.sum(), 1):.3f} | {int((chosen & extended).sum())} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="template pack")
    parser.add_argument("--area", type=float, default=10.0, help="of the sky, deg2")
    parser.add_argument("--seed", type=int, default=7, help="of the sky")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    job = load_job(options.job, folder)
    survey = load_survey(job.survey)
    sky = make_sky(folder, survey, options.area, options.data, options.seed)
    assert job.catalogue.input is not None
    if not Path(job.catalogue.input).is_dir():
        write_tables(Path(job.catalogue.input), sky, survey)
    output = folder / "run"
    seconds = run("run", options.job, "--data", folder, "--output", output)
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    print(f"{sky.num_rows:,} rows, tables to report and targets in {seconds:.0f} s")
    print(json.dumps({key: summary[key] for key in ("rows", "counts") if key in summary}, indent=1)[:3000])
    names = [f"{tile}-{number}" for number, tile in enumerate(sky["tile_number"].to_pylist())]
    tell(sky, probabilities(output, names), survey)


if __name__ == "__main__":
    main()
