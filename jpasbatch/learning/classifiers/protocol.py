"""What a committee asks of a kind of classifier."""

from __future__ import annotations

from typing import Protocol

from jpasbatch.learning.members import TrainedMember
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import EpochSource, LabelledFeatures
from jpasbatch.learning.training import Monitor


class Classifier(Protocol):
    """A kind of classifier with its options: a frozen dataclass, the table ``[model]`` of a job file."""

    @property
    def kind(self) -> str:
        """Name in job files."""
        ...

    def check_plan(self, plan: TrainingPlan) -> None:
        """Check that it can follow a plan.

        Raises
        ------
        ValueError
            When it cannot minimise the loss or has no epochs for the rule; the message begins with the table of the
            job file, "loss: " or "stop: ".
        """
        ...

    def train(
        self,
        plan: TrainingPlan,
        training: EpochSource,
        validation: LabelledFeatures,
        seed: int,
        monitor: Monitor | None = None,
    ) -> TrainedMember:
        """Train one member of a committee; the same arguments give the same bits on the same machine.

        Parameters
        ----------
        plan : TrainingPlan
        training : EpochSource
            Unscaled features.
        validation : LabelledFeatures
            Never learnt from.
        seed : int
            From which everything random derives.
        monitor : Monitor, optional

        Raises
        ------
        InputError
            When the sets do not belong together or a class has no row.
        """
        ...

    def multiplications(self, n_inputs: int, n_classes: int) -> int | None:
        """Return the number of multiplications that an object costs when it is classified; None for trees."""
        ...
