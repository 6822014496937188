"""How the observed area is known: the table ``[area]`` of a job file; and how deep it is: ``[completeness]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from jpasbatch.options import Options

FINEST, COARSEST = 2**20, 2**6

CIRCLES, POLYGONS = 2**16, 2**18
"""Grids of edges. Of circles 3.2 arcsec, a third of the radius of the smallest masks: they are many. Of polygons 0.8
arcsec: an edge along a parallel is off by up to half of that, since the centres of a row of pixels lie on one."""

NEEDED = {
    "occupied": (),
    "given": ("area_deg2",),
    "regions": ("file",),
    "moc": ("file",),
    "map": ("file",),
    "randoms": ("file",),
}
"""Keys without which a kind says nothing."""

TAKEN = {
    "regions": ("nside", "exclude_circles", "exclude_polygons", "ra", "dec"),
    "moc": ("nside", "exclude_circles", "exclude_polygons", "ra", "dec"),
    "map": ("nside", "exclude_circles", "exclude_polygons", "ra", "dec"),
    "randoms": (
        "nside",
        "exclude_circles",
        "exclude_polygons",
        "ra",
        "dec",
        "density_per_deg2",
        "drawn_in_deg2",
    ),
}
"""Further keys that a kind takes."""


@dataclass(frozen=True)
class AreaOptions(Options):
    """How the area that was really observed is known.

    Attributes
    ----------
    kind : {"occupied", "given", "regions", "moc", "map", "randoms"}
        "occupied": the pixels that hold objects; too large at edges and blind to small masks. "given": a number.
        "regions": the polygons of ``file``. "moc": the multi-order coverage map of ``file``: where the survey looked,
        and nothing of what is masked there. "map": the observed share of each pixel, a healsparse or HEALPix file.
        "randoms": random positions that went through the survey's masks.
    file : str
        A table of corners (``polygon``, ``ra``, ``dec``), a MOC, a map, or a table of positions (``ra``, ``dec``).
    exclude_circles : str
        A table of circles that are taken away, around bright stars (``ra``, ``dec``, ``radius``).
    exclude_polygons : str
        A table of polygons that are taken away.
    area_deg2 : float, optional
        Of kind "given".
    density_per_deg2, drawn_in_deg2 : float, optional
        Of kind "randoms", one of the two: positions per deg2 where all is observed, or the observed area that the
        positions of the file were drawn in.
    nside : int, optional
        Grid on which polygons and circles are drawn; 262144 (0.8 arcsec) and 65536 (3.2 arcsec) if left out. Of kind
        "randoms" that in which positions are counted, as fine as 20 expected positions a pixel allow if left out.
    ra, dec : str
        Names of the columns of right ascension and declination in all of these tables.
    """

    kind: Literal["occupied", "given", "regions", "moc", "map", "randoms"] = "occupied"
    file: str = ""
    exclude_circles: str = ""
    exclude_polygons: str = ""
    area_deg2: Annotated[float, Interval(gt=0, le=41253)] | None = None
    density_per_deg2: Annotated[float, Interval(gt=0, le=1e9)] | None = None
    drawn_in_deg2: Annotated[float, Interval(gt=0, le=41253)] | None = None
    nside: Annotated[int, Interval(ge=COARSEST, le=FINEST)] | None = None
    ra: str = "ra"
    dec: str = "dec"

    def check_relations(self) -> None:
        """Refuse keys that the kind does not take, and a kind without what it needs."""
        defaults, needed = type(self).__dataclass_fields__, NEEDED[self.kind]
        allowed = ("kind", *needed, *TAKEN.get(self.kind, ()))
        foreign = [
            key for key, item in defaults.items() if getattr(self, key) != item.default and key not in allowed
        ]
        if foreign:
            raise ValueError(
                f"{foreign[0]}: is no key of kind = '{self.kind}'; allowed are {', '.join(allowed)}"
            )
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f"{missing[0]}: is missing; kind = '{self.kind}' needs it")
        if self.kind == "randoms" and (self.density_per_deg2 is None) == (self.drawn_in_deg2 is None):
            raise ValueError(
                "density_per_deg2, drawn_in_deg2: kind = 'randoms' needs one of the two: positions per deg2 where all "
                "is observed, or the observed area that they were drawn in"
            )
        if self.nside is not None and self.nside & (self.nside - 1):
            raise ValueError(f"nside: found {self.nside}; allowed is a power of two, {COARSEST} to {FINEST}")

    @property
    def masked(self) -> bool:
        """Whether files say what was observed."""
        return bool(self.file)

    @property
    def nside_of_circles(self) -> int:
        """Grid on which circles are drawn."""
        return self.nside if self.nside is not None and self.kind != "randoms" else CIRCLES

    @property
    def nside_of_polygons(self) -> int:
        """Grid on which polygons are drawn."""
        return self.nside if self.nside is not None and self.kind != "randoms" else POLYGONS


@dataclass(frozen=True)
class CompletenessOptions(Options):
    """Which share of the objects of a magnitude the survey detects.

    Attributes
    ----------
    file : str
        A table of ``m50`` (magnitude at which half is detected) and ``k`` (steepness), with ``tile_id``: one row a
        tile; without: one row for the whole survey. Empty where nothing is known.
    band_role : str
        Reported band of ``m50``; that of the number counts if empty.
    """

    file: str = ""
    band_role: str = ""
