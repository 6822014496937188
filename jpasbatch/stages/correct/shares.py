"""What workers do for the class shares of a sky: find them, find how far they move, and put both together.

The moves are many and independent of each other: tasks of their own, so that workers share them and progress shows.
"""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.priors.calibrations.registry import calibrated
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Prior, Reference, fit_prior
from jpasbatch.priors.redraws import Moves
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.table import ShareTable
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.stages.correct.partition import CountedCells
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.priors import read_prior
from jpasbatch.storage.stores.artefacts import load_validation
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store, read_object

PRIOR_FILE = "prior.json"
SHARES_FILE = "shares.json"
"""The same without how far it moves."""
CELLS_FILE = "cells.npz"
REDRAWS_OF_TASK = 5
READERS = 2
VARIANT = "variant-"

ROUNDING = 1e-3
"""How far the probabilities of an object may leave a sum of 1."""

FARTHEST = 100.0
"""Magnitude beyond which no object has one; NaN and infinity stand for fluxes that have none."""


@dataclass(frozen=True)
class Search:
    """What a worker needs to find class shares.

    Attributes
    ----------
    store : str
        Location of all keys.
    folder : str
        Key of the run; all of its files lie there.
    classes : tuple of str
    committee : str
        Location of the committee's version, which keeps what it says of its validation samples.
    strata : Strata
    variants : tuple of str
        Names of the validation samples of other mocks.
    options : PriorOptions
    table : ShareTable, optional
        Shares that are given.
    seed : int
        Of the redraws.
    """

    store: str
    folder: str
    classes: tuple[str, ...]
    committee: str
    strata: Strata
    variants: tuple[str, ...]
    options: PriorOptions
    table: ShareTable | None
    seed: int

    @property
    def prior(self) -> str:
        """Key of the prior with all that is known of it."""
        return f"{self.folder}/{PRIOR_FILE}"

    @property
    def reference(self) -> Reference:
        """What the shares are found by."""
        return read_reference(self.committee, self.classes, self.options.calibration, self.strata)

    def moves(self) -> dict[str, tuple[range, str]]:
        """Return the redraws and the variant of each task that moves shares, by its name; none for given shares."""
        if self.table is not None:
            return {}
        starts = range(0, self.options.redraws, REDRAWS_OF_TASK)
        parts = (range(start, min(start + REDRAWS_OF_TASK, self.options.redraws)) for start in starts)
        redraws = {f"redraws-{part.start}": (part, "") for part in parts}
        return redraws | {f"{VARIANT}{name}": (range(0), name) for name in self.variants}


@lru_cache(maxsize=2)
def read_samples(committee: str, classes: tuple[str, ...]) -> Validation:
    """Return what a committee says of its validation samples; a process reads it once.

    Raises
    ------
    InputError
        When it was saved without, or is damaged or of other classes.
    """
    try:
        found = Validation.from_bytes(load_validation(open_store(committee))[0], classes)
    except MemoryError as error:
        raise InputError(
            f"the validation sample of the committee claims more than fits into memory ({error}); train again"
        ) from None
    for sample in (found.sample, *found.variants.values()):
        check_sample(sample)
    return found


def check_sample(sample: ValidationSample) -> None:
    """Refuse a validation sample whose shares would be found, and wrong.

    Raises
    ------
    InputError
        When the probabilities of an object do not sum to 1, or a magnitude is none of an object.
    """
    totals = sample.probabilities.sum(axis=1, dtype=np.float64)
    worst = int(np.abs(totals - 1).argmax())
    if abs(totals[worst] - 1) > ROUNDING:
        raise InputError(
            f"the validation sample of the committee has probabilities that sum to {totals[worst]:.6g} (object "
            f"{worst + 1}); allowed is 1. Restore the committee from a copy, or train again"
        )
    beyond = np.isfinite(sample.magnitude) & (np.abs(sample.magnitude) > FARTHEST)
    if beyond.any():
        raise InputError(
            f"the validation sample of the committee has the magnitude {sample.magnitude[beyond][0]:.6g}; allowed is "
            f"-{FARTHEST:g} to {FARTHEST:g}. Restore the committee from a copy, or train again"
        )


