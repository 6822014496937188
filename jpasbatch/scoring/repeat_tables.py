"""Tables of what repeats with other seeds gave, and of what was chosen in each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jpasbatch.pages.style import class_label
from jpasbatch.scoring.comparison_record import ComparisonRecord, RepeatedScores, StoredRepeats
from jpasbatch.scoring.detection_tables import DASH

NAMES = {"folds": "ROC AUC, folds", "pooled": "ROC AUC, pooled", "weighted_f1": "weighted f1"}
CAPTION = (
    "Mean of the repeats ± its error for other objects of the same kind (corrected for what folds share, or a "
    "bootstrap of the objects); in brackets the scatter of one repeat."
)


def repeat_header(stored: ComparisonRecord) -> list[str]:
    """Return the names of the columns of `repeat_rows`; none without repeats."""
    return ["classifier", *(_name(stored, score) for score in _scores(stored))]


def repeat_rows(stored: ComparisonRecord) -> list[list[str]]:
    """Return a row of texts for each classifier that was repeated."""
    return [
        [title, *(_text(found[score]) for score in _scores(stored))]
        for title, found in (stored.repeats.classifiers if stored.repeats else {}).items()
    ]


def repeat_difference_rows(stored: ComparisonRecord) -> list[list[str]]:
    """Return a row of texts for each classifier: by how much the reference is better."""
    return [
        [title, *(_text(found[score], sign="+") for score in _scores(stored))]
        for title, found in (stored.repeats.differences if stored.repeats else {}).items()
    ]


def choice_rows(stored: ComparisonRecord) -> list[list[str]]:
    """Return, for each choice and each of its classifiers, how often it was chosen: here, and in all repeats."""
    again = stored.repeats.choices if stored.repeats else {}
    return [
        [name, title, str(count), str(again[name][title]) if name in again else DASH]
        for name, counts in stored.choices.items()
        for title, count in counts.items()
    ]


LUCK_CAPTION = (
    "What the best of them owes to luck when it is chosen by the tests themselves: better than their mean on objects "
    "drawn with replacement, less the same on those not drawn ± scatter of one choice."
)
CHOICE_HEADER = ["choice", "of", "folds in which it was chosen", "the same in all repeats"]


def luck_rows(stored: ComparisonRecord) -> list[list[str]]:
    """Return a row of texts for each choice: how much of the best score is luck where the tests choose."""
    return [
        [name, *(_value_and_scatter(found.get(score)) for score in _scores(stored))]
        for name, found in (stored.repeats.luck if stored.repeats else {}).items()
    ]


def _value_and_scatter(pair: Sequence[float | None] | None) -> str:
    if pair is None or pair[0] is None or pair[1] is None:
        return DASH
    return f"{pair[0]:+.3f} ± {pair[1]:.3f}"


def repeat_title(repeats: RepeatedScores) -> str:
    """Return what the repeats are, for a heading."""
    dealt = ", folds dealt anew with each" if repeats.folds else ""
    return f"Over {len(repeats.seeds)} seeds{dealt}"


@dataclass(frozen=True)
class RepeatsSection:
    """What the page shows of repeats: rows of texts below one header."""

    title: str
    header: list[str]
    rows: list[list[str]]
    differences: list[list[str]]
    luck: list[list[str]]
    caption: str = CAPTION
    luck_caption: str = LUCK_CAPTION


def repeats_content(stored: ComparisonRecord) -> RepeatsSection | None:
    """Return what the page shows of repeats, if there are any."""
    if stored.repeats is None:
        return None
    return RepeatsSection(
        title=repeat_title(stored.repeats),
        header=repeat_header(stored),
        rows=repeat_rows(stored),
        differences=repeat_difference_rows(stored),
        luck=luck_rows(stored),
    )


def repeats_markdown(stored: ComparisonRecord) -> list[str]:
    """Return the tables as lines of Markdown."""
    lines: list[str] = []
    if rows := choice_rows(stored):
        lines += ["", "## Chosen on what validates", "", *_table(CHOICE_HEADER, rows)]
    if stored.repeats is None:
        return lines
    header, reference = repeat_header(stored), stored.reference
    if rows:
        lines += ["", LUCK_CAPTION, "", *_table(["choice", *header[1:]], luck_rows(stored))]
    lines += ["", f"## {repeat_title(stored.repeats)}", "", CAPTION, "", *_table(header, repeat_rows(stored))]
    if rows := repeat_difference_rows(stored):
        lines += ["", f"{reference} less each of the others:", "", *_table(header, rows)]
    return lines


def _scores(stored: ComparisonRecord) -> list[str]:
    some = {} if stored.repeats is None else next(iter(stored.repeats.classifiers.values()), {})
    return [score for score in ("folds", "pooled", "equal", "weighted_f1") if score in some]


def _name(stored: ComparisonRecord, score: str) -> str:
    if score != "equal":
        return NAMES[score]
    found = stored.detection
    assert found is not None  # nothing is equal where nothing is sought
    share = f"{100 * found.others_completeness:.0f} %"
    return f"{class_label(found.sought)} completeness where the others' is {share}"


def _text(found: StoredRepeats, sign: str = "") -> str:
    mean, error, deviation = found.mean, found.error, found.deviation
    if mean is None:
        return DASH
    known = "" if error is None else f" ± {error:.3f}"
    scatter = "" if deviation is None else f" ({deviation:.3f})"
    return f"{mean:{sign}.3f}{known}{scatter}"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
