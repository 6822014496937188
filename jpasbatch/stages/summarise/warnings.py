"""What a reader of a finished job must be warned of, beyond what single products warn of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jpasbatch.products.expected.tally import ThresholdCurves
from jpasbatch.products.protocol import Findings
from jpasbatch.stages.run.committees import few_bands_warning, origin_warning
from jpasbatch.stages.run.stage_facts import InferFacts

SURE = 3.0
"""Standard errors by which a share must differ to be called different."""

LEAST = 0.03
"""Share of itself by which a class share must differ to matter: odds change in proportion, and those of a committee
that is well calibrated are hardly known better. Without it 40 million objects would make any rounding a warning."""


@dataclass(frozen=True)
class ClassMixes:
    """The class mix that a committee learnt from, and that of a sky; shares by class.

    Attributes
    ----------
    learnt, sky : dict of str to float
        The second by summed probability.
    error : dict of str to float
        Of their difference, from counting in both samples.
    """

    learnt: dict[str, float]
    sky: dict[str, float]
    error: dict[str, float]

    @classmethod
    def of(cls, learnt: Mapping[str, int], summed: Mapping[str, float], objects: int) -> ClassMixes:
        """Return the mixes.

        Parameters
        ----------
        learnt : mapping of str to int
            Objects of each class in the training sample.
        summed : mapping of str to float
            Summed probability of each class on the sky.
        objects : int
            On the sky.
        """
        total = sum(learnt.values())
        ours = {name: number / total for name, number in learnt.items()}
        sky = {name: summed[name] / objects for name in learnt}
        error = {
            name: float(
                np.sqrt(
                    ours[name] * (1 - ours[name]) / total + max(sky[name] * (1 - sky[name]), 0.0) / objects
                )
            )
            for name in learnt
        }
        return cls(ours, sky, error)

    @property
    def different(self) -> tuple[str, ...]:
        """Classes whose share is measurably another one."""
        return tuple(
            name
            for name, share in self.learnt.items()
            if abs(self.sky[name] - share) > max(SURE * self.error[name], LEAST * share)
        )

    def in_words(self) -> str:
        """Return both mixes: "star 25.0 % learnt, 31.2 ± 0.1 % here; ..."."""
        return "; ".join(
            f"{name} {100 * share:.1f} % learnt, {100 * self.sky[name]:.1f} ± {100 * self.error[name]:.1f} % here"
            for name, share in self.learnt.items()
        )


def class_mixes(infer: InferFacts | None, findings: Findings) -> ClassMixes | None:
    """Return the mix that the committee learnt from and that of the sky; None where either is not known."""
    learnt, curves = {} if infer is None else infer.learnt, findings.get(ThresholdCurves)
    names = findings.setting.class_names
    if not learnt or set(learnt) != set(names) or not sum(learnt.values()) or curves is None:
        return None
    # the group of all objects stands before that of the counted ones, and threshold 0 is the first
    summed, objects = curves.expected[-2, : len(names), 0], int(curves.selected[-2, 0, 0])
    return ClassMixes.of(learnt, dict(zip(names, summed.tolist(), strict=True)), objects) if objects else None


def _nothing_counted(findings: Findings) -> Iterator[str]:
    curves = findings.get(ThresholdCurves)
    if curves is None:
        return
    everything, counted = (int(curves.selected[group, 0, 0]) for group in (-2, -1))
    if everything and not counted:
        yield (
            f"None of the {everything:,} objects is within the limits of [counts], so that a count of 0 says nothing "
            "of the sky: see brighter_than, minimum_class_star and band_role."
        )


UNLIKE = "Where counts miss the true ones, that is how much the two mocks differ."
VALIDATED = (
    "Counts are found with the labelled objects of [prior] validation: they say what classes of this sky look like to "
    "it. A committee that learnt from such objects would tell them apart better."
)


def run_warnings(
    sky: str, infer: InferFacts | None, findings: Findings, mock: str = "", validated: bool = False
) -> Iterator[str]:
    """Yield one or two sentences for each.

    Parameters
    ----------
    sky : str
        What the catalogue holds: ``"mock"``, ``"spectra"`` or ``"survey"``.
    infer : InferFacts or None
        What ``infer`` recorded, where it ran.
    findings : Findings
    mock : str
        Kind of the mock that made the catalogue, where one did.
    validated : bool
        Whether class shares are found with labelled objects that the job names.
    """
    if sky == "spectra":
        yield (
            "Real spectra, seen through the survey's filters; each was tilted to match its published magnitudes where "
            "it has some. Where the committee was trained on the built-in mock sky, this is no independent test: "
            "the quasars of that sky were adjusted by eye against some of these spectra."
        )
    if infer is not None:
        yield from origin_warning(infer.origin)
        if mock and infer.origin not in (None, mock):
            yield (
                f"The objects of this sky are of another mock ({mock}) than those that the committee learnt from "
                f"({infer.origin}). {VALIDATED if validated else UNLIKE}"
            )
        if infer.redshifts is not None and infer.redshifts.origin != infer.origin:
            yield from (f"Redshifts: {text}" for text in origin_warning(infer.redshifts.origin))
    yield from _nothing_counted(findings)
    mixes = class_mixes(infer, findings)
    if mixes is not None and mixes.different and not findings.setting.corrected:
        yield (
            'Probabilities are those for the class mix that the committee learnt from ([prior] kind = "none"), and '
            f"this sky has another one: {mixes.in_words()}. Shares here are from summed probabilities, which lean "
            "towards the mix that was learnt: the true difference is larger. Counts of classes that are rarer here "
            "than in what was learnt come out too high."
        )
    if infer is None:
        return
    yield from few_bands_warning(infer.few_bands, infer.rows_out)
    if infer.gaps:
        yield (
            f"{infer.gaps} of {infer.partitions} partitions could not be classified and "
            "are missing, as was allowed; all of their rows are in quarantine."
        )
