"""Circles and polygons: areas against formulae, positions against geometry, and tables that are wrong."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.footprint.coverage import Coverage
from jpasbatch.footprint.regions import circles_of, drawn, polygons_of
from jpasbatch.footprint.shapes import Circle, Polygon, ranges_of
from jpasbatch.footprint.tables import read_given
from tests.footprint.conftest import BOX, box_corners, box_deg2, pixels_of, positions_in

NSIDE = 65536


def circle_deg2(radius: float) -> float:
    return float(2 * np.pi * (1 - np.cos(np.radians(radius))) * (180 / np.pi) ** 2)


@pytest.mark.parametrize(
    ("radius", "number", "within"),
    [(5 / 3600, 400, 0.02), (30 / 3600, 60, 0.002), (0.09, 3, 1e-3), (2.5, 1, 1e-4)],
)
def test_circles_have_their_area(rng, radius, number, within):
    """Of any size, at any place, the poles and the meridian among them."""
    ra, dec = rng.uniform(0, 360, number), np.degrees(np.arcsin(rng.uniform(-1, 1, number)))
    ra[0], dec[0] = 0.0, 89.999
    found = [
        drawn([Circle(*one, radius)], NSIDE).area_deg2 for one in zip(ra.tolist(), dec.tolist(), strict=True)
    ]
    assert np.mean(found) == pytest.approx(circle_deg2(radius), rel=within)


def test_circles_that_overlap_count_once():
    one = Circle(0.0, 0.0, 0.05)
    both = drawn([one, Circle(0.0, 0.0, 0.05), Circle(0.01, 0.0, 0.02)], NSIDE)
    assert both.area_deg2 == drawn([one], NSIDE).area_deg2


def test_a_field_with_holes_has_the_area_of_both(rng):
    field = drawn([Polygon("field", *box_corners(BOX))], 4 * NSIDE)
    assert field.area_deg2 == pytest.approx(box_deg2(BOX), rel=2e-4)
    ra, dec = np.meshgrid(np.arange(210.1, 212, 0.2), np.arange(50.1, 51, 0.2))
    holes = [Circle(*one, 1 / 60) for one in zip(ra.ravel().tolist(), dec.ravel().tolist(), strict=True)]
    left = field.without(drawn(holes, NSIDE))
    assert left.area_deg2 == pytest.approx(field.area_deg2 - len(holes) * circle_deg2(1 / 60), rel=1e-4)
    positions = positions_in((209.5, 212.5, 49.5, 51.5), 20_000, rng)
    inside = (positions[0] > 210) & (positions[0] < 212) & (positions[1] > 50) & (positions[1] < 51)
    for hole in holes:
        inside &= ~hole.contains(*positions)
    assert (left.contains(pixels_of(*positions)) != inside).mean() < 1e-3  # those within a pixel of an edge


@pytest.mark.parametrize("turn", [0.0, 180.0, 359.0])
@pytest.mark.parametrize("backwards", [False, True])
def test_polygons_may_be_concave_and_lie_anywhere(rng, turn, backwards):
    ra, dec = np.array([0.0, 3.0, 3.0, 1.5, 0.0]), np.array([-1.0, -1.0, 2.0, 0.0, 2.0])
    corners = slice(None, None, -1 if backwards else 1)
    polygon = Polygon("notched", ((ra + turn) % 360)[corners], dec[corners])
    found = Coverage.of_ranges(*ranges_of([polygon], 8192))
    lon, lat = positions_in((-1.0, 4.0, -2.0, 3.0), 20_000, rng)
    inside = (lon > 0) & (lon < 3) & (lat > -1) & (lat < 2) & (lat < 2 * abs(lon - 1.5) / 1.5)
    assert (polygon.contains((lon + turn) % 360, lat) != inside).mean() < 2e-3  # edges are great circles
    assert (found.contains(pixels_of((lon + turn) % 360, lat)) != inside).mean() < 2e-3


def test_a_polygon_around_the_pole():
    polygon = Polygon("cap", np.arange(0.0, 360.0, 1.0), np.full(360, 80.0))
    cap = drawn([polygon], 4096)
    assert cap.area_deg2 == pytest.approx(circle_deg2(10.0), rel=1e-3)
    assert cap.contains(pixels_of(np.array([0.0, 200.0]), np.array([90.0, 85.0]))).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ra": [210.0, np.nan], "dec": [50.0, 51.0], "radius": [0.1, 0.1]}, "column 'ra', row 2: found nan"),
        ({"ra": [210.0], "dec": [95.0], "radius": [0.1]}, "allowed is -90 to 90"),
        ({"ra": [-3.0], "dec": [5.0], "radius": [0.1]}, "allowed is 0 to 360"),
        ({"ra": [210.0], "dec": [50.0], "radius": [30.0]}, "radius_arcsec"),
        ({"ra": [210.0], "dec": [50.0], "radius": [0.0]}, "above 0"),
        ({"ra": [210.0], "dec": [50.0]}, "the column 'radius' or 'radius_deg'"),
        ({"ra": ["14h"], "dec": [50.0], "radius": [0.1]}, "allowed are numbers"),
        ({"dec": [50.0], "radius": [0.1]}, "the column 'ra' is missing; found dec, radius"),
    ],
)
def test_circles_that_are_wrong_are_named(write, columns, message):
    table = read_given("[area] exclude_circles", write("stars.ecsv", **columns))
    with pytest.raises(InputError, match=message) as raised:
        circles_of(table, "ra", "dec")
    assert "[area] exclude_circles" in str(raised.value)
    assert "stars.ecsv" in str(raised.value)


def test_units_of_a_file_are_taken(write):
    from astropy import units

    columns = {"RA": [14.0] * units.hourangle, "Dec": [50.0] * units.deg, "radius": [30.0] * units.arcsec}
    circle = circles_of(read_given("key", write("stars.ecsv", **columns)), "ra", "dec")[0]
    assert (circle.ra, circle.dec, circle.radius * 3600) == pytest.approx((210.0, 50.0, 30.0))
    plain = write("stars.csv", ra=[210.0], dec=[50.0], radius_arcmin=[0.5])
    assert circles_of(read_given("key", plain), "ra", "dec")[0].radius == pytest.approx(0.5 / 60)


@pytest.mark.parametrize("end", ["csv", "ecsv", "fits", "vot", "parquet", "txt"])
def test_polygons_are_read_from_any_table(tmp_path, end):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from astropy.table import Table

    columns = {
        "polygon": [1, 1, 1, 2, 2, 2, 2],
        "ra": [0.0, 1, 1, 5, 6, 6, 5],
        "dec": [0.0, 0, 1, 0, 0, 1, 0],
    }
    path = tmp_path / f"polygons.{end}"
    if end == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        forms = {"vot": "votable", "txt": "ascii"}
        Table(columns).write(path, **({"format": forms[end]} if end in forms else {}))
    one, other = polygons_of(read_given("key", path), "ra", "dec")
    assert one.ra.tolist() == [0.0, 1.0, 1.0]
    assert other.dec.tolist() == [0.0, 0.0, 1.0]  # its last corner closes it


@pytest.mark.parametrize(
    ("ra", "dec", "names", "message"),
    [
        ([0, 1, 0, 1], [0, 1, 1, 0], [1] * 4, "polygon 1: the edges that begin at corners 1 and 3 cross"),
        ([0, 2, 2, 1, 0], [0, 0, 2, 0, 2], [1] * 5, "cross or touch"),
        ([0, 1, 1, 1], [0, 0, 0, 1], [1] * 4, "cross or touch"),
        ([0, 1], [0, 1], [7] * 2, "polygon 7: found 2 corners"),
        (
            [0, 1, 1, 5, 6, 6, 0],
            [0, 0, 1, 0, 0, 1, 1],
            [1, 1, 1, 2, 2, 2, 1],
            "polygon 1: its corners do not follow",
        ),
        ([0, 0, 0], [0, 1, 2], [1] * 3, "polygon 1: encloses no area"),
        ([10, 10, 10, 190], [80, 85, 90, 85], ["line"] * 4, "cross or touch|polygon line: encloses no area"),
        ([0, 1, 1], [0, 0, 1], [" "] * 3, "column 'polygon', row 1: has no value"),
        ([0, 120, 240], [0, 0, 0], [1] * 3, "more than 85 degrees"),
        ([0, 120, 240], [3, 3, 3], [1] * 3, "more than 85 degrees"),
    ],
)
def test_polygons_that_are_none_are_named(write, ra, dec, names, message):
    path = write("field.csv", polygon=names, ra=np.array(ra, float), dec=np.array(dec, float))
    with pytest.raises(InputError, match=message):
        polygons_of(read_given("[area] file", path), "ra", "dec")


@given(st.binary(max_size=200), st.sampled_from(["csv", "ecsv", "fits", "vot", "parquet", "txt"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_in_a_file_the_error_is_named(tmp_path, content, end):
    path = tmp_path / f"any.{end}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"\[area\] exclude_circles .*any"):
        circles_of(read_given("[area] exclude_circles", path), "ra", "dec")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "there is no such file"),
        ("empty.csv", b"", r"is empty \(0 bytes\)"),
        ("head.csv", b"ra,dec,radius\n", "has no rows"),
        ("broken.fits", b"SIMPLE  =", "cannot be read as a table"),
        ("broken.parquet", b"PAR1", "cannot be read as a table"),
    ],
)
def test_files_that_are_no_tables_are_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_given("[area] file", tmp_path / name)


def test_two_radii_of_a_circle_are_refused(tmp_path):
    path = tmp_path / "circles.csv"
    path.write_text("ra,dec,radius,radius_arcsec\n10,2,0.1,360\n")
    with pytest.raises(InputError, match="'radius' and 'radius_arcsec'; allowed is one radius"):
        circles_of(read_given("[area] exclude_circles", path), "ra", "dec")
