"""Template spectra: what is published can be read, and whatever is wrong with a file is refused by its name."""

import gzip
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import templates
from jpasbatch.mocks.packs.further_sources import FURTHER_SOURCES
from jpasbatch.mocks.packs.status import READERS, check_pack
from tests.mocks.packs.template_files import WAVELENGTH, write_template_source

KEYS = [entry.key for entry in FURTHER_SOURCES]
NUMBERS = {
    "active-galaxies": 20,
    "galaxy-sequence": 31,
    "galaxies-with-lines": 7,
    "blue-galaxies": 71,
    "hot-white-dwarfs": 4,
    "brown-dwarfs": 25,
}


@pytest.mark.parametrize("key", KEYS)
def test_published_templates_can_be_read(data_folder, key):
    spectra = READERS[key](data_folder)
    assert len(spectra) == len({one.name for one in spectra}) == NUMBERS[key]
    for one in spectra:
        assert one.wavelength.shape == one.flux.shape
        assert (np.diff(one.wavelength) > 0).all()
        assert (one.flux >= 0).all()
        assert one.wavelength[0] < 3000
        assert one.wavelength[-1] > 11_000


def test_names_are_those_of_the_files(data_folder):
    assert "Sey2_template_norm" in {one.name for one in templates.read_active_galaxies(data_folder)}
    assert "lte08-4.5-0.0.AMES-cond.7" in {one.name for one in templates.read_brown_dwarfs(data_folder)}
    assert {"4590", "corr_sfhz_13_bin0_av0.01-13"} <= {
        one.name for one in templates.read_blue_galaxies(data_folder)
    }


@pytest.mark.parametrize("key", KEYS)
def test_files_may_be_compressed(tmp_path, key):
    path = write_template_source(tmp_path, key)
    plain = READERS[key](tmp_path)
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    packed = READERS[key](tmp_path)
    assert [one.name for one in packed] == [one.name for one in plain]
    assert np.array_equal(packed[-1].flux, plain[-1].flux)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_cut_file_is_named(tmp_path, key, share):
    path = write_template_source(tmp_path, key)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=re.escape(str(path))):
        READERS[key](tmp_path)


@pytest.mark.parametrize("key", KEYS)
def test_the_check_of_a_pack_names_a_damaged_file(tmp_path, capsys, monkeypatch, key):
    monkeypatch.setenv("COLUMNS", "200")
    path = write_template_source(tmp_path, key)
    path.write_bytes(path.read_bytes()[:500] + b"\x00\xff not a number \n")
    assert check_pack(tmp_path).damaged == (key,)
    assert main(["templates", "check", str(tmp_path)]) == 2
    assert f"{key} is damaged: {path}" in capsys.readouterr().out


@pytest.mark.parametrize("key", KEYS)
def test_a_pack_without_them_says_so(tmp_path, key):
    status = check_pack(tmp_path)
    assert key in status.lacking
    (message,) = (entry.message for entry in status.sources if entry.source.key == key)
    assert "published at github.com" in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("4000.0 x", "line 3: expected two numbers"),
        ("4000.0", "line 3: expected two numbers"),
        ("nan 1.0", "wavelength: 1 of"),
        ("320.5 inf", "flux: 1 of"),
        ("320.5 -1.0", "must not be negative"),
        ("40000.0 1.0", "must increase"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, words):
    path = write_template_source(tmp_path, "hot-white-dwarfs")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[2:]]))
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}.*{words}"):
        templates.read_hot_white_dwarfs(tmp_path)


@pytest.mark.parametrize("key", [key for key in KEYS if key != "blue-galaxies"])
def test_nanometres_are_refused(tmp_path, key):
    path = write_template_source(tmp_path, key)
    rows = (f"{one / 10:.5f} 1.0" for one in WAVELENGTH)
    path.write_text("\n".join(rows))
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}.*expected Angstrom"):
        READERS[key](tmp_path)


def test_a_coarse_spectrum_is_refused(tmp_path):
    path = write_template_source(tmp_path, "hot-white-dwarfs")
    path.write_text("\n".join(f"{one:.1f} 1.0" for one in np.geomspace(320.0, 30_000.0, 100)))
    with pytest.raises(InputError, match=r"points from 3000 to 11000 Angstrom"):
        templates.read_hot_white_dwarfs(tmp_path)


def test_the_first_of_two_values_at_a_wavelength_counts(tmp_path):
    path = write_template_source(tmp_path, "hot-white-dwarfs")
    lines = path.read_text().splitlines()
    twice = lines[700].split()[0]
    path.write_text("\n".join([*lines[:701], f"{twice} 7.0", *lines[701:]]))
    spectrum = templates.read_hot_white_dwarfs(tmp_path)[-1]
    assert spectrum.wavelength.size == WAVELENGTH.size
    assert spectrum.flux.max() < 7.0


def test_exponents_as_fortran_writes_them(tmp_path):
    path = write_template_source(tmp_path, "brown-dwarfs")
    lines = path.read_text().splitlines()
    lines[1] = f"{WAVELENGTH[0]:.4f} 0.127350-100"
    lines[2] = f"{WAVELENGTH[1]:.4f} 0.5D-03"
    path.write_text("\n".join(lines))
    flux = templates.read_brown_dwarfs(tmp_path)[-1].flux
    assert flux[:2].tolist() == [0.127350e-100, 0.5e-3]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_garbage_is_refused_or_read(tmp_path, data):
    key = data.draw(st.sampled_from(["hot-white-dwarfs", "blue-galaxies"]))
    path = write_template_source(tmp_path, key)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6), label="hits")):
        place = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=12))
        content[place : place + len(piece)] = piece
    path.write_bytes(bytes(content))
    spectra, refusal = [], str(path)
    try:
        spectra = READERS[key](tmp_path)
    except InputError as error:
        refusal = str(error)
    assert str(path) in refusal
    for one in spectra:
        assert np.isfinite(one.flux).all()
        assert (one.flux >= 0).all()
