"""How real a broad-band mock looks: its labelled sample beside an observed one, in the bands that both hold.

    python benchmarks/broadband_realism.py JOB.toml --data FOLDER --observed FOLDER/table.csv \
        --survey NAME --active CLASS [CLASS ...] --figure figure.png

Prints tables in Markdown: detection fractions, median magnitudes and colours by class (those of the mock that were
detected in all bands in which every observed object was), redshifts, and what classifiers of one side make of the
other: the ROC AUC of boosted trees within the mock, within the observed sample (10 folds), and learnt from either and
tested on the other. Then, for all bands, how many objects of the job's sets were observed and detected. Bands are
matched by the columns that the two surveys read.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from jpasbatch.mocks.options.broadband import BroadbandSky
from jpasbatch.mocks.options.table import load_checked_job, mock_options
from jpasbatch.mocks.skies.broadband import make_table
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.storage.tables.tables import iterate_raw

PERCENTILES = (16, 50, 84)
CLASSES = ("galaxies", "active nuclei")


def observed_sample(path: Path, survey: Survey, active: list[str]) -> dict[str, np.ndarray]:
    """Return magnitudes (n, bands), NaN where not listed, ``active`` (n,) bool and ``redshift`` (n,)."""
    (raw,) = iterate_raw(path, survey)
    table = normalise(raw, survey, QualityCuts(), positions=False).accepted
    names = np.array(table["true_class"].to_pylist())
    return {
        "magnitude": ab_magnitude(photometry_from_table(table, survey).flux),
        "active": np.isin(names, active),
        "redshift": table["true_redshift"].to_numpy(),
    }


def mock_of(job_file: Path, data: Path | None) -> tuple[BroadbandSky, Survey]:
    """Return the options of a job's broad-band mock, and its survey."""
    job = load_checked_job(job_file, data)
    options = mock_options(job)
    if not isinstance(options, BroadbandSky):
        raise SystemExit(
            f"{job_file}: its [mock] is of kind '{getattr(options, 'kind', 'none')}'; allowed: broadband"
        )
    return options, load_survey(job.survey)


def mock_sample(job_file: Path, data: Path | None, number: int) -> tuple[dict[str, np.ndarray], Survey]:
    """Return as much of a job's labelled sample as asked for, with as many objects of both classes."""
    options, survey = mock_of(job_file, data)
    labelled = replace(options.labelled, training=number, agn_share=0.5)
    table = make_table(replace(options, labelled=labelled, table_rows=number), survey, "training", 0)
    sample = {
        "magnitude": ab_magnitude(table["flux"]),
        "active": table["true_class"] == "agn",
        "redshift": table["true_redshift"],
    }
    return sample, survey


def print_detections(job_file: Path, data: Path | None) -> None:
    """Print how many objects of the job's labelled sample and of its field have each band."""
    options, survey = mock_of(job_file, data)
    shares = {}
    for name, number in options.sets.items():
        table = make_table(replace(options, table_rows=number), survey, name, 0)
        nuclei = table["true_class"] == "agn"
        observed, detected = np.isfinite(table["flux"]), table["flux"] > 0
        shares[name] = [observed.mean(axis=0), detected[~nuclei].mean(axis=0), detected[nuclei].mean(axis=0)]
    print("\nPer cent of all objects, observed: detected galaxies / detected nuclei\n")
    print(f"| band | limit | {' | '.join(shares)} |\n|---|---|{'---|' * len(shares)}")
    for row, band in enumerate(survey.bands):
        cells = [
            f"{100 * seen[row]:.0f}: {100 * ours[row]:.1f} / {100 * theirs[row]:.1f}"
            for seen, ours, theirs in shares.values()
        ]
        print(f"| {band.name} | {band.depth:g} | {' | '.join(cells)} |")


def rows_of(sample: dict[str, np.ndarray], active: bool) -> np.ndarray:
    return sample["magnitude"][sample["active"] == active]


def spread(values: np.ndarray) -> str:
    """Return median and central 68 %."""
    low, middle, high = np.nanpercentile(values, PERCENTILES)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def print_tables(mock: dict[str, np.ndarray], real: dict[str, np.ndarray], bands: list[str]) -> None:
    print(f"\nDetected, per cent: mock / observed ({', '.join(CLASSES)}), and median magnitudes likewise:\n")
    print("| band | detected, galaxies | detected, nuclei | magnitude, galaxies | magnitude, nuclei |")
    print("|---|---|---|---|---|")
    pairs = [(rows_of(mock, active), rows_of(real, active)) for active in (False, True)]
    for row, band in enumerate(bands):
        shares = [
            " / ".join(f"{100 * np.isfinite(side[:, row]).mean():.0f}" for side in pair) for pair in pairs
        ]
        medians = [" / ".join(f"{np.nanmedian(side[:, row]):.2f}" for side in pair) for pair in pairs]
        print(f"| {band} | {' | '.join(shares)} | {' | '.join(medians)} |")
    print("\nColours, median and central 68 %:\n")
    print("| colour | galaxies, mock | galaxies, observed | nuclei, mock | nuclei, observed |")
    print("|---|---|---|---|---|")
    for row, (blue, red) in enumerate(pairwise(bands)):
        cells = [spread(side[:, row] - side[:, row + 1]) for pair in pairs for side in pair]
        print(f"| {blue} - {red} | {' | '.join(cells)} |")
    cells = [
        spread(side["redshift"][side["active"] == active])
        for active in (False, True)
        for side in (mock, real)
    ]
    print(f"| redshift | {' | '.join(cells)} |")


