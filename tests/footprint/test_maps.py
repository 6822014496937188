"""Maps that others made: HEALPix, healsparse and MOC files, and those that are wrong."""

import healpy
import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.footprint.maps import read_map, read_moc
from tests.footprint.conftest import assert_same

NSIDE = 32


@pytest.fixture
def shares(rng):
    """Return the observed share of each nested pixel; a tenth of the sky was seen."""
    values = np.where(rng.random(12 * NSIDE**2) < 0.1, rng.uniform(0.1, 1.0, 12 * NSIDE**2), 0.0)
    values[:40] = 1.0
    return values


@pytest.fixture
def written(tmp_path):
    def write(values, name="map.fits", header=(), **options):
        path = tmp_path / name
        healpy.write_map(path, values, dtype=np.float64, overwrite=True, **options)
        for key, value in header:
            fits.setval(path, key, value=value, ext=1)
        return path

    return write


def test_every_form_of_a_map_is_the_same(written, shares):
    nested = read_map("key", written(shares, "nested.fits", nest=True, coord="C"))
    assert nested.area_deg2 == pytest.approx(shares.sum() * healpy.nside2pixarea(NSIDE, degrees=True))
    pixels, areas = nested.areas(NSIDE)
    assert pixels.tolist() == np.flatnonzero(shares).tolist()
    assert areas / healpy.nside2pixarea(NSIDE, degrees=True) == pytest.approx(shares[shares > 0])
    ring = healpy.reorder(shares, n2r=True)
    assert_same(read_map("key", written(ring, "ring.fits", coord="C")), nested)
    unseen = np.where(shares > 0, shares, healpy.UNSEEN)
    assert_same(read_map("key", written(unseen, "partial.fits", nest=True, partial=True)), nested)
    missing = np.where(shares > 0, shares, np.nan)
    assert_same(read_map("key", written(missing, "missing.fits", nest=True)), nested)
    wide = written(shares, "narrow.fits", nest=True, column_names=["share"], fits_IDL=False)
    assert_same(read_map("key", wide), nested)


@pytest.mark.parametrize("kind", [np.float32, bool])
def test_healsparse(tmp_path, shares, kind):
    healsparse = pytest.importorskip("healsparse", reason="needs healsparse, of the extra 'maps'")
    path = tmp_path / "map.hsp"
    sparse = healsparse.HealSparseMap.make_empty(8, NSIDE, kind)
    seen = np.flatnonzero(shares)
    sparse.update_values_pix(seen, np.ones(len(seen), bool) if kind is bool else shares[seen].astype(kind))
    sparse.write(str(path))
    found = read_map("key", path)
    values = np.ones(len(seen)) if kind is bool else shares[seen]
    assert found.areas(NSIDE)[0].tolist() == seen.tolist()
    assert found.area_deg2 == pytest.approx(
        values.sum() * healpy.nside2pixarea(NSIDE, degrees=True), rel=1e-6
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([("ORDERING", "SPIRAL")], "ORDERING is SPIRAL; allowed are NESTED and RING"),
        ([("ORDERING", "")], "ORDERING is not given"),
        ([("COORDSYS", "G")], "COORDSYS is 'G'"),
        ([("NSIDE", 48)], "NSIDE is 48"),
        ([("NSIDE", 64)], "NSIDE = 64 has 49152"),
        ([("PIXTYPE", "NONE")], "no extension says PIXTYPE = HEALPIX"),
    ],
)
def test_headers_that_are_wrong(written, shares, header, message):
    with pytest.raises(InputError, match=message):
        read_map("[area] file", written(shares, nest=True, header=header))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((45, 1.5), "holds 1.5; allowed is the observed share"),
        ((45, -0.5), "holds -0.5"),
        ((slice(None), 0.0), "nothing"),
    ],
)
def test_shares_that_cannot_be(written, shares, change, message):
    shares[change[0]] = change[1]
    with pytest.raises(InputError, match=message):
        read_map("[area] file", written(shares, nest=True))


def test_pixels_that_are_given_twice_or_not_there(tmp_path):
    for pixels, message in (([3, 3], "more than once"), ([3, 12 * NSIDE**2], "does not have")):
        columns = [
            fits.Column("PIXEL", "K", array=np.array(pixels)),
            fits.Column("share", "D", array=np.array([0.5, 0.5])),
        ]
        table = fits.BinTableHDU.from_columns(columns)
        table.header.update(PIXTYPE="HEALPIX", ORDERING="NESTED", NSIDE=NSIDE, INDXSCHM="EXPLICIT")
        table.writeto(tmp_path / "twice.fits", overwrite=True)
        with pytest.raises(InputError, match=message):
            read_map("[area] file", tmp_path / "twice.fits")


@pytest.mark.parametrize("form", ["fits", "json", "ascii"])
def test_a_moc_is_a_footprint(tmp_path, form):
    from mocpy import MOC

    moc = MOC.from_string("5/10-12 40 7/3000")
    path = tmp_path / f"moc.{form}"
    moc.save(path, format=form)
    found = read_moc("key", path)
    assert found.name == "footprint"
    assert found.area_deg2 == pytest.approx(moc.sky_fraction * 41252.96, rel=1e-6)
    assert found.areas(32)[0].tolist() == [10, 11, 12, 40, 187]


@pytest.mark.parametrize("kept", [3000, 6000, 20_000])
def test_a_map_that_is_cut_off(written, shares, kept):
    path = written(shares, nest=True)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"\[area\] file .*map\.fits: "):
        read_map("[area] file", path)


@pytest.mark.parametrize("kept", [1 / 20, 1 / 2])
def test_a_healsparse_map_that_is_cut_off_says_so(tmp_path, kept):
    healsparse = pytest.importorskip("healsparse")
    path = tmp_path / "map.hs"
    held = healsparse.HealSparseMap.make_empty(32, 4096, np.float32)
    held[np.arange(100_000)] = np.ones(100_000, dtype=np.float32)
    held.write(str(path))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match="truncated"):
        read_map("[area] file", path)


def test_a_map_with_a_checksum_that_does_not_hold(written, shares):
    path = written(shares, nest=True)
    with fits.open(path) as file:
        file.writeto(path.with_name("summed.fits"), checksum=True)
    read_map("[area] file", path.with_name("summed.fits"))
    data = bytearray(path.with_name("summed.fits").read_bytes())
    data[-2880 * 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="verification failed"):
        read_map("[area] file", path)


def test_files_that_are_no_maps(tmp_path):
    from mocpy import MOC

    (tmp_path / "text.fits").write_text("no map")
    MOC.new_empty(10).save(tmp_path / "none.fits", format="fits")
    with pytest.raises(InputError, match="cannot be read as FITS"):
        read_map("[area] file", tmp_path / "text.fits")
    with pytest.raises(InputError, match="cannot be read as a MOC"):
        read_moc("[area] file", tmp_path / "text.fits")
    with pytest.raises(InputError, match="the MOC is empty"):
        read_moc("[area] file", tmp_path / "none.fits")
    for read in (read_map, read_moc):
        with pytest.raises(InputError, match="there is no such file"):
            read("[area] file", tmp_path / "absent.fits")


def test_a_moc_with_cells_that_the_sky_does_not_have_is_refused(tmp_path):
    path = tmp_path / "moc.json"
    path.write_text('{"9": [1, 99999999999]}')
    with pytest.raises(InputError, match="cells that the sky does not have"):
        read_moc("[area] file", path)
