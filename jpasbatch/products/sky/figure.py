"""Figure of the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import class_label, house_style, new_figure
from jpasbatch.products.accumulation import sum_by_pixel
from jpasbatch.products.sky.tally import SkyMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


WIDE_FIELD_DEG = 60.0
MINIMUM_MEAN_COUNT = 10


def sky_map(sky: SkyMap, counted: tuple[str, ...]) -> Figure:
    """Draw the density of all objects, and of those predicted to be of the ``counted`` classes.

    The second map uses a coarser grid where there would be too few objects in a pixel.
    """
    everything = sky.counts.sum(axis=1)
    chosen = sky.counts[:, [sky.classes.index(name) for name in counted]].sum(axis=1)
    label = " + ".join(class_label(name) for name in counted)
    with house_style():
        figure = new_figure(10, 4.2)
        for place, (title, values) in enumerate((("all objects", everything), (label, chosen))):
            nside, pixels, counts = sky.nside, sky.pixels, values[:, None]
            while place and nside > 32 and counts.mean() < MINIMUM_MEAN_COUNT:
                nside, (pixels, counts) = nside // 2, sum_by_pixel(pixels // 4, counts)
            density = counts[:, 0] / (sky.pixel_deg2 * (sky.nside / nside) ** 2)
            _draw_sky(figure, place, nside, pixels, density, title)
    return figure


def _draw_sky(
    figure: Figure, place: int, nside: int, pixels: np.ndarray, density: np.ndarray, title: str
) -> None:
    import healpy

    ra, dec = healpy.pix2ang(nside, pixels, nest=True, lonlat=True)
    centre = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(ra)).mean()))
    offset = (ra - centre + 180) % 360 - 180
    margin = 1.2 * np.rad2deg(healpy.nside2resol(nside))
    stretch = 1 / max(np.cos(np.deg2rad(dec.mean())), 0.05)
    wide = np.ptp(offset) / stretch > WIDE_FIELD_DEG
    if wide:
        axes: Any = figure.add_subplot(1, 2, place + 1, projection="mollweide")
        x, y, centre = np.linspace(-180, 180, 721), np.linspace(-90, 90, 361), 0.0
    else:
        axes = figure.add_subplot(1, 2, place + 1)
        half = max(np.abs(offset).max() + margin * stretch, 0.1)
        x = np.linspace(-half, half, 601)
        y = np.clip(np.linspace(dec.min() - margin, dec.max() + margin, 601), -90, 90)
    grid_x, grid_y = np.meshgrid((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2)
    found = healpy.ang2pix(nside, (grid_x + centre) % 360, grid_y, nest=True, lonlat=True)
    place_of = np.minimum(np.searchsorted(pixels, found), len(pixels) - 1)
    image = np.where(pixels[place_of] == found, density[place_of], np.nan)
    axes.grid(visible=False)
    if wide:
        mesh = axes.pcolormesh(-np.deg2rad(x), np.deg2rad(y), image, cmap="viridis", rasterized=True)
        axes.set_xticklabels([])
    else:
        mesh = axes.imshow(
            image,
            extent=(centre - half, centre + half, y[0], y[-1]),
            origin="lower",
            cmap="viridis",
            interpolation="nearest",
            aspect=stretch,
        )
        axes.invert_xaxis()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value % 360:g}")
        axes.set(xlabel="right ascension (deg)", ylabel="declination (deg)")
    axes.set_title(f"{title} (HEALPix nside {nside})")
    bar = figure.colorbar(mesh, ax=axes, shrink=0.8, label="objects per deg²")
    bar.outline.set_visible(False)
