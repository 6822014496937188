"""Tables of J-PAS as a TAP service gives them: VOTable, lower case, int32[57] flags, no FILTER table in the file."""

import numpy as np
import pytest
from astropy.table import Table

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.storage.tables.tables import iterate_raw
from tests.photometry.real_table import ROWS, magnitude_columns

J57 = load_survey("jpas57")


@pytest.fixture
def filters(tmp_path):
    """Return jpas.Filter as its users save it."""
    lines = ["filter_id,name,wavelength,width,kx,color_representation"]
    lines += [
        f"{number},{band.name},{band.wavelength},{band.width},1.5,#CC00FF"
        for number, band in enumerate(J57.bands, start=1)
    ]
    path = tmp_path / "jpas_filter.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write(path):
    columns = magnitude_columns()
    columns["mag_aper_cor_3_0"][0, 3] = columns["mag_err_aper_cor_3_0"][0, 3] = 99.0
    columns["flags"][1, 7] = 2
    table = Table(columns)
    for name in ("mag_aper_cor_3_0", "mag_err_aper_cor_3_0"):
        table[name].unit = "mag"
    table["alpha_j2000"].unit = table["delta_j2000"].unit = "deg"
    assert table["flags"].dtype == np.int32
    table.write(path, format="votable", table_id="result")


def test_a_votable_with_its_filter_table(tmp_path, filters):
    path = tmp_path / "jpas.vot"
    write(path)
    (raw,) = iterate_raw(path, J57, filter_table=filters)
    result = normalise(raw, J57, QualityCuts())
    assert result.reasons() == {"flags": 1}
    assert normalise(raw, J57, QualityCuts(flagged="band")).accepted.num_rows == ROWS
    photometry = photometry_from_table(result.accepted, J57)
    assert photometry.flux[0, 3] == 0
    np.testing.assert_allclose(ab_magnitude(photometry.flux[1:]), 21.4, rtol=1e-6)
    assert result.accepted["object_id"][0].as_py() == "7-1"


def test_without_a_filter_table_it_has_no_order(tmp_path):
    path = tmp_path / "jpas.vot"
    write(path)
    with pytest.raises(InputError, match=r"name a filter table \(filter_table = ...\)"):
        next(iterate_raw(path, J57))


def test_a_filter_table_that_was_sorted_by_name_and_numbered_again(tmp_path, filters):
    path = tmp_path / "jpas.vot"
    write(path)
    header, *lines = filters.read_text().splitlines()
    names = sorted(line.split(",", 1)[1] for line in lines)
    filters.write_text("\n".join([header, *(f"{n},{name}" for n, name in enumerate(names, 1))]) + "\n")
    (raw,) = iterate_raw(path, J57, filter_table=filters)
    with pytest.raises(InputError, match="wrong order of its filter table: it lists J0378 at place 1"):
        normalise(raw, J57, QualityCuts())


def test_a_filter_table_without_the_detection_band(tmp_path, filters):
    path = tmp_path / "jpas.vot"
    write(path)
    filters.write_text("\n".join(filters.read_text().splitlines()[:-1]) + "\n")
    (raw,) = iterate_raw(path, J57, filter_table=filters)
    with pytest.raises(InputError, match=r"1 of the 57 bands of survey 'jpas57' are missing.*iSDSS"):
        normalise(raw, J57, QualityCuts())
