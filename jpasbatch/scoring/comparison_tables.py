"""Many classifiers in one table: for a document, and for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

from jpasbatch.scoring.comparison_record import ComparisonRecord
from jpasbatch.scoring.detection_tables import detection_markdown
from jpasbatch.scoring.evaluation import ConfusionScores
from jpasbatch.scoring.evaluation_record import ScoredGroup, ScoredSample
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
"""Names of the texts of a `CostRow`."""


@dataclass(frozen=True)
class ComparedRow:
    """What is shown of a classifier on a group of objects: texts.

    Attributes
    ----------
    group, classifier : str
    published : bool
        Whether others measured it, on other data.
    best : bool
        Of those measured here.
    f1 : list of str
        By class.
    weighted_f1, ece, fewer_errors : str
        The last against the reference.
    """

    group: str
    classifier: str
    published: bool
    best: bool
    f1: list[str]
    weighted_f1: str
    ece: str
    fewer_errors: str


def comparison_rows(stored: ComparisonRecord, sample: str) -> Iterator[ComparedRow]:
    """Yield a row for each group of objects and classifier, published ones last."""
    parts = stored.samples[sample]
    names = [group.group for group in next(iter(parts.values())).groups]
    for number, group in enumerate(names):
        values = {title: part.groups[number].weighted_f1[0] for title, part in parts.items()}
        if all(value is None for value in values.values()):
            continue  # no object of the sample is that bright or faint
        best = max(values, key=lambda title: values[title] or 0.0)
        for title, part in parts.items():
            yield _row(stored, sample, title, part.groups[number], title == best)
        if sample == stored.sample:
            for one in stored.published:
                if group in one.groups:
                    yield _published_row(one.name, group, one.groups[group])


def _published_row(name: str, group: str, found: ConfusionScores) -> ComparedRow:
    return ComparedRow(
        group=group,
        classifier=name,
        published=True,
        best=False,
        f1=[score_text(value, None) for value in found.f1],
        weighted_f1=score_text(found.weighted_f1, None),
        ece="–",
        fewer_errors="–",
    )


def _row(stored: ComparisonRecord, sample: str, title: str, found: ScoredGroup, best: bool) -> ComparedRow:
    gone = "–"
    if sample == stored.sample and title in stored.differences:
        value, error = stored.differences[title][found.group].fewer_errors
        gone = "–" if value is None or error is None else f"{100 * value:+.0f} ± {100 * error:.0f} %"
    return ComparedRow(
        group=found.group,
        classifier=title,
        published=False,
        best=best,
        f1=[score_text(*pair) for pair in zip(*found.f1, strict=True)],
        weighted_f1=score_text(*found.weighted_f1),
        ece=score_text(*found.ece, digits=4),
        fewer_errors=gone,
    )


def stress_comparison(parts: Mapping[str, ScoredSample]) -> list[list[str]]:
    """Return weighted f1 under each stress beside each other: a header, and a row a stress; nothing if none was tried.

    ``parts`` holds what is said of one sample, by title.

    Classifiers that were not stressed have no column; one that was not tried in some way has a dash there.
    """
    tried = {title: part.stress for title, part in parts.items() if part.stress is not None}
    names = dict.fromkeys(name for one in tried.values() for name in one["scores"])
    rows = [["", *(f"{title} ({one['objects']:,} objects)" for title, one in tried.items())]]
    rows += [[name, *(_stressed(one["scores"].get(name)) for one in tried.values())] for name in names]
    return rows if tried else []


def _stressed(found: Sequence[float | None] | None) -> str:
    if found is None or found[0] is None:
        return "–"
    value, change = found
    return f"{value:.3f} ({change:+.3f})"


def comparison_markdown(stored: ComparisonRecord) -> str:
    """Return the comparison as Markdown."""
    made = stored.made
    lines = [f"# {stored.title}", "", f"Made by jpasbatch {made.version}, {made.date}."]
    lines.append(
        "f1 by class, value ± bootstrap error of the objects; published scores were measured on other data."
    )
    header = ["classifier", *stored.classes, "weighted f1", "ECE", f"fewer errors than {stored.reference}"]
    for sample in stored.every_sample:
        rows = list(comparison_rows(stored, sample))
        for group in dict.fromkeys(row.group for row in rows):
            own = [_cells(row) for row in rows if row.group == group]
            lines += ["", f"## {sample}, {group}", "", *_table(header, own)]
        stressed = stress_comparison(stored.samples[sample])
        if stressed:
            title = f"## {sample}, under stress: weighted f1, and its change"
            lines += ["", title, "", *_table(stressed[0], stressed[1:])]
    lines += detection_markdown(stored)
    lines += repeats_markdown(stored)
    if stored.findings:
        rows = [[one.paper, one.here, one.holds] for one in stored.findings]
        lines += ["", "## The paper's findings", "", *_table(["the paper", "here", "holds"], rows)]
    costs = [astuple(row) for row in training_rows(stored)]
    return "\n".join([*lines, "", "## Cost and training", "", *_table(COST_HEADER, costs)]) + "\n"


def _cells(row: ComparedRow) -> list[str]:
    name = f"*{row.classifier}*" if row.published else row.classifier
    return [name, *row.f1, row.weighted_f1, row.ece, row.fewer_errors]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


@dataclass(frozen=True)
class CostRow:
    """What a classifier cost to train and to run: texts, in the order of `COST_HEADER`."""

    classifier: str
    cost: str
    members: str
    rows: str
    epochs: str
    seconds: str
    seed: str


def training_rows(stored: ComparisonRecord) -> Iterator[CostRow]:
    """Yield what each classifier cost to train and to run."""
    for title, one in stored.training.items():
        cost = stored.costs[title]
        epochs, seconds = one.epochs, sorted(one.seconds_per_member)
        yield CostRow(
            classifier=title,
            cost="–" if cost is None else f"{cost:,}",
            members=str(one.members),
            rows=f"{one.rows.get('training', one.rows.get('labelled', 0)):,}",
            epochs=f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)} to {max(epochs)}",
            seconds=f"{seconds[len(seconds) // 2]:,.0f}",
            seed=str(one.seed),
        )
