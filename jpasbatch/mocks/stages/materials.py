"""What the mock stage makes once and all of its workers read: the contents of a template pack, and the library.

Both are files of plain arrays, made by tasks, hashed and committed; workers load them once a process.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.packs.layout import SOURCES, find
from jpasbatch.mocks.parents.packs.ingredients import Ingredients, gather
from jpasbatch.mocks.skies.objects import Workshop
from jpasbatch.mocks.skies.templates import Library, make_library
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.committed import committed, run_on_disk
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import sha256_file, written_aside
from jpasbatch.storage.stores.ledger import fingerprint

INGREDIENTS = "ingredients"
LIBRARY_PART = 2000


def common_options(options: TemplateSky) -> dict[str, Any]:
    """Return the options on which every object depends."""
    content = asdict(options)
    apart = ("samples", "field", "survey", "templates", "partition_rows", "compared")
    return {key: content[key] for key in content if key not in apart}


def hash_pack(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the pack that is known, by its path in the pack."""
    if not folder.is_dir():
        raise InputError(
            f"[mock] templates: {folder} is not a folder; name that of a template pack (docs/template_pack.md)"
        )
    paths = {path for source in SOURCES for path in find(folder, source)}
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(paths)}


@dataclass(frozen=True)
class PackFacts(Facts):
    """What the commit of a template pack tells.

    Attributes
    ----------
    parents : dict of str to dict
        How many there are, by class, kind and split.
    lacking : tuple of str
        Sources that the pack lacks.
    """

    parents: dict[str, dict[str, dict[str, int]]]
    lacking: tuple[str, ...]


def gather_once(
    workspace: Workspace, options: TemplateSky, pack: dict[str, str], executor: Executor
) -> tuple[Path, PackFacts]:
    """Read the pack, unless that was done; return the file of ingredients, and what is told of the pack."""
    held_out = bool(options.samples.held_out)
    identity = fingerprint(
        pack=pack,
        classes=options.classes,
        survey=workspace.survey_text("mock"),
        held_out=held_out,
        algorithms=algorithm_numbers("mock_materials"),
    )
    run = run_on_disk(workspace, "mock", identity)
    tasks = {INGREDIENTS: (options, workspace.job.survey, held_out, str(run.path))}
    commits = committed(run, "mock: template pack", gather_ingredients, tasks, executor)
    found = commits.whole_of(PackFacts, "template packs")
    return run.path / f"{INGREDIENTS}.npz", found[INGREDIENTS].facts


def gather_ingredients(options: TemplateSky, survey_name: str, with_held_out: bool, folder: str) -> Made:
    """Read a template pack and write what mocks are made of aside.

    The commit holds `PackFacts`.
    """
    survey = load_survey(survey_name)
    given = gather(Path(options.templates), options.classes, survey, with_held_out)
    target = Path(folder) / f"{INGREDIENTS}.npz"
    with written_aside(target) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **given.to_arrays())
    parents = {name: count_parents(one.kind, one.split) for name, one in given.parents.items()}
    return Made(0, PackFacts(parents, tuple(given.lacking)), [target])


def count_parents(kind: np.ndarray, split: np.ndarray) -> dict[str, dict[str, int]]:
    """Count parents by kind and split; held-out libraries, whose kinds are many, are one kind."""
    kind = np.where(split == "held_out", "observed library", kind)
    pairs, counts = np.unique(np.stack([kind, split]), axis=1, return_counts=True)
    census: dict[str, dict[str, int]] = {}
    for (name, side), count in zip(pairs.T, counts, strict=True):
        census.setdefault(str(name), {})[str(side)] = int(count)
    return census


@functools.lru_cache(maxsize=1)
def load_ingredients(path: str) -> Ingredients:
    """Return what `gather_ingredients` wrote; read once a process."""
    with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Ingredients.from_arrays({name: arrays[name] for name in arrays.files})


def open_workshop(options: TemplateSky, survey_name: str, ingredients: str) -> Workshop:
    """Return what it takes to make mock objects in this process."""
    return Workshop(options, load_ingredients(ingredients), load_survey(survey_name))


def make_library_once(
    workspace: Workspace, options: TemplateSky, ingredients: Path, executor: Executor
) -> tuple[str, ...]:
    """Make the library of spectra in parts; return their files, which name class and part."""
    identity = fingerprint(
        ingredients=str(ingredients.parent.name),
        options=common_options(options),
        algorithms=algorithm_numbers("mock_materials"),
    )
    run = run_on_disk(workspace, "mock", identity)
    parts = -(-options.survey.library // LIBRARY_PART)
    names = {f"library-{kind}-{part:04d}": (kind, part) for kind in options.classes for part in range(parts)}
    shared = (options, workspace.job.survey, str(ingredients), str(run.path))
    commits = committed(run, "mock: library", make_library_part, names, executor, shared=shared)
    commits.whole("parts of the library")
    return tuple(str(run.path / f"{name}.npz") for name in names)


def make_library_part(
    options: TemplateSky, survey_name: str, ingredients: str, folder: str, true_class: str, part: int
) -> Made:
    """Make up to `LIBRARY_PART` spectra of a class and write them aside."""
    workshop = open_workshop(options, survey_name, ingredients)
    last = min((part + 1) * LIBRARY_PART, options.survey.library)
    library = make_library(workshop, true_class, np.arange(part * LIBRARY_PART, last))
    name = f"library-{true_class}-{part:04d}"
    target = Path(folder) / f"{name}.npz"
    with written_aside(target) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **vars(library))
    return Made(last - part * LIBRARY_PART, files=[target])


@functools.lru_cache(maxsize=1)
def load_library(files: tuple[str, ...]) -> dict[str, Library]:
    """Return the library by class, read once a process."""
    parts: dict[str, list[dict[str, np.ndarray]]] = {}
    for name in files:
        with Path(name).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts.setdefault(Path(name).name.split("-")[1], []).append({k: arrays[k] for k in arrays.files})
    return {
        kind: Library(**{key: np.concatenate([part[key] for part in group]) for key in group[0]})
        for kind, group in parts.items()
    }
