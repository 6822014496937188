"""What the tables of a job that say how it learns ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork

if TYPE_CHECKING:
    from jpasbatch.job.job import Job


def check_learning(job: Job) -> None:
    """Refuse a loss, a rule to stop, a decision or a beginning that does not fit the model and the classes.

    Raises
    ------
    ValueError
        Naming the key.
    """
    job.model.check_plan(job.plan)
    if job.classes:
        try:
            job.loss.class_weights(np.arange(len(job.classes)), len(job.classes))
        except ValueError as error:
            raise ValueError(f"loss.{error}") from None
        for key, named in (("stop", getattr(job.stop, "of", "")), ("decision", job.decision.of)):
            if named and named not in job.classes:
                raise ValueError(
                    f"{key}.of: '{named}' is not a class of this job; allowed: {', '.join(job.classes)}"
                )
    if job.samples.folds is not None and job.committee.grow:
        raise ValueError("committee.grow: a committee of folds has the same number of members in each")
    if job.committee.begin is not None:
        if job.committee.artefact is not None:
            raise ValueError("committee: artefact is used as it is, begin is trained; name one of them")
        if not isinstance(job.model, MultilayerPerceptron | ResidualNetwork):
            raise ValueError(
                f"committee.begin: a model of kind '{job.model.kind}' cannot begin with weights; allowed are "
                "mlp and residual"
            )
