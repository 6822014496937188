"""Detected shares: of a tile, of many tiles by their area, and tables that are wrong."""

import csv

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.footprint.completeness import Completeness, read_completeness

EDGES = np.arange(20.0, 25.0, 0.25)


def share(magnitude, m50, k):
    return 1 / (1 + np.exp(k * (magnitude - m50)))


def test_the_share_of_a_bin_is_its_mean_over_the_bin():
    found = Completeness(("",), (23.0,), (6.0,)).of_bins(EDGES, {})
    fine = np.linspace(EDGES[:-1], EDGES[1:], 4001)
    assert found == pytest.approx(share(fine, 23.0, 6.0).mean(axis=0), abs=1e-4)
    assert found[0] == pytest.approx(1.0)
    assert found[-1] < 1e-3
    assert (np.diff(found) <= 0).all()


def test_tiles_weigh_as_their_area():
    """Divided by the share, what is detected on tiles of any depth is what is there."""
    tiles = Completeness(("a", "b", "unused"), (22.5, 23.5, 20.0), (5.0, 6.0, 5.0))
    areas, density = {"a": 1.5, "b": 0.5}, 1000.0
    alone = {
        name: Completeness(("",), (m50,), (k,)).of_bins(EDGES, {})
        for name, m50, k in zip(tiles.tiles, tiles.m50, tiles.k, strict=True)
    }
    detected = sum(density * area * alone[name] for name, area in areas.items())
    assert detected / tiles.of_bins(EDGES, areas) == pytest.approx(density * 2.0)


def test_a_tile_without_a_row_is_named():
    tiles = Completeness(("a", "b"), (22.5, 23.5), (5.0, 6.0))
    with pytest.raises(InputError, match=r"1 of 3 tiles of the catalogue have no row, 'c' first"):
        tiles.of_bins(EDGES, {"a": 1.0, "b": 1.0, "c": 0.1})
    assert np.isnan(tiles.of_bins(EDGES, {"a": 0.0})).all()
    assert np.isfinite(tiles.of_bins(EDGES, {"a": 1.0, "c": 0.0})).all()


def test_tables_as_cefca_has_them(write):
    path = write("tiles.csv", TILE_ID=[2241, 2243], M50=[23.1, 23.4], K=[6.4, 5.9])
    found = read_completeness(path, "r")
    assert found == Completeness(("2241", "2243"), (23.1, 23.4), (6.4, 5.9), "r")
    assert read_completeness(write("one.csv", m50=[23.0], k=[5.0]), "").tiles == ("",)


def test_minijpas_is_complete_as_published(data_folder, write):
    """To r = 23.6 for point-like sources, 22.7 for extended ones (Bonoli et al. 2021): that is 99 % of the tables."""
    path = data_folder / "minijpas_tables" / "minijpas.TileImage.csv"
    if not path.is_file():
        pytest.skip(f"needs the table of images of miniJPAS: {path}")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    images = [row for row in csv.DictReader(lines) if "rSDSS" in row["name"]]
    tiles = {row["REF_TILE_ID"]: 0.25 for row in images}
    for kind, magnitude in (("S", 23.6), ("G", 22.7)):
        columns = {name: [float(row[f"{name}{kind}"]) for row in images] for name in ("M50", "K")}
        known = read_completeness(write(f"{kind}.csv", TILE_ID=list(tiles), **columns), "r")
        bins = known.of_bins(magnitude + np.array([-1.01, -1.0, 0.0, 0.01, 1.0, 1.01]), tiles)
        assert bins[2] == pytest.approx(0.99, abs=0.005)
        assert bins[0] > 0.999
        assert bins[4] < 0.8


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tile_id": [1, 1], "m50": [23.0, 23.1], "k": [5.0, 5.0]}, "tile '1' has two rows"),
        ({"m50": [23.0, 23.1], "k": [5.0, 5.0]}, "2 rows and no column 'tile_id'"),
        ({"m50": [-99.0], "k": [5.0]}, "column 'm50', row 1: found -99; allowed is above 5 to 35"),
        ({"m50": [23.0], "k": [-5.0]}, "column 'k', row 1: found -5"),
        ({"m50": [23.0]}, "the column 'k' is missing"),
        ({"m50": [np.nan], "k": [5.0]}, "one finite number"),
    ],
)
def test_tables_that_are_wrong_are_named(write, columns, message):
    with pytest.raises(InputError, match=message):
        read_completeness(write("tiles.ecsv", **columns), "")
