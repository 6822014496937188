"""Several jobs evaluated on the same samples, each in its own folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.stages.evaluate.predictions import read_predictions
from jpasbatch.stages.evaluate.stage import FOLDER, run_evaluate
from jpasbatch.stages.run.records import StageRecord
from jpasbatch.stages.run.stage_facts import EvaluateFacts
from jpasbatch.stages.run.workspace import Workspace

Train = Callable[[Workspace, Executor], object]
"""What trains the committee of a workspace where it is missing or no longer what the job says."""


def evaluate_all(
    workspaces: Mapping[str, Workspace], executor: Executor, train: Train | None
) -> dict[str, StageRecord[EvaluateFacts]]:
    """Evaluate what is not evaluated yet, and return the records by title."""
    records = {}
    for title, workspace in workspaces.items():
        with workspace.prepare():
            if train is not None:
                train(workspace, executor)
            records[title] = run_evaluate(workspace, executor)
    return records


def read_all(
    name: str, workspaces: Mapping[str, Workspace], records: Mapping[str, StageRecord[EvaluateFacts]]
) -> dict[str, Predictions]:
    """Return the predictions of all classifiers on one sample, which must be the same for all."""
    identities = {title: record.facts.samples.get(name) for title, record in records.items()}
    (first, identity), *others = identities.items()
    for title, other in others:
        if other != identity:
            raise InputError(
                f"{first!r} and {title!r} were evaluated on different samples {name!r}; name the same one in both jobs"
            )
    found = {}
    for title, workspace in workspaces.items():
        path = workspace.folder / FOLDER / f"predictions-{name}.parquet"
        found[title] = read_predictions(path, tuple(workspace.job.classes))
    return found