def print_scores(mock: dict[str, np.ndarray], real: dict[str, np.ndarray], seed: int = 1) -> None:
    """Print the ROC AUC of boosted trees on magnitudes and neighbouring colours, NaN where missing."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    sides = {}
    rng = np.random.default_rng(seed)
    for name, sample in (("mock", mock), ("observed", real)):
        rows = np.arange(len(sample["active"]))
        if name == "mock":  # as many of each class as were observed
            rows = np.concatenate(
                [
                    rng.permutation(rows[sample["active"] == active])[: np.sum(real["active"] == active)]
                    for active in (False, True)
                ]
            )
        magnitude = sample["magnitude"][rows]
        sides[name] = (np.hstack([magnitude, -np.diff(magnitude, axis=1)]), sample["active"][rows])
    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, random_state=seed)
    folds = StratifiedKFold(10, shuffle=True, random_state=seed)
    print("\nROC AUC of boosted trees:\n\n| learnt from | tested on | ROC AUC |\n|---|---|---|")
    for learnt, (features, labels) in sides.items():
        for tested, (others, truth) in sides.items():
            if learnt == tested:
                found = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")[:, 1]
            else:
                found = model.fit(features, labels).predict_proba(others)[:, 1]
            print(f"| {learnt} | {tested} | {roc_auc_score(truth, found):.3f} |")


def draw_figure(
    mock: dict[str, np.ndarray], real: dict[str, np.ndarray], bands: list[str], path: Path
) -> None:
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-(len(bands) - 1) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns).ravel()
    for place, axis in enumerate(axes):
        if place >= len(bands) - 1:
            axis.set_axis_off()
            continue
        for active, colour in ((False, "#2563a8"), (True, "#c2410c")):
            for sample, filled in ((mock, True), (real, False)):
                side = rows_of(sample, active)
                values = side[:, place] - side[:, place + 1]
                values = values[np.isfinite(values)]
                style = {"alpha": 0.35} if filled else {"histtype": "step", "linewidth": 1.4}
                name = f"{CLASSES[active]}, {'mock' if filled else 'observed'}"
                axis.hist(
                    values,
                    bins=np.linspace(*_limits(real, mock, place), 31),
                    density=True,
                    color=colour,
                    label=name,
                    **style,
                )
        axis.set_xlabel(f"{bands[place]} $-$ {bands[place + 1]}", fontsize=8)
        axis.set_yticks([])
        axis.tick_params(labelsize=7)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower right", fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _limits(real: dict[str, np.ndarray], mock: dict[str, np.ndarray], place: int) -> tuple[float, float]:
    both = np.concatenate(
        [side["magnitude"][:, place] - side["magnitude"][:, place + 1] for side in (real, mock)]
    )
    low, high = np.nanpercentile(both, [0.5, 99.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--observed", type=Path, required=True)
    parser.add_argument("--survey", required=True, help="of the observed table")
    parser.add_argument("--active", nargs="+", required=True, help="its classes that have an active nucleus")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--objects", type=int, default=8000)
    chosen = parser.parse_args()
    theirs = load_survey(chosen.survey)
    mock, ours = mock_sample(chosen.job, chosen.data, chosen.objects)
    real = observed_sample(chosen.observed, theirs, chosen.active)
    columns = [band.column or band.name for band in ours.bands]
    match = [columns.index(band.column or band.name) for band in theirs.bands]
    mock["magnitude"] = mock["magnitude"][:, match]
    always = np.isfinite(real["magnitude"]).all(axis=0)
    kept = np.isfinite(mock["magnitude"][:, always]).all(axis=1)
    mock = {key: values[kept] for key, values in mock.items()}
    bands = [band.name for band in theirs.bands]
    print(f"Mock: {kept.sum()} of {kept.size} objects were detected in {', '.join(np.array(bands)[always])}.")
    print(f"Observed: {len(real['active'])} objects, {real['active'].sum()} of them active.")
    print_tables(mock, real, bands)
    print_scores(mock, real)
    print_detections(chosen.job, chosen.data)
    if chosen.figure:
        draw_figure(mock, real, bands, chosen.figure)


if __name__ == "__main__":
    main()
