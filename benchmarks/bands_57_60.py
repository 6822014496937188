"""Compare the committees of 57 and of 60 bands on the same objects: what J-PAS loses by having no u, g and r.

    python benchmarks/bands_57_60.py FOLDER --data PACK

makes the balanced test set of the 60 bands of miniJPAS, but selected in iSDSS as J-PAS is (17 < i <= 23), from parents
of which neither committee of the package has learnt. ``jpas60`` sees all 60 bands, ``jpas57`` the 57 of J-PAS: the
same objects with the same noise. Scored are those that both were made for: also 17 < r <= 23.6. Prints f1 by class
and bin of i, the difference, and its error by drawing the parents again.
"""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from main_jobs import MOCK, read_catalogue, run

from jpasbatch.committees.registry import committee_folder
from jpasbatch.learning.samples import ClassDefinition, label
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.scoring.metrics import scores
from jpasbatch.stages.run.committees import open_committee

BINS = ((17.0, 20.0), (20.0, 21.0), (21.0, 22.0), (22.0, 22.5), (22.5, 23.0))
"""Of i; lower bound exclusive."""
REDRAWS = 200
CLASSES = {
    "star": ClassDefinition(("star",)),
    "galaxy": ClassDefinition(("galaxy",)),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, 10.0)),
}
IN_I = {
    'name = "jpas60"': 'name = "jpas60-in-i"',
    'reference_band = "rSDSS"': 'reference_band = "iSDSS"',
    "[[17.0, 20.0], [20.0, 22.5], [22.5, 23.6]]": "[[17.0, 20.0], [20.0, 22.0], [22.0, 23.0]]",
}
"""What differs in the survey file of miniJPAS when objects are detected in i."""


def make_objects(folder: Path, data: Path, number: int, seed: int) -> tuple[pa.Table, Survey]:
    """Make the test set of 60 bands selected in i, unless it is there; return its rows and its survey."""
    text = (resources.files("jpasbatch.photometry.surveys") / "jpas60.toml").read_text(encoding="utf-8")
    for old, new in IN_I.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    survey = folder / "jpas60-in-i.toml"
    survey.write_text(text, encoding="utf-8")
    job = folder / "bands.toml"
    job.write_text(
        MOCK.format(survey=survey, seed=seed, test=number, area=0.0, sample="test"), encoding="utf-8"
    )
    if not (folder / "bands" / "mock" / "test").is_dir():
        run("mock", job, "--data", data, "--output", folder / "bands")
    return read_catalogue(folder / "bands" / "mock" / "test"), load_survey(survey)


def decide(name: str, photometry: Photometry, observed: Survey) -> np.ndarray:
    """Return the classes (n,) that a committee of the package decides for, shown the bands of its own survey."""
    survey = load_survey(name)
    places = [observed.band_names.index(band) for band in survey.band_names]
    shown = Photometry(photometry.flux[:, places].copy(), photometry.flux_err[:, places].copy())
    committee = open_committee(str(committee_folder(name)), survey)
    assert tuple(committee.classes) == tuple(CLASSES)
    return committee.judge(shown).decided


def f1(labels: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """Return f1 of each class, and the weighted one behind them."""
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(confusion, (decided, labels), 1)
    found = scores(confusion)
    return np.append(found.f1, found.weighted_f1)


def compare(labels: np.ndarray, decided: dict[str, np.ndarray], parents: np.ndarray) -> str:
    """Return the cells of a table: of each class, 60 bands, 57 bands, and the loss with its error."""
    groups = [np.flatnonzero(parents == one) for one in np.unique(parents)]
    random = np.random.default_rng(1)
    moved = []
    for _ in range(REDRAWS):
        rows = np.concatenate([groups[one] for one in random.integers(len(groups), size=len(groups))])
        moved.append(np.subtract(*(f1(labels[rows], decided[name][rows]) for name in ("jpas60", "jpas57"))))
    sixty, fewer, error = f1(labels, decided["jpas60"]), f1(labels, decided["jpas57"]), np.std(moved, axis=0)
    cells = zip(sixty, fewer, error, strict=True)
    return " | ".join(f"{a:.3f}, {b:.3f}: {a - b:+.3f} ± {c:.3f}" for a, b, c in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="template pack")
    parser.add_argument("--number", type=int, default=10_000, help="objects of each class")
    parser.add_argument("--seed", type=int, default=2, help="of the mock")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    table, observed = make_objects(folder, options.data, options.number, options.seed)
    photometry = photometry_from_table(table, observed)
    decided = {name: decide(name, photometry, observed) for name in ("jpas60", "jpas57")}
    i, r = (ab_magnitude(photometry.flux[:, observed.band_names.index(band)]) for band in ("iSDSS", "rSDSS"))
    classes = table["true_class"].to_numpy(zero_copy_only=False)
    labels = label(classes, table["true_redshift"].to_numpy(), CLASSES)
    parents = table["parent_id"].to_numpy(zero_copy_only=False).astype(str)
    usable = (r > 17) & (r <= 23.6) & np.all([one >= 0 for one in decided.values()], axis=0)
    print(f"{usable.sum():,} of {len(usable):,} objects; f1 of 60 bands, of 57 bands: loss")
    print(f"| i | objects | {' | '.join(CLASSES)} | weighted |\n|{'---|' * (len(CLASSES) + 3)}")
    for low, high in (*BINS, (17.0, 23.0)):
        rows = usable & (i > low) & (i <= high)
        cells = compare(labels[rows], {name: one[rows] for name, one in decided.items()}, parents[rows])
        print(f"| {low:g} to {high:g} | {rows.sum():,} | {cells} |")
    for name, one in decided.items():
        confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
        np.add.at(confusion, (labels[usable], one[usable]), 1)
        print(f"{name}, true classes in rows:\n{confusion}")


if __name__ == "__main__":
    main()
