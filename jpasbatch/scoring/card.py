"""The card of a committee: what it learnt from, how good it is, where it fails, and what it must not be used for.

The form follows the model cards of Mitchell et al. 2019 (Proc. FAT*, 220). All of it is read from the committee and
from its evaluation; nothing is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jpasbatch.learning.manifest import Manifest, ValidationScores
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.scoring.calibration_scores import CLASSWISE, CONFIDENCE
from jpasbatch.scoring.evaluation_record import EvaluatedSample
from jpasbatch.scoring.evaluation_tables import score_text
from jpasbatch.scoring.stress_page import library_rows, signed_score, stress_rows
from jpasbatch.scoring.stress_scores import ECE

COSTLY = 0.02
"""Loss of weighted f1 above which the card warns of a stress."""

SURE = 2.0
"""Standard errors by which it must be a loss at all."""

ORIGINS = {
    "builtin": "the built-in mock sky: analytic toys",
    "templates": "a mock sky that descends from a template pack",
    "broadband": "a mock of modelled galaxies and active nuclei",
    "given": "tables that the job named",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of.

    Attributes
    ----------
    name : str
        Of the committee's version.
    manifest : Manifest
    ordinary : Ordinary or None
        What the committee knows of ordinary objects.
    band : str
        Reference band of the survey.
    warnings : sequence of str
        That stand on every page made with the committee.
    made : str
        Version of the software, and date.
    """

    name: str
    manifest: Manifest
    ordinary: Ordinary | None
    band: str
    warnings: Sequence[str]
    made: str


