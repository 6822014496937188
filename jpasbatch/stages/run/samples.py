"""Labelled samples to learn from: tables as surveys publish them, or HATS catalogues of canonical photometry.

Tables go through the door that the catalogue uses (form, rows, quality cuts). The rows of a HATS catalogue are
canonical already: they are read partition by partition, and only the quality cuts apply.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.learning.manifest import DescribedFolds
from jpasbatch.learning.samples import label
from jpasbatch.photometry.carried.types import agree
from jpasbatch.photometry.carried.values import with_carried
from jpasbatch.photometry.normalisation import Normalised, QualityCuts, normalise
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.run.mock_parts import mock_part
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.catalogue.primary import catalogue_identity
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.tables.carried import carried_rows, describe_carried
from jpasbatch.storage.tables.tables import iterate_raw, list_tables

HATS_FILES = ("collection.properties", "hats.properties")
LEARNT = ("object_id", "flux", "flux_err", "true_class", "true_redshift")
NOISELESS = "noiseless_flux"
"""True fluxes, in the training samples of mocks alone."""
PARENT = "parent_id"
"""What an object descends from, in samples of mocks alone: objects of one parent are no independent ones."""
SKY_WEIGHT = "sky_weight"
"""How often the sky has what an object is, over how often the sample has it; in validation samples of mocks alone."""
STELLARITY = "class_star"
"""Of samples that have it; shares of a sky are found by it, and no committee learns from it."""
FURTHER = (PARENT, SKY_WEIGHT, STELLARITY)
"""Columns that are read where they are there."""
CUT = ("flags", "mask_flags")
"""Columns that the quality cuts look at; each is the reason of what it rejects, in this order."""


def sample_path(workspace: Workspace, part: str) -> Path:
    """Return where a sample lies: what the job names, or what its mock made.

    Raises
    ------
    InputError
        When there is no mock, or it made no such set.
    """
    named = getattr(workspace.job.samples, part)
    if named is not None:
        return Path(named)
    return mock_part(workspace, workspace.require("mock"), part, "train (without [samples])")


GIVEN = "given"
"""Origin of tables that a job names and that no run of this software made, as far as it can be seen."""


def sample_origin(workspace: Workspace, part: str) -> str:
    """Return which kind of mock a sample is from, or `GIVEN`.

    A sample that a job names may lie in the folder of another run that made it; a copy of it elsewhere does not tell.
    """
    job = workspace.job
    named = getattr(job.samples, part)
    if named is None:
        return GIVEN if job.mock is None else job.mock.kind
    for folder in Path(named).resolve().parents:
        record = folder / "work" / "mock.json"
        if record.is_file():
            return json.loads(record.read_bytes())["kind"]
    return GIVEN


def list_sample(path: Path) -> list[Path]:
    """Return the tables of a sample, or the one folder of a HATS catalogue.

    Of a collection it is the version that it points at now, so that a run reads one version throughout.

    Raises
    ------
    InputError
        When there is neither.
    """
    if any((path / name).is_file() for name in HATS_FILES):
        return [open_catalogue(path).path]
    return list_tables(path)


def identify_sample(files: Sequence[Path]) -> list[str | list[str]]:
    """Return what identifies the contents of a sample: the hash of each table, or name and hash of a catalogue."""
    return [
        catalogue_identity(open_catalogue(path)) if path.is_dir() else sha256_file(path) for path in files
    ]


def describe_folds(job: Job, files: Sequence[Path]) -> DescribedFolds | None:
    """Return what a manifest says of the folds of a job: enough to find again which member saw which object.

    Parameters
    ----------
    job : Job
    files : sequence of Path
        Of the labelled sample.

    Returns
    -------
    DescribedFolds or None
        None for a job without folds.
    """
    options = job.samples
    if options.folds is None:
        return None
    sample = tuple(identify_sample(files))
    return DescribedFolds(options.folds, options.fold_seed, options.nested, job.committee.members, sample)


def read_sample(
    files: Sequence[Path], survey: Survey, job: Job, noiseless: bool = False
) -> tuple[pa.Table, Counter[str]]:
    """Read a labelled sample and check its rows.

    Parameters
    ----------
    files : sequence of Path
        As `list_sample` returns them.
    survey : Survey
    job : Job
        Gives the quality cuts and the filter table.
    noiseless : bool
        Whether the true fluxes are wanted too.

    Returns
    -------
    pyarrow.Table, Counter of str
        The accepted rows, with the columns `LEARNT` and the auxiliary ones of the job at least, and how many were
        rejected for each reason.

    Raises
    ------
    InputError
        When a table is refused, or a catalogue is damaged or not of canonical photometry; or there are no true
        fluxes where they are wanted.
    """
    tables: list[pa.Table] = []
    rejected: Counter[str] = Counter()
    for path in files:
        if path.is_dir():
            accepted, reasons = read_catalogue(path, job.catalogue.cuts, noiseless, job.features.auxiliary)
            tables.append(accepted)
            rejected.update(reasons)
            continue
        if noiseless:
            raise _no_true_fluxes(path)
        for accepted, result in _read_table(path, survey, job):
            tables.append(accepted)
            rejected.update(result.reasons())
    return pa.concat_tables(tables, promote_options="default"), rejected


def _read_table(path: Path, survey: Survey, job: Job) -> Iterator[tuple[pa.Table, Normalised]]:
    """Yield the accepted rows of a table with its auxiliary columns, and what became of all rows, in pieces."""
    filter_table = Path(job.samples.filter_table) if job.samples.filter_table else None
    carried = job.auxiliary
    schema = pa.schema([])
    if carried:
        schema, _ = agree({str(path): describe_carried(path, survey, carried)})
    with carried_rows(path, survey, carried, schema) as further:
        for raw in iterate_raw(path, survey, filter_table=filter_table):
            result = normalise(raw, survey, job.catalogue.cuts, positions=False)
            beside = further.take(len(raw))
            yield with_carried(result.accepted, result.rejected, beside, raw.first_row), result


def _no_true_fluxes(path: Path) -> InputError:
    return InputError(
        f"{path}: [augmentation] noise = 'fresh' needs a training sample with true fluxes ({NOISELESS}), which mocks "
        "from template packs keep; name such a sample, or set noise = 'observed'"
    )


def read_catalogue(
    folder: Path, cuts: QualityCuts, noiseless: bool = False, auxiliary: Sequence[str] = ()
) -> tuple[pa.Table, Counter[str]]:
    """Read the columns of a HATS catalogue that training needs, in the order of its partitions.

    Memory is bounded by one partition and the rows that are kept.

    Returns
    -------
    pyarrow.Table, Counter of str
        The columns `LEARNT` and the auxiliary ones, `PARENT`, `SKY_WEIGHT` and `STELLARITY` where they are there, of
        the rows that the cuts allow, and the others by reason.

    Raises
    ------
    InputError
        When a partition is damaged, or the catalogue lacks a column.
    """
    catalogue = open_catalogue(folder)
    missing = [name for name in (*LEARNT, *CUT, *auxiliary) if name not in catalogue.schema.names]
    if missing:
        raise InputError(
            f"{folder} is no labelled sample of canonical photometry: it lacks {', '.join(missing)}; it has "
            f"{', '.join(catalogue.schema.names)}. Name a catalogue that ingest or a mock made, or the tables"
        )
    if noiseless and NOISELESS not in catalogue.schema.names:
        raise _no_true_fluxes(folder)
    columns = (*LEARNT, *auxiliary, NOISELESS) if noiseless else (*LEARNT, *auxiliary)
    columns += tuple(name for name in FURTHER if name in catalogue.schema.names and name not in columns)
    tables = []
    rejected: Counter[str] = Counter()
    for pixel in catalogue.pixels:
        table = read_partition(catalogue.partition_path(*pixel), (*columns, *CUT))
        keep = np.ones(table.num_rows, dtype=bool)
        for name in CUT:
            refused = keep & ((table[name].to_numpy() & ~np.int32(getattr(cuts, name))) != 0)
            if refused.any():
                rejected[name] += int(refused.sum())
            keep &= ~refused
        tables.append(table.select(columns).filter(pa.array(keep)))
    return pa.concat_tables(tables), rejected


def sample_photometry(table: pa.Table, survey: Survey, job: Job) -> Photometry:
    """Return the photometry of a labelled sample, with the auxiliary columns of the job."""
    return photometry_from_table(table, survey, job.features.auxiliary)


def labels_of(table: pa.Table, job: Job) -> np.ndarray:
    """Return the class of each row of a labelled sample, int16 (n,); see `jpasbatch.learning.samples.label`."""
    return label(
        table["true_class"].to_numpy(zero_copy_only=False), table["true_redshift"].to_numpy(), job.classes
    )


def groups_of(table: pa.Table) -> np.ndarray:
    """Return the group of each row of a labelled sample, int32 (n,): the same number for rows of one parent.

    A row whose parent is not known is a group of its own.
    """
    if PARENT not in table.column_names:
        return np.arange(table.num_rows, dtype=np.int32)
    parents = table[PARENT].to_numpy(zero_copy_only=False)
    known = np.fromiter((isinstance(one, str) for one in parents), dtype=bool, count=len(parents))
    group = np.empty(len(parents), dtype=np.int32)
    names, group[known] = np.unique(parents[known].astype(str), return_inverse=True)
    group[~known] = len(names) + np.arange((~known).sum())
    return group


def stellarity_of(table: pa.Table) -> np.ndarray | None:
    """Return the stellarity of each row of a labelled sample, float32 (n,), NaN where unknown; None: of no row."""
    if STELLARITY not in table.column_names:
        return None
    found = table[STELLARITY].to_numpy().astype(np.float32)
    known = np.isfinite(found)
    return np.where(known, found, np.float32(np.nan)) if known.any() else None


def sky_weights_of(table: pa.Table) -> np.ndarray | None:
    """Return how often each row of a labelled sample counts on a sky, float32 (n,); None where it does not say.

    Raises
    ------
    InputError
        When some rows have no weight, or one that is none.
    """
    if SKY_WEIGHT not in table.column_names:
        return None
    weights = table[SKY_WEIGHT].to_numpy().astype(np.float32)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise InputError(
            f"column {SKY_WEIGHT} of the sample: {int(wrong.sum())} of {len(weights)} rows have none, a negative or "
            f"an infinite one (the first is {weights[wrong][0]}); allowed are numbers from 0 on in all rows. Correct "
            "them, or leave the column out: then each row counts once"
        )
    return weights
