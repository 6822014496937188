"""The golden cases: small runs through the real stages, and what each algorithm makes in them.

What comes before a stage is the same on every machine but for the last digits, so that each stage is judged by itself:
evaluate, infer and summarise use a committee of made-up weights, not the trained one.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.novelty.file import ordinary_to_bytes
from jpasbatch.learning.novelty.fitting import learn_ordinary
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.prior import ARRAYS
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.stores.artefacts import load_committee, save_committee
from tests.learning.conftest import random_member
from tests.mocks.small_pack import write_pack
from tests.stages.tiny_run import serial, workspace_of
from tests.storage.small_sets import publish_set, set_rows

FILE = Path(__file__).with_name("golden.json")

ROWS, ELEMENTS = 5, 6
"""Of a table that are kept, spread evenly over it; of all others the mean and the scatter."""

SUMS = (2**24, 2**48)
"""Whole numbers that are sums of fixed point: counts are smaller, positions and random ranks larger."""

VOLATILE = {"created", "date", "finished", "fingerprints", "seconds", "stages", "versions", "version"}
"""Keys of what differs from run to run."""

CLASSES = """
[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}
"""

TABLES = (
    """
name   = "golden"
title  = "A golden sky"
survey = "jpas60"
seed   = 7
"""
    + CLASSES
    + """
[mock]
kind                 = "builtin"
seed                 = 3
tiles                = 2
area_deg2            = 0.05
training_per_class   = 60
validation_per_class = 70
flagged_share        = 0.02

[catalogue.cuts]
maximum_rejected_fraction = 0.2

[catalogue.partitions]
pixel_threshold = 300
highest_order   = 7

[model]
hidden = [8]

[training]
epochs     = 2
batch_size = 64

[calibration]
kind = "temperature"

[decision]
rule = "balanced"
of   = "qso_high"

[committee]
members = 1
{committee}

[samples.tests]
labelled = "{sample}"

[counts]
classes       = ["qso_low", "qso_high"]
band_role     = "g"
brighter_than = 23.0
area_deg2     = 0.05

[[targets]]
classes         = ["qso_high"]
min_probability = 0.2
"""
)

TEMPLATES = (
    """
name   = "golden"
survey = "jpas60"
"""
    + CLASSES
    + """
[mock]
kind           = "templates"
templates      = "{pack}"
seed           = 5
partition_rows = 100
compared       = 20

[mock.samples]
training   = 20
validation = 0
test       = 0

[mock.field]
star   = 0
galaxy = 0
qso    = 0

[mock.survey]
area_deg2       = 0.1
star_per_deg2   = 200
galaxy_per_deg2 = 200
qso_per_deg2    = 100
library         = 20
"""
)


class Runs:
    """The golden runs in a folder: each is made when its output folder is first asked for."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @cached_property
    def trained(self) -> Path:
        """Output folder of mock (tables), ingest and train."""
        return _run(self._place / "trained", self._tables(""), "mock", "ingest", "train")

    @cached_property
    def used(self) -> Path:
        """Output folder of evaluate, infer, correct and summarise, with made-up weights."""
        folder = Path(shutil.copytree(self.trained, self._place / "used"))
        committee = f'artefact = "{_made_up_committee(folder)}"'
        return _run(folder, self._tables(committee), "evaluate", "infer", "correct", "summarise")

    @cached_property
    def templates(self) -> Path:
        """Output folder of mock, from a template pack."""
        job = TEMPLATES.format(pack=write_pack(self._place / "pack"))
        return _run(self._place / "templates", job, "mock")

    @cached_property
    def _sample(self) -> Path:
        return publish_set(set_rows(load_survey("jpas60"), 300), self._place / "labelled", "labelled").parent

    def _tables(self, committee: str) -> str:
        return TABLES.format(sample=self._sample, committee=committee)


