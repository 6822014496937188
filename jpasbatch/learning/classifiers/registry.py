"""Every kind of classifier behind one protocol; a new one joins `CLASSIFIERS` and the contract in the tests."""

from __future__ import annotations

from typing import Protocol

from jpasbatch.learning.classifiers.convolution import ConvolutionalNetwork
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.classifiers.trees import BoostedTrees, RandomForest
from jpasbatch.learning.members import TrainedMember
from jpasbatch.learning.samples import EpochSource, LabelledFeatures
from jpasbatch.learning.training import Monitor, TrainingPlan


class Classifier(Protocol):
    """A kind of classifier with its options: a frozen dataclass, the table ``[model]`` of a job file."""

    @property
    def kind(self) -> str:
        """Name in job files."""
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


CLASSIFIERS: dict[str, type[Classifier]] = {
    "mlp": MultilayerPerceptron,
    "residual": ResidualNetwork,
    "cnn": ConvolutionalNetwork,
    "random_forest": RandomForest,
    "boosted_trees": BoostedTrees,
}
