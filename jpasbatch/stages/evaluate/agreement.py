"""How far several committees agree on objects without labels: counts of who calls what the class that is sought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.errors import InputError
from jpasbatch.job.comparison import Comparison
from jpasbatch.job.job import Job
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.manifest import Manifest, check_manifest
from jpasbatch.photometry.normalisation import normalise
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.scoring.comparison_record import FieldAgreement
from jpasbatch.stages.evaluate.foreign import foreign_rows
from jpasbatch.stages.run.committees import find_committee, open_committee
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.foreign.options import ForeignTable
from jpasbatch.storage.stores.artefacts import load_committee
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.tables.tables import iterate_raw, list_tables

CATALOGUE = "field"
NO_FEATURES = "no features"


def agreement(
    comparison: Comparison, workspaces: Mapping[str, Workspace], folder: Path, executor: Executor
) -> FieldAgreement | None:
    """Classify the field of a comparison by each of its committees, and count who agrees with whom; None without one.

    The objects with all probabilities and classes are written to ``field/``, a table for each of the field's.

    Raises
    ------
    InputError
        When nothing is sought, or a table cannot be used.
    """
    field = comparison.field
    if field is None:
        return None
    if comparison.detection is None:
        raise InputError(
            f"comparison {comparison.name!r}: [field] needs [detection], which says what is sought"
        )
    committees = [(workspaces[title].job, str(find_committee(workspaces[title])[2])) for title in field.of]
    target = folder / CATALOGUE
    target.mkdir(parents=True, exist_ok=True)
    shared = (committees, comparison.foreign, comparison.detection.of)
    tasks = [
        Task(path.name, (str(path), *shared, str(target / f"{path.stem}.parquet")))
        for path in list_tables(Path(field.table))
    ]
    results, troubles = map_tasks("compare: field", classify_field, tasks, executor)
    require_all(troubles, "tables of the field")
    patterns: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for result in results.values():
        patterns.update(result.patterns)
        rejected.update(result.rejected)
    others = [one.name for one in comparison.foreign]
    if others and not patterns.total():
        raise InputError(
            f"[field]: none of its objects is in all of {', '.join(others)}; are their ids ours?"
        )
    return _agreement_of((*field.of, *others), patterns, comparison.detection.of, rejected)


def _agreement_of(
    names: tuple[str, ...], patterns: Counter[str], sought: str, rejected: Counter[str]
) -> FieldAgreement:
    """Return what patterns of agreement say of each committee."""
    objects = patterns.total()
    found = {
        title: sum(count for pattern, count in patterns.items() if pattern[number] == "1")
        for number, title in enumerate(names)
    }
    return FieldAgreement(
        sought=sought,
        rejected=dict(sorted(rejected.items())),
        names=names,
        objects=objects,
        patterns=dict(sorted(patterns.items())),
        found=found,
        fractions={title: count / objects if objects else None for title, count in found.items()},
    )


class ClassifiedTable(NamedTuple):
    """What came of one table of the field: objects by pattern, and rejected rows by reason."""

    patterns: Counter[str]
    rejected: Counter[str]

    @property
    def rows(self) -> int:
        """Objects that were classified."""
        return self.patterns.total()


def classify_field(
    table: str,
    committees: list[tuple[Job, str]],
    foreign: tuple[ForeignTable, ...],
    sought: str,
    target: str,
) -> ClassifiedTable:
    """Classify one table by several committees, chunk by chunk, and write what they say, and what others say.

    Objects of which one of the tables of others does not speak are left out, and counted among the rejected.
    """
    first = committees[0][0]
    survey = load_survey(first.survey, first.catalogue.aperture)
    loaded = []
    for job, folder in committees:
        check_manifest(Manifest.from_json(load_committee(Path(folder))[0]), survey, job.classes)
        loaded.append((job, open_committee(folder, survey, job.inference)))
    patterns: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    writer = None
    with written_aside(Path(target)) as aside:
        for raw in iterate_raw(Path(table), survey):
            result = normalise(raw, survey, first.catalogue.cuts)
            rejected.update(result.reasons())
            said, unusable = _say(result.accepted, loaded, survey, sought)
            rejected[NO_FEATURES] += unusable
            for one in foreign:
                before = said.num_rows
                said = _with_others(said, one, survey, tuple(first.classes), sought)
                rejected[f"not in {one.name}"] += before - said.num_rows
            patterns.update(said.column("pattern").to_pylist())
            writer = writer or pq.ParquetWriter(aside, said.schema)
            writer.write_table(said)
        if writer is not None:
            writer.close()
    rejected = Counter({reason: count for reason, count in rejected.items() if count})
    return ClassifiedTable(patterns, rejected)


def _with_others(
    said: pa.Table, foreign: ForeignTable, survey: Survey, classes: tuple[str, ...], sought: str
) -> pa.Table:
    """Return the objects of which others speak too, with what they say, and their mark in the pattern."""
    found = foreign_rows(foreign, said["object_id"].to_pylist(), survey, classes)
    if foreign.class_column in found.column_names:
        found = found.filter(found[foreign.class_column].is_valid())
    place = {name: row for row, name in enumerate(found["object_id"].to_pylist())}
    rows = np.array([place.get(name, -1) for name in said["object_id"].to_pylist()], dtype=np.int64)
    kept = said.filter(pa.array(rows >= 0))
    beside = found.take(pa.array(rows[rows >= 0])).drop_columns(["object_id"])
    for name in beside.column_names:
        kept = kept.append_column(name, beside[name])
    marks = ["1" if one == sought else "0" for one in beside[foreign.class_column].to_pylist()]
    pattern = [one + mark for one, mark in zip(kept["pattern"].to_pylist(), marks, strict=True)]
    return kept.set_column(kept.schema.get_field_index("pattern"), "pattern", pa.array(pattern, pa.string()))


def _say(
    accepted: pa.Table, loaded: list[tuple[Job, Committee]], survey: Survey, sought: str
) -> tuple[pa.Table, int]:
    """Return the objects with what each committee says, and how many had no features."""
    photometry = photometry_from_table(accepted, survey)
    judgements = [committee.judge(photometry) for _, committee in loaded]
    usable = np.logical_and.reduce([judgement.usable for judgement in judgements])
    columns: dict[str, pa.ChunkedArray | np.ndarray | list[str]] = {
        name: accepted[name].filter(pa.array(usable)) for name in ("object_id", "ra", "dec")
    }
    columns["magnitude"] = ab_magnitude(photometry.flux[usable, survey.reference_index])
    marks = []
    for (job, _), judgement in zip(loaded, (one.take(usable) for one in judgements), strict=True):
        classes = list(job.classes)
        columns |= {
            f"probability_{name}:{job.name}": judgement.probabilities[:, k] for k, name in enumerate(classes)
        }
        columns[f"class:{job.name}"] = np.array(classes, dtype=np.str_)[judgement.decided]
        marks.append(np.where(judgement.decided == classes.index(sought), "1", "0"))
    columns["pattern"] = ["".join(one) for one in zip(*marks, strict=True)]
    return pa.table(columns), int((~usable).sum())
