"""Stage ``mock``, kind "templates": sets of mock objects as HATS catalogues, partition by partition.

The template pack is read once, by one task; workers then share what it made. A partition is one task: it makes
the rows of its pixel, writes them aside and commits. Each set has a fingerprint of its own, so that asking for
another set makes no other again. Nothing is visible before a set is whole.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.errors import InputError
from jpasbatch.mocks.ingredients import Ingredients, gather
from jpasbatch.mocks.packs.layout import SOURCES, find
from jpasbatch.mocks.set_table import NOISELESS_SETS, set_schema, to_arrow
from jpasbatch.mocks.template_objects import Workshop
from jpasbatch.mocks.template_options import TemplateSky
from jpasbatch.mocks.template_sky import (
    Library,
    footprint_of,
    make_library,
    make_rows,
    partition_order,
    places_in,
    sets_of,
)
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.stages.commits import hash_files, whole_commits
from jpasbatch.stages.mapping import map_tasks, require_all
from jpasbatch.stages.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue import (
    Catalogue,
    PrimaryOptions,
    open_catalogue,
    publish_primary,
    write_partition,
)
from jpasbatch.storage.files import sha256_file, write_atomically, written_aside
from jpasbatch.storage.ledger import Ledger, code_fingerprint, fingerprint

MOCK_FOLDER = "mock"
STAGING = ".staging"
INGREDIENTS = "ingredients"
LIBRARY_PART = 2000
CATALOGUE_SETS = ("survey", "field", "test")
"""Which set is the job's catalogue, unless the job says so: the first of these that is made."""

CODE = ("mocks", "photometry", "storage", "stages.mock_sets")


@dataclass(frozen=True)
class SetMaking:
    """What a worker needs to make a partition of a set: options, names and paths, never arrays.

    Attributes
    ----------
    options : TemplateSky
    survey : str
        Name or path of the survey.
    set_name : str
    folder : str
        Of this set's run.
    collection : str
        Where the set is published; files are staged in it.
    ingredients : str
        File of what the template pack gave.
    library : tuple of str
        Files of the library of spectra; empty when each object has its own.
    identity : str
        Fingerprint of this set's run.
    """

    options: TemplateSky
    survey: str
    set_name: str
    folder: str
    collection: str
    ingredients: str
    library: tuple[str, ...]
    identity: str


def run_sets(workspace: Workspace, options: TemplateSky, executor: Executor) -> dict[str, Any]:
    """Make the sets that the job asks for, publish each, write the realism report, and return the record.

    Raises
    ------
    InputError
        When the pack lacks what a class needs or is damaged, or no set is asked for.
    """
    sets = sets_of(options)
    if not sets:
        raise InputError("[mock] asks for no set: give numbers in [mock.samples], [mock.field] or [mock.survey]")
    pack = _pack_hashes(Path(options.templates))
    identity = fingerprint(
        options=asdict(options), pack=pack, survey=repr(workspace.survey), code=_code("stages.realism")
    )
    unchanged = workspace.unchanged("mock", identity)
    if unchanged and all(_is_whole(workspace, made) for made in unchanged["sets"].values()):
        return unchanged
    with stopwatch() as elapsed:
        ingredients, given = _gather(workspace, options, pack, executor)
        library = _make_library(workspace, options, ingredients, executor) if options.survey.library else ()
        made = {}
        for name in sets:
            common = fingerprint(pack=pack, survey=repr(workspace.survey), code=_code())
            making = _plan_set(workspace, options, name, (ingredients, library, common))
            made[name] = _make_set(workspace, making, executor)
        report = _report(workspace, options, ingredients, made, executor)
    content = {
        "kind": options.kind,
        "sets": made,
        "rows": {name: part["rows"] for name, part in made.items()},
        "catalogue": next((name for name in CATALOGUE_SETS if name in made), next(iter(made))),
        "parents": given["parents"],
        "lacking": given["lacking"],
        "realism": report,
    }
    return workspace.finish("mock", identity, elapsed[0], content)


def _code(*more: str) -> str:
    return code_fingerprint(*CODE, *more)


