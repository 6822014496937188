"""Stars, tables and the atlas: both forms, and what is refused of them."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import checks, galaxies, instrument, stars

# stars


def test_published_stars(build, tmp_path):
    build("star-basis")
    bases = stars.read_star_basis(tmp_path)
    assert bases["WD"].coefficients.shape == (4, 5)
    assert list(bases["M"].name) == ["star-M-00000", "star-M-00001", "star-M-00002", "star-M-00003"]
    assert bases["M"].wavelength[[0, -1]] == pytest.approx([3000, 11000])
    assert bases["CV"].coefficients is None
    assert bases["CV"].wavelength[0] == pytest.approx(3555.5, abs=0.1)


def test_published_stars_without_coefficients(build, refuses, change):
    path = build("star-basis").with_name("rrtemplate-STAR-F-v0.1.fits")
    change(path, lambda hdus: hdus.pop())
    refuses(stars.read_star_basis, path, "no image ARCHETYPE_COEFF")


def test_published_stars_with_too_few_coefficients(build, refuses, change):
    path = build("star-basis").with_name("rrtemplate-STAR-F-v0.1.fits")
    change(path, lambda hdus: setattr(hdus[1], "data", hdus[1].data[:, :4]))
    refuses(stars.read_star_basis, path, "has shape 4 x 4; expected any x 5")


@pytest.fixture
def condensed(tmp_path):
    """Return a function that writes the condensed stars with some arrays replaced."""
    path = tmp_path / "star_model_coeffs_redrock" / "redrock_star_basis_1A_and_coeffs.npz"
    path.parent.mkdir()
    basis = np.ones((2, 80)) * np.linspace(1, 2, 80)
    arrays = {"wave": np.linspace(3000, 11000, 80)}
    for kind in ("A", "B", "F", "G", "K", "M", "WD", "CV"):
        arrays[f"basis_{kind}"] = basis
        arrays[f"coeff_{kind}"] = np.ones((3, 2))
    del arrays["coeff_CV"]

    def save(**replaced) -> Path:
        np.savez(path, **{key: value for key, value in (arrays | replaced).items() if value is not None})
        return path

    return save


def test_condensed_stars(condensed, tmp_path):
    padded = np.clip(np.ones((2, 80)) * np.arange(80), 5, 74)
    condensed(basis_CV=padded)
    bases = stars.read_star_basis(tmp_path)
    assert bases["CV"].wavelength.size == 70
    assert bases["A"].wavelength.size == 80


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"wave": np.linspace(300, 1100, 80)}, "expected Angstrom"),
        ({"coeff_G": None}, "no array coeff_G"),
        ({"coeff_G": np.ones((3, 4))}, "coeff_G: has shape 3 x 4; expected any x 2"),
        ({"coeff_G": np.full((3, 2), np.nan)}, "coeff_G: 6 of 6 values are not finite"),
        ({"basis_K": np.array([["a"] * 80])}, "not numbers"),
        ({"coeff_G": np.array([object()])}, "cannot be read.*pickle"),
    ],
)
def test_wrong_condensed_stars(condensed, refuses, replaced, words):
    refuses(stars.read_star_basis, condensed(**replaced), words)


def test_truncated_condensed_stars(condensed, refuses):
    path = condensed()
    content = path.read_bytes()
    for share in (0.0, 0.5, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        refuses(stars.read_star_basis, path, "cannot be read")


# tables


def test_tiles_match_bands_by_name(build, tmp_path, survey):
    build("tile-images")
    tiles = instrument.read_tile_images(tmp_path, survey)
    assert list(tiles.tile) == ["11", "12"]
    assert tiles.depth == pytest.approx(np.tile(20 + np.arange(60) / 100, (2, 1)))
    assert tiles.fwhm[:, 0] == pytest.approx([1.011, 1.012])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\n3,12,", "\n3,12,A-12_iSDSS_swp,20,1\n3,12,", "is not in the image"),
        ("\n7,12,", "\n77,12,", "77.*is unknown"),
        ("FWHMG", "OTHER", "no column FWHMG"),
        (",20.", ",", "expected 10 to 35 mag|has no DEPTH3ARC5S"),
        (",1.012", ",none", "cannot be read"),
        (",1.012", ",nan", "not finite"),
    ],
)
def test_wrong_tiles(build, refuses, survey, old, new, words):
    path = build("tile-images")
    path.write_text(path.read_text().replace(old, new))
    refuses(lambda pack: instrument.read_tile_images(pack, survey), path, f"({words})")


def test_a_cut_filter_table(build, tmp_path, survey):
    path = build("tile-images").with_name("minijpas.Filter.csv")
    lines = path.read_text().splitlines()
    for text, words in ((lines[:-1], "has no filter uJAVA"), ([*lines, lines[5]], "there twice")):
        path.write_text("\n".join(text))
        with pytest.raises(InputError, match=f"Filter.csv: .*{words}"):
            instrument.read_tile_images(tmp_path, survey)


def test_a_band_twice_or_not_at_all(build, refuses, survey):
    path = build("tile-images")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[5]]))
    refuses(lambda pack: instrument.read_tile_images(pack, survey), path, "tile 12 has band .* twice")
    path.write_text("\n".join([*lines[:5], *lines[6:]]))
    refuses(lambda pack: instrument.read_tile_images(pack, survey), path, "tile 12 has no image in ")


def test_a_tile_in_both_tables(build, refuses, survey):
    path = build("tile-images")
    path.with_name("jnep.TileImage.csv").write_bytes(path.read_bytes())
    refuses(lambda pack: instrument.read_tile_images(pack, survey), path, "share a REF_TILE_ID")


def test_sdss_photometry_sentinels_and_classes(tmp_path, refuses):
    path = tmp_path / "sdss_photometry_check" / "skyserver_dr14_10k.csv"
    path.parent.mkdir()
    text = "u,g,r,i,redshift,class\n-9999,19,18,17,0.1,GALAXY\n20,19,18,17,-0.0001,STAR\n"
    path.write_text(text)
    sample = checks.read_sdss_photometry(tmp_path)
    assert sample.u == pytest.approx([np.nan, 20.0], nan_ok=True)
    assert list(sample.true_class) == ["galaxy", "star"]
    path.write_text(text.replace("GALAXY", "COMET"))
    refuses(checks.read_sdss_photometry, path, "class COMET; expected STAR, GALAXY, QSO")
    path.write_text(text.replace("20,", "-20,"))
    refuses(checks.read_sdss_photometry, path, "column u")


# the atlas


def write_spectrum(pack: Path, flux: np.ndarray) -> Path:
    path = pack / "galaxy_kcorrect" / "storchi_calzetti_kinney" / "ngc1140.fits"
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu = fits.PrimaryHDU(flux.astype(np.float32))
    hdu.header["CRVAL1"], hdu.header["CDELT1"] = 1100.0, 10.0
    hdu.writeto(path, overwrite=True)
    return path


def test_empty_ends_and_gaps_of_the_atlas(tmp_path, refuses):
    flux = np.ones(700)
    flux[:10], flux[650:], flux[100:120], flux[300] = 0, 0, 0, 0
    path = write_spectrum(tmp_path, flux)
    (spectrum,) = galaxies.read_galaxy_atlas(tmp_path)
    assert spectrum.wavelength[[0, -1]] == pytest.approx([1200, 7590])
    # a single zero is a measurement
    assert np.flatnonzero(~spectrum.measured) == pytest.approx(np.arange(90, 110))
    assert spectrum.activity == "starburst"
    write_spectrum(tmp_path, np.zeros(700))
    refuses(galaxies.read_galaxy_atlas, path, "only zeros")
    write_spectrum(tmp_path, np.where(np.arange(700) < 200, 1, 0))
    refuses(galaxies.read_galaxy_atlas, path, "cover 5000 to 7000")


def test_gaps_of_the_atlas_that_are_not_quite_empty(tmp_path):
    # what a spline leaves where nothing was measured
    flux = np.ones(700)
    flux[100:120], flux[300:302] = 1e-6 * np.sin(np.arange(20)), 0.01
    write_spectrum(tmp_path, flux)
    (spectrum,) = galaxies.read_galaxy_atlas(tmp_path)
    assert np.flatnonzero(~spectrum.measured) == pytest.approx(np.arange(100, 120))
    assert not spectrum.flux[100:120].any()
    assert spectrum.flux[300:302] == pytest.approx(0.01)


def test_a_galaxy_that_the_list_lacks():
    assert galaxies.activity_of("ngc9999") == "unknown"
