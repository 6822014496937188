"""Stage ``combine``: our predictions and those of others, as one catalogue beside them.

Paper A (section 5) announces a combined algorithm of several classifiers. Here it is a regression on their
log-probabilities (`jpasbatch.scoring.combination`), fitted to a labelled test sample that ``evaluate`` has classified,
and to what the published catalogues of others say of its objects. It is scored fold by fold, each object by a fit that
has not seen it, and then fitted to all of them and applied to every partition.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.scoring.combination import combine, cross_fitted
from jpasbatch.scoring.evaluation import DRAWS, Predictions, compare, score_group
from jpasbatch.scoring.evaluation_record import Number, Pair, listed
from jpasbatch.scoring.folds import stratified_folds
from jpasbatch.scoring.options import CombinationOptions
from jpasbatch.stages.evaluate.combined_partition import (
    COMBINED,
    Combining,
    beside,
    combine_partition,
    combined_schema,
)
from jpasbatch.stages.evaluate.predictions import read_predictions
from jpasbatch.stages.evaluate.stage import FOLDER
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.partition_names import PREDICTIONS, commit_names
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.stage_facts import CombineFacts
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.catalogue.partitions import EMPTY, partition_file, read_partition
from jpasbatch.storage.foreign.options import ForeignTable
from jpasbatch.storage.stores.files import sha256_file, write_atomically
from jpasbatch.storage.stores.ledger import fingerprint, without_undefined

log = logging.getLogger(__name__)

PARTITIONS = "combine: partitions"
SCORES = "combination.json"
OURS = "ours"
FEWEST_SHARED = 50
"""Objects of the sample of which all must speak, at least; each class needs some too (`check_labels`)."""


@dataclass(frozen=True, eq=False)
class SharedSample:
    """The objects of a labelled sample of which all classifiers speak.

    Attributes
    ----------
    ours : Predictions
    others : dict of str to ndarray, shape (n, k)
        Probabilities by the name of the table.
    of : int
        Objects of the whole sample.
    """

    ours: Predictions
    others: dict[str, np.ndarray]
    of: int

    @property
    def parts(self) -> list[np.ndarray]:
        """Probabilities of all, ours first."""
        return [self.ours.probabilities, *self.others.values()]


def run_combine(workspace: Workspace, executor: Executor) -> StageRecord[CombineFacts]:
    """Fit, score and publish the combination; return the stage's record.

    Raises
    ------
    InputError
        When the sample has not been evaluated, predictions or tables of others are not published, or too few objects
        are common to all.
    """
    job = workspace.job
    site = open_site(workspace)
    options, path, predictions, others, parts = ask_combine(workspace)
    identity = fingerprint(**parts)
    done = unchanged(workspace, CombineFacts, identity)
    if done and site.is_published(COMBINED, done.facts.combined):
        return done
    with stopwatch() as elapsed:
        ours = read_predictions(path, tuple(job.classes))
        sample = _shared(site, ours, job.combined, others, tuple(job.classes))
        scores = score_combination(sample, options.folds, job.seed)
        fitted = combine(sample.parts, sample.ours.magnitude.astype(np.float64), sample.ours.labels)
        content = {**asdict(scores), "fitted": fitted.state(), "classifiers": [OURS, *sample.others]}
        text = json.dumps(without_undefined(content), sort_keys=True)
        write_atomically(workspace.folder / FOLDER / SCORES, text.encode())
        version, rows = _publish(site, predictions, others, fitted.state(), identity, executor)
    facts = CombineFacts(
        combined=site.place(version),
        objects=len(sample.ours),
        sample_rows=sample.of,
        weighted_f1=scores.weighted_f1,
        log_loss=scores.log_loss,
        rows_out=rows,
        rows_in=predictions.rows,
    )
    return finish(workspace, facts, identity, elapsed[0], parts)


class Asked(NamedTuple):
    """What decides a combination: its options, the sample, the catalogues that are combined, and all of it by name."""

    options: CombinationOptions
    sample: Path
    predictions: Catalogue
    others: dict[str, Catalogue]
    parts: dict[str, Any]


def ask_combine(workspace: Workspace) -> Asked:
    """Return what the job asks of this stage; nothing is computed yet.

    Raises
    ------
    InputError
        When there is no table [combination], the sample has not been evaluated, or something is not published.
    """
    job, site = workspace.job, open_site(workspace)
    if job.combination is None:
        raise InputError(
            "the job has no table [combination], which says what is combined, and on which sample"
        )
    for stage in ("foreign", "evaluate", "infer"):
        workspace.require(stage)
    predictions = open_catalogue(current_extension(site.folder, PREDICTIONS))
    others = {one.name: open_catalogue(current_extension(site.folder, one.extension)) for one in job.combined}
    path = workspace.folder / FOLDER / f"predictions-{job.combination.sample}.parquet"
    if not path.is_file():
        raise InputError(
            f"[combination] sample = {job.combination.sample!r}: evaluate has made no predictions of it; name one of "
            "[samples.tests] and run `jpasbatch evaluate JOB.toml`"
        )
    parts = {
        "sample": sha256_file(path),
        "predictions": predictions.name,
        "others": {name: one.name for name, one in others.items()},
        "options": asdict(job.combination),
        "seed": job.seed,
        "classes": list(job.classes),
    }
    return Asked(job.combination, path, predictions, others, parts)


def _shared(
    site: Site,
    ours: Predictions,
    tables: tuple[ForeignTable, ...],
    catalogues: dict[str, Catalogue],
    classes: tuple[str, ...],
) -> SharedSample:
    """Return the objects of a sample of which all speak, with what they say."""
    if ours.object_id is None:
        raise InputError("the sample has no object ids; run `jpasbatch evaluate JOB.toml` again")
    identifiers = pa.chunked_array([pa.array(ours.object_id.tolist(), pa.string())])
    common, others = np.ones(len(ours), dtype=bool), {}
    for one in tables:
        names = [one.probability_column(name) for name in classes]
        said = _said_of(identifiers, site, catalogues[one.name], ("object_id", *names))
        others[one.name], known = beside(identifiers, said, names)
        common &= known
    count = int(common.sum())
    if count < FEWEST_SHARED:
        raise InputError(
            f"{count} of the {len(ours)} objects of the sample are in all of {', '.join(others)}; at least "
            f"{FEWEST_SHARED} are needed. Its ids must be those of the catalogue, like {ours.object_id[0]!r}"
        )
    kept = np.flatnonzero(common)
    return SharedSample(ours.take(kept), {name: said[kept] for name, said in others.items()}, len(ours))


def _said_of(
    identifiers: pa.ChunkedArray, site: Site, catalogue: Catalogue, columns: tuple[str, ...]
) -> pa.Table:
    """Return what a published table of others says of some objects; one partition is in memory at a time."""
    key, wanted = site.key(catalogue.path.name), pc.SetLookupOptions(value_set=identifiers)
    parts = [catalogue.schema.empty_table().select(columns)]
    for pixel in catalogue.pixels:
        rows = read_partition(f"{key}/{partition_file(*pixel).as_posix()}", columns, site.store)
        parts.append(rows.filter(pc.call_function("is_in", [rows["object_id"]], wanted)))
    return pa.concat_tables(parts, promote_options="permissive")


@dataclass(frozen=True)
class CombinationScores:
    """How good classifiers and their combination are on the objects that all judge.

    Attributes
    ----------
    objects : int
    weighted_f1 : dict of str to Pair
        By classifier, the combination among them; ``log_loss`` is too.
    better : dict of str to Pair
        Weighted f1 of the combination less that of each.
    """

    objects: int
    weighted_f1: dict[str, tuple[Number, ...]]
    log_loss: dict[str, Number]
    better: dict[str, Pair]


def score_combination(sample: SharedSample, folds: int, seed: int) -> CombinationScores:
    """Return how good each classifier and the combination are on the shared objects, each object judged unseen."""
    ours = sample.ours
    assert ours.object_id is not None
    fold = stratified_folds(ours.object_id.tolist(), ours.labels, folds, seed)
    together = cross_fitted(sample.parts, ours.magnitude.astype(np.float64), ours.labels, fold)
    said = {OURS: ours.probabilities, **sample.others, COMBINED: together}
    # the most probable class of each: rules of decision differ, and are no part of what is combined
    found = {name: replace(ours, probabilities=one, decided=None, fold=None) for name, one in said.items()}
    groups = {name: score_group(one, seed, DRAWS) for name, one in found.items()}
    differences = {
        name: compare(found[COMBINED], one, seed) for name, one in found.items() if name != COMBINED
    }
    return CombinationScores(
        objects=len(ours),
        weighted_f1={name: listed(one.weighted_f1) for name, one in groups.items()},
        log_loss={name: _log_loss(one, ours.labels) for name, one in said.items()},
        better={name: listed(one.weighted_f1) for name, one in differences.items()},
    )


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-7)).mean())


def _publish(
    site: Site,
    predictions: Catalogue,
    others: dict[str, Catalogue],
    fitted: dict[str, Any],
    identity: str,
    executor: Executor,
) -> tuple[str, int]:
    """Publish the combination of every partition; return the version and its rows."""
    job, run = site.workspace.job, site.run("combine", identity)
    names = commit_names(predictions)
    combining = Combining(
        store=str(site.store),
        sky=site.sky,
        predictions=site.key(predictions.path.name),
        staging=site.staging_key(identity),
        others=tuple(
            (one, site.key(others[one.name].path.name), frozenset(others[one.name].pixels))
            for one in job.combined
        ),
        survey=site.workspace.survey,
        classes=tuple(job.classes),
        fitted=fitted,
        fingerprint=identity,
    )
    tasks = {name: (*pixel, name) for pixel, name in names.items()}
    commits = committed(run, PARTITIONS, combine_partition, tasks, executor, shared=(combining,))
    made = commits.whole_of(PartitionFacts, "partitions")
    photometry = open_catalogue(site.folder)
    records = []
    for pixel, rows in photometry.rows_by_partition().items():
        record = made[names[pixel]].facts if pixel in names else EMPTY.facts(pixel, "", identity)
        # what has no prediction, or nothing from one of the others, has no row here
        records.append(replace(record, quarantined=rows - record.rows))
    provenance = {
        "fingerprint": identity,
        "job": job.name,
        "of": [OURS, *others],
        "predictions": predictions.name,
    }
    version = site.publish(
        COMBINED, records, combined_schema(tuple(job.classes)), provenance, photometry.rows
    )
    total = sum(record.rows for record in records)
    log.info("combine: %d of %d objects have a combination", total, photometry.rows)
    return version, total