def committee_card(facts: CardFacts, content: Mapping[str, EvaluatedSample]) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    facts : CardFacts
    content : mapping of str to EvaluatedSample
        By test sample.
    """
    lines = [f"# Committee `{facts.name}`", "", f"Made by {facts.made}, from the evaluation beside it."]
    lines += _described(facts)
    lines += ["", "## Scores", "", "f1 by class, with bootstrap errors."]
    for name, part in content.items():
        lines += _scores(name, part)
    lines += _calibration(content)
    lines += ["", "## Under stress"]
    for name, part in content.items():
        lines += _stress(name, part)
    lines += ["", "## What it must not be used for", "", *(f"- {one}" for one in _limits(facts, content))]
    return "\n".join(lines) + "\n"


def _described(facts: CardFacts) -> list[str]:
    manifest, options = facts.manifest, facts.manifest.options
    begun = options.get("committee", {})
    learnt = ", ".join(f"{name} {count:,}" for name, count in manifest.learnt.items())
    classes = "; ".join(f"{name}: {_definition(manifest.definitions[name])}" for name in manifest.classes)
    told = {
        "survey": f"`{manifest.survey.name}`, {len(manifest.survey.bands)} bands",
        "members": f"{len(manifest.members)} × `{options['model']['kind']}` on `{manifest.features.kind}`",
        "calibration, decision": f"`{manifest.calibration.kind}`, `{manifest.decision.rule}`",
        "learnt from": f"{ORIGINS.get(manifest.origin or '', 'it is not recorded what')}: {learnt}",
        "classes": classes,
        **({"fine-tuned from": f"`{begun['begin']}` ({begun['sha256'][:12]})"} if begun else {}),
        "augmentation": _table(options.get("augmentation", {})) or "not recorded",
        "validation sample": _validation(manifest.validation),
        "trained with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    rows = [f"| {key} | {value} |" for key, value in told.items()]
    return ["", "## What it is", "", "| | |", "|---|---|", *rows]


def _validation(found: ValidationScores | None) -> str:
    if found is None:
        return "not recorded"
    return f"weighted f1 {found.weighted_f1:.3f}; it decided when to stop, so that test samples say more"


def _definition(one: ClassDefinition) -> str:
    limits = one.redshift
    between = "" if limits is None else f" at {limits[0]} ≤ z < {limits[1]}"
    return f"{', '.join(one.truth)}{between}"


def _table(options: Mapping[str, Any]) -> str:
    """Return options in one line; those that are off are left out."""
    told = []
    for key, value in options.items():
        if isinstance(value, Mapping):
            inner = _table(value)
            told += [f"{key} ({inner})"] if inner else []
        elif value:
            told.append(f"{key} {value}")
    return ", ".join(told)


def _scores(name: str, part: EvaluatedSample) -> list[str]:
    head = "| | objects | " + " | ".join(f"f1 {one}" for one in part.classes) + " | weighted f1 |"
    lines = ["", f"### {name}", "", head, "|---|" + "---|" * (len(part.classes) + 2)]
    for group in part.groups:
        cells = [f"{sum(map(sum, group.confusion)):,}"]
        cells += [score_text(*pair) for pair in zip(*group.f1, strict=True)]
        lines.append(f"| {group.group} | " + " | ".join([*cells, score_text(*group.weighted_f1)]) + " |")
    few = part.few_bands
    lines += (
        [] if not few else ["", f"{few:,} objects have fewer bands than the committee was validated with."]
    )
    return lines


def _calibration(content: Mapping[str, EvaluatedSample]) -> list[str]:
    lines = [
        "",
        "## Calibration",
        "",
        "Expected calibration error of all objects, in bins of equal width; in brackets the mean of a perfectly "
        "calibrated committee on as many objects.",
        "",
        "| sample | mean of the classes | highest probability |",
        "|---|---|---|",
    ]
    for name, part in content.items():
        found = {
            one.class_name: f"{score_text(one.value, one.error)} ({one.if_perfect:.3f})"
            for one in part.calibration
            if one.group == "all" and one.score == ECE
        }
        lines.append(f"| {name} | {found[CLASSWISE]} | {found[CONFIDENCE]} |")
    return lines


def _stress(name: str, part: EvaluatedSample) -> list[str]:
    if part.stress is None:
        folds = part.by_fold is not None
        why = (
            "each object is judged by the members of its fold"
            if folds
            else "`jpasbatch evaluate --stress` does"
        )
        return ["", f"### {name}", "", f"Not tried: {why}."]
    classes, stress = part.classes, part.stress
    lines = ["", f"### {name}, {stress['objects']:,} objects", ""]
    lines += [
        "| | weighted f1 | change | ECE, highest probability | confusion that grows most |",
        "|---|---|---|---|---|",
    ]
    for row in stress_rows(stress, classes):
        group = row["all"]
        cells = [score_text(*group["weighted_f1"]), signed_score(group["change"])]
        cells += [score_text(*group["confidence_ece"][:2]), row["confused"]]
        lines.append(f"| {row['title']} | " + " | ".join(cells) + " |")
    libraries = list(library_rows(stress, classes))
    if libraries:
        lines += ["", "| library | objects | right | right at worst | under |", "|---|---|---|---|---|"]
        lines += [
            f"| {one['name']} | {one['objects']:,} | {one['right']:.3f} | {one['worst']:.3f} | {one['under']} |"
            for one in libraries
        ]
    return lines


def _limits(facts: CardFacts, content: Mapping[str, EvaluatedSample]) -> Iterator[str]:
    """Yield what the committee must not be used for, a sentence or two each."""
    manifest, ordinary = facts.manifest, facts.ordinary
    yield from facts.warnings
    if manifest.origin in ("templates", "broadband"):
        yield "It learnt from mocks: scores on mocks are no promise for the sky where mocks and sky differ."
    truths = sorted({truth for one in manifest.definitions.values() for truth in one.truth})
    yield (
        f"Objects other than {', '.join(truths)}, and kinds of these that it never learnt: it calls whatever it is "
        f"shown one of {', '.join(manifest.classes)}. `subset` and `novelty` tell what is unlike all that it learnt."
    )
    yield "Photometry of another survey, or bands in another order: it refuses these."
    yield (
        "Counts from its own probabilities on a sky with another mix of classes than it learnt from: "
        "`jpasbatch correct` finds the mix of a sky."
    )
    if ordinary is None:
        yield "Objects that may be unusual: this committee does not know what is ordinary, and calls all `unknown`."
    else:
        bright, faint = float(ordinary.limits[:, 0].min()), float(ordinary.limits[:, 1].max())
        yield f"Objects outside {bright:.1f} < {facts.band} < {faint:.1f}, where it was not validated."
        yield f"Objects with fewer than {ordinary.fewest_bands} measured bands, with which it was not validated."
    for name, part in content.items():
        yield from _costly(name, part)


def _costly(name: str, part: EvaluatedSample) -> Iterator[str]:
    if part.stress is None:
        yield f"Skies with missing bands or wrong photometry: on {name} that was not tried."
        return
    found = []
    for row in stress_rows(part.stress, part.classes):
        change, error = (float(one) for one in row["all"]["change"])
        if change < -COSTLY and change + SURE * error < 0:
            found.append(f"{row['title']} ({change:+.3f})")
    if found:
        yield (
            f"Skies like these, where its weighted f1 falls by more than {COSTLY} on {name}: {'; '.join(found)}. Set "
            "such objects apart, or train a committee that knows them."
        )
