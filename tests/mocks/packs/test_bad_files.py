"""Whatever is wrong with a file is refused, and the message names the file."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import galaxies, instrument, quasars, reading, stars

READERS = {
    "quasar-pca": quasars.read_quasar_pca,
    "bal-troughs": quasars.read_bal_troughs,
    "forbidden-lines": galaxies.read_forbidden_mixture,
    "desi-elg": galaxies.read_elg,
    "kcorrect": galaxies.read_kcorrect,
    "star-basis": stars.read_star_basis,
}


@pytest.mark.parametrize("key", READERS)
def test_small_packs_can_be_read_compressed_or_not(build, tmp_path, key):
    path = build(key)
    plain = READERS[key](tmp_path)
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    packed = READERS[key](tmp_path)
    assert type(packed) is type(plain)


@pytest.mark.parametrize("key", READERS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_a_truncated_file(build, refuses, key, share):
    path = build(key)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuses(READERS[key], path, "")


def test_a_file_without_its_padding_is_whole(build, tmp_path):
    path = build("forbidden-lines")
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    assert galaxies.read_forbidden_mixture(tmp_path).weights.shape == (6,)
    path.write_bytes(content[:-2200])
    with pytest.raises(InputError, match="truncated"):
        galaxies.read_forbidden_mixture(tmp_path)


def test_a_file_cut_in_a_header_that_nobody_needs(build, tmp_path, refuses, change):
    path = build("forbidden-lines")
    change(path, lambda hdus: hdus.append(fits.ImageHDU(np.ones(3))))
    assert galaxies.read_forbidden_mixture(tmp_path).weights.shape == (6,)
    content = path.read_bytes()
    path.write_bytes(content[: -2 * 2880 + 400])
    refuses(galaxies.read_forbidden_mixture, path, "its last 400 bytes are no HDU")


@pytest.mark.parametrize("key", READERS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_truncated_compressed_file(build, refuses, key, share):
    path = build(key)
    content = gzip.compress(path.read_bytes())
    path.unlink()
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(content[: int(share * len(content))])
    refuses(READERS[key], packed, "cannot be read")


def test_a_garbled_compressed_file(build, refuses):
    path = build("bal-troughs")
    content = bytearray(gzip.compress(path.read_bytes()))
    path.unlink()
    packed = path.with_name(path.name + ".gz")
    content[len(content) // 2] ^= 0xFF
    packed.write_bytes(content)
    refuses(quasars.read_bal_troughs, packed, "cannot be read")


@pytest.mark.parametrize("key", READERS)
def test_a_missing_file_says_where_it_is_published(build, tmp_path, key):
    path = build(key)
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name}.*published at github.com"):
        READERS[key](tmp_path)


def test_a_web_page_in_place_of_a_file(build, refuses):
    path = build("quasar-pca")
    path.write_text("<!DOCTYPE html><html>Not found</html>" * 200)
    refuses(quasars.read_quasar_pca, path, "cannot be read")


# units


def test_quasars_in_nanometres(build, refuses, change):
    path = build("quasar-pca")
    change(path, lambda hdus: hdus["SDSS_EIGEN_WAVE"].data.__itruediv__(10))
    refuses(quasars.read_quasar_pca, path, "from 45 to 1038.5; expected Angstrom")


def test_wide_templates_in_nanometres(build, tmp_path, change):
    build("kcorrect")
    path = tmp_path / "galaxy_kcorrect" / "kcorrect-default-v4.fits"
    change(path, lambda hdus: hdus["FLUX"].data["wave"].__itruediv__(10))
    with pytest.raises(InputError, match=r"kcorrect-default-v4.*from 60 .*expected Angstrom"):
        galaxies.read_kcorrect(tmp_path)


def test_a_grid_of_stars_in_micrometres(build, refuses, change):
    path = build("star-basis").with_name("rrtemplate-STAR-G-v0.1.fits")
    change(path, lambda hdus: hdus[0].header.update(CRVAL1=0.3, CDELT1=0.01))
    refuses(stars.read_star_basis, path, "expected Angstrom")


def test_curves_in_nanometres(build, refuses, survey):
    path = build("filter-curves")
    path.write_text("\n".join(f"{wavelength / 10} 0.5" for wavelength in range(3000, 11000, 50)))
    refuses(lambda pack: instrument.read_filter_curves(pack, survey), path, "expected Angstrom")


@pytest.mark.parametrize(
    ("wavelength", "words"),
    [
        ([4000.0, 4000.0, 9000.0], "must increase"),
        ([9000.0, 4000.0], "must increase"),
        ([4000.0, np.nan, 9000.0], "finite"),
        ([4000.0], "two or more"),
        ([4600.0, 9000.0], "cover 4500 to 8500"),
        ([4000.0, 8000.0], "cover 4500 to 8500"),
        ([400.0, 9000.0], "cover 4500 to 8500"),
    ],
)
def test_wavelengths(wavelength, words):
    with pytest.raises(InputError, match=f"some.fits.*{words}"):
        reading.check_wavelength(np.array(wavelength), 4500, 8500, Path("some.fits"))


# values


def test_a_negative_trough(build, refuses, change):
    path = build("bal-troughs")
    change(path, lambda hdus: hdus["METADATA"].data["TEMP"].__setitem__((3, 40), -0.01))
    refuses(quasars.read_bal_troughs, path, "must not be negative")


@pytest.mark.parametrize(("lowest", "accepted"), [(-0.0009, True), (-0.01, False)])
def test_a_negative_curve(build, refuses, tmp_path, survey, lowest, accepted):
    path = build("filter-curves")
    path.write_text(path.read_text().replace("8000 0.5", f"8000 {lowest}"))
    if accepted:
        responses = instrument.read_filter_curves(tmp_path, survey)
        assert min(response.transmission.min() for response in responses) == 0
    else:
        refuses(lambda pack: instrument.read_filter_curves(pack, survey), path, "must not be negative")


def test_curves_that_are_no_table(build, refuses, survey):
    path = build("filter-curves")
    for text, words in (("4000 x\n", "cannot be read"), ("4000\n5000\n", "two columns"), ("", "two columns")):
        path.write_text(text)
        refuses(lambda pack: instrument.read_filter_curves(pack, survey), path, words)
    path.write_text("3000 nan\n9000 0.1\n")
    refuses(lambda pack: instrument.read_filter_curves(pack, survey), path, "not finite")


def test_coefficients_that_are_not_finite(build, refuses, change):
    path = build("quasar-pca")
    change(path, lambda hdus: hdus["SDSS_PCA"].data["PCA2"].__setitem__(1, np.nan))
    refuses(quasars.read_quasar_pca, path, "PCA2.* 1 of 2 values are not finite")


def test_coefficients_of_stars_that_are_not_finite(build, refuses, change):
    path = build("star-basis").with_name("rrtemplate-STAR-K-v0.1.fits")
    change(path, lambda hdus: hdus[1].data.__setitem__((2, 2), np.inf))
    refuses(stars.read_star_basis, path, "not finite")


def test_a_missing_column(build, refuses, change):
    path = build("quasar-pca")
    change(path, lambda hdus: hdus["BOSS_PCA"].columns.del_col("PCA3"))
    refuses(quasars.read_quasar_pca, path, "no column PCA3; found PCA0, PCA1, PCA2")


@pytest.mark.parametrize("name", ["BOSS_Z", "SDSS_PCA", "SDSS_EIGEN", "SDSS_EIGEN_WAVE"])
def test_a_missing_hdu(build, refuses, name, change):
    path = build("quasar-pca")
    change(path, lambda hdus: hdus.pop(hdus.index_of(name)))
    refuses(quasars.read_quasar_pca, path, f"no HDU '{name}'; found PRIMARY")


def test_a_table_in_place_of_an_image(build, refuses, change):
    path = build("quasar-pca")
    change(path, lambda hdus: hdus.__setitem__("BOSS_Z", fits.BinTableHDU(hdus[1].data, name="BOSS_Z")))
    refuses(quasars.read_quasar_pca, path, "is a table")


def test_a_wrong_shape(build, refuses, change):
    path = build("quasar-pca")
    change(path, lambda hdus: setattr(hdus["SDSS_EIGEN"], "data", hdus["SDSS_EIGEN"].data[:3]))
    refuses(quasars.read_quasar_pca, path, "has shape 3 x 60; expected 4 x any")


def test_another_number_of_redshifts(build, refuses, change):
    path = build("quasar-pca")
    change(path, lambda hdus: setattr(hdus["BOSS_Z"], "data", hdus["BOSS_Z"].data[:2]))
    refuses(quasars.read_quasar_pca, path, "BOSS_Z.*has shape 2; expected 3")


def test_text_in_place_of_numbers(build, refuses, change):
    path = build("bal-troughs")

    def replaced(hdus):
        columns = [column for column in hdus["METADATA"].columns if column.name != "PLATE"]
        columns += [fits.Column("PLATE", "4A", array=["3586"] * 54)]
        header = hdus["METADATA"].header
        kept = {key: header[key] for key in ("CRVAL1", "CDELT1")}
        table = fits.BinTableHDU.from_columns(columns, name="METADATA")
        table.header.update(kept)
        hdus["METADATA"] = table

    change(path, replaced)
    refuses(quasars.read_bal_troughs, path, "not numbers")


def test_a_grid_without_step(build, refuses, change):
    path = build("bal-troughs")
    change(path, lambda hdus: hdus["METADATA"].header.remove("CDELT1"))
    refuses(quasars.read_bal_troughs, path, "CDELT1.*is missing")
    change(path, lambda hdus: hdus["METADATA"].header.update(CDELT1="wide"))
    refuses(quasars.read_bal_troughs, path, "CDELT1.*'wide'; a number is expected")


def test_no_mixture(build, refuses, change):
    path = build("forbidden-lines")
    change(path, lambda hdus: hdus["COVARS"].data.__imul__(-1))
    refuses(galaxies.read_forbidden_mixture, path, "not positive definite")


def test_too_few_archetypes(build, refuses, change):
    path = build("desi-elg")
    change(path, lambda hdus: setattr(hdus[1], "data", hdus[1].data[:499]))
    refuses(galaxies.read_elg, path, "499 archetypes")


# anything at all


@pytest.mark.parametrize("key", ["quasar-pca", "bal-troughs", "desi-elg", "forbidden-lines"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_garbage_is_refused_or_read(build, tmp_path, key, data):
    path = build(key)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content)), label="length")]
    # headers are small: half of the damage goes there
    reach = st.one_of(st.integers(0, max(len(content) - 1, 0)), st.integers(0, 2880))
    for _ in range(data.draw(st.integers(0, 6), label="hits")):
        place = data.draw(reach)
        piece = data.draw(st.binary(min_size=1, max_size=12))
        content[place : place + len(piece)] = piece
    if data.draw(st.booleans(), label="compressed"):
        content = bytearray(gzip.compress(bytes(content)))
        if data.draw(st.booleans(), label="cut again"):
            content = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(content)
    refusal = str(path)
    try:
        READERS[key](tmp_path)
    except InputError as error:
        refusal = str(error)
    assert str(path) in refusal
