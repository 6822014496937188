"""What a run published, opened with lsdb for people who look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.collection import POINTER, current_extension

if TYPE_CHECKING:
    from lsdb.catalog.catalog import Catalog


def open_published(run: str | Path, extension: str, photometry: bool) -> Catalog:
    """Open an extension of the collection of a run: by itself, or joined to the photometry.

    Parameters
    ----------
    run : str or Path
        Output folder of a job, or its folder ``sky``.
    extension : str
        Such as ``predictions``.
    photometry : bool

    Raises
    ------
    InputError
        When there is no collection, or it has no such extension; or lsdb is not installed.
    """
    folder = Path(run)
    sky = next((one for one in (folder, folder / "sky") if (one / POINTER).is_file()), None)
    if sky is None:
        raise InputError(
            f"{folder}: holds no published collection (no {POINTER} there or in its folder sky); name the output "
            "folder of a run that is done, on this machine"
        )
    version = current_extension(sky, extension)
    try:
        from lsdb.loaders.hats.read_hats import open_catalog
    except ModuleNotFoundError:
        raise InputError(
            "lsdb is not installed, which opens catalogues: pip install 'jpasbatch[ingest]'"
        ) from None
    if not photometry:
        return open_catalog(version)
    return open_catalog(sky).load_extension(extension)
