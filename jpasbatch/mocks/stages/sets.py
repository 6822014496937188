"""Stage ``mock``, kind "templates": sets of mock objects as HATS catalogues, partition by partition.

The template pack is read once, by one task; workers then share what it made. A partition is one task: it makes
the rows of its pixel, writes them aside and commits. Each set has a fingerprint of its own, so that asking for
another set makes no other again. Nothing is visible before a set is whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.mocks.options.templates import BalancedSamples, TemplateSky
from jpasbatch.mocks.populations.nearby import NEAR_LIMIT
from jpasbatch.mocks.realism.tally import RealismTally
from jpasbatch.mocks.skies.objects import faintest_of
from jpasbatch.mocks.skies.places import footprint_of, limited_to, partition_order, places_in, sets_of
from jpasbatch.mocks.skies.set_table import NOISELESS_SETS, set_schema, to_arrow
from jpasbatch.mocks.skies.templates import make_rows
from jpasbatch.mocks.skies.weights import WEIGHTED_SETS
from jpasbatch.mocks.stages.materials import (
    common_options,
    gather_once,
    hash_pack,
    load_library,
    make_library_once,
    open_workshop,
)
from jpasbatch.mocks.stages.realism import write_realism_report
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed, planned_run, run_on_disk
from jpasbatch.stages.run.mock_facts import MockSet, MockSets
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import STAGING, Catalogue, open_catalogue
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.catalogue.partitions import write_partition
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.opening import open_store

MOCK_FOLDER = "mock"
CATALOGUE_SETS = ("survey", "field", "test")
"""Which set is the job's catalogue, unless the job says so: the first of these that is made."""


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


def run_sets(workspace: Workspace, options: TemplateSky, executor: Executor) -> StageRecord[MockSets]:
    """Make the sets that the job asks for, publish each, write the realism report, and return the record.

    Raises
    ------
    InputError
        When the pack lacks what a class needs or is damaged, or no set is asked for.
    """
    options = limited_to(options, faintest_of(workspace.survey))
    sets = sets_of(options)
    if not sets:
        raise InputError(
            "[mock] asks for no set: give numbers in [mock.samples], [mock.field] or [mock.survey]"
        )
    parts = ask_sets(workspace, options)
    pack, identity = parts["pack"], fingerprint(**parts)
    done = unchanged(workspace, MockSets, identity, parts)
    if done and all(set_is_whole(workspace, made) for made in done.facts.sets.values()):
        return done
    with stopwatch() as elapsed:
        ingredients, given = gather_once(workspace, options, pack, executor)
        library = (
            make_library_once(workspace, options, ingredients, executor) if options.survey.library else ()
        )
        common = _common(workspace, pack)
        made = {}
        for name in sets:
            making = _plan_set(workspace, options, name, (ingredients, library, common))
            made[name] = _make_set(workspace, making, executor)
        report = write_realism_report(workspace, options, ingredients, made, executor)
    facts = MockSets(
        kind=options.kind,
        sets=made,
        rows={name: part.rows for name, part in made.items()},
        catalogue=next((name for name in CATALOGUE_SETS if name in made), next(iter(made))),
        parents=given.parents,
        lacking=given.lacking,
        realism=report,
    )
    return finish(workspace, facts, identity, elapsed[0], parts, parts["algorithms"])


def ask_sets(workspace: Workspace, options: TemplateSky) -> dict[str, Any]:
    """Return what decides the sets of a mock, by name; ``options`` are limited to the survey already."""
    weighted = [name for name in sets_of(options) if name in WEIGHTED_SETS]
    return {
        **({"weighted": weighted} if weighted else {}),
        "options": asdict(options) | {"samples": _decisive(options.samples)},
        "pack": hash_pack(Path(options.templates)),
        "survey": workspace.survey_text("mock"),
        "algorithms": algorithm_numbers("mock_materials", "mock_sets", "mock_realism"),
    }


def _common(workspace: Workspace, pack: dict[str, str]) -> str:
    """Return the fingerprint of what decides every set."""
    return fingerprint(
        pack=pack,
        survey=workspace.survey_text("mock"),
        algorithms=algorithm_numbers("mock_materials", "mock_sets"),
    )


def set_is_whole(workspace: Workspace, made: MockSet) -> bool:
    """Return whether a set is published with all of its partitions; ``made`` is what the record says of it."""
    try:
        catalogue = open_catalogue(workspace.folder / made.path)
    except InputError:
        return False
    current = catalogue.name == made.catalogue
    return current and all(catalogue.partition_path(*pixel).is_file() for pixel in catalogue.pixels)


