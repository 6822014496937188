"""The findings of paper A, asked of other numbers: what it says, what is found here, and whether that agrees."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from jpasbatch.job.comparison import Comparison, FindingsSection
from jpasbatch.scoring.comparison_record import Finding
from jpasbatch.scoring.evaluation import Predictions, compare
from jpasbatch.scoring.evaluation_record import ScoredSample

SIGNIFICANT = 2.0
"""Bootstrap errors."""


def check_findings(
    comparison: Comparison, content: Mapping[str, ScoredSample], predictions: Mapping[str, Predictions]
) -> list[Finding]:
    """Return each finding of Martinez-Solaeche et al. 2023, section 4.1, with what holds of it here.

    Parameters
    ----------
    comparison : Comparison
        Its ``findings`` name the classifiers; without them nothing is asked.
    content : mapping of str to ScoredSample
        By classifier.
    predictions : mapping of str to Predictions
        By classifier.
    """
    names = comparison.findings
    if names is None:
        return []
    findings = [
        _networks_against_forests(names, content),
        _hybrids(names, content, predictions),
        _confidence_of_forests(names, predictions),
        _commonest_confusion(names, content),
        _at_signal_5(names, content),
    ]
    if names.reduced is not None and names.reduced_hybrid:
        findings.append(_reduced(names, predictions))
    return findings


def _finding(paper: str, here: str, holds: bool, partly: bool = False) -> Finding:
    return Finding(paper, here, "yes" if holds else "in part" if partly else "no")


def _networks_against_forests(names: FindingsSection, content: Mapping[str, ScoredSample]) -> Finding:
    one, other = (
        np.array(content[name].by_signal.weighted_f1, dtype=float) for name in (names.network, names.forest)
    )
    mean = float(np.nanmean(one - other))
    return _finding(
        "networks score about 10 % higher in weighted f1 than random forests, on average over S/N",
        f"{names.network} scores {mean:+.3f} against {names.forest}",
        0.05 <= mean <= 0.15,
        mean > 0,
    )


def _hybrids(
    names: FindingsSection, content: Mapping[str, ScoredSample], predictions: Mapping[str, Predictions]
) -> Finding:
    found = compare(predictions[names.network_hybrid], predictions[names.network])
    value, error = found.weighted_f1
    before, after = (
        float("nan") if (ece := content[name].groups[-1].ece[0]) is None else ece
        for name in (names.network, names.network_hybrid)
    )
    no_gain, worse = value < SIGNIFICANT * error, after > before
    return _finding(
        "hybridisation brings no gain in f1 and a worse calibration",
        f"weighted f1 {value:+.4f} ± {error:.4f}; ECE {before:.4f} becomes {after:.4f}",
        bool(no_gain and worse),
        bool(no_gain or worse),
    )


def _confidence_of_forests(names: FindingsSection, predictions: Mapping[str, Predictions]) -> Finding:
    found = predictions[names.forest]
    right = (found.predicted == found.labels).mean()
    sure = found.probabilities.max(axis=1).mean()
    return _finding(
        "random forests are under-confident",
        f"{names.forest} is right in {100 * right:.1f} % and sure of itself in {100 * sure:.1f} %",
        bool(right > sure),
    )


def _commonest_confusion(names: FindingsSection, content: Mapping[str, ScoredSample]) -> Finding:
    confusion, classes = (
        np.array(content[names.network].groups[-1].confusion),
        content[names.network].classes,
    )
    pairs = {
        (classes[i], classes[j]): int(confusion[i, j] + confusion[j, i])
        for i, j in combinations(range(len(classes)), 2)
    }
    first = max(pairs, key=lambda pair: pairs[pair])
    return _finding(
        "QSO-l and galaxies are confused most often",
        f"{first[0]} and {first[1]}: {pairs[first]:,} of {confusion.sum() - np.trace(confusion):,} errors",
        set(first) == {"galaxy", "qso_low"},
    )


def _at_signal_5(names: FindingsSection, content: Mapping[str, ScoredSample]) -> Finding:
    curve = content[names.network].by_signal
    signal, f1 = np.array(curve.signal, dtype=float), np.array(curve.weighted_f1, dtype=float)
    value = float(np.interp(5.0, signal, f1)) if signal.size else float("nan")
    return _finding(
        "weighted f1 reaches 0.9 at a median S/N of 5",
        f"{names.network} has {value:.3f} there",
        abs(value - 0.9) < 0.03,
        value > 0.85,
    )


def _reduced(names: FindingsSection, predictions: Mapping[str, Predictions]) -> Finding:
    texts, gains = [], []
    for name in names.reduced_hybrid:
        value, error = compare(predictions[name], predictions[str(names.reduced)]).weighted_f1
        texts.append(f"{name} {value:+.4f} ± {error:.4f}")
        gains.append(value > SIGNIFICANT * error)
    return _finding(
        "of a tenth of the training set, too, hybrids bring no significant gain",
        f"against {names.reduced}: {'; '.join(texts)}",
        not any(gains),
        not all(gains),
    )
