"""Measure what fine-tuning on 500 real objects changes: S-PLUS photometry, classes of SDSS, a committee of mocks.

500 of the real rows, drawn by chance, teach and validate beside objects of the mock (the real ones have no quasar,
and a committee that sees none forgets them); all others test. Three committees classify the same test rows: the one of
mocks alone, the same fine-tuned (``[committee] begin``), and the control: fine-tuned as long on mock objects alone.

Run: ``python benchmarks/fine_tuning.py RUN DATA FOLDER`` where RUN is the output folder of a job that trained on a mock
of survey splus12 (jobs/pretrained/jplus12.toml with the survey changed), and DATA holds
``splus_s82/splus_s82_sdss.txt``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jpasbatch as jb
from jpasbatch.cli import main as run_command
from jpasbatch.learning.manifest import Manifest
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.artefacts import committee_version, load_committee

REAL, SHARE_VALIDATES, SEED = 500, 0.3, 5
MOCKS = {"training": 2000, "validation": 1000}
"""Mock objects of each class beside the real ones."""
REPEATS = 4
"""How often a real object of the training sample stands in it."""
BINS = ((14, 17), (17, 18), (18, 19), (19, 21))


def read_real(data: Path) -> pd.DataFrame:
    """Return the real rows, in an order drawn by chance, with classes as jobs name them."""
    rows = pd.read_csv(data / "splus_s82" / "splus_s82_sdss.txt", sep=r"\s+")
    rows = rows.rename(columns={"RA_1": "RA", "Dec_1": "DEC"})
    rows["class"], rows["redshift"] = rows["class"].str.lower(), 0.0
    return rows.sample(frac=1.0, random_state=SEED).reset_index(drop=True)


def read_mock(run: Path, part: str, survey: Survey, names: list[str], number: int) -> pd.DataFrame:
    """Return objects of a mock, the same number of each class, in the columns of the real table."""
    catalogue = open_catalogue(run / "mock" / part)
    files = [catalogue.partition_path(*pixel) for pixel in catalogue.pixels]
    table = pd.concat([read_partition(path).to_pandas() for path in files], ignore_index=True)
    quasar = table["true_class"].eq("qso") * (1 + table["true_redshift"].ge(2.1))
    chosen = table.groupby([table["true_class"], quasar]).sample(number, random_state=SEED).index
    kept = table.loc[chosen].sort_index()
    photometry = photometry_from_table(pa.Table.from_pandas(kept, preserve_index=False), survey)
    magnitude = np.nan_to_num(ab_magnitude(photometry.flux), nan=99.0)
    rows = pd.DataFrame(magnitude.round(3), columns=names)
    return rows.assign(
        ID=[f"mock-{part}-{n}" for n in range(len(rows))],
        RA=kept["ra"].to_numpy(),
        DEC=kept["dec"].to_numpy(),
        FIELD="mock",
        redshift=kept["true_redshift"].to_numpy(),
        **{"class": kept["true_class"].to_numpy()},
    )


def write_samples(real: pd.DataFrame, run: Path, folder: Path) -> None:
    """Write the tables that teach and validate, with the real objects and without them."""
    survey = load_survey("splus12")
    names = [name for name in real.columns if name.endswith("_auto")]
    validates = round(SHARE_VALIDATES * REAL)
    parts = {"training": real[validates:REAL], "validation": real[:validates]}
    for part, rows in parts.items():
        mock = read_mock(run, part, survey, names, MOCKS[part])
        repeats = REPEATS if part == "training" else 1
        copies = [rows.assign(ID=[f"{one}-{n}" for one in rows["ID"]]) for n in range(repeats)]
        for kind, tables in (("real", [mock, *copies]), ("mock", [mock])):
            target = folder / f"{kind}-{part}"
            target.mkdir(parents=True, exist_ok=True)
            pd.concat(tables, ignore_index=True).to_csv(target / "table.csv", index=False)


def write_job(folder: Path, kind: str, run: Path) -> Path:
    """Write the job of one fine-tuning: the committee's own model and features, few epochs and small steps."""
    manifest = Manifest.from_json(load_committee(committee_version(run / "committee"))[0])
    model = {key: value for key, value in manifest.options["model"].items() if key != "kind"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in model.items()]
    classes = [
        'star = { truth = ["star"] }',
        'galaxy = { truth = ["galaxy"] }',
        'qso_low = { truth = ["qso"], redshift = [0.0, 2.1] }',
        'qso_high = { truth = ["qso"], redshift = [2.1, 10.0] }',
    ]
    text = "\n".join(
        [
            f'name = "{kind}"\nsurvey = "splus12"\nseed = {SEED}\n[classes]',
            *classes,
            f'[samples]\ntraining = "{folder / f"{kind}-training"}"\nvalidation = "{folder / f"{kind}-validation"}"',
            f'[features]\nkind = "{manifest.features.kind}"\n[model]\nkind = "{manifest.options["model"]["kind"]}"',
            *lines,
            "[training]\nepochs = 12\nbatch_size = 256\nlearning_rate = 1e-4\nschedule = 'cosine'",
            '[calibration]\nkind = "magnitude"',
            f'[committee]\nmembers = {len(manifest.members)}\nbegin = "{run / "committee"}"',
        ]
    )
    path = folder / f"{kind}.toml"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def score(committee: Path, test: pd.DataFrame) -> list[dict[str, Any]]:
    """Return by bin of r how many stars and galaxies are right, and how many become quasars."""
    found = jb.classify(test.drop(columns=["class", "redshift"]), jb.load_committee(str(committee)))
    decided = np.asarray(found["predicted_class"], dtype=object)
    lines = []
    for low, high in (*BINS, (BINS[0][0], BINS[-1][1])):
        inside = (test["r_auto"] > low) & (test["r_auto"] <= high)
        line: dict[str, Any] = {"r": f"{low} to {high}", "objects": int(inside.sum())}
        for name in ("star", "galaxy"):
            here = (inside & (test["class"] == name)).to_numpy()
            quasars = np.isin(decided[here].astype(str), ["qso_low", "qso_high"])
            line |= {name: int(here.sum()), f"{name} right": int((decided[here] == name).sum())}
            line[f"{name} called QSO"] = int(quasars.sum())
        lines.append(line)
    return lines


def main() -> None:
    """Prepare, fine-tune twice, and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    folder = options.folder.resolve()
    real = read_real(options.data)
    write_samples(real, options.run.resolve(), folder)
    test = real[REAL:].reset_index(drop=True)
    committees = {"mocks alone": options.run.resolve()}
    for kind, title in (("real", "fine-tuned on 500 real objects"), ("mock", "control: mocks again")):
        job = write_job(folder, kind, options.run.resolve())
        if run_command(["train", str(job), "--output", str(folder / f"run-{kind}"), "--serial"]):
            raise SystemExit(f"{job}: was not trained")
        committees[title] = folder / f"run-{kind}"
    for title, committee in committees.items():
        print(title)
        print(pd.DataFrame(score(committee, test)).to_string(index=False))


if __name__ == "__main__":
    main()
