"""The margin of a catalogue: for each partition the rows of its neighbours that lie near its border."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.catalogue.collection import properties_bytes
from jpasbatch.storage.catalogue.partitions import COMPRESSION
from jpasbatch.storage.catalogue.validation import strict_problems
from jpasbatch.storage.stores.files import fsync_folder, fsync_tree, write_atomically


def margin_name(catalogue: str, margin_arcsec: float) -> str | None:
    """Return the name of the margin of a catalogue; None when it has none (0 arcsec)."""
    width = f"{margin_arcsec:g}".replace(".", "p")
    return f"{catalogue}_{width}arcs" if margin_arcsec else None


def ensure_margin(client: Any, catalogue: Path, margin_arcsec: float, building: Path) -> str | None:
    """Make the margin of a version of a catalogue, and place it beside it, unless it is there.

    The caller holds the writer's lease. hats-import reads the whole catalogue for it.

    Parameters
    ----------
    client
        Dask client that hats-import submits to.
    catalogue
        Folder of the version, in its collection.
    margin_arcsec
        Width; 0 makes none.
    building
        Folder for what is unfinished, on the file system of the collection.

    Returns
    -------
    str or None
        Name of the margin.

    Raises
    ------
    InputError
        When the margin is not valid.
    TryAgainError
        When hats-import stops.
    """
    name = margin_name(catalogue.name, margin_arcsec)
    if name is None or (catalogue.parent / name).is_dir():
        return name
    shutil.rmtree(building, ignore_errors=True)  # hats-import would mix what an earlier attempt left
    building.mkdir(parents=True)
    _build(client, catalogue, name, margin_arcsec, building)
    settle_margin(building / name, catalogue.name)
    fsync_tree(building / name)
    (building / name).rename(catalogue.parent / name)
    fsync_folder(catalogue.parent)
    shutil.rmtree(building)
    return name


def _build(client: Any, catalogue: Path, name: str, margin_arcsec: float, building: Path) -> None:
    from hats_import.margin_cache.margin_cache_arguments import MarginCacheArguments
    from hats_import.pipeline import pipeline_with_client

    try:
        with warnings.catch_warnings():
            # hats-import 0.11 finds the margin's partitions by its files, always, and warns that this may be slow
            warnings.filterwarnings("ignore", "Computing partitions from catalog", UserWarning)
            arguments = MarginCacheArguments(
                input_catalog_path=str(catalogue),
                output_path=str(building),
                output_artifact_name=name,
                margin_threshold=margin_arcsec,
                tmp_dir=str(building / "intermediate"),
                progress_bar=False,
                write_table_kwargs=dict(COMPRESSION),
            )
            pipeline_with_client(arguments, client)
    except Exception as error:  # its own, and what Dask raises when workers or the scheduler are lost
        raise TryAgainError(
            f"hats-import stopped at the margin ({type(error).__name__}: {error}); nothing was published. Run the "
            "same command again",
            "SCHEDULER_LOST",
        ) from error


def settle_margin(margin: Path, catalogue: str) -> None:
    """Check a new margin, and let it name its catalogue by a relative path.

    Raises
    ------
    InputError
        When it is not valid.
    """
    from hats.catalog.dataset.table_properties import TableProperties

    problems = strict_problems(margin)
    if problems:
        raise InputError(f"The new margin {margin} is not valid: {'; '.join(problems[:5])}.")
    properties = TableProperties.read_from_dir(margin).copy_and_update(primary_catalog=catalogue)
    for file in ("hats.properties", "properties"):
        write_atomically(margin / file, properties_bytes(properties.to_properties_file, file))