@lru_cache(maxsize=2)
def read_reference(committee: str, classes: tuple[str, ...], calibration: str, strata: Strata) -> Reference:
    """Return the validation sample of a committee, calibrated; a process does it once.

    Raises
    ------
    InputError
        When a class has too few objects; and as `read_samples`.
    """
    sample = read_samples(committee, classes).sample
    return Reference(*calibrated(sample, calibration), strata)


def find_shares(search: Search, cells: list[str]) -> Made:
    """Find the class shares of the sky from the cells of all partitions, and write both.

    Parameters
    ----------
    search : Search
    cells : list of str
        Keys of the cells of all partitions.
    """
    store = open_store(search.store)
    found = _read_cells(store, cells, len(search.classes))
    given = search.table.prior(found, search.reference) if search.table else None
    prior = given or fit_prior(found, search.reference, search.options, search.classes)
    files = {
        CELLS_FILE: found.to_bytes(),
        SHARES_FILE: json.dumps(prior.to_dict()).encode(),
    }
    for file, data in files.items():
        store.put(f"{search.folder}/{file}", data)
    written = [f"{search.folder}/{file}" for file in files]
    return Made(int(prior.objects.sum()), CountedCells(len(found.keys)), written)


def _read_cells(store: Store, keys: list[str], classes: int) -> Cells:
    """Return the cells of all partitions, of which a few are in memory at a time.

    No other task can run yet: threads use the processors that wait.
    """

    def merged(part: int) -> Cells:
        mine = keys[part::READERS]
        return Cells.merged((Cells.from_bytes(read_object(store, key)) for key in mine), classes)

    with ThreadPoolExecutor(READERS, thread_name_prefix="cells") as pool:
        return Cells.merged(pool.map(merged, range(READERS)), classes)


@lru_cache(maxsize=1)
def open_moves(search: Search) -> Moves:
    """Return what tells how far the shares of a search move; a process reads and prepares it once."""
    cells = Cells.from_bytes(read_object(open_store(search.store), f"{search.folder}/{CELLS_FILE}"))
    prior = read_prior(search.store, f"{search.folder}/{SHARES_FILE}")
    return Moves(cells, search.reference, search.options, prior)


def move_shares(search: Search, numbers: range, variant: str, name: str) -> Made:
    """Find how far the numbers of the classes move, with samples that are drawn again or with that of a variant.

    Parameters
    ----------
    search : Search
    numbers : range
        Which redraws; none for a variant.
    variant : str
    name : str
        Of the file.
    """
    moves = open_moves(search)
    if variant:
        samples = read_samples(search.committee, search.classes)
        moved = moves.by_variant(samples.variants[variant])[None]
    else:
        moved = moves.by_redraws(search.seed, numbers)
    key = _moves_key(search, name)
    file = io.BytesIO()
    np.save(file, moved, allow_pickle=False)
    open_store(search.store).put(key, file.getvalue())
    return Made(len(moved), files=[key])


def complete_prior(search: Search) -> Made:
    """Write the class shares with how far they move."""
    store = open_store(search.store)
    prior = read_prior(search.store, f"{search.folder}/{SHARES_FILE}")
    variants = [name for name in search.moves() if name.startswith(VARIANT)]
    redraws = [name for name in search.moves() if not name.startswith(VARIANT)]
    prior = replace(
        prior,
        redrawn=_read_moves(store, search, redraws, prior),
        variants=tuple(name.removeprefix(VARIANT) for name in variants),
        varied=_read_moves(store, search, variants, prior),
    )
    store.put(search.prior, json.dumps(prior.to_dict()).encode())
    return Made(int(prior.objects.sum()), files=[search.prior])


def _moves_key(search: Search, name: str) -> str:
    return f"{search.folder}/{name}.npy"


def _read_moves(store: Store, search: Search, names: list[str], prior: Prior) -> np.ndarray:
    """Return the moves of some tasks, (moves, s, k)."""
    parts = [np.zeros((0, *prior.shares.shape))]
    for name in names:
        key = _moves_key(search, name)
        try:
            parts.append(np.load(io.BytesIO(read_object(store, key)), allow_pickle=False))
        except ValueError as error:
            raise InputError(f"{store}/{key} is damaged ({error}); remove this file") from None
    return np.concatenate(parts)
