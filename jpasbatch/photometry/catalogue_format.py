"""How a survey publishes its tables: the names, units and sentinels that a survey file declares.

A survey file (TOML) fills these dataclasses; nothing here reads a table. The functions that
turn published columns into canonical ones are in `jpasbatch.photometry.normalisation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Literal, get_args

from annotated_types import MinLen

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.contract import Contract
from jpasbatch.photometry.requirements import Requirement

Role = Literal["flags", "mask_flags", "class_star", "tile", "true_class", "true_redshift"]
OPTIONAL_ROLES: tuple[Role, ...] = get_args(Role)

APERTURE_PLACEHOLDER = "{aperture}"


@dataclass(frozen=True)
class Aperture(Options):
    """One way to measure fluxes of which a survey publishes several.

    Parameters
    ----------
    value : str
        What stands for ``{aperture}`` in the names of value columns, for example ``"APER_COR_3_0"``.
    error : str
        The same in the names of error columns, where it differs.
    """

    value: Annotated[str, MinLen(1)]
    error: str = ""


@dataclass(frozen=True)
class PhotometryForm(Options):
    """One pair of published columns that holds the photometry of all bands.

    Parameters
    ----------
    kind : {"flux", "magnitude"}
        Fluxes are per wavelength or per frequency as their unit says; magnitudes are AB.
    value, error : str
        Column names. In the layout "columns" they hold ``{column}``, which each band replaces
        by its own ``column`` (or its name), for example ``"{column}m"``. ``{aperture}`` in them is replaced by the
        aperture that a job chooses. Magnitudes without an error column get the errors that the survey's depths and
        its zero-point error say, which is written into the log and into the record of ingest.
    error_kind : {"absolute", "relative"}
        A relative error is the ratio of error to flux. Beside a negative flux its sign is ignored, so that releases
        which divide by a negative flux and releases which do not are read alike.
    unit : str
        The unit that this survey publishes. It is used only for formats that carry no units
        (CSV); FITS, VOTable and Parquet must state their own.
    non_detection, not_observed : float, optional
        Sentinels of the value column, for example 99 and -99 in CEFCA magnitudes.
    """

    kind: Literal["flux", "magnitude"]
    value: str
    error: str = ""
    error_kind: Literal["absolute", "relative"] = "absolute"
    unit: str = ""
    non_detection: float | None = None
    not_observed: float | None = None

    def check_relations(self) -> None:
        """Refuse relative errors of magnitudes, and fluxes without errors."""
        if self.kind == "flux" and not self.error:
            raise ValueError("error: missing; only magnitudes may come without errors")
        if self.kind == "magnitude" and self.error_kind == "relative":
            raise ValueError("error_kind = 'relative' has no meaning for kind = 'magnitude'; use 'absolute'")

    def of_aperture(self, aperture: Aperture) -> PhotometryForm:
        """Return the form with the names of an aperture's columns."""
        value = self.value.replace(APERTURE_PLACEHOLDER, aperture.value)
        error = self.error.replace(APERTURE_PLACEHOLDER, aperture.error or aperture.value)
        return replace(self, value=value, error=error)

    @property
    def has_apertures(self) -> bool:
        """Whether its columns exist once an aperture."""
        return APERTURE_PLACEHOLDER in self.value


