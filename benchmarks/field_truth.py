"""What classifiers that agree over a mock field are worth: what they find beside the truth, which a mock knows.

    python benchmarks/field_truth.py RUN TABLES --survey NAME --figure figure.png

RUN is the folder of a comparison with a ``[field]`` (``comparison.json`` and ``field/``), TABLES what that names.
Prints tables in Markdown: for each classifier, for each number of them that find the class, and for each bin of
magnitude, how many objects it is, how many truly are, completeness, purity, and the area under the ROC curve; then the
same counts for each pattern of who finds it. The figures are those of the comparison's page; the bars go beside
the circles, to ``figure_bars.png``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.scoring.comparison_record import FieldAgreement
from jpasbatch.scoring.detection_figures import agreement_bars, agreement_circles
from jpasbatch.storage.tables.tables import iterate_raw, list_tables


def true_classes(tables: Path, survey: Survey) -> dict[str, str]:
    """Return the true class of every object by its id."""
    found: dict[str, str] = {}
    for path in list_tables(tables):
        for raw in iterate_raw(path, survey):
            accepted = normalise(raw, survey, QualityCuts()).accepted
            ids = accepted["object_id"].to_pylist()
            new = dict(zip(ids, accepted["true_class"].to_pylist(), strict=True))
            if len(new) != len(ids) or not found.keys().isdisjoint(new):
                raise SystemExit(f"{path}: an object id is there twice")
            found |= new
    return found


def row(name: str, chosen: np.ndarray, active: np.ndarray, area: str = "–") -> str:
    """Return a line: how many are chosen, their share, how many truly are, completeness and purity."""
    true, both = int(active.sum()), int((chosen & active).sum())
    purity = f"{both / chosen.sum():.3f}" if chosen.any() else "–"
    share = f"{100 * chosen.mean():.1f}"
    return f"| {name} | {chosen.sum():,} | {share} | {both:,} | {both / true:.3f} | {purity} | {area} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--survey", required=True)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    survey = load_survey(options.survey)
    field = FieldAgreement(**json.loads((options.run / "comparison.json").read_bytes())["field"])
    said = pa.concat_tables(
        [pq.read_table(path) for path in sorted((options.run / "field").glob("*.parquet"))]
    )
    truth = true_classes(options.tables, survey)
    active = np.array([truth[one] == field.sought for one in said["object_id"].to_pylist()])
    marks = np.array([[mark == "1" for mark in one] for one in said["pattern"].to_pylist()])
    votes, committees = marks.sum(axis=1), marks.shape[1]
    if len(active) != field.objects:
        raise SystemExit(f"field/ has {len(active):,} objects, comparison.json {field.objects:,}")
    probabilities = [name for name in said.column_names if name.startswith(f"probability_{field.sought}:")]
    print(f"{len(active):,} objects, {active.sum():,} truly {field.sought}: {100 * active.mean():.1f} %\n")
    header = f"| {{}} | {field.sought} | per cent | truly | completeness | purity | ROC AUC |"
    print(header.format("who finds it"), "|---|---|---|---|---|---|---|", sep="\n")
    for title, mark, column in zip(field.names, marks.T, probabilities, strict=True):
        probability = said[column].to_numpy()
        print(row(title, mark, active, f"{roc_auc_score(active, probability):.3f}"))
        print(row(f"{title}, probability above one half", probability > 0.5, active))
    for number in range(committees, 0, -1):
        name = f"{number} or more of {committees}" if number < committees else f"all {committees}"
        print(row(name, votes >= number, active))
    print("", header.format(f"all {committees}, by magnitude"), "|---|---|---|---|---|---|---|", sep="\n")
    magnitude = said["magnitude"].to_numpy()
    for low, high in survey.magnitude_bins:
        inside = (magnitude > low) & (magnitude <= high)
        name = f"{low:g} < {survey.reference_band} ≤ {high:g}: {inside.sum():,} objects, "
        name += f"{100 * active[inside].mean():.1f} % truly"
        print(row(name, (votes == committees)[inside], active[inside]))
    print()
    for pattern in sorted(field.patterns):
        inside = (marks == [mark == "1" for mark in pattern]).all(axis=1)
        print(f"{pattern}: {inside.sum():,} objects, {active[inside].sum():,} truly")
    if options.figure is not None:
        agreement_circles(field).savefig(options.figure, dpi=100, bbox_inches="tight")
        bars = options.figure.with_stem(f"{options.figure.stem}_bars")
        agreement_bars(field).savefig(bars, dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()
