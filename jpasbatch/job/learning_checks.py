"""What the tables of a job that say how it learns ask of each other."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from jpasbatch.job.sections import CommitteeSection, SamplesSection
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.classifiers.protocol import Classifier
from jpasbatch.learning.decision import Decision
from jpasbatch.learning.plan import TrainingPlan


def check_learning(
    model: Classifier,
    plan: TrainingPlan,
    decision: Decision,
    classes: Collection[str],
    samples: SamplesSection,
    committee: CommitteeSection,
) -> None:
    """Refuse a loss, a rule to stop, a decision or a beginning that does not fit the model and the classes.

    Raises
    ------
    ValueError
        Naming the key.
    """
    model.check_plan(plan)
    if classes:
        try:
            plan.loss.class_weights(np.arange(len(classes)), len(classes))
        except ValueError as error:
            raise ValueError(f"loss.{error}") from None
        for key, named in (("stop", getattr(plan.stop, "of", "")), ("decision", decision.of)):
            if named and named not in classes:
                raise ValueError(
                    f"{key}.of: '{named}' is not a class of this job; allowed: {', '.join(classes)}"
                )
    if samples.folds is not None and committee.grow:
        raise ValueError("committee.grow: a committee of folds has the same number of members in each")
    if committee.begin is not None:
        if committee.artefact is not None:
            raise ValueError("committee: artefact is used as it is, begin is trained; name one of them")
        if not isinstance(model, MultilayerPerceptron | ResidualNetwork):
            raise ValueError(
                f"committee.begin: a model of kind '{model.kind}' cannot begin with weights; allowed are "
                "mlp and residual"
            )
