"""Which runtime an inference ran in, and what a faster precision cost: part of the record of every run."""

from __future__ import annotations

import functools
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.compute.clusters.cluster import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.learning.inference import InferenceEngine, compare_precision
from jpasbatch.learning.runtimes import InferenceOptions
from jpasbatch.photometry.features.registry import Features, make_features
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.storage.catalogue.collection import Catalogue
from jpasbatch.storage.catalogue.partitions import partition_file, read_stored_partition
from jpasbatch.storage.stores.artefacts import load_committee
from jpasbatch.storage.stores.store import open_store

if TYPE_CHECKING:
    from jpasbatch.stages.infer.stage import Inference

PARTITIONS = 4
"""That are compared: spread evenly over the sky."""
ROWS = 2_500
"""Of each of these."""


def engine_of(runtime: str, options: InferenceOptions) -> dict[str, Any]:
    """Return what computes the forward pass: options, runtime and versions."""
    versions = {package: metadata.version(package) for package in ("numpy", runtime)}
    return {**asdict(options), "runtime": runtime, "versions": versions}


def measure_precision(
    inference: Inference, catalogue: Catalogue, executor: Executor
) -> dict[str, Any] | None:
    """Measure what the precision of a run changes, against float32 on rows of the catalogue itself.

    Returns
    -------
    dict or None
        Of `jpasbatch.learning.inference.compare_precision`, over all rows compared; None in float32, which is the
        reference.

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
    rows = sum(part["rows"] for part in found)
    return {
        "rows": rows,
        "flips": sum(part["flips"] for part in found),
        "largest_difference": max(part["largest_difference"] for part in found),
        "mean_difference": sum(part["mean_difference"] * part["rows"] for part in found) / max(rows, 1),
    }


@functools.lru_cache(maxsize=1)
def _load(inference: Inference) -> tuple[Features, InferenceEngine, InferenceEngine]:
    """Return the features of a run's committee, and its engine in float32 and as the run has it, once a process."""
    manifest, graph = load_committee(open_store(inference.committee))
    kind, state = manifest["features"]["kind"], manifest["features"]["state"]
    features = make_features(kind, load_survey(inference.survey), state)
    reference = InferenceOptions(runtime=inference.options.runtime)
    return features, InferenceEngine(graph, reference), InferenceEngine(graph, inference.options)


def compare_partition(inference: Inference, order: int, pixel: int) -> dict[str, Any]:
    """Compare the precision of a run with float32 on the first rows of a partition."""
    survey = load_survey(inference.survey)
    features, reference, engine = _load(inference)
    key = f"{inference.catalogue}/{partition_file(order, pixel).as_posix()}"
    table = read_stored_partition(open_store(inference.store), key, ["flux", "flux_err"]).slice(0, ROWS)
    inputs = features(photometry_from_table(table, survey))
    return compare_precision(reference, engine, inputs[np.isfinite(inputs).all(axis=1)])
