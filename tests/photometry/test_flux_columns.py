"""Apertures, and single values that cannot be what they say."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.flux_conversion import CONTRADICTION, NEAR_ZERO, UNUSABLE
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from tests.photometry.real_table import J57, ROWS, flux_columns, magnitude_columns, read

AT_6 = load_survey("jpas57", "6_0")


def photometry_of(columns, survey=J57):
    return photometry_from_table(read(columns, survey).accepted, J57)


def test_the_columns_of_the_survey_as_they_are():
    photometry = photometry_of(magnitude_columns())
    assert photometry.flux.shape == (ROWS, 57)
    np.testing.assert_allclose(ab_magnitude(photometry.flux), 21.4, rtol=1e-6)
    np.testing.assert_allclose(photometry_of(flux_columns()).flux, 10.0, rtol=1e-6)


def test_the_chosen_aperture_is_read():
    columns = magnitude_columns() | {
        "mag_aper_6_0": np.full((ROWS, 57), 20.0),
        "mag_err_aper_6_0": np.full((ROWS, 57), 0.1),
    }
    np.testing.assert_allclose(ab_magnitude(photometry_of(columns, AT_6).flux), 20.0, rtol=1e-6)
    np.testing.assert_allclose(ab_magnitude(photometry_of(columns).flux), 21.4, rtol=1e-6)


def test_an_aperture_that_the_table_lacks_lists_those_that_it_has():
    with pytest.raises(InputError) as caught:
        read(
            magnitude_columns() | {"mag_auto": np.ones((ROWS, 57)), "mag_err_auto": np.ones((ROWS, 57))}, AT_6
        )
    message = str(caught.value)
    assert "no photometry of aperture '6_0' (FLUX_APER_6_0 or MAG_APER_6_0)" in message
    assert "it has 3_0_cor, auto: choose one by [catalogue] aperture" in message


def test_a_missing_error_column_is_named_rather_than_another_aperture():
    columns = magnitude_columns()
    columns["mag_err_aper_6_0"] = columns.pop("mag_err_aper_cor_3_0")
    with pytest.raises(InputError, match="'FLUX_APER_COR_3_0' is missing"):
        read(columns)


def test_an_aperture_that_the_survey_lacks_is_named():
    with pytest.raises(InputError, match=r"aperture = '5_0': allowed are 3_0_cor, 6_0_cor, 0_8"):
        load_survey("jpas57", "5_0")
    with pytest.raises(InputError, match="publishes one aperture; leave the key out"):
        load_survey("nepw14", "3_0")


def test_the_relative_error_of_a_negative_flux_is_negative():
    columns = flux_columns()
    columns["flux_aper_cor_3_0"][0, 3], columns["flux_relerr_aper_cor_3_0"][0, 3] = -2.0, -4.0
    result = read(columns)
    photometry = photometry_from_table(result.accepted, J57)
    assert (photometry.flux[0, 3], photometry.flux_err[0, 3]) == (-2.0, 8.0)
    assert not result.values


def test_a_positive_flux_with_a_negative_relative_error_is_not_observed():
    columns = flux_columns()
    columns["flux_relerr_aper_cor_3_0"][0, 3] = -0.1
    columns["flux_relerr_aper_cor_3_0"][1, J57.reference_index] = -0.1
    result = read(columns)
    assert result.values == {CONTRADICTION: 2}
    assert result.reasons() == {"reference band not observed": 1}
    photometry = photometry_from_table(result.accepted, J57)
    assert np.argwhere(~photometry.observed).tolist() == [[0, 3]]


def test_a_magnitude_error_of_several_magnitudes_is_a_flux_near_zero():
    columns = magnitude_columns()
    columns["mag_aper_cor_3_0"][0, 3], columns["mag_err_aper_cor_3_0"][0, 3] = 27.3, 6.98
    result = read(columns)
    photometry = photometry_from_table(result.accepted, J57)
    assert photometry.signal_to_noise()[0, 3] == pytest.approx(2.5 / np.log(10) / 6.98, rel=1e-5)
    assert result.values == {NEAR_ZERO: 1}
    assert result.reasons() == {}


@pytest.mark.parametrize("error", [-0.2, 0.0, np.nan, np.inf])
def test_an_impossible_magnitude_error_is_unknown_and_counted(error):
    columns = magnitude_columns()
    columns["mag_err_aper_cor_3_0"][0, 3] = error
    result = read(columns)
    photometry = photometry_from_table(result.accepted, J57)
    assert np.isnan(photometry.flux_err[0, 3])
    assert photometry.flux[0, 3] > 0
    assert result.values == {UNUSABLE: 1}


def test_99_in_both_is_a_non_detection():
    columns = magnitude_columns()
    columns["mag_aper_cor_3_0"][0, 3] = columns["mag_err_aper_cor_3_0"][0, 3] = 99.0
    result = read(columns)
    photometry = photometry_from_table(result.accepted, J57)
    assert photometry.flux[0, 3] == 0
    assert np.isnan(photometry.flux_err[0, 3])
    assert not result.values


def test_rows_are_converted_each_by_itself(monkeypatch):
    columns = flux_columns()
    for row, value in enumerate((-99.0, np.nan, 1e30, -3.0, 0.0)):
        columns["flux_aper_cor_3_0"][row, 3] = value
    columns["flux_relerr_aper_cor_3_0"][4] = -1.0
    wanted = read(columns)
    assert wanted.rejected.num_rows > 0
    assert len(wanted.values) > 1
    monkeypatch.setattr("jpasbatch.photometry.flux_conversion.BLOCK_ROWS", 2)
    found = read(columns)
    assert found.values == wanted.values
    for name in ("flux", "flux_err"):
        np.testing.assert_array_equal(
            getattr(photometry_from_table(found.accepted, J57), name),
            getattr(photometry_from_table(wanted.accepted, J57), name),
        )
    assert found.rejected.equals(wanted.rejected)
