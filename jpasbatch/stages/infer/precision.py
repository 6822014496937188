"""What a faster precision costs: the published classes and probabilities with it, against those in float32."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.learning.inference import InferenceOptions
from jpasbatch.learning.judgement import compare_judgements
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.infer.partition import Inference, partition_key
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.stage_facts import PrecisionFacts
from jpasbatch.storage.catalogue.collection import Catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.opening import open_store

PARTITIONS = 4
"""That are compared: spread evenly over the sky."""
ROWS = 2_500
"""Of each of these."""


def measure_precision(
    inference: Inference, catalogue: Catalogue, executor: Executor
) -> PrecisionFacts | None:
    """Measure what the precision of a run changes, against float32 on rows of the catalogue itself.

    Returns
    -------
    PrecisionFacts or None
        None in float32, which is the reference.

    Raises
    ------
    InputError
        When a partition is damaged.
    """
    if inference.options.precision == "float32":
        return None
    chosen = np.unique(np.linspace(0, len(catalogue.pixels) - 1, PARTITIONS).round().astype(int))
    tasks = [
        Task(f"precision-{order}_{pixel}", (inference, order, pixel))
        for order, pixel in (catalogue.pixels[n] for n in chosen)
    ]
    results, troubles = map_tasks("infer: precision", compare_partition, tasks, executor)
    require_all(troubles, "partitions")
    found = list(results.values())
    rows = sum(part.rows for part in found)
    return PrecisionFacts(
        rows=rows,
        flips=sum(part.flips for part in found),
        subset_flips=sum(part.subset_flips for part in found),
        largest_difference=max(part.largest_difference for part in found),
        mean_difference=sum(part.mean_difference * part.rows for part in found) / max(rows, 1),
    )


def compare_partition(inference: Inference, order: int, pixel: int) -> PrecisionFacts:
    """Compare the precision of a run with float32 on the first rows of a partition."""
    survey = load_survey(inference.survey)
    store, key = open_store(inference.store), partition_key(inference, order, pixel)
    auxiliary = open_committee(inference.committee, survey, inference.options).auxiliary
    table = read_partition(key, ["flux", "flux_err", *auxiliary], store).slice(0, ROWS)
    photometry = photometry_from_table(table, survey, auxiliary)
    exact = InferenceOptions(runtime=inference.options.runtime)
    reference, found = (
        open_committee(inference.committee, survey, options).judge(photometry)
        for options in (exact, inference.options)
    )
    assert reference.novelty is not None
    assert found.novelty is not None
    subset_flips = np.count_nonzero(reference.novelty.subset != found.novelty.subset)
    difference = compare_judgements(reference, found)
    return PrecisionFacts(**asdict(difference), subset_flips=int(subset_flips))
