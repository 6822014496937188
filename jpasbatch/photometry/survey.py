"""Surveys as data: bands, depths, reference band, magnitude bins and published columns.

A survey is one TOML file. The package holds some (`survey_names`); any other is given by path.
A further survey needs a data file and no code.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.catalogue_format import CatalogueFormat, PhotometryForm
from jpasbatch.photometry.requirements import Requirement


@dataclass(frozen=True)
class Band:
    """One photometric band.

    Parameters
    ----------
    name : str
        Name as the survey's filter table gives it.
    wavelength, width : float
        Effective wavelength and full width, in Angstrom.
    depth : float
        Mean 5-sigma AB magnitude of a point source (in the survey's aperture).
    tile_depths : tuple of float
        The same for single tiles, in the order of `Survey.tiles`; empty where unknown.
    group : str
        Kind of band ("narrow", "medium", "broad"), range of wavelength ("UV", "MIR") or instrument: what jobs
        that leave out a group of bands name it by.
    instrument : str
        Where `group` says something else.
    source : str
        Key into `Survey.sources`: where the numbers were published.
    column : str
        What stands for ``{column}`` in the column names of layout "columns"; the name if empty.
    optional : bool
        Whether a file of layout "columns" may lack the band, which is then missing for every object.
    """

    name: str
    wavelength: float
    width: float
    depth: float
    tile_depths: tuple[float, ...] = ()
    group: str = ""
    instrument: str = ""
    source: str = ""
    column: str = ""
    optional: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name = '': a band needs a name")
        if "," in self.name:
            raise ValueError(f"name = {self.name!r}: a band name must not hold a comma")
        for key in ("wavelength", "width"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"{key} = {value!r} of band {self.name!r}: must be a positive number of Angstrom"
                )
        for depth in (self.depth, *self.tile_depths):
            if not 0 < depth < 40:
                raise ValueError(
                    f"depth = {depth!r} of band {self.name!r}: must be an AB magnitude in (0, 40)"
                )


@dataclass(frozen=True)
class Survey:
    """A photometric survey and how it publishes its tables.

    Parameters
    ----------
    name, title : str
        Short name (also in the metadata of every table) and a line for people.
    bands : tuple of Band
        In the order of all flux arrays.
    reference_band : str
        The detection band: features are relative to it and bins are of its magnitude.
    magnitude_bins : tuple of (float, float)
        Reference magnitudes, lower bound exclusive, upper inclusive (Martinez-Solaeche et al.
        2023, A&A 673, A103, eq. 14 for miniJPAS).
    reported_bands : dict of str to str
        Role ("u", "g", "r", "i") to band name: the magnitudes that products report.
    catalogue : CatalogueFormat
        The published columns.
    tiles : tuple of str
        Names of the tiles that `Band.tile_depths` refers to.
    zero_point_error : float
        Magnitude error of the photometric zero point, the same in all bands.
    sources : dict of str to str
        Where the numbers come from.
    """

    name: str
    title: str
    bands: tuple[Band, ...]
    reference_band: str
    magnitude_bins: tuple[tuple[float, float], ...]
    catalogue: CatalogueFormat
    reported_bands: dict[str, str] = field(default_factory=dict, hash=False)
    tiles: tuple[str, ...] = ()
    zero_point_error: float = 0.0
    sources: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        names = [band.name for band in self.bands]
        if len(names) < 2:
            raise ValueError(f"bands: a survey needs at least two, found {len(names)}")
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"bands: listed twice: {', '.join(twice)}")
        named = {"reference_band": self.reference_band}
        named |= {f"reported_bands.{role}": band for role, band in self.reported_bands.items()}
        for key, band in named.items():
            if band not in names:
                raise ValueError(f"{key} = {band!r}: is not a band of this survey ({', '.join(names)})")
        for low, high in self.magnitude_bins:
            if not low < high:
                raise ValueError(f"magnitude_bins: ({low}, {high}] is empty")
        for band in self.bands:
            if band.tile_depths and len(band.tile_depths) != len(self.tiles):
                raise ValueError(
                    f"tile_depths of band {band.name!r}: {len(band.tile_depths)} for {len(self.tiles)} tiles"
                )
            if band.optional and (self.catalogue.layout != "columns" or band.name == self.reference_band):
                raise ValueError(
                    f"optional = true of band {band.name!r}: only in layout 'columns', and not the reference band"
                )
            if band.source and band.source not in self.sources:
                raise ValueError(f"source = {band.source!r} of band {band.name!r}: no such key in [sources]")

    @cached_property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands in their order."""
        return tuple(band.name for band in self.bands)

    @cached_property
    def wavelengths(self) -> np.ndarray:
        """Effective wavelengths, shape (bands,), float64, Angstrom."""
        wavelengths = np.array([band.wavelength for band in self.bands], dtype=np.float64)
        wavelengths.flags.writeable = False
        return wavelengths

    @property
    def reference_index(self) -> int:
        """Position of the reference band."""
        return self.index(self.reference_band)

    def index(self, name: str) -> int:
        """Return the position of a band.

        Raises
        ------
        InputError
            If the survey has no band of that name.
        """
        try:
            return self.band_names.index(name)
        except ValueError:
            raise InputError(
                f"band {name!r} is not in survey {self.name!r}; its bands are {', '.join(self.band_names)}"
            ) from None

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 (hex) of what a trained model depends on: bands, their order and the reference."""
        parts = {
            "name": self.name,
            "bands": [[band.name, float(band.wavelength)] for band in self.bands],
            "reference_band": self.reference_band,
        }
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def survey_names() -> tuple[str, ...]:
    """Return the names of the surveys that come with the package."""
    folder = resources.files("jpasbatch.photometry") / "surveys"
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    )


def load_survey(name_or_path: str | Path) -> Survey:
    """Load a survey of the package by its name, or any survey file by its path (``*.toml``).

    Raises
    ------
    InputError
        If there is no such survey, or its file is not valid: the message names the key.
    """
    return _parse(*_read(name_or_path))


# by the text and not by the path: a worker outlives an edited file
@lru_cache(maxsize=32)
def _parse(text: str, where: str) -> Survey:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    try:
        return _survey(content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}") from None


def _read(name_or_path: str | Path) -> tuple[str, str]:
    text = str(name_or_path)
    if text in survey_names():
        entry = resources.files("jpasbatch.photometry") / "surveys" / f"{text}.toml"
        return entry.read_text(encoding="utf-8"), f"survey {text}"
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise InputError(
            f"survey = {text!r}: allowed are {', '.join(survey_names())}, or a path of a survey file (*.toml)"
        )
    try:
        return path.read_text(encoding="utf-8"), f"survey file {path}"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"survey file {path}: cannot be read ({error})") from None


def _survey(content: dict[str, Any]) -> Survey:
    catalogue = dict(content.get("catalogue", {}))
    forms = tuple(_build(PhotometryForm, form, "catalogue.forms") for form in catalogue.pop("forms", ()))
    rules = tuple(
        _build(Requirement, rule, "catalogue.requirements") for rule in catalogue.pop("requirements", ())
    )
    bands = tuple(_build(Band, band, "bands") for band in content.get("bands", ()))
    declared = content | {
        "bands": bands,
        "catalogue": _build(
            CatalogueFormat, catalogue | {"forms": forms, "requirements": rules}, "catalogue"
        ),
    }
    return _build(Survey, declared, "survey")


def _build(kind: Any, content: dict[str, Any], where: str) -> Any:
    """Make a dataclass of a TOML table; a key that is unknown or missing is an error that names it."""
    if not isinstance(content, dict):
        raise ValueError(f"{where}: must be a table, found {content!r}")
    known = {item.name: item for item in fields(kind)}
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; allowed are {', '.join(known)}")
    for name, item in known.items():
        required = item.default is MISSING and item.default_factory is MISSING
        if required and name not in content:
            raise ValueError(f"{where}: the key {name!r} is missing")
        if name in content and not _fits(content[name], str(item.type)):
            raise ValueError(f"{where}: {name} = {content[name]!r} must be of type {item.type}")
    return kind(**{name: _frozen(value) for name, value in content.items()})


def _fits(value: Any, declared: str) -> bool:
    if declared.startswith("float"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if declared.startswith("tuple"):
        inner_text = declared == "tuple[str, ...]"
        return isinstance(value, (list, tuple)) and (not inner_text or all(isinstance(v, str) for v in value))
    if declared.startswith("dict"):
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    simple = {"str": str, "bool": bool, "int": int}
    return declared not in simple or isinstance(value, simple[declared])


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