def _pack_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the pack that is known, by its path in the pack."""
    if not folder.is_dir():
        raise InputError(
            f"[mock] templates: {folder} is not a folder; name that of a template pack (docs/template_pack.md)"
        )
    paths = {path for source in SOURCES for path in find(folder, source)}
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(paths)}


def _is_whole(workspace: Workspace, made: dict[str, Any]) -> bool:
    try:
        catalogue = open_catalogue(workspace.folder / made["path"])
    except InputError:
        return False
    current = catalogue.name == made["catalogue"]
    return current and all(catalogue.partition_path(*pixel).is_file() for pixel in catalogue.pixels)


def _gather(
    workspace: Workspace, options: TemplateSky, pack: dict[str, str], executor: Executor
) -> tuple[Path, dict[str, Any]]:
    """Read the pack, unless that was done; return the file of ingredients and its record."""
    held_out = bool(options.samples.held_out)
    identity = fingerprint(
        pack=pack,
        classes=options.classes,
        survey=repr(workspace.survey),
        held_out=held_out,
        code=code_fingerprint("mocks", "photometry"),
    )
    folder = workspace.run_folder("mock", identity)
    ledger = Ledger(folder / "ledger")
    if INGREDIENTS not in whole_commits(ledger, folder):
        task = Task(INGREDIENTS, (options, workspace.job.survey, held_out, str(folder)))
        _, troubles = map_tasks("mock: template pack", gather_ingredients, [task], executor)
        require_all(troubles, "template packs")
    record = ledger.read(INGREDIENTS)
    assert record is not None  # the task committed it
    return folder / f"{INGREDIENTS}.npz", record


def gather_ingredients(
    options: TemplateSky, survey_name: str, with_held_out: bool, folder: str
) -> dict[str, Any]:
    """Read a template pack, write what mocks are made of aside, and commit.

    Returns
    -------
    dict
        ``parents`` (by class, kind and split) and ``lacking`` (sources that the pack lacks).
    """
    survey = load_survey(survey_name)
    given = gather(Path(options.templates), options.classes, survey, with_held_out)
    target = Path(folder) / f"{INGREDIENTS}.npz"
    with written_aside(target) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **given.to_arrays())
    record = {
        "parents": {name: count_parents(parents.kind, parents.split) for name, parents in given.parents.items()},
        "lacking": list(given.lacking),
        "files": hash_files(Path(folder), [target]),
    }
    Ledger(Path(folder) / "ledger").commit(INGREDIENTS, record)
    return record


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


def _make_library(
    workspace: Workspace, options: TemplateSky, ingredients: Path, executor: Executor
) -> tuple[str, ...]:
    """Make the library of spectra in parts; return their files, which name class and part."""
    identity = fingerprint(ingredients=str(ingredients.parent.name), options=_common(options), code=_code())
    folder = workspace.run_folder("mock", identity)
    parts = -(-options.survey.library // LIBRARY_PART)
    names = {f"library-{kind}-{part:04d}": (kind, part) for kind in options.classes for part in range(parts)}
    ledger = Ledger(folder / "ledger")
    done = whole_commits(ledger, folder)
    tasks = [
        Task(name, (options, workspace.job.survey, str(ingredients), kind, part, str(folder)))
        for name, (kind, part) in names.items()
        if name not in done
    ]
    _, troubles = map_tasks("mock: library", make_library_part, tasks, executor)
    require_all(troubles, "parts of the library")
    return tuple(str(folder / f"{name}.npz") for name in names)


def make_library_part(
    options: TemplateSky, survey_name: str, ingredients: str, true_class: str, part: int, folder: str
) -> dict[str, Any]:
    """Make up to `LIBRARY_PART` spectra of a class, write them aside and commit."""
    workshop = open_workshop(options, survey_name, ingredients)
    last = min((part + 1) * LIBRARY_PART, options.survey.library)
    library = make_library(workshop, true_class, np.arange(part * LIBRARY_PART, last))
    name = f"library-{true_class}-{part:04d}"
    target = Path(folder) / f"{name}.npz"
    with written_aside(target) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **vars(library))
    record = {"rows": last - part * LIBRARY_PART, "files": hash_files(Path(folder), [target])}
    Ledger(Path(folder) / "ledger").commit(name, record)
    return record


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


def _common(options: TemplateSky) -> dict[str, Any]:
    """Return the options on which every set depends."""
    content = asdict(options)
    return {key: content[key] for key in content if key not in ("samples", "field", "survey", "templates")}


def _own(options: TemplateSky, name: str) -> dict[str, Any]:
    """Return the options on which one set depends beside the common ones."""
    if name in ("field", "survey"):
        return asdict(getattr(options, name))
    samples = asdict(options.samples)
    return {key: samples[key] for key in (name, "magnitudes", "incomplete_share", "incomplete_bands")}


def _plan_set(
    workspace: Workspace, options: TemplateSky, name: str, made: tuple[Path, tuple[str, ...], str]
) -> SetMaking:
    ingredients, library, common = made
    identity = fingerprint(common=common, options=_common(options), set=name, own=_own(options, name))
    return SetMaking(
        options=options,
        survey=workspace.job.survey,
        set_name=name,
        folder=str(workspace.run_folder("mock", identity)),
        collection=str(workspace.folder / MOCK_FOLDER / name),
        ingredients=str(ingredients),
        library=library if name == "survey" else (),
        identity=identity,
    )


def _make_set(workspace: Workspace, making: SetMaking, executor: Executor) -> dict[str, Any]:
    """Make the partitions of a set that are not yet made, publish it, and say what it is."""
    order = partition_order(making.options, making.set_name)
    footprint = footprint_of(making.options, making.set_name)
    pixels = footprint.pixels(order).tolist()
    ledger = Ledger(Path(making.folder) / "ledger")
    done = whole_commits(ledger, workspace.folder)
    tasks = [
        Task(name, (making, order, pixel))
        for pixel in pixels
        if (name := f"{order}_{pixel}") not in done
    ]
    _, troubles = map_tasks(f"mock: {making.set_name}", make_partition, tasks, executor)
    require_all(troubles, f"partitions of the set {making.set_name}")
    records = [ledger.read(f"{order}_{pixel}") for pixel in pixels]
    published = publish_primary(
        Path(making.collection),
        making.set_name,
        [record for record in records if record is not None],
        set_schema(load_survey(making.survey), making.set_name in NOISELESS_SETS),
        {"fingerprint": making.identity, "set": making.set_name, "job": workspace.job.name},
        PrimaryOptions(map_order=max(order, 8)),
    )
    catalogue: Catalogue = open_catalogue(published)
    return {
        "path": f"{MOCK_FOLDER}/{making.set_name}",
        "catalogue": catalogue.name,
        "folder": str(Path(making.folder).relative_to(workspace.folder)),
        "rows": catalogue.rows,
        "partitions": len(catalogue.pixels),
        "recomputed": len(tasks),
        "area_deg2": footprint.area_deg2,
    }


def make_partition(making: SetMaking, order: int, pixel: int) -> dict[str, Any]:
    """Make the rows of a set in one pixel, write them and their tally aside, and commit.

    Returns
    -------
    dict
        ``rows``.
    """
    from jpasbatch.mocks.realism_tally import RealismTally

    workshop = open_workshop(making.options, making.survey, making.ingredients)
    library = load_library(making.library) if making.library else None
    survey: Survey = workshop.survey
    rows = make_rows(
        workshop, making.set_name, places_in(making.options, making.set_name, order, pixel), library
    )
    name, collection = f"{order}_{pixel}", Path(making.collection)
    folder, output = Path(making.folder), collection.parent.parent
    table = to_arrow(rows, survey, making.set_name in NOISELESS_SETS)
    staged = write_partition(table, collection / STAGING / folder.name, name)
    tally = folder / "tally" / f"{name}.json"
    tally.parent.mkdir(parents=True, exist_ok=True)
    counted = RealismTally.create(len(survey.bands)).add(rows)
    write_atomically(tally, json.dumps(counted.to_dict()).encode())
    commit = staged.record((order, pixel), collection, making.identity)
    commit["files"] = hash_files(output, [tally, *([staged.path] if staged.path else [])])
    if not Ledger(folder / "ledger").commit(name, commit) and staged.path is not None:
        # the same task ran twice and the other copy was first: its file is the one that counts
        staged.path.unlink(missing_ok=True)
    return {"rows": table.num_rows}


def _report(
    workspace: Workspace,
    options: TemplateSky,
    ingredients: Path,
    made: dict[str, dict[str, Any]],
    executor: Executor,
) -> str:
    """Measure how real the sets look, write the report, and return its path."""
    from jpasbatch.stages.realism import write_realism_report

    return write_realism_report(workspace, options, ingredients, made, executor)

