"""How a member of a committee is trained: options of the tables ``[training]``, ``[loss]`` and ``[stop]`` of a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Interval

from jpasbatch.learning.losses import CrossEntropy, Loss
from jpasbatch.learning.stopping import LowestLoss, StopRule
from jpasbatch.options import Options


@dataclass(frozen=True)
class TrainingOptions(Options):
    """The table ``[training]`` of a job file: training by Adam, which may stop early.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the training set.
    batch_size : int
        Rows in one step.
    learning_rate : float
        Of the Adam optimiser.
    patience : int
        Training stops after this number of epochs without a lower validation loss. The weights of the epoch with the
        lowest loss are kept in any case.
    schedule : {"constant", "cosine"}
        "cosine": the learning rate falls to a hundredth over all epochs, along half a cosine (Loshchilov & Hutter
        2017).
    weight_decay : float
        Decoupled from the gradient (AdamW; Loshchilov & Hutter 2019); 0 for none.
    """

    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 50
    batch_size: Annotated[int, Interval(ge=1, le=1_000_000)] = 1024
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    patience: Annotated[int, Interval(ge=1, le=100_000)] = 10
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Interval(ge=0, le=1)] = 0.0


@dataclass(frozen=True)
class TrainingPlan(TrainingOptions):
    """All that training follows: the options of a job, what training minimises, and when it stops.

    The default is the way of paper A (section 3.1): the cross entropy, and the epoch of the lowest validation loss.

    Attributes
    ----------
    loss : Loss
    stop : StopRule
    """

    loss: Loss = field(default_factory=CrossEntropy)
    stop: StopRule = field(default_factory=LowestLoss)
