"""A committee as scripts use it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.manifest import check_manifest
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.stages.classify.committee import NamedCommittee, name_committee

Arrays = Photometry | tuple[Any, Any] | np.ndarray
"""Photometry in microjansky: `Photometry`, (flux, flux_err), or fluxes and then errors side by side."""


class Committee:
    """A trained committee, after the convention of scikit-learn.

    Made by `load_committee`.

    Attributes
    ----------
    classes_ : ndarray of str, shape (k,)
        Names of the classes, in the order of the columns of `predict_proba`.
    survey : Survey
        Of the photometry that it judges.
    name : str
        Of the folder of its version.
    fingerprint : str
        SHA-256 of all that it is.
    warnings : tuple of str
        What must be said with its results.
    """

    def __init__(self, named: NamedCommittee) -> None:
        self._named = named
        self.classes_ = np.array(named.committee.classes)
        self.survey, self.name, self.fingerprint = named.survey, named.name, named.fingerprint
        self.warnings = tuple(named.warnings())

    def __repr__(self) -> str:
        return f"<Committee {self.name} for {self.survey.name}: {', '.join(self.classes_)}>"

    @property
    def named(self) -> NamedCommittee:
        """What the stage ``classify`` calls a committee."""
        return self._named

    def of_survey(self, survey: Survey | str | Path) -> Committee:
        """Return the committee for tables that another file of the same survey describes.

        Raises
        ------
        InputError
            When its bands, their order or the reference band are others.
        """
        wanted = survey if isinstance(survey, Survey) else load_survey(survey)
        check_manifest(self._named.manifest, wanted)
        return Committee(replace(self._named, survey=wanted))

    def predict_proba(self, X: Arrays) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the probability of each class, under the class mix that the committee learnt.

        Parameters
        ----------
        X : Photometry, (flux, flux_err), or ndarray of shape (n, 2 * bands)
            f_nu in microjansky, bands in the order of the survey; fluxes and then their errors in one array.
            NaN: a band that was not observed, or an error that is not known.

        Returns
        -------
        ndarray of float64, shape (n, k)
            Rows sum to 1; a row that cannot be classified is NaN.

        Raises
        ------
        InputError
            When X has another shape.
        """
        return self._named.committee.judge(as_photometry(X, self.survey)).probabilities


def load_committee(
    committee: str | Path | None = None, survey: Survey | str | Path | None = None
) -> Committee:
    """Load a committee; every byte of it is verified, and nothing in it is executed.

    Parameters
    ----------
    committee : str or Path, optional
        Output folder of a run that trained one, or the name of a committee that comes with the package; without it
        the default of the survey.
    survey : Survey, str or Path, optional
        Of the photometry; without it the one that the committee learnt from.

    Raises
    ------
    InputError
        When there is no such committee, it is damaged, or it is of another survey.
    """
    return Committee(name_committee(committee, survey))


def as_photometry(arrays: Arrays, survey: Survey) -> Photometry:
    """Return arrays in microjansky as canonical photometry.

    Errors that are not positive and finite are unknown: NaN.

    Raises
    ------
    InputError
        When they are no numbers, or have another shape.
    """
    bands = len(survey.bands)
    if isinstance(arrays, Photometry):
        flux, error = arrays.flux, arrays.flux_err
    elif isinstance(arrays, tuple):
        flux, error = (_numbers(one) for one in _pair(arrays))
    else:
        both = _numbers(arrays)
        if both.ndim != 2 or both.shape[1] != 2 * bands:
            raise InputError(
                f"photometry of shape {both.shape}: must be (n, {2 * bands}), fluxes and then errors in the {bands} "
                f"bands of survey {survey.name!r}"
            )
        flux, error = both[:, :bands], both[:, bands:]
    if flux.ndim != 2 or flux.shape != error.shape or flux.shape[1] != bands:
        raise InputError(
            f"fluxes of shape {flux.shape} and errors of shape {error.shape}: both must be (n, {bands}), the bands of "
            f"survey {survey.name!r}"
        )
    known = (error > 0) & np.isfinite(error) & np.isfinite(flux)
    return Photometry(np.ascontiguousarray(flux), np.where(known, error, np.float32(np.nan)))


def _pair(arrays: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(arrays) != 2:
        raise InputError(f"a tuple of {len(arrays)} arrays: must be (flux, flux_err)")
    return arrays[0], arrays[1]


def _numbers(values: Any) -> np.ndarray:
    array: Any = np.ma.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"photometry of type {array.dtype}: must be numbers, f_nu in microjansky")
    with np.errstate(over="ignore"):
        return array.astype(np.float32).filled(np.nan)
