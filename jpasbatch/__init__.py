"""Whole-survey classification of J-PAS photometry: catalogues in, science out.

What a script or a notebook needs, after ``import jpasbatch as jb``::

    table = jb.classify(jb.read_table("tile.fits"))             # the same table, with probabilities
    committee = jb.load_committee("runs/jpas")
    probabilities = committee.predict_proba((flux, flux_err))   # as scikit-learn has it
    predictions = jb.open_predictions("runs/jpas")              # an lsdb catalogue of a whole run

A name is imported when it is first used, so that the import of the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jpasbatch.version import __version__

if TYPE_CHECKING:
    from jpasbatch.errors import InputError, JpasbatchError
    from jpasbatch.interface.classification import classify
    from jpasbatch.interface.committee import Committee, load_committee
    from jpasbatch.interface.predictions import open_predictions
    from jpasbatch.interface.reading import read_table
    from jpasbatch.photometry.normalisation import QualityCuts
    from jpasbatch.photometry.photometry import Photometry
    from jpasbatch.photometry.survey import Survey, load_survey

__all__ = [
    "Committee",
    "InputError",
    "JpasbatchError",
    "Photometry",
    "QualityCuts",
    "Survey",
    "__version__",
    "classify",
    "load_committee",
    "load_survey",
    "open_predictions",
    "read_table",
]

_HOMES = {
    "Committee": "jpasbatch.interface.committee",
    "InputError": "jpasbatch.errors",
    "JpasbatchError": "jpasbatch.errors",
    "Photometry": "jpasbatch.photometry.photometry",
    "QualityCuts": "jpasbatch.photometry.normalisation",
    "Survey": "jpasbatch.photometry.survey",
    "classify": "jpasbatch.interface.classification",
    "load_committee": "jpasbatch.interface.committee",
    "load_survey": "jpasbatch.photometry.survey",
    "open_predictions": "jpasbatch.interface.predictions",
    "read_table": "jpasbatch.interface.reading",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'jpasbatch' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})
