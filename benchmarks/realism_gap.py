"""What a committee that learnt from the mock sky scores on mocks, on observed libraries, and on BOSS spectra.

    jpasbatch run jobs/mock_sky.toml --data FOLDER
    jpasbatch train jobs/paper_a/best.toml
    python benchmarks/realism_gap.py --data FOLDER --committee runs/paper-a-best/committee > TABLE.md

Beside the scores on the three samples it prints those of mocks matched to the BOSS objects one by one: test objects of
the same class and about the same r, without the bands that the spectrum lacks, and with the noise of the spectrum
added to that of the survey. What then remains between mocks and BOSS is not its magnitudes and not its noise. Further
rows give the mocks errors of flux calibration as well: those that the spectra have, measured from their g, r and i
against PSF photometry without looking at any class, and assumed ones. Spectra with a good signal come alone, too.
"""

import argparse
import csv
import itertools
import sys
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jpasbatch.job.job import load_job
from jpasbatch.learning.samples import label
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.skies.builtin import load_responses, observed_spectra_table
from jpasbatch.mocks.skies.spectra import PHOTOMETRY, read_spectra, spectra_photometry
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.scoring.metrics import scores
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.artefacts import committee_version

SURVEY = load_survey("jpas60")
MATCHES = 200
REACH = 0.25  # magnitudes
ALIKE = 20
NOISE_SEEDS = range(1, 11)
DRAWS = 500
CLEAR = 3.0
"""Median signal-to-noise ratio of a pixel; below, residuals of the sky decide over the spectrum's bands."""

CALIBRATION_ERRORS = (0.05, 0.10)
"""Assumed errors of the spectra's flux calibration, which mocks have not."""

CALIBRATION_BINS = (17.0, 20.0, 21.0, 21.7, 23.0)
"""Edges in r of the bins in which the error of the spectra's flux calibration is measured."""

NODES = (0.1, 0.2)
"""Lengths over which it is smooth, in ln(wavelength): assumed. Neighbouring bands scatter as their errors say."""

PHOTOMETRIC_DEPTHS = (23.13, 22.70, 22.20)
PHOTOMETRIC_FLOOR = 0.015
"""5-sigma depths of SDSS in g, r and i for point sources, and what its photometry is good to, mag (www.sdss4.org)."""
TRUTH = ["flux", "flux_err", "true_class", "true_redshift"]


