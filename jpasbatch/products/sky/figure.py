"""Figure of the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.footprint.coverage import ORDER, Coverage
from jpasbatch.pages.drawing import Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import INK, class_label, house_style, new_figure
from jpasbatch.products.accumulation import sum_by_pixel, with_rows
from jpasbatch.products.counts.areas import pixel_areas
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.sky.tally import SkyMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 4.4
"""Of a map, inches."""

WIDE_FIELD_DEG = 60.0
MINIMUM_MEAN_COUNT = 10
MOSTLY = 0.5
"""Observed share of a pixel below which its density, of few objects, does not stretch the scale of colours."""

STEPS = 500
"""Picture elements along each axis."""

MASKED = Key("not observed, or masked", "#BFC5CA", marker="area")


@dataclass(frozen=True, eq=False)
class DensityMap:
    """Objects by pixel, and the area of these.

    Attributes
    ----------
    title : str
    nside : int
    pixels : ndarray of int64, shape (p,)
        Nested, ascending: those that were observed, as far as that is known.
    objects : ndarray of int64, shape (p,)
    area : ndarray of float64, shape (p,)
        Observed area, deg2; NaN where no area is known.
    """

    title: str
    nside: int
    pixels: np.ndarray
    objects: np.ndarray
    area: np.ndarray

    @property
    def measured(self) -> bool:
        """Whether there are densities."""
        return bool(np.isfinite(self.area).all())

    @property
    def values(self) -> np.ndarray:
        """Densities, per deg2; numbers of objects where no area is known."""
        return self.objects / self.area if self.measured else self.objects.astype(np.float64)


def density_maps(
    sky: SkyMap, counted: tuple[str, ...], counts: CountSummary | None, coverage: Coverage | None
) -> tuple[DensityMap, ...]:
    """Return the maps of all objects, and of those that are predicted to be of the ``counted`` classes.

    Densities are on the area of the counts. The second map has larger pixels where there would be too few objects in
    one.
    """
    everything = sky.counts.sum(axis=1)
    chosen = sky.counts[:, [sky.classes.index(name) for name in counted]].sum(axis=1)
    label = " + ".join(class_label(name) for name in counted)
    finest = sky.nside if counts is None or coverage is not None else counts.options.area_nside
    maps = []
    for title, values, fewest in (("all objects", everything, 0), (label, chosen, MINIMUM_MEAN_COUNT)):
        nside, pixels, objects = sky.nside, sky.pixels, values[:, None]
        while nside > finest or (fewest and nside > 32 and objects.mean() < fewest):
            nside, (pixels, objects) = nside // 2, sum_by_pixel(pixels // 4, objects)
        areas = None if counts is None else pixel_areas(counts, coverage, nside)
        if areas is None:
            area = np.full(len(pixels), np.nan)
        else:
            objects, (pixels, area) = with_rows(areas[0], pixels, objects), areas
        maps.append(DensityMap(title, nside, pixels, objects[:, 0], area))
    return tuple(maps)


def sky_numbers(maps: tuple[DensityMap, ...]) -> Numbers:
    """Return maps as a table: a row a map and pixel."""
    import healpy

    places = [healpy.pix2ang(one.nside, one.pixels, nest=True, lonlat=True) for one in maps]
    columns = {
        "map": [np.full(len(one.pixels), one.title) for one in maps],
        "nside (number)": [np.full(len(one.pixels), one.nside) for one in maps],
        "nested pixel (number)": [one.pixels for one in maps],
        "ra (deg)": [ra for ra, _ in places],
        "dec (deg)": [dec for _, dec in places],
        "objects (number)": [one.objects for one in maps],
        "observed area (deg2)": [one.area for one in maps],
        "density (deg-2)": [one.objects / one.area for one in maps],
    }
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def sky_map(maps: tuple[DensityMap, ...], coverage: Coverage | None) -> Drawing:
    """Draw maps with a graticule; grey is what was not observed, where files say that."""
    panels = []
    for one in maps:
        with house_style():
            figure = new_figure(WIDTH, 4.3)
            remark = _draw_sky(figure, one, coverage)
        panels.append(Panel(figure, one.title, f"HEALPix nside {one.nside}{remark}"))
    return Drawing(tuple(panels), () if coverage is None else (MASKED,))


def _draw_sky(figure: Figure, drawn: DensityMap, coverage: Coverage | None) -> str:
    """Draw one map, and return what else must be said of it."""
    import healpy

    nside, pixels = drawn.nside, drawn.pixels
    ra, dec = healpy.pix2ang(nside, pixels, nest=True, lonlat=True)
    centre = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(ra)).mean()))
    offset = (ra - centre + 180) % 360 - 180
    margin = 1.2 * np.rad2deg(healpy.nside2resol(nside))
    stretch = 1 / max(np.cos(np.deg2rad(dec.mean())), 0.05)
    wide = np.ptp(offset) / stretch > WIDE_FIELD_DEG
    if wide:
        centre = 0.0
        x, y = np.linspace(-180, 180, 2 * STEPS + 1), np.linspace(-90, 90, STEPS + 1)
    else:
        half = max(np.abs(offset).max() + margin * stretch, 0.1)
        x = np.linspace(-half, half, STEPS + 1)
        y = np.clip(np.linspace(dec.min() - margin, dec.max() + margin, STEPS + 1), -90, 90)
    longitude, latitude = np.meshgrid((x[1:] + x[:-1]) / 2 + centre, (y[1:] + y[:-1]) / 2)
    found = healpy.ang2pix(nside, longitude % 360, latitude, nest=True, lonlat=True)
    place = np.minimum(np.searchsorted(pixels, found), len(pixels) - 1)
    image = np.where(pixels[place] == found, drawn.values[place], np.nan)
    masked = None
    if coverage is not None:
        masked = ~coverage.contains(
            healpy.ang2pix(2**ORDER, longitude % 360, latitude, nest=True, lonlat=True)
        )
        image[masked] = np.nan
    draw = _draw_wide if wide else _draw_narrow
    mesh = draw(figure, x + centre, y, image, masked, stretch)
    whole = healpy.nside2pixarea(nside, degrees=True)
    full = drawn.values[drawn.area >= MOSTLY * whole] if drawn.measured else drawn.values
    top = float(full.max(initial=0)) or float(drawn.values.max(initial=0)) or 1.0
    mesh.set_clim(0, top)
    label = "objects per deg²" if drawn.measured else "objects per pixel"
    extend = "max" if drawn.values.max(initial=0) > top else "neither"
    bar = figure.colorbar(
        mesh, ax=figure.axes[0], orientation="horizontal", shrink=0.8, aspect=30, label=label, extend=extend
    )
    bar.outline.set_visible(False)
    return "; graticule of 30°, right ascension 0° in the middle and growing to the left" if wide else ""


def _draw_wide(
    figure: Figure, x: np.ndarray, y: np.ndarray, image: np.ndarray, masked: np.ndarray | None, stretch: float
) -> Any:
    """Draw the whole sky in Mollweide's projection."""
    axes: Any = figure.add_subplot(projection="mollweide")
    edges = -np.deg2rad(x), np.deg2rad(y)
    if masked is not None:
        axes.pcolormesh(*edges, np.where(masked, 1.0, np.nan), cmap=_grey(), rasterized=True)
    mesh = axes.pcolormesh(*edges, image, cmap="viridis", rasterized=True)
    axes.set_longitude_grid(30)
    axes.set_latitude_grid(30)
    axes.set_xticklabels([])
    _graticule(axes)
    return mesh


def _draw_narrow(
    figure: Figure, x: np.ndarray, y: np.ndarray, image: np.ndarray, masked: np.ndarray | None, stretch: float
) -> Any:
    """Draw a field whose meridians are parallel, as near as one sees."""
    axes = figure.add_subplot()
    options: Any = {"extent": (x[0], x[-1], y[0], y[-1]), "origin": "lower", "interpolation": "nearest"}
    options["aspect"] = stretch
    if masked is not None:
        axes.imshow(np.where(masked, 1.0, np.nan), cmap=_grey(), label="_mask", **options)
    mesh = axes.imshow(image, cmap="viridis", **options)
    axes.invert_xaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{round(value % 360, 6):g}")
    axes.locator_params(nbins=5)
    axes.set(xlabel="right ascension (deg)", ylabel="declination (deg)")
    _graticule(axes)
    return mesh


def _graticule(axes: Any) -> None:
    axes.set_axisbelow(False)
    axes.grid(visible=True, color=INK, alpha=0.45, linewidth=0.5)


def _grey() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([MASKED.colour])
