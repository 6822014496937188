"""What is measured of a committee beyond its scores: the table ``[evaluation]`` of a job file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval, MinLen

from jpasbatch.options import Options


@dataclass(frozen=True)
class StressOptions(Options):
    """The stress table: test samples that are spoiled in stated ways and classified again.

    Attributes
    ----------
    enabled : bool
        Whether ``evaluate`` makes it; ``jpasbatch evaluate --stress`` makes it once.
    rows : int
        Most objects of a sample, drawn with a fixed seed: the same ones for every committee.
    tests : tuple of str
        Names of the test samples; all of them without any.
    """

    enabled: bool = False
    rows: Annotated[int, Interval(ge=100, le=1_000_000)] = 20_000
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationOptions(Options):
    """What ``evaluate`` measures beyond the scores of the test samples.

    Attributes
    ----------
    stress : StressOptions
    """

    stress: StressOptions = field(default_factory=StressOptions)


@dataclass(frozen=True)
class CombinationOptions(Options):
    """Our classifier and those of others as one: the table ``[combination]``.

    Attributes
    ----------
    sample : str
        Test sample that it is fitted to, by its name. It must not be what one of the classifiers learnt from.
    of : tuple of str
        Names of tables of others; all of the job without any.
    folds : int
        For the scores: each object is judged by a fit to the other folds.
    """

    sample: Annotated[str, MinLen(1)]
    of: tuple[str, ...] = ()
    folds: Annotated[int, Interval(ge=2, le=20)] = 5