class Classifier:
    """The committee of a finished run."""

    def __init__(self, folder: Path) -> None:
        self.committee = open_committee(str(committee_version(folder)), SURVEY)

    def predict(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the class of each object; -1 where the features are undefined."""
        photometry = Photometry(np.ascontiguousarray(flux), np.ascontiguousarray(error))
        return self.committee.judge(photometry).decided


def read(folder: Path) -> dict[str, np.ndarray]:
    """Return fluxes and truth of a catalogue."""
    catalogue = open_catalogue(folder)
    table = pq.read_table([catalogue.partition_path(*pixel) for pixel in catalogue.pixels], columns=TRUTH)
    arrays = {
        name: np.stack(table[name].to_numpy()).astype(np.float32)
        if "flux" in name
        else table[name].to_numpy()
        for name in table.column_names
    }
    return arrays


def broad_colours(flux: np.ndarray) -> np.ndarray:
    """Return g - r and r - i (n, 2) of fluxes (n, bands)."""
    places = [SURVEY.index(name) for name in ("gSDSS", "rSDSS", "iSDSS")]
    magnitudes = ab_magnitude(flux[:, places])
    return magnitudes[:, :-1] - magnitudes[:, 1:]


def matched(mock: dict, boss: dict, rng: np.random.Generator, by_colour: bool) -> dict[str, np.ndarray]:
    """Return test objects that are observed as the BOSS objects are, `MATCHES` of each.

    Of all that have the class and about the magnitude; or of those the `ALIKE` nearest in g - r and r - i: BOSS
    took spectra of what looks like quasars, so that its stars and galaxies are no chance sample of theirs.
    """
    reference = SURVEY.reference_index
    magnitude = ab_magnitude(mock["flux"][:, reference])
    colours, wanted_colours = broad_colours(mock["flux"]), broad_colours(boss["bare"])
    flux, error, labels = [], [], []
    for row in range(len(boss["flux"])):
        wanted = ab_magnitude(boss["flux"][row : row + 1, reference])[0]
        near = np.flatnonzero(
            (mock["label"] == boss["label"][row])
            & (np.abs(magnitude - wanted) < REACH)
            & np.isfinite(mock["flux"]).all(axis=1)
        )
        if by_colour:
            distance = np.hypot(*(colours[near] - wanted_colours[row]).T)
            near = near[np.argsort(distance, kind="stable")[:ALIKE]]
        chosen = rng.choice(near, MATCHES)
        added = boss["spectrum_err"][row]
        flux.append(mock["flux"][chosen] + added * rng.normal(size=(MATCHES, added.size)))
        error.append(np.hypot(mock["flux_err"][chosen], added))
        labels.append(mock["label"][chosen])
    return {
        "flux": np.concatenate(flux).astype(np.float32),
        "flux_err": np.concatenate(error).astype(np.float32),
        "label": np.concatenate(labels),
    }


def boss_objects(data: Path, classes: dict, seed: int = 1) -> dict[str, np.ndarray]:
    """Return the inspected BOSS objects, with the noise of the survey and, apart, that of the spectra."""
    folders = {"spectra": str(data / "boss_spectra"), "filters": str(data / "jpas_filters")}
    observed = observed_spectra_table(ObservedSpectra(**folders, seed=seed), SURVEY)
    bare = observed_spectra_table(ObservedSpectra(**folders, survey_noise=False), SURVEY)
    labels = label(observed["true_class"], observed["true_redshift"], classes)
    known = labels >= 0
    with (data / "boss_spectra" / "boss_spectra.csv").open(encoding="utf-8", newline="") as file:
        signal = np.array([float(row["sn_median_all"]) for row in csv.DictReader(file)])
    return {
        "signal": signal[known],
        "flux": observed["flux"][known],
        "flux_err": observed["flux_err"][known],
        "spectrum_err": bare["flux_err"][known],
        "bare": bare["flux"][known],
        "redshift": np.where(
            observed["true_class"][known] == "qso", observed["true_redshift"][known], np.nan
        ),
        "label": labels[known],
    }


def print_ratios(training: Path, boss: dict) -> None:
    """Print the median ratio of BOSS quasars to noiseless mock quasars of the same redshift, by rest wavelength."""
    catalogue = open_catalogue(training)
    columns = ["noiseless_flux", "true_class", "true_redshift"]
    table = pq.read_table([catalogue.partition_path(*pixel) for pixel in catalogue.pixels], columns=columns)
    table = table.filter(pc.equal(table["true_class"], "qso"))
    flux = np.stack(table["noiseless_flux"].to_numpy())
    redshift = table["true_redshift"].to_numpy()
    reference = SURVEY.reference_index
    rest, ratio = [], []
    for row in np.flatnonzero(boss["redshift"] > 2.1):
        near = np.abs(redshift - boss["redshift"][row]) < 0.04
        typical = np.nanmedian(flux[near] / flux[near][:, [reference]], axis=0)
        ratio.append(boss["bare"][row] / boss["bare"][row, reference] / typical)
        rest.append(SURVEY.wavelengths / (1 + boss["redshift"][row]))
    rest, ratio = np.concatenate(rest), np.concatenate(ratio)
    print("\n| rest wavelength, Angstrom | BOSS / mock, median | values |\n|---|---|---|")
    for low, high in ((1000, 1050), (1050, 1200), (1200, 1300), (1300, 1700), (1700, 2200), (2200, 2800)):
        inside = (rest > low) & (rest < high) & np.isfinite(ratio)
        print(f"| {low}-{high} | {np.median(ratio[inside]):.2f} | {inside.sum()} |")


def smooth_errors(number: int, nodes: float) -> np.ndarray:
    """Return errors (number, bands) of unit variance at nodes that far apart in ln(wavelength), straight between."""
    place = np.log(SURVEY.wavelengths / SURVEY.wavelengths.min())
    where = np.arange(0.0, place.max() + nodes, nodes)
    drawn = np.random.default_rng(3).normal(size=(number, where.size))
    return np.array([np.interp(place, where, row) for row in drawn])


def without_tilt(errors: np.ndarray) -> np.ndarray:
    """Return errors (n, bands) less the straight line in ln(wavelength) through g, r and i, which photometry mends."""
    bands = [SURVEY.index(SURVEY.reported_bands[role]) for role in PHOTOMETRY]
    place = np.log(SURVEY.wavelengths)
    slope, level = np.polyfit(place[bands], errors[:, bands].T, 1)
    return errors - slope[:, None] * place - level[:, None]


def bend(magnitudes: np.ndarray) -> np.ndarray:
    """Return by how much r (n,) lies off the line between g and i of magnitudes (n, 3)."""
    g, r, i = np.log(list(PHOTOMETRY.values()))
    share = (r - g) / (i - g)
    return magnitudes[:, 1] - (1 - share) * magnitudes[:, 0] - share * magnitudes[:, 2]


def measured_calibration(data: Path, nodes: float) -> np.ndarray:
    """Return the relative error of the flux calibration in each of `CALIBRATION_BINS`.

    It is what makes the broad bands of a spectrum bend against PSF photometry of the same object by more than the noise
    of both: a robust scatter, of all spectra with photometry, whatever their class.
    """
    spectra = read_spectra(data / "boss_spectra")
    bands = [SURVEY.index(SURVEY.reported_bands[role]) for role in PHOTOMETRY]
    flux, error = spectra_photometry(spectra, load_responses(str(data / "jpas_filters"), SURVEY), None)
    flux, error = flux[:, bands], error[:, bands]
    photometric = 0.2 * 2.5 / np.log(10) * 10 ** (0.4 * (spectra.magnitudes - np.array(PHOTOMETRIC_DEPTHS)))
    with np.errstate(invalid="ignore"):
        difference = bend(ab_magnitude(flux) - spectra.magnitudes)
        noise = np.hypot(2.5 / np.log(10) * error / flux, np.hypot(photometric, PHOTOMETRIC_FLOOR))
    # the bend of independent noise, and that of smooth errors of unit variance, in magnitudes
    weights = np.abs(bend(np.eye(3)))
    noise = np.sqrt((noise**2) @ weights**2)
    unit = 2.5 / np.log(10) * bend(smooth_errors(20_000, nodes)[:, bands]).std()
    found = []
    for low, high in itertools.pairwise(CALIBRATION_BINS):
        r = spectra.magnitudes[:, 1]
        inside = (r > low) & (r <= high) & np.isfinite(difference)
        scatter = 1.4826 * np.median(np.abs(difference[inside] - np.median(difference[inside])))
        found.append(np.sqrt(max(scatter**2 - np.median(noise[inside]) ** 2, 0.0)) / unit)
        print(
            f"r {low:g} to {high:g}: {inside.sum()} spectra, bend {scatter:.3f} mag of which noise "
            f"{np.median(noise[inside]):.3f}: calibrated to {found[-1]:.1%} (nodes every {nodes:g})",
            file=sys.stderr,
        )
    return np.array(found)


def shares(predicted: np.ndarray, classes: list[str]) -> np.ndarray:
    """Return how often each object (n, times) was taken for each class, (n, classes); -1 counts for none."""
    return np.stack([(predicted == number).mean(axis=1) for number in range(len(classes))], axis=1)


def confusion(labels: np.ndarray, found: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the confusion matrix (predicted, true) of objects with weights (n,); `found` as from `shares`."""
    rows = range(found.shape[1])
    return np.stack([weights[labels == k] @ found[labels == k] for k in rows], axis=1)


def redrawn(labels: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the weights (`DRAWS`, n) of a bootstrap of objects within their classes."""
    rng = np.random.default_rng(0)
    weights = np.zeros((DRAWS, len(labels)))
    for k in np.flatnonzero(number):
        weights[:, labels == k] = rng.multinomial(number[k], np.full(number[k], 1 / number[k]), DRAWS)
    return weights


def gap(name: str, labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> str:
    """Return by how much mocks score better in weighted f1 than the objects that they stand for, redrawn together."""
    number = np.bincount(labels, minlength=ours.shape[1])

    def difference(weights: np.ndarray) -> float:
        mocks, real = (scores(confusion(labels, found, weights)).weighted_f1 for found in (ours, theirs))
        return float(mocks - real)

    error = np.std([difference(one) for one in redrawn(labels, number)])
    return f"| {name} | {difference(np.ones(len(labels))):+.3f} ± {error:.3f} |"


def line(name: str, labels: np.ndarray, found: np.ndarray, classes: list[str]) -> str:
    """Return a row of the table: f1 with its error, by a bootstrap of objects within their classes.

    Parameters
    ----------
    name : str
    labels : ndarray of int, shape (n,)
    found : ndarray, shape (n, classes)
        From `shares`. An object that was observed many times counts once, in the numbers and in the errors.
    classes : list of str
    """
    number = np.bincount(labels, minlength=len(classes))
    weights = redrawn(labels, number)
    everyone = np.ones(len(labels))
    best = scores(confusion(labels, found, everyone))
    drawn = [scores(confusion(labels, found, one)) for one in weights]
    errors = np.std([one.f1 for one in drawn], axis=0)
    cells = [
        "–" if np.isnan(f1) else f"{f1:.3f} ± {error:.3f} ({count:,})"
        for f1, error, count in zip(best.f1, errors, number, strict=True)
    ]
    weighted = np.std([one.weighted_f1 for one in drawn])
    return f"| {name} | {' | '.join(cells)} | {best.weighted_f1:.3f} ± {weighted:.3f} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of public data")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the runs are")
    parser.add_argument(
        "--committee", type=Path, help="folder of the committee (default: that of the run mock-sky)"
    )
    options = parser.parse_args()
    job = load_job(Path("jobs/mock_sky.toml"), options.data)
    classes = list(job.classes)
    classifier = Classifier(options.committee or options.runs / "mock-sky" / "committee")
    sets = {
        "a": read(options.runs / "mock-sky" / "mock" / "test"),
        "b": read(options.runs / "mock-sky" / "mock" / "held_out"),
    }
    for rows in sets.values():
        rows["label"] = label(rows["true_class"], rows["true_redshift"], job.classes)
    boss = [boss_objects(options.data, job.classes, seed) for seed in NOISE_SEEDS]
    like_boss = matched(sets["a"], boss[0], np.random.default_rng(1), by_colour=False)
    looks_like_boss = matched(sets["a"], boss[0], np.random.default_rng(1), by_colour=True)
    print(f"| sample | {' | '.join(classes)} | weighted f1 |\n|---|{'---|' * (len(classes) + 1)}")
    rows = sets["a"]
    found = shares(classifier.predict(rows["flux"], rows["flux_err"])[:, None], classes)
    print(line("(a) test mocks, all", rows["label"], found, classes))
    magnitude = ab_magnitude(rows["flux"][:, SURVEY.reference_index])
    for low, high in SURVEY.magnitude_bins:
        inside = (magnitude > low) & (magnitude <= high)
        print(line(f"(a) {low:g} < r <= {high:g}", rows["label"][inside], found[inside], classes))
    labels, clear = boss[0]["label"], boss[0]["signal"] > CLEAR
    exact = np.ones_like(like_boss["flux"])
    factors, stand_ins = {"": exact}, {}
    faintness = np.searchsorted(
        CALIBRATION_BINS[1:-1], ab_magnitude(boss[0]["flux"][:, SURVEY.reference_index])
    )
    for nodes in NODES:
        level = np.repeat(measured_calibration(options.data, nodes)[faintness], MATCHES)
        errors = without_tilt(smooth_errors(len(exact), nodes))
        factors[f", and as well calibrated (smooth over {nodes:.0%})"] = np.exp(level[:, None] * errors)
    for error in CALIBRATION_ERRORS:
        factors[f", calibrated to {error:.0%}"] = np.exp(error * smooth_errors(len(exact), 0.1))
    for more, factor in factors.items():
        factor = factor.astype(np.float32)
        predicted = classifier.predict(like_boss["flux"] * factor, like_boss["flux_err"] * factor)
        found = shares(predicted.reshape(-1, MATCHES), classes)
        stand_ins[f"(a) as bright and as noisy as (c){more}"] = found
        print(line(f"(a) as bright and as noisy as (c){more}", labels, found, classes))
        if not more or "well" in more:
            name = f"(a) likewise, as the spectra with S/N > {CLEAR:g} alone"
            print(line(name, labels[clear], found[clear], classes))
    predicted = classifier.predict(looks_like_boss["flux"], looks_like_boss["flux_err"])
    found = shares(predicted.reshape(-1, MATCHES), classes)
    print(line("(a) as bright, as noisy, and of the same g - r and r - i as (c)", labels, found, classes))
    rows = sets["b"]
    found = shares(classifier.predict(rows["flux"], rows["flux_err"])[:, None], classes)
    print(line("(b) held-out libraries", rows["label"], found, classes))
    predicted = np.stack([classifier.predict(one["flux"], one["flux_err"]) for one in boss], axis=1)
    found = shares(predicted, classes)
    print(line("(c) BOSS spectra", labels, found, classes))
    print(line(f"(c) spectra with S/N > {CLEAR:g} alone", labels[clear], found[clear], classes))
    print("\n| mocks that stand in for (c) | their weighted f1 less that of (c) |\n|---|---|")
    for name, ours in stand_ins.items():
        print(gap(name, labels, ours, found))
        if "calibrated to" not in name:
            print(
                gap(f"{name}; spectra with S/N > {CLEAR:g} alone", labels[clear], ours[clear], found[clear])
            )
    print(
        f"\nConfusion of (c), true in rows, predicted in columns ({', '.join(classes)}), mean of the noise seeds:\n"
    )
    for number, name in enumerate(classes):
        cells = found[labels == number].sum(axis=0)
        print(f"    {name:<9}" + "".join(f"{cell:6.1f}" for cell in cells))
    print_ratios(options.runs / "mock-sky" / "mock" / "training", boss[0])


if __name__ == "__main__":
    main()