def _own(options: TemplateSky, name: str) -> dict[str, Any]:
    """Return the options on which one set and its files depend beside the common ones."""
    own = {"partition_rows": options.partition_rows}
    if name in ("field", "survey"):
        return own | asdict(getattr(options, name))
    own |= _weights_of(name)
    samples = _decisive(options.samples)
    shared = ("magnitudes", "near_share", "near_reach", "incomplete_share", "incomplete_bands")
    return own | {key: samples[key] for key in (name, *shared) if key in samples}


def _decisive(samples: BalancedSamples) -> dict[str, Any]:
    """Return the options of the balanced sets that decide them.

    What came later is left out at its default, at which sets are what they were before: these are not made again.
    """
    content = asdict(samples)
    if samples.near_reach == NEAR_LIMIT:
        del content["near_reach"]
    return content


def _weights_of(name: str) -> dict[str, Any]:
    """Return what tells a set with weights from one that was made before there were any; nothing for others."""
    return {"columns": ["sky_weight"]} if name in WEIGHTED_SETS else {}


def _set_identity(options: TemplateSky, name: str, common: str) -> str:
    """Return the fingerprint of a set."""
    return fingerprint(common=common, options=common_options(options), set=name, own=_own(options, name))


def set_runs(workspace: Workspace, options: TemplateSky) -> dict[str, tuple[Run, list[str]]]:
    """Return where the partitions of each set commit, and the names of these; nothing is created.

    ``options`` are limited to the survey already.
    """
    common, found = _common(workspace, hash_pack(Path(options.templates))), {}
    for name in sets_of(options):
        order = partition_order(options, name)
        keys = [f"{order}_{pixel}" for pixel in footprint_of(options, name).pixels(order).tolist()]
        found[name] = planned_run(workspace, "mock", _set_identity(options, name, common)), keys
    return found


def _plan_set(
    workspace: Workspace, options: TemplateSky, name: str, made: tuple[Path, tuple[str, ...], str]
) -> SetMaking:
    ingredients, library, common = made
    identity = _set_identity(options, name, common)
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


def _make_set(workspace: Workspace, making: SetMaking, executor: Executor) -> MockSet:
    """Make the partitions of a set that are not yet made, publish it, and say what it is."""
    order = partition_order(making.options, making.set_name)
    footprint = footprint_of(making.options, making.set_name)
    pixels = footprint.pixels(order).tolist()
    run = run_on_disk(workspace, "mock", making.identity)
    tasks = {f"{order}_{pixel}": (order, pixel) for pixel in pixels}
    commits = committed(run, f"mock: {making.set_name}", make_partition, tasks, executor, shared=(making,))
    made = commits.whole_of(PartitionFacts, f"partitions of the set {making.set_name}")
    published = publish_primary(
        Path(making.collection),
        making.set_name,
        [one.facts for one in made.values()],
        set_schema(load_survey(making.survey), *_further_columns(making.set_name)),
        {"fingerprint": making.identity, "set": making.set_name, "job": workspace.job.name},
        PrimaryOptions(map_order=max(order, 8)),
    )
    catalogue: Catalogue = open_catalogue(published)
    return MockSet(
        path=f"{MOCK_FOLDER}/{making.set_name}",
        catalogue=catalogue.name,
        folder=str(Path(making.folder).relative_to(workspace.folder)),
        rows=catalogue.rows,
        partitions=len(catalogue.pixels),
        recomputed=commits.computed,
        area_deg2=footprint.area_deg2,
    )


def _further_columns(name: str) -> tuple[bool, bool]:
    """Return whether a set keeps noiseless fluxes, and weights."""
    return name in NOISELESS_SETS, name in WEIGHTED_SETS


def make_partition(making: SetMaking, order: int, pixel: int) -> Made:
    """Make the rows of a set in one pixel, and write them and their tally aside."""
    workshop = open_workshop(making.options, making.survey, making.ingredients)
    library = load_library(making.library) if making.library else None
    survey: Survey = workshop.survey
    rows = make_rows(
        workshop, making.set_name, places_in(making.options, making.set_name, order, pixel), library
    )
    name, folder = f"{order}_{pixel}", Path(making.folder)
    store, collection = open_store(Path(making.collection).parents[1]), f"{MOCK_FOLDER}/{making.set_name}"
    table = to_arrow(rows, survey, *_further_columns(making.set_name))
    staged = write_partition(table, store, f"{collection}/{STAGING}/{folder.name}", name)
    tally = folder / "tally" / f"{name}.json"
    tally.parent.mkdir(parents=True, exist_ok=True)
    counted = RealismTally.create(len(survey.bands)).add(rows)
    write_atomically(tally, json.dumps(counted.to_dict()).encode())
    facts = staged.facts((order, pixel), collection, making.identity)
    return Made(table.num_rows, facts, [tally], own=staged.files)
