"""Objects of a table and those of the collection that lie at one place, found by lsdb partition by partition."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.collection import read_collection

SEPARATION = "_dist_arcsec"
OURS, THEIRS = "_ours", "_theirs"
"""What lsdb puts behind the names of both sides."""


def margin_width(collection: Path) -> float:
    """Return the width of the margin of a collection's catalogue, arcsec; 0 where it has none."""
    from hats.catalog.dataset.table_properties import TableProperties

    margin = read_collection(collection).default_margin
    if margin is None:
        return 0.0
    return float(TableProperties.read_from_dir(collection / margin).margin_threshold or 0.0)


def check_radius(collection: Path, radius_arcsec: float) -> None:
    """Refuse a radius that is wider than the margin: counterparts across borders of partitions would be missed.

    Raises
    ------
    InputError
    """
    width = margin_width(collection)
    if width < radius_arcsec:
        raise InputError(
            f"radius_arcsec = {radius_arcsec:g} is above the margin of the catalogue ({width:g} arcsec), so that "
            "neighbours across borders of partitions would be missed: set [catalogue.partitions] margin_arcsec to as "
            "much, or take a smaller radius"
        )


def match_positions(
    client: Any, theirs: Path, collection: Path, radius_arcsec: float, target: Path
) -> list[Path]:
    """Find the nearest object of the collection for each row of another catalogue, and write the pairs.

    Each partition is matched on a worker, and written there; neighbours across its border are found in the margin.

    Parameters
    ----------
    client
        Dask client; lsdb works with the one that is current.
    theirs : Path
        A HATS collection or catalogue.
    collection : Path
        Ours.
    radius_arcsec : float
    target : Path
        Folder for the pairs; what it holds is removed.

    Returns
    -------
    list of Path
        Parquet files: columns of theirs ending in ``_theirs``, ``object_id_ours``, and the separation. Empty when no
        row has a counterpart.

    Raises
    ------
    InputError
        When the margin is narrower than the radius: counterparts across borders would be missed.
    """
    check_radius(collection, radius_arcsec)
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # lsdb sets an option of pandas that is gone, and tells of suffixes and of partitions without pairs
        warnings.simplefilter("ignore")
        from lsdb.loaders.hats.read_hats import open_catalog

        ours = open_catalog(collection, columns=["object_id", "ra", "dec"])
        try:
            pairs = open_catalog(theirs).crossmatch(
                ours,
                n_neighbors=1,
                radius_arcsec=radius_arcsec,
                require_right_margin=True,
                suffixes=(THEIRS, OURS),
                suffix_method="all_columns",
                log_changes=False,
            )
        except RuntimeError as error:
            if "overlap" not in str(error):
                raise
            return []
        pairs.write_catalog(
            target, catalog_name="pairs", as_collection=False, progress_bar=False, error_if_empty=False
        )
    return sorted((target / "dataset").rglob("Npix=*.parquet"))