def _run(folder: Path, job: str, *stages: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "golden.toml"
    file.write_text(job)
    workspace = workspace_of(folder, file)
    with workspace.prepare():
        for stage in stages:
            run_stage(stage, workspace, serial())
    return folder


def _made_up_committee(folder: Path) -> Path:
    """Save a committee of made-up weights, calibration and threshold, that is described as the trained one."""
    manifest, _ = load_committee(folder / "committee")
    widths = (manifest["features"]["n_inputs"], 8, len(manifest["classes"]))
    members = [random_member(seed, widths) for seed, _ in enumerate(manifest["members"])]
    manifest["calibration"] = {"kind": "none", "state": {}}
    manifest["decision"] |= {"threshold": 0.3, "position": 3}
    graph = committee_graph(members, widths[0])
    beside = made_up_validation(widths[2]), made_up_ordinary(widths[2], 60)
    return save_committee(folder / "made-up", manifest, graph, *beside)


def made_up_ordinary(classes: int, bands: int, rows: int = 1000) -> bytes:
    """Return what is ordinary, learnt from spectra whose slope is that of their class."""
    rng = np.random.default_rng(9)
    labels = np.arange(rows) % classes
    slope = np.linspace(-0.5, 0.5, bands) * (labels[:, None] - 1)
    level = 10 ** rng.uniform(-1.0, 2.0, (rows, 1))
    flux = level * (np.exp(slope) + 0.1 * rng.normal(size=(rows, bands)))
    photometry = Photometry(flux.astype(np.float32), np.full(flux.shape, 0.1 * level, dtype=np.float32))
    magnitude = ab_magnitude(level[:, 0])
    nobody_to_disagree = np.full(rows, np.nan)
    found = learn_ordinary(
        (photometry, labels), photometry, labels, magnitude, nobody_to_disagree, classes, 1
    )
    assert isinstance(found, Ordinary)
    return ordinary_to_bytes(found)


def made_up_validation(classes: int, rows: int = 2000) -> bytes:
    """Return a validation sample of probabilities that were drawn, and labels that were drawn from these."""
    rng = np.random.default_rng(8)
    probabilities = rng.dirichlet(np.full(classes, 0.4), rows)
    labels = (probabilities.cumsum(axis=1) < rng.random(rows)[:, None]).sum(axis=1)
    magnitude = rng.uniform(17.5, 23.5, rows)
    sample = ValidationSample.of(probabilities, magnitude, np.minimum(labels, classes - 1))
    return Validation(sample, {}).to_bytes()


def golden_results(runs: Runs) -> dict[str, Any]:
    """Return what each algorithm made, small enough to be read, as JSON."""
    return {name: read(runs) for name, read in READERS.items()}


def _mock_tables(runs: Runs) -> Any:
    tables = {
        path.name: Table.read(path, hdu=1, unit_parse_strict="silent")
        for path in _files(runs.trained, "work/mock/*/*/*.fits")
    }
    return {
        name: _columns({key: np.asarray(table[key]) for key in table.colnames})
        for name, table in tables.items()
    }


def _mock_materials(runs: Runs) -> Any:
    arrays = _files(runs.templates, "work/mock/**/ingredients.npz")
    arrays += _files(runs.templates, "work/mock/**/library-*.npz")
    return {path.stem: _arrays(path) for path in arrays}


def _mock_sets(runs: Runs) -> Any:
    return {name: _catalogue(runs.templates / "mock" / name, name) for name in ("training", "survey")}


def _mock_realism(runs: Runs) -> Any:
    measured = json.loads((runs.templates / "mock" / "realism.json").read_bytes())
    measured["facts"] = _lasting(measured["facts"])
    return {key: _leaves(value) for key, value in _lasting(measured).items()}


def _lasting(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is the same on another day."""
    return {key: value for key, value in values.items() if key not in VOLATILE}


def _ingest(runs: Runs) -> Any:
    record = json.loads((runs.trained / "work" / "ingest.json").read_bytes())
    kept = {key: record[key] for key in ("rows_in", "rows_out", "quarantined", "reasons", "partitions")}
    return kept | {"catalogue": _catalogue(runs.trained / "sky", "photometry")}


def _members(runs: Runs) -> Any:
    return {path.stem: _arrays(path) for path in _files(runs.trained, "work/train/**/member-*.npz")}


def _committee(runs: Runs) -> Any:
    manifest, _ = load_committee(runs.trained / "committee")
    return {key: manifest[key] for key in ("calibration", "decision", "learnt", "validation")}


def _evaluate(runs: Runs) -> Any:
    [content] = json.loads((runs.used / "evaluation" / "evaluation.json").read_bytes()).values()
    predictions = _parquet(_files(runs.used, "evaluation/predictions-labelled.parquet"))
    return {"scores": {key: _leaves(value) for key, value in content.items()}, "predictions": predictions}


def _infer(runs: Runs) -> Any:
    return _catalogue(runs.used / "sky", "predictions")


def _correct(runs: Runs) -> Any:
    [prior] = _files(runs.used, "work/correct/*/prior.json")
    shares = {
        name: np.array(value) for name, value in json.loads(prior.read_bytes()).items() if name in ARRAYS
    }
    return {"prior": _columns(shares), "catalogue": _catalogue(runs.used / "sky", "posteriors")}


def _tally(runs: Runs) -> Any:
    return [
        _leaves(json.loads(path.read_bytes())) for path in _files(runs.used, "work/summarise/*/tallies/*")
    ]


def _summarise(runs: Runs) -> Any:
    summary = json.loads((runs.used / "summary.json").read_bytes())
    targets = [
        Table.read(path, hdu=1, unit_parse_strict="silent") for path in _files(runs.used, "targets/*.fits")
    ]
    return {
        "summary": _lasting(summary),
        "targets": [
            _columns({name: np.asarray(table[name]) for name in table.colnames}) for table in targets
        ],
        "page": _page((runs.used / "report.html").read_text(encoding="utf-8")),
    }


READERS: dict[str, Callable[[Runs], Any]] = {
    "mock_tables": _mock_tables,
    "mock_materials": _mock_materials,
    "mock_sets": _mock_sets,
    "mock_realism": _mock_realism,
    "ingest": _ingest,
    "members": _members,
    "committee": _committee,
    "evaluate": _evaluate,
    "infer": _infer,
    "correct": _correct,
    "tally": _tally,
    "summarise": _summarise,
}


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    assert found, f"no {pattern} in {folder}"
    return found


def _catalogue(collection: Path, name: str) -> dict[str, Any]:
    """Return what a published catalogue holds; its margin is not read."""
    partitions = _files(collection, f"{name}-????????????/dataset/Norder=*/Dir=*/Npix=*.parquet")
    return _parquet(partitions) | {"partitions": [f"{one.parts[-3]}/{one.stem}" for one in partitions]}


def _parquet(files: list[Path]) -> dict[str, Any]:
    table = pa.concat_tables([pq.read_table(file) for file in files])
    found = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            values = column.flatten().to_numpy(zero_copy_only=False)
            found[name] = values.reshape(-1, column.type.list_size)
        else:
            found[name] = column.to_numpy(zero_copy_only=False)
    return _columns(found)


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return _columns({name: np.atleast_1d(arrays[name]) for name in arrays.files})


def _columns(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what columns hold: of whole numbers and texts a hash, of others mean, scatter and some elements."""
    return {name: _column(np.asarray(values)) for name, values in columns.items()}


def _column(values: np.ndarray) -> Any:
    if values.dtype.kind != "f":
        text = json.dumps([values.shape, values.tolist()], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    rows = values.astype(np.float64).reshape(len(values), math.prod(values.shape[1:]))
    some = rows[_spread(len(rows), ROWS)][:, _spread(rows.shape[1], ELEMENTS)]
    known = rows[np.isfinite(rows)]
    return {
        "shape": list(values.shape),
        "known": int(known.size),
        **_mean_and_scatter(known),
        "some": [float(value) if np.isfinite(value) else None for value in some.ravel()],
    }


def _spread(length: int, number: int) -> np.ndarray:
    return np.unique(np.linspace(0, max(length - 1, 0), min(length, number)).round().astype(int))


def _mean_and_scatter(known: np.ndarray) -> dict[str, float | None]:
    if not known.size:
        return {"mean": None, "scatter": None}
    return {"mean": float(known.mean()), "scatter": float(known.std())}


def _leaves(value: Any) -> dict[str, Any]:
    """Return what a JSON value holds: a hash of keys, texts and whole numbers, mean and scatter of the others.

    Sums of probabilities are whole numbers (of fixed point) that still depend on the processor's last digits.
    """
    numbers, sums, rest = [], [], []
    for path, leaf in _walk(value, ""):
        if isinstance(leaf, float) and not leaf.is_integer():
            numbers.append(leaf)
        elif isinstance(leaf, int) and SUMS[0] <= leaf < SUMS[1]:
            sums.append(float(leaf))
        else:
            rest.append(f"{path}={leaf}")
            continue
        rest.append(path)
    digest = hashlib.sha256("\n".join(rest).encode()).hexdigest()[:16]
    found = {"rest": digest, "numbers": len(numbers), **_mean_and_scatter(np.array(numbers))}
    return found | ({"sums": len(sums), "sum": _mean_and_scatter(np.array(sums))} if sums else {})


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _walk(value[key], f"{path}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{path}/{number}")
    else:
        yield path, value


def _page(text: str) -> dict[str, Any]:
    """Return the headings of a page, the heads of its tables, the number of its figures, and its style."""
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    heads = re.findall(r"<(h[1-4]|th|figcaption)\b[^>]*>(.*?)</\1>", text, re.DOTALL)
    return {
        "heads": hashlib.sha256(json.dumps(heads).encode()).hexdigest()[:16],
        "figures": len(re.findall(r"<(?:img|svg)\b", text)),
        "style": hashlib.sha256(style.encode()).hexdigest()[:16],
    }
