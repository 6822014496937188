"""Many classifiers in one table: for a document, and for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jpasbatch.scoring.detection_tables import detection_markdown
from jpasbatch.scoring.evaluation_tables import score_text
from jpasbatch.scoring.repeat_tables import repeats_markdown

COST_HEADER = (
    "classifier",
    "multiplications an object",
    "members",
    "training rows",
    "epochs",
    "seconds of a member, median",
    "seed",
)
"""Names of the values of `training_rows`."""


def comparison_rows(stored: Mapping[str, Any], sample: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each group of objects and classifier, published ones last.

    Returns
    -------
    iterator of dict
        ``group``, ``classifier``, ``published`` (bool), ``f1`` (texts by class), ``weighted_f1``, ``ece``,
        ``fewer_errors`` (text against the reference), ``best`` (bool: of those measured here).
    """
    parts = stored["samples"][sample]
    names = [group["group"] for group in next(iter(parts.values()))["groups"]]
    for number, group in enumerate(names):
        values = {title: part["groups"][number]["weighted_f1"][0] for title, part in parts.items()}
        if all(value is None for value in values.values()):
            continue  # no object of the sample is that bright or faint
        best = max(values, key=lambda title: values[title] or 0.0)
        for title, part in parts.items():
            yield _row(stored, sample, group, title, part["groups"][number]) | {"best": title == best}
        if sample == stored["comparison"]["sample"]:
            for one in stored["published"]:
                if group not in one["groups"]:
                    continue
                found = one["groups"][group]
                yield {
                    "group": group,
                    "classifier": one["name"],
                    "published": True,
                    "best": False,
                    "f1": [score_text(value, None) for value in found["f1"]],
                    "weighted_f1": score_text(found["weighted_f1"], None),
                    "ece": "–",
                    "fewer_errors": "–",
                }


def _row(
    stored: Mapping[str, Any], sample: str, group: str, title: str, found: Mapping[str, Any]
) -> dict[str, Any]:
    gone = "–"
    if sample == stored["comparison"]["sample"] and title in stored["differences"]:
        value, error = stored["differences"][title][group]["fewer_errors"]
        gone = "–" if value is None or error is None else f"{100 * value:+.0f} ± {100 * error:.0f} %"
    return {
        "group": group,
        "classifier": title,
        "published": False,
        "f1": [score_text(*pair) for pair in zip(*found["f1"], strict=True)],
        "weighted_f1": score_text(*found["weighted_f1"]),
        "ece": score_text(*found["ece"], digits=4),
        "fewer_errors": gone,
    }


def stress_comparison(stored: Mapping[str, Any], sample: str) -> list[list[str]]:
    """Return weighted f1 under each stress beside each other: a header, and a row a stress; nothing if none was tried.

    Classifiers that were not stressed have no column; one that was not tried in some way has a dash there.
    """
    tried = {title: part["stress"] for title, part in stored["samples"][sample].items() if "stress" in part}
    names = dict.fromkeys(name for one in tried.values() for name in one["scores"])
    rows = [["", *(f"{title} ({one['objects']:,} objects)" for title, one in tried.items())]]
    rows += [[name, *(_stressed(one["scores"].get(name)) for one in tried.values())] for name in names]
    return rows if tried else []


def _stressed(found: Sequence[float | None] | None) -> str:
    if found is None or found[0] is None:
        return "–"
    value, change = found
    return f"{value:.3f} ({change:+.3f})"


def comparison_markdown(stored: Mapping[str, Any]) -> str:
    """Return the comparison as Markdown."""
    comparison, classes, made = stored["comparison"], stored["classes"], stored["made"]
    lines = [f"# {comparison['title']}", "", f"Made by jpasbatch {made['version']}, {made['date']}."]
    lines.append(
        "f1 by class, value ± bootstrap error of the objects; published scores were measured on other data."
    )
    header = ["classifier", *classes, "weighted f1", "ECE", f"fewer errors than {comparison['reference']}"]
    for sample in (comparison["sample"], *comparison["further"]):
        rows = list(comparison_rows(stored, sample))
        for group in dict.fromkeys(row["group"] for row in rows):
            own = [_cells(row) for row in rows if row["group"] == group]
            lines += ["", f"## {sample}, {group}", "", *_table(header, own)]
        stressed = stress_comparison(stored, sample)
        if stressed:
            title = f"## {sample}, under stress: weighted f1, and its change"
            lines += ["", title, "", *_table(stressed[0], stressed[1:])]
    lines += detection_markdown(stored)
    lines += repeats_markdown(stored)
    if stored["findings"]:
        rows = [[one["paper"], one["here"], one["holds"]] for one in stored["findings"]]
        lines += ["", "## The paper's findings", "", *_table(["the paper", "here", "holds"], rows)]
    costs = [list(row.values()) for row in training_rows(stored)]
    return "\n".join([*lines, "", "## Cost and training", "", *_table(COST_HEADER, costs)]) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    name = f"*{row['classifier']}*" if row["published"] else row["classifier"]
    return [name, *row["f1"], row["weighted_f1"], row["ece"], row["fewer_errors"]]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def training_rows(stored: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield, as text, what each classifier cost to train and to run."""
    for title, one in stored["training"].items():
        cost = stored["costs"][title]
        epochs, seconds = one["epochs"], sorted(one["seconds_per_member"])
        yield {
            "classifier": title,
            "cost": "–" if cost is None else f"{cost:,}",
            "members": str(one["members"]),
            "rows": f"{one['rows'].get('training', one['rows'].get('labelled', 0)):,}",
            "epochs": f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)} to {max(epochs)}",
            "seconds": f"{seconds[len(seconds) // 2]:,.0f}",
            "seed": str(one["seed"]),
        }