@dataclass(frozen=True)
class CatalogueFormat(Options):
    """The published table: its key, coordinates, photometry, flags and optional truth.

    Parameters
    ----------
    layout : {"arrays", "columns"}
        "arrays": one column holds a vector of all bands, in the order of the file's FILTER
        table. "columns": every band has columns of its own.
    id_columns : tuple of str
        Columns that together name an object; joined by ``id_separator`` into ``object_id``.
    id_type : {"integer", "string"}
        Type of the id columns; a file with another type is refused.
    ra, dec : str
        Columns of the coordinates in degrees (ICRS).
    forms : tuple of PhotometryForm
        Accepted photometry, best first; the first whose two columns are present is used. Read them from
        `published_forms`, where apertures have their names.
    apertures : dict of str to Aperture
        What ``{aperture}`` in the forms may be, by the name that jobs call it by (``[catalogue] aperture``).
    aperture : str
        The one that is read unless a job chooses another.
    band_order : {"any", "fixed"}
        Layout "arrays": whether a file's FILTER table may list bands in any order, and further ones, or lists those
        of this survey in their order, and nothing else. Where identifiers of filters are permanent, another order
        means that a table was sorted or belongs to another survey.
    flags, mask_flags, class_star, tile, true_class, true_redshift : str
        Column names; empty where the survey has no such column.
    optional : tuple of str
        Which of the roles in the line above may be absent from a file.
    ignore_case : bool
        Match column names without case, and without a prefix such as ``minijpas.``.
    float32_coordinates : bool
        Accept coordinates in single precision (0.05 arcsec at best; refused unless allowed).
    check_radians : bool
        Refuse coordinates that all fit into radians or hours where the file states no unit, and those that must be
        in radians or hours whatever it states.
    unknown_redshift : float, optional
        True redshifts at or below this value stand for "unknown".
    requirements : tuple of Requirement
        Rules over published columns that a job may ask for.
    contract : Contract
        What fluxes and errors may be.
    """

    layout: Literal["arrays", "columns"]
    id_columns: Annotated[tuple[str, ...], MinLen(1)]
    ra: str
    dec: str
    forms: Annotated[tuple[PhotometryForm, ...], MinLen(1)]
    apertures: dict[str, Aperture] = field(default_factory=dict, hash=False)
    aperture: str = ""
    band_order: Literal["any", "fixed"] = "any"
    id_type: Literal["integer", "string"] = "integer"
    id_separator: str = "-"
    flags: str = ""
    mask_flags: str = ""
    class_star: str = ""
    tile: str = ""
    true_class: str = ""
    true_redshift: str = ""
    optional: tuple[Role, ...] = ("class_star", "true_class", "true_redshift")
    ignore_case: bool = False
    float32_coordinates: bool = False
    check_radians: bool = True
    unknown_redshift: float | None = None
    requirements: tuple[Requirement, ...] = ()
    contract: Contract = field(default_factory=Contract)

    def check_relations(self) -> None:
        """Refuse forms that name one column for all bands in a layout of columns, and apertures without a name."""
        if self.layout == "columns":
            for form in self.forms:
                if "{column}" not in form.value or (form.error and "{column}" not in form.error):
                    raise ValueError(
                        f"value = {form.value!r}, error = {form.error!r}: in layout 'columns' both must"
                        " hold '{column}', which each band replaces"
                    )
        wanted = any(APERTURE_PLACEHOLDER in form.value + form.error for form in self.forms)
        if wanted and self.aperture not in self.apertures:
            raise ValueError(
                f"aperture = {self.aperture!r}: must be one of [catalogue.apertures] "
                f"({', '.join(self.apertures) or 'none'}), since forms hold '{APERTURE_PLACEHOLDER}'"
            )
        if not wanted and (self.aperture or self.apertures):
            raise ValueError(f"apertures: no form holds {APERTURE_PLACEHOLDER!r}, which they would replace")

    @cached_property
    def published_forms(self) -> tuple[PhotometryForm, ...]:
        """The accepted photometry with the column names of the chosen aperture."""
        return self.forms_of(self.aperture)

    def forms_of(self, aperture: str) -> tuple[PhotometryForm, ...]:
        """Return the accepted photometry with the column names of an aperture, or as it is for a survey without."""
        if not self.apertures:
            return self.forms
        return tuple(form.of_aperture(self.apertures[aperture]) for form in self.forms)

    def with_aperture(self, name: str) -> CatalogueFormat:
        """Return the format with another aperture chosen.

        Raises
        ------
        InputError
            If the survey has no aperture of that name.
        """
        if name in self.apertures:
            return replace(self, aperture=name)
        allowed = ", ".join(self.apertures)
        raise InputError(
            f"[catalogue] aperture = {name!r}: "
            + (
                f"allowed are {allowed}"
                if allowed
                else "this survey publishes one aperture; leave the key out"
            )
        )

    @property
    def coordinates_and_keys(self) -> tuple[str, ...]:
        """Names of the columns that every file must have, photometry aside."""
        roles = [getattr(self, role) for role in OPTIONAL_ROLES if role not in self.optional]
        return tuple(dict.fromkeys((*self.id_columns, self.ra, self.dec, *filter(None, roles))))

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """Names of the columns that a file may lack."""
        return tuple(name for role in self.optional if (name := getattr(self, role)))

    def requirement(self, name: str) -> Requirement:
        """Return a rule by its name.

        Raises
        ------
        InputError
            If there is none.
        """
        for one in self.requirements:
            if one.name == name:
                return one
        allowed = ", ".join(one.name for one in self.requirements) or "none"
        raise InputError(f"[catalogue.cuts] require: this survey declares no {name!r}; allowed: {allowed}")

    def key(self, name: str) -> str:
        """Return the form of a column name under which two spellings count as the same."""
        return name.rsplit(".", 1)[-1].strip().casefold() if self.ignore_case else name
