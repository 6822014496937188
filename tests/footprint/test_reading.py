"""The table ``[area]``: what it takes, and what it makes of files."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.footprint.options import AreaOptions
from jpasbatch.footprint.reading import read_coverage
from tests.footprint.conftest import BOX, box_corners, box_deg2


@pytest.fixture
def field(write):
    corners = box_corners(BOX)
    return str(write("field.csv", ra=corners[0], dec=corners[1]))


def test_polygons_without_stars_and_holes(write, field):
    stars = str(write("stars.csv", ra=[211.0, 210.5], dec=[50.5, 50.25], radius=[0.1, 0.05]))
    hole = box_corners((211.5, 211.8, 50.1, 50.4))
    holes = str(write("holes.csv", ra=hole[0], dec=hole[1]))
    found = read_coverage(
        AreaOptions(kind="regions", file=field, exclude_circles=stars, exclude_polygons=holes)
    )
    assert found is not None
    masked = np.pi * (0.1**2 + 0.05**2) + box_deg2((211.5, 211.8, 50.1, 50.4))
    assert found.area_deg2 == pytest.approx(box_deg2(BOX) - masked, rel=3e-4)
    assert found.name == "effective area"


def test_a_moc_without_stars_is_no_mere_footprint(write, tmp_path):
    from mocpy import MOC

    MOC.from_string("3/10").save(tmp_path / "moc.fits", format="fits")
    moc = AreaOptions(kind="moc", file=str(tmp_path / "moc.fits"))
    bare = read_coverage(moc)
    assert bare is not None
    pixel = bare.areas(8)[0]
    assert (bare.name, pixel.tolist()) == ("footprint", [10])
    import healpy

    ra, dec = healpy.pix2ang(8, 10, nest=True, lonlat=True)
    stars = str(write("stars.csv", ra=[ra], dec=[dec], radius=[1.0]))
    masked = read_coverage(AreaOptions(kind="moc", file=moc.file, exclude_circles=stars))
    assert masked is not None
    assert masked.name == "effective area"
    assert bare.area_deg2 - masked.area_deg2 == pytest.approx(np.pi, rel=1e-3)


def test_masks_of_another_sky_are_refused(write, field):
    stars = str(write("stars.csv", ra=[14.07], dec=[50.5], radius=[0.1]))
    with pytest.raises(InputError, match=r"exclude_circles .* masks nothing; are they in hours"):
        read_coverage(AreaOptions(kind="regions", file=field, exclude_circles=stars))


def test_nothing_that_is_left_is_no_area(write, field):
    stars = str(write("stars.csv", ra=[211.0], dec=[50.5], radius=[2.0]))
    with pytest.raises(InputError, match="nothing is left"):
        read_coverage(AreaOptions(kind="regions", file=field, exclude_circles=stars))


def test_without_files_there_is_no_coverage():
    assert read_coverage(AreaOptions()) is None
    assert read_coverage(AreaOptions(kind="given", area_deg2=1.0)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "regions"}, "file: is missing"),
        ({"kind": "given"}, "area_deg2: is missing"),
        ({"kind": "given", "area_deg2": 0.0}, "area_deg2: found 0.0"),
        ({"exclude_circles": "stars.csv"}, "exclude_circles: is no key of kind = 'occupied'"),
        (
            {"kind": "moc", "file": "a.fits", "density_per_deg2": 3.0},
            "density_per_deg2: is no key of kind = 'moc'",
        ),
        ({"kind": "randoms", "file": "a.fits"}, "needs one of the two"),
        (
            {"kind": "randoms", "file": "a", "density_per_deg2": 1.0, "drawn_in_deg2": 1.0},
            "needs one of the two",
        ),
        ({"kind": "regions", "file": "a", "nside": 1000}, "a power of two"),
        ({"kind": "regions", "file": "a", "area_deg2": 1.0}, "area_deg2: is no key"),
        ({"kind": "polygons"}, "allowed: 'occupied'"),
    ],
)
def test_options_that_contradict_each_other(options, message):
    with pytest.raises(ValueError, match=message):
        AreaOptions(**options)
