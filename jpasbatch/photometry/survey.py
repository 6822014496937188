"""Surveys as data: bands, depths, reference band, magnitude bins and published columns.

A survey is one TOML file. The package holds some (`survey_names`); any other is given by path.
A further survey needs a data file and no code.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval, Len

from jpasbatch.errors import InputError
from jpasbatch.options import Matches, Options, from_table
from jpasbatch.photometry.catalogue_format import CatalogueFormat
from jpasbatch.photometry.combinations import BandCombination
from jpasbatch.photometry.gaps import BandLayout, GapPattern, check_patterns
from jpasbatch.regular_files import read_text

Angstrom = Annotated[float, Interval(gt=0, lt=np.inf)]
Magnitude = Annotated[float, Interval(gt=0, lt=40)]


@dataclass(frozen=True)
class Band(Options):
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
    curve : str
        What stands for ``{curve}`` in the name of its file of transmission (`CurveFiles`); the name if empty.
    optional : bool
        Whether a file of layout "columns" may lack the band, which is then missing for every object.
    """

    name: Annotated[str, Matches(r"[^,]+", "a name without a comma")]
    wavelength: Angstrom
    width: Angstrom
    depth: Magnitude
    tile_depths: tuple[Magnitude, ...] = ()
    group: str = ""
    instrument: str = ""
    source: str = ""
    column: str = ""
    curve: str = ""
    optional: bool = False


@dataclass(frozen=True)
class CurveFiles(Options):
    """Where the transmission curves of the bands lie: in a folder of a template pack, or in one that a job names.

    Parameters
    ----------
    folder : str
        Of a template pack (docs/template_pack.md).
    file : str
        Name of a band's file; ``{curve}`` in it is replaced by the band's `Band.curve` (or its name).
    unit : {"Angstrom", "nm"}
        Of the wavelengths.
    """

    folder: str = "jpas_filters"
    file: Annotated[str, Matches(r".*\{curve\}.*", "a name that holds {curve}")] = "JPAS_{curve}.tab"
    unit: Literal["Angstrom", "nm"] = "Angstrom"

    def name_of(self, band: Band) -> str:
        """Return the name of a band's file."""
        return self.file.replace("{curve}", band.curve or band.name)


@dataclass(frozen=True)
class Survey(Options):
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
    reported_bands : dict of str to str or BandCombination
        Role ("u", "g", "r", "i") to band name, or to a sum of bands where the survey has none: the magnitudes that
        products report.
    catalogue : CatalogueFormat
        The published columns.
    tiles : tuple of str
        Names of the tiles that `Band.tile_depths` refers to.
    zero_point_error : float
        Magnitude error of the photometric zero point, the same in all bands.
    sources : dict of str to str
        Where the numbers come from.
    gaps : tuple of GapPattern
        How bands are missing together on the sky; training and stress tests draw from them.
    curves : CurveFiles
        Files of the transmission of its bands.
    """

    name: str
    title: str
    bands: Annotated[tuple[Band, ...], Len(2)]
    reference_band: str
    magnitude_bins: tuple[tuple[float, float], ...]
    catalogue: CatalogueFormat
    reported_bands: dict[str, str | BandCombination] = field(default_factory=dict, hash=False)
    tiles: tuple[str, ...] = ()
    zero_point_error: float = 0.0
    sources: dict[str, str] = field(default_factory=dict, hash=False)
    gaps: tuple[GapPattern, ...] = ()
    curves: CurveFiles = CurveFiles()

    def check_relations(self) -> None:
        """Refuse names that occur twice or belong to no band, and bands that contradict the survey."""
        names = [band.name for band in self.bands]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"bands: listed twice: {', '.join(twice)}")
        named = {"reference_band": self.reference_band}
        for role, reported in self.reported_bands.items():
            if isinstance(reported, str):
                named[f"reported_bands.{role}"] = reported
                continue
            foreign = [one for one in reported.bands if one not in names]
            if foreign:
                raise ValueError(f"reported_bands.{role}.bands: {foreign[0]!r} is not a band of this survey")
            if reported.source not in ("", *self.sources):
                raise ValueError(
                    f"source = {reported.source!r} of reported_bands.{role}: no such key in [sources]"
                )
        for key, band in named.items():
            if band not in names:
                raise ValueError(f"{key} = {band!r}: is not a band of this survey ({', '.join(names)})")
        for low, high in self.magnitude_bins:
            if not low < high:
                raise ValueError(f"magnitude_bins: ({low}, {high}] is empty")
        check_patterns(self.gaps, self._members)
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
    def reported_names(self) -> dict[str, str]:
        """What each reported magnitude is called on pages and in tables: its band, or its role for a sum of bands."""
        return {role: one if isinstance(one, str) else role for role, one in self.reported_bands.items()}

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
    def _members(self) -> dict[str, tuple[int, ...]]:
        """Positions of bands by name, and by group."""
        members: dict[str, tuple[int, ...]] = {}
        for place, band in enumerate(self.bands):
            if band.group:
                members[band.group] = (*members.get(band.group, ()), place)
        return members | {band.name: (place,) for place, band in enumerate(self.bands)}

    @cached_property
    def layout(self) -> BandLayout:
        """What patterns of missing bands need to know of the bands."""
        narrow = np.array([band.group == "narrow" for band in self.bands])
        if not narrow.any():
            narrow[:] = True
        return BandLayout(self.wavelengths, self._members, self.reference_index, narrow)

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


def load_survey(name_or_path: str | Path, aperture: str = "") -> Survey:
    """Load a survey of the package by its name, or any survey file by its path (``*.toml``).

    Parameters
    ----------
    name_or_path : str or Path
    aperture : str
        In which its published tables are read; that of the survey file if empty.

    Raises
    ------
    InputError
        If there is no such survey or aperture, or its file is not valid: the message names the key.
    """
    survey = _parse(*_read(name_or_path))
    return replace(survey, catalogue=survey.catalogue.with_aperture(aperture)) if aperture else survey


# by the text and not by the path: a worker outlives an edited file
@lru_cache(maxsize=32)
def _parse(text: str, where: str) -> Survey:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also integers of 5000 digits
        raise InputError(f"{where}: not valid TOML: {error}") from None
    try:
        return from_table(Survey, content, "survey")
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
        return read_text(path), f"survey file {path}"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"survey file {path}: cannot be read ({error})") from None
