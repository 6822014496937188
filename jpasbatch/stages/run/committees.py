"""Committees on disk or in a store: where the one of a job lies, and how it is opened."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jpasbatch.committees.registry import committee_folder
from jpasbatch.errors import InputError
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.inference import DEFAULT, InferenceOptions
from jpasbatch.learning.manifest import Manifest
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.stores.artefacts import load_committee, load_ordinary
from jpasbatch.storage.stores.opening import open_store

if TYPE_CHECKING:
    from jpasbatch.stages.run.workspace import Workspace

GPU = "GPU"
"""The resource that workers with a GPU declare."""

TRIED_FLUX = 10.0
"""Microjansky (AB 21.4), of the object that a committee is tried on."""

FEW_BANDS_SHARE = 0.01
"""Share of objects with fewer bands than the committee was validated with, above which a reader is warned."""


def origin_warning(origin: str | None) -> Iterator[str]:
    """Yield what every page made with a committee must say of the sample that it learnt from.

    Parameters
    ----------
    origin : str or None
        Of the manifest: see `jpasbatch.learning.manifest.Manifest`.
    """
    if origin == "builtin":
        yield (
            "The committee learnt from the built-in mock sky, whose objects are analytic toys: what it says is for "
            "demonstration, not for science, whatever objects it classifies."
        )
    if origin is None:
        yield (
            "It is not recorded what the committee learnt from: it was trained before that was kept. If that was the "
            "built-in mock sky, what it says is not for science."
        )


def few_bands_warning(few: int | None, objects: int) -> Iterator[str]:
    """Yield what to say of objects with fewer bands than the committee was validated with, where they are many.

    Parameters
    ----------
    few : int or None
        How many; None where that is not known, which is not warned of.
    objects : int
        All of them.
    """
    if few is not None and few > FEW_BANDS_SHARE * objects:
        yield (
            f"{few:,} of {objects:,} objects have fewer bands than the committee was validated with: their classes and "
            'probabilities were never tested. None is called "safe", and records have the bit FEW_BANDS of `quality`.'
        )


class StoredCommittee(NamedTuple):
    """A committee as it lies on disk: what it is, the bytes of its graph, and the folder of its version."""

    manifest: Manifest
    graph: bytes
    version: Path


def find_committee(workspace: Workspace) -> StoredCommittee:
    """Return the committee that the job uses: the one that it names, or its own.

    Raises
    ------
    InputError
        When there is none, or its bytes are not those of its manifest.
    """
    named = workspace.job.committee.artefact
    return load_version(named or workspace.folder / workspace.require("train")["committee"])


def load_version(place: str | Path) -> StoredCommittee:
    """Return the current version of the committees in a folder, or of one that comes with the package, by its name.

    Raises
    ------
    InputError
        When there is none, or its bytes are not those of its manifest.
    """
    # the version, and not the pointer, which may move while workers still load the committee
    version = committee_folder(place)
    manifest, graph = load_committee(version)
    return StoredCommittee(Manifest.from_json(manifest), graph, version)


def try_committee(version: Path, survey: Survey) -> None:
    """Have a committee judge one plain object in this process, before thousands of partitions find out that it cannot.

    It is tried in single precision on the processor, whatever the workers have.

    Raises
    ------
    InputError
        When a file of it is damaged, its parts do not belong together, or it has no opinion of the object.
    """
    committee = open_committee(str(version), survey)
    flux = np.full((1, len(survey.bands)), TRIED_FLUX, dtype=np.float32)
    nothing = np.full(1, np.nan, dtype=np.float32)  # auxiliary columns may be missing
    tried = Photometry(flux, flux / 10, dict.fromkeys(committee.auxiliary, nothing))
    try:
        judgement = committee.judge(tried)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(
            f"the committee {version} cannot judge an object ({type(error).__name__}: {error}): its manifest is not "
            "that of its graph; restore it from a copy, or train again"
        ) from None
    if not (judgement.usable.all() and np.isfinite(judgement.probabilities).all()):
        raise InputError(
            f"the committee {version} gives no probabilities for a plain object ({TRIED_FLUX} uJy in every band, "
            "S/N 10); restore it from a copy, or train again"
        )


@functools.lru_cache(maxsize=4)
def open_committee(place: str, survey: Survey, options: InferenceOptions = DEFAULT) -> Committee:
    """Return a committee that is ready to judge; a process opens each one once.

    Parameters
    ----------
    place : str
        Folder, or location in a store, of one version.
    survey : Survey
        Of the photometry that is to be judged.
    options : InferenceOptions
        How the forward pass is computed.

    Raises
    ------
    InputError
        When a file is missing or damaged, or the machine lacks what the options ask for.
    """
    store = open_store(place)
    manifest, graph = load_committee(store)
    return Committee.of(Manifest.from_json(manifest), graph, survey, options, load_ordinary(store))
