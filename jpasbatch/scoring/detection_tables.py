"""Tables of classifiers that look for one class: what they find, and by how much the reference is better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jpasbatch.pages.style import class_label
from jpasbatch.scoring.comparison_record import ComparisonRecord, FieldAgreement, FoundClass
from jpasbatch.scoring.evaluation_tables import score_text

DASH = "–"


@dataclass(frozen=True)
class DetectionRow:
    """What is shown of a classifier that looks for the class; ``cells`` are texts."""

    classifier: str
    published: bool
    cells: list[str]


def detection_header(stored: ComparisonRecord, found: FoundClass) -> list[str]:
    """Return the names of the columns of `detection_rows`."""
    reference = stored.reference
    share = f"{100 * found.others_completeness:.0f} %"
    return [
        "classifier",
        *(f"{class_label(name)} completeness" for name in stored.classes),
        "accuracy",
        "ROC AUC, folds",
        "ROC AUC, pooled",
        f"{class_label(found.sought)} completeness where the others' is {share}",
        f"AUC of {reference} less its, folds",
        "folds won",
        "the same, pooled",
        "completeness less its",
    ]


def detection_rows(stored: ComparisonRecord, found: FoundClass) -> Iterator[DetectionRow]:
    """Yield a row for each classifier, published ones last."""
    for title, one in found.classifiers.items():
        cells = [score_text(*pair) for pair in one.completeness]
        cells += [score_text(*pair) for pair in (one.accuracy, one.folds, one.pooled, one.equal)]
        less = found.differences.get(title)
        if less is None:
            cells += [DASH] * 4
        else:
            won = DASH if less.folds[0] is None else str(less.wins)
            cells += [_signed(*less.folds), won, _signed(*less.pooled), _signed(*less.equal)]
        yield DetectionRow(title, published=False, cells=cells)
    for one in stored.published:
        if not one.completeness:
            continue
        cells = [score_text(one.completeness.get(name), None, 4) for name in stored.classes]
        cells += [score_text(one.accuracy, None, 4), score_text(one.roc_auc, None, 4)]
        yield DetectionRow(one.name, published=True, cells=cells + [DASH] * 6)


def _signed(value: float | None, error: float | None) -> str:
    if value is None or error is None or value != value:
        return DASH
    return f"{value:+.3f} ± {error:.3f}"


def external_rows(found: FoundClass) -> list[list[str]]:
    """Return, for each foreign score, its area and that of the reference on the common objects."""
    rows = []
    for one in found.external:
        areas = [score_text(*curve.pooled) for curve in one.curves.values()]
        rows.append([one.name, f"{one.objects:,}", *areas])
    return rows


def agreement_rows(field: FieldAgreement) -> list[list[str]]:
    """Return how many objects each committee, and each number of committees together, finds to be of the class."""
    total = field.objects
    rows = [[title, f"{count:,}", _share(count, total)] for title, count in field.found.items()]
    for votes in range(len(field.names) + 1):
        count = sum(n for pattern, n in field.patterns.items() if pattern.count("1") == votes)
        rows.append([f"{votes} of {len(field.names)} committees", f"{count:,}", _share(count, total)])
    return rows


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.2f} %" if total else DASH


def detection_markdown(stored: ComparisonRecord) -> list[str]:
    """Return the tables as lines of Markdown; none where nothing is sought."""
    found = stored.detection
    if found is None:
        return []
    sought = class_label(found.sought)
    rows = [
        [f"*{row.classifier}*" if row.published else row.classifier, *row.cells]
        for row in detection_rows(stored, found)
    ]
    lines = ["", f"## Finding {sought}", ""]
    lines.append("Value ± standard error of the folds, DeLong's error, or bootstrap error of the objects.")
    lines += ["", *_table(detection_header(stored, found), rows)]
    if found.external:
        header = ["score", "common objects", "its ROC AUC", f"{stored.reference}'s ROC AUC"]
        lines += [
            "",
            "## Scores of others, on the common objects",
            "",
            *_table(header, external_rows(found)),
        ]
    if stored.field:
        header = ["who", f"{sought} found", "of all"]
        lines += ["", f"## Agreement on {stored.field.objects:,} objects without labels", ""]
        lines += _table(header, agreement_rows(stored.field))
    return lines


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
