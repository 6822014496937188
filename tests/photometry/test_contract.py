"""Numbers that look like fluxes and are none: refused by name, or quarantined and counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.contract import (
    ERROR_NOT_PLAUSIBLE,
    NOT_PLAUSIBLE,
    SENTINEL,
    Contract,
    implausible_fluxes,
)
from jpasbatch.photometry.examination import examine
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.raw_table import RawTable

ROWS = 40
FLUX, ERROR = "FLUX_APER_3_0", "FLUX_RELERR_APER_3_0"
UNIT = "1e-19 erg/s/cm2/A"


@pytest.fixture
def columns(survey) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shape = (ROWS, len(survey.bands))
    return {
        "TILE_ID": np.full(ROWS, 2406),
        "NUMBER": np.arange(ROWS),
        "ALPHA_J2000": rng.uniform(214, 215, ROWS),
        "DELTA_J2000": rng.uniform(52, 53, ROWS),
        FLUX: rng.lognormal(4, 1, shape).astype(np.float32),
        ERROR: rng.uniform(0.01, 0.2, shape).astype(np.float32),
        "FLAGS": np.zeros(shape, np.int32),
        "MASK_FLAGS": np.zeros(shape, np.int32),
    }


def judge(columns, survey, units=None, bands=None, **cuts):
    stated = {FLUX: UNIT, "ALPHA_J2000": "deg", "DELTA_J2000": "deg"} if units is None else units
    return normalise(
        RawTable(columns, stated, bands or survey.band_names, "tile.fits"), survey, QualityCuts(**cuts)
    )


@pytest.mark.parametrize("number", [1e20, -1e20, 1e30, -1e30, 9.9e25])
def test_a_flux_that_no_object_has_sends_its_row_to_quarantine(number, columns, survey):
    columns[FLUX][3, 7] = number
    found = judge(columns, survey)
    assert found.reasons() == {NOT_PLAUSIBLE: 1}
    assert found.rejected["row"].to_pylist() == [3]


@pytest.mark.parametrize("number", [-99.0, -999.0, -9999.0])
def test_a_number_for_none_is_a_band_that_was_not_observed(number, columns, survey):
    columns[FLUX][3, 7] = number
    columns[FLUX][4, survey.reference_index] = number
    found = judge(columns, survey)
    assert found.reasons() == {"reference band not observed": 1}
    assert found.values[SENTINEL] == 2
    flux = np.array(found.accepted["flux"].to_pylist())
    assert np.argwhere(np.isnan(flux)).tolist() == [[3, 7]]


def test_an_error_that_no_instrument_reaches_is_none(columns, survey):
    columns[ERROR][2, 5] = 1e-14
    assert judge(columns, survey).reasons() == {NOT_PLAUSIBLE: 1}


def test_noise_as_near_to_zero_as_it_likes_is_kept(columns, survey):
    columns[FLUX][2, 5], columns[ERROR][2, 5] = 1e-8, 1e9
    assert not judge(columns, survey).reasons()
    columns[ERROR][2, 5] = 0.1
    assert judge(columns, survey).reasons() == {NOT_PLAUSIBLE: 1}


def test_fluxes_of_another_byte_order_are_refused(columns, survey):
    columns[FLUX] = columns[FLUX].byteswap()
    with pytest.raises(InputError, match=r"tile.fits: flux not plausible in .* byte order"):
        judge(columns, survey)


@pytest.mark.parametrize("absolute", [200.0, 3.0])
def test_absolute_errors_in_the_column_of_relative_ones_are_refused(absolute, columns, survey):
    columns[FLUX] = (columns[FLUX] * 10).astype(np.float32)
    columns[ERROR][:] = absolute
    with pytest.raises(InputError, match=r"relative error not plausible in .*errors seem to be absolute"):
        judge(columns, survey)


def test_a_single_row_of_absolute_errors_is_quarantined(columns, survey):
    columns[ERROR][9] = 70.0
    assert judge(columns, survey).reasons() == {ERROR_NOT_PLAUSIBLE: 1}


def test_faint_objects_may_have_large_relative_errors(columns, survey):
    columns[FLUX][:] = 0.5
    columns[ERROR][:] = 8.0
    assert not judge(columns, survey).reasons()


def test_right_ascensions_in_hours_are_refused(columns, survey):
    columns["ALPHA_J2000"] /= 15
    with pytest.raises(InputError, match="may be hours, and no unit is stated"):
        judge(columns, survey, units={FLUX: UNIT})
    many = {name: np.concatenate([values] * 10) for name, values in columns.items()}
    many["NUMBER"] = np.arange(10 * ROWS)
    many["DELTA_J2000"] = np.linspace(50, 53, 10 * ROWS)
    with pytest.raises(InputError, match="right ascensions seem to be in hours"):
        judge(many, survey)


def test_a_field_at_small_right_ascensions_is_read(columns, survey):
    columns["ALPHA_J2000"] = np.linspace(3, 4.5, ROWS)
    assert judge(columns, survey).accepted.num_rows == ROWS


def test_a_flag_of_a_band_that_is_not_read_rejects_nothing(columns, survey):
    bands = (*survey.band_names, "J9999")
    for name in (FLUX, ERROR, "FLAGS", "MASK_FLAGS"):
        columns[name] = np.concatenate([columns[name], columns[name][:, :1]], axis=1)
    for name in ("FLAGS", "MASK_FLAGS"):
        columns[name][:5, -1] = 4
        columns[name] = np.ma.MaskedArray(columns[name])
        columns[name][6, -1] = np.ma.masked
    columns["FLAGS"][8, 3] = 4
    assert judge(columns, survey, bands=bands).reasons() == {"flags": 1}
    assert judge(columns, survey, bands=bands, flagged="band").accepted.num_rows == ROWS


def test_a_flag_beyond_32_bits_of_a_band_that_is_not_read_refuses_nothing(columns, survey):
    bands = (*survey.band_names, "J9999")
    for name in (FLUX, ERROR, "FLAGS", "MASK_FLAGS"):
        columns[name] = np.concatenate([columns[name], columns[name][:, :1]], axis=1)
    columns["FLAGS"] = columns["FLAGS"].astype(np.int64)
    columns["FLAGS"][0, -1] = 1 << 40
    assert judge(columns, survey, bands=bands).accepted.num_rows == ROWS


@pytest.mark.parametrize("flags", [2**31, -1, 2**70])
def test_bits_beyond_an_integer_of_32_are_no_option(flags):
    with pytest.raises(ValueError, match="flags"):
        QualityCuts(flags=flags)


@pytest.mark.parametrize(("name", "words"), [("x" * 31, "more than 30 letters"), ("étoile", "are not ASCII")])
def test_ids_that_no_target_list_holds_are_refused_at_once(name, words, columns, survey):
    texts = replace(survey, catalogue=replace(survey.catalogue, id_columns=("NAME",), id_type="string"))
    columns["NAME"] = np.array([f"object {row}" for row in range(ROWS)], dtype="U40")
    assert judge(columns, texts).accepted.num_rows == ROWS
    columns["NAME"][7] = name
    with pytest.raises(InputError, match=rf"tile.fits: 1 ids .*{words}.*{name}"):
        judge(columns, texts)
    raw = RawTable(columns, {FLUX: UNIT}, survey.band_names, "tile.fits")
    assert any(words in problem for problem in examine(raw, texts, QualityCuts()).problems)


def test_limits_are_data_of_the_survey(columns, survey):
    columns[FLUX][3, 7] = -99.0
    own = replace(survey, catalogue=replace(survey.catalogue, contract=Contract(flux_sentinels=())))
    found = judge(columns, own)
    assert not found.values[SENTINEL]
    with pytest.raises(ValueError, match="brightest"):
        Contract(brightest=50.0)


@settings(max_examples=60, deadline=None)
@given(
    flux=st.floats(1e-2, 1e7),
    signal_to_noise=st.floats(1e-3, 1e4),
)
def test_whatever_a_telescope_measures_is_plausible(flux, signal_to_noise):
    values = np.array([[flux, -flux / signal_to_noise]], dtype=np.float32)
    errors = np.full((1, 2), flux / signal_to_noise, dtype=np.float32)
    assert not implausible_fluxes(values, errors, Contract()).any()
