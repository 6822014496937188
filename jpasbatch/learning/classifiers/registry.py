"""Every kind of classifier; a new one joins `CLASSIFIERS`, which job files and the contract in the tests read."""

from __future__ import annotations

from typing import Any

from jpasbatch.learning.classifiers.convolution import ConvolutionalNetwork
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.classifiers.protocol import Classifier
from jpasbatch.learning.classifiers.trees import BoostedTrees, RandomForest
from jpasbatch.options import from_table

CLASSIFIERS: tuple[type[Classifier], ...] = (
    MultilayerPerceptron,
    ResidualNetwork,
    ConvolutionalNetwork,
    RandomForest,
    BoostedTrees,
)
"""Every kind of classifier that a job file may name."""


def classifier_from_table(table: dict[str, Any]) -> Classifier:
    """Return the classifier that a table ``[model]`` describes, as a manifest keeps it.

    Raises
    ------
    ValueError
        When no kind has that name, or its options are not allowed.
    """
    kinds = {kind().kind: kind for kind in CLASSIFIERS}
    if table.get("kind") not in kinds:
        raise ValueError(f"model.kind: found {table.get('kind')!r}; allowed: {', '.join(map(repr, kinds))}")
    return from_table(kinds[table["kind"]], table, "model")
