"""How good the redshifts of quasars are, by magnitude, on labelled objects that the committee did not learn from.

    python benchmarks/redshift_quality.py COMMITTEE SURVEY CATALOGUE ...

COMMITTEE is the folder of a committee whose classes are ranges of redshift (`jobs/redshifts.toml`), SURVEY that of its
photometry (``jpas60``), and each CATALOGUE a HATS collection with ``true_class`` and ``true_redshift``: the set
``test`` of the mock that it learnt from, or ``sky`` of a run of `jobs/mock_boss.toml`. All true quasars are judged,
whether or not a main job would call them candidates. A table for each catalogue has the bias (median of d), sigma_NMAD,
shares of outliers, and how often the 68 % interval holds; d = (redshift - true redshift) / (1 + true redshift).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.learning.committee import Committee
from jpasbatch.learning.redshifts import RedshiftRanges
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.redshifts.quality import RedshiftQuality, residual_cells
from jpasbatch.products.redshifts.tally import CELLS
from jpasbatch.stages.run.committees import load_version, open_committee
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition

COLUMNS = ("flux", "flux_err", "true_class", "true_redshift")


def judged(
    folder: Path, survey: Survey, committee: Committee, ranges: RedshiftRanges
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield, of the quasars of each partition, magnitude, true redshift, redshift, and the limits of the interval."""
    catalogue = open_catalogue(folder)
    for pixel in catalogue.pixels:
        table = read_partition(catalogue.partition_path(*pixel), COLUMNS)
        true_class = table["true_class"].to_numpy(zero_copy_only=False)
        true = table["true_redshift"].to_numpy().astype(np.float64)
        rows = np.array([one in ranges.truth for one in true_class], dtype=bool) & np.isfinite(true)
        photometry = photometry_from_table(table.filter(pa.array(rows)), survey)
        judgement = committee.judge(photometry)
        usable, density = judgement.usable, judgement.probabilities[judgement.usable]
        magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])[usable]
        yield magnitude, true[rows][usable], ranges.point(density), *ranges.interval(density)


def quality(true: np.ndarray, point: np.ndarray, low: np.ndarray, high: np.ndarray) -> RedshiftQuality:
    """Return how good some redshifts are."""
    cells = residual_cells((point - true) / (1.0 + true), CELLS)
    return RedshiftQuality.of(
        np.bincount(cells, minlength=CELLS), int(((low <= true) & (true <= high)).sum())
    )


def main() -> None:
    """Print a table for each catalogue."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("committee", type=Path)
    parser.add_argument("survey")
    parser.add_argument("catalogues", type=Path, nargs="+")
    given = parser.parse_args()
    survey, stored = load_survey(given.survey), load_version(given.committee)
    ranges, committee = RedshiftRanges.of(stored.manifest), open_committee(str(stored.version), survey)
    for folder in given.catalogues:
        magnitude, *found = (
            np.concatenate(column) for column in zip(*judged(folder, survey, committee, ranges), strict=True)
        )
        print(f"\n{folder}: {len(ranges)} ranges\n")
        print(
            f"| {survey.reference_band} | quasars | bias | sigma_NMAD | abs(d) > 0.15 | abs(d) > 0.05 | 68 % holds |"
        )
        print("|---|---|---|---|---|---|---|")
        for low, high in (*survey.magnitude_bins, (-np.inf, np.inf)):
            rows = (magnitude > low) & (magnitude <= high)
            one = quality(*(column[rows] for column in found))
            print(
                f"| {low:g} to {high:g} | {one.quasars} | {one.bias:.4f} | {one.scatter:.4f} | {one.outliers:.3f} | "
                f"{one.wrong:.3f} | {one.coverage:.3f} |"
            )


if __name__ == "__main__":
    main()
