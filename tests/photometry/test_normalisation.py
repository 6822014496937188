"""What a file or a row can get wrong, one test each."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import REASONS, QualityCuts, RawTable, normalise
from jpasbatch.photometry.photometry import ab_magnitude, flux_lambda_from_nu
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import (
    catalogue_schema,
    matrix_of,
    photometry_from_table,
    quarantine_schema,
)

SURVEY = load_survey("jpas60")
NEPW = load_survey("nepw14")
UNIT = "1e-19 erg/s/cm2/A"
UNITS = {"ALPHA_J2000": "deg", "DELTA_J2000": "deg", "FLUX_APER_3_0": UNIT}
FLUX_UJY = 10.0
ROWS = 30


def make_columns(rows: int = ROWS) -> dict[str, np.ndarray]:
    """Return the columns of a tile as CEFCA publishes it: 10 microjansky everywhere, S/N 20."""
    flux = np.tile(flux_lambda_from_nu(FLUX_UJY, SURVEY.wavelengths) / 1e-19, (rows, 1)).astype(np.float32)
    return {
        "TILE_ID": np.full(rows, 2406, np.int32),
        "NUMBER": np.arange(1, rows + 1, dtype=np.int32),
        "ALPHA_J2000": np.linspace(214.0, 215.0, rows),
        "DELTA_J2000": np.linspace(52.0, 53.0, rows),
        "FLUX_APER_3_0": flux,
        "FLUX_RELERR_APER_3_0": np.full(flux.shape, 0.05, np.float32),
        "FLAGS": np.zeros(flux.shape, np.int16),
        "MASK_FLAGS": np.zeros(flux.shape, np.int16),
        "CLASS_STAR": np.full(rows, 0.9, np.float32),
    }


def make_raw(columns=None, **changes) -> RawTable:
    raw = RawTable(make_columns() if columns is None else columns, UNITS, SURVEY.band_names, "tile.fits")
    return replace(raw, **changes)


def run(columns=None, cuts=None, **changes):
    result = normalise(make_raw(columns, **changes), SURVEY, cuts or QualityCuts())
    n_rows = len(make_raw(columns))
    assert result.accepted.schema.equals(catalogue_schema(SURVEY), check_metadata=True)
    assert result.rejected.schema.equals(quarantine_schema())
    assert result.accepted.num_rows + result.rejected.num_rows == n_rows
    assert set(result.reasons()) <= set(REASONS)
    return result


def with_column(name, value, row=None, column=None) -> dict[str, np.ndarray]:
    columns = make_columns()
    if row is None:
        columns[name] = value
    elif column is None:
        columns[name][row] = value
    else:
        columns[name][row, column] = value
    return columns


def assert_same(found, expected):
    """Compare two canonical tables, NaN equal to NaN."""
    assert found.schema.equals(expected.schema, check_metadata=True)
    for name in expected.column_names:
        if name in ("flux", "flux_err"):
            width = expected.schema.field(name).type.list_size
            arrays = [matrix_of(table, name, width) for table in (found, expected)]
        else:
            arrays = [table.column(name).to_pylist() for table in (found, expected)]
        np.testing.assert_array_equal(*arrays, err_msg=name)


def refused(message, columns=None, cuts=None, **changes) -> str:
    with pytest.raises(InputError) as caught:
        normalise(make_raw(columns, **changes), SURVEY, cuts or QualityCuts())
    assert message in str(caught.value)
    assert "tile.fits" in str(caught.value)
    return str(caught.value)


def test_a_good_tile():
    result = run()
    assert result.accepted.num_rows == ROWS
    first = result.accepted.slice(0, 1).to_pylist()[0]
    assert first["object_id"] == "2406-1"
    assert first["tile"] == "2406"
    assert (first["ra"], first["dec"]) == (214.0, 52.0)
    assert first["true_class"] is None
    assert np.isnan(first["true_redshift"])
    photometry = photometry_from_table(result.accepted, SURVEY)
    np.testing.assert_allclose(photometry.flux, FLUX_UJY, rtol=1e-6)
    np.testing.assert_allclose(photometry.signal_to_noise(), 20, rtol=1e-6)


def test_no_rows():
    columns = {name: values[:0] for name, values in make_columns().items()}
    result = run(columns)
    assert result.accepted.num_rows == 0
    assert photometry_from_table(result.accepted, SURVEY).flux.shape == (0, 60)


# rows that go to quarantine


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ALPHA_J2000", np.nan, "ra not finite"),
        ("ALPHA_J2000", np.inf, "ra not finite"),
        ("ALPHA_J2000", 725.0, "ra out of range"),
        ("ALPHA_J2000", -200.0, "ra out of range"),
        ("DELTA_J2000", np.nan, "dec not finite"),
        ("DELTA_J2000", -np.inf, "dec not finite"),
        ("DELTA_J2000", 90.5, "dec out of range"),
        ("FLUX_APER_3_0", np.nan, "reference band not observed"),
        ("FLUX_APER_3_0", np.inf, "flux infinite"),
        ("FLUX_APER_3_0", 0.0, "reference flux not positive"),
        ("FLUX_APER_3_0", -3.0, "reference flux not positive"),
        ("FLAGS", 4, "flags"),
        ("MASK_FLAGS", 1, "mask_flags"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(name, value, reason):
    result = run(with_column(name, value, row=7), first_row=1000)
    assert result.reasons() == {reason: 1}
    rejected = result.rejected.to_pylist()[0]
    assert rejected["object_id"] == "2406-8"
    assert rejected["source"] == "tile.fits"
    assert rejected["row"] == 1007
    assert "2406-8" not in result.accepted.column("object_id").to_pylist()


def test_the_first_reason_of_the_list_counts():
    columns = with_column("FLAGS", 4, row=7)
    columns["DELTA_J2000"][7] = np.nan
    columns["FLUX_APER_3_0"][7] = -1
    assert run(columns).reasons() == {"dec not finite": 1}


@given(st.lists(st.tuples(st.sampled_from(range(ROWS)), st.integers(0, 5)), max_size=20))
def test_every_row_lands_in_exactly_one_table(faults):
    columns = make_columns()
    faulty = set()
    for row, kind in faults:
        name, value = [
            ("ALPHA_J2000", np.nan),
            ("DELTA_J2000", np.inf),
            ("FLUX_APER_3_0", -1.0),
            ("FLUX_APER_3_0", np.nan),
            ("FLAGS", 2),
            ("MASK_FLAGS", 8),
        ][kind]
        columns[name][row] = value
        faulty.add(row)
    result = run(columns, QualityCuts(maximum_rejected_fraction=1.0))
    assert set(result.rejected.column("row").to_pylist()) == faulty
    assert result.accepted.num_rows == ROWS - len(faulty)


@pytest.mark.parametrize("kind", ["scalar", "masked"])
def test_a_masked_id_is_missing(kind):
    columns = make_columns()
    mask = np.arange(ROWS) == 3
    columns["NUMBER"] = np.ma.MaskedArray(columns["NUMBER"], mask=mask)
    if kind == "scalar":  # as TAP clients give scalars
        columns["NUMBER"] = columns["NUMBER"].reshape(-1, 1)
    result = run(columns)
    assert result.reasons() == {"id missing": 1}
    assert result.rejected.to_pylist()[0]["object_id"] is None


def test_masked_flags_are_rejected():
    columns = make_columns()
    mask = np.zeros(columns["FLAGS"].shape, bool)
    mask[2, 5] = True
    columns["FLAGS"] = np.ma.MaskedArray(columns["FLAGS"], mask=mask)
    assert run(columns).reasons() == {"flags masked": 1}


def test_allowed_bits_pass_and_flags_are_a_union_over_bands():
    columns = with_column("FLAGS", 1, row=4, column=10)
    columns["FLAGS"][4, 11] = 2
    assert run(columns).reasons() == {"flags": 1}
    assert run(columns, QualityCuts(flags=1)).reasons() == {"flags": 1}
    result = run(columns, QualityCuts(flags=3))
    assert result.reasons() == {}
    assert result.accepted.column("flags")[4].as_py() == 3


def test_flags_of_one_value_an_object():
    columns = with_column("FLAGS", np.arange(ROWS) % 2)
    assert run(columns).reasons() == {"flags": ROWS // 2}


# bands that are missing, masked or not detected


def test_a_masked_or_nan_flux_is_not_observed():
    columns = make_columns()
    columns["FLUX_APER_3_0"][5, 0] = np.nan
    mask = np.zeros(columns["FLUX_APER_3_0"].shape, bool)
    mask[6, 0] = True
    columns["FLUX_APER_3_0"] = np.ma.MaskedArray(columns["FLUX_APER_3_0"], mask=mask)
    photometry = photometry_from_table(run(columns).accepted, SURVEY)
    assert np.isnan(photometry.flux[5:7, 0]).all()
    assert np.isnan(photometry.flux_err[5:7, 0]).all()
    assert photometry.observed.sum() == ROWS * 60 - 2


@pytest.mark.parametrize("sign", [1, -1])
def test_a_negative_flux_keeps_sign_and_error_whatever_the_sign_of_the_relative_error(sign):
    columns = with_column("FLUX_APER_3_0", -2.0, row=5, column=3)
    columns["FLUX_RELERR_APER_3_0"][5, 3] = sign * 4.0
    photometry = photometry_from_table(run(columns).accepted, SURVEY)
    assert photometry.flux[5, 3] < 0
    assert photometry.signal_to_noise()[5, 3] == pytest.approx(-0.25)


def test_a_flux_of_zero_is_a_catalogued_non_detection():
    columns = with_column("FLUX_APER_3_0", 0.0, row=5, column=3)
    photometry = photometry_from_table(run(columns).accepted, SURVEY)
    assert photometry.flux[5, 3] == 0
    assert np.isnan(photometry.flux_err[5, 3])
    assert photometry.observed[5, 3]


@pytest.mark.parametrize("error", [np.nan, 0.0, np.inf])
def test_an_unusable_error_is_nan_and_the_flux_stays(error):
    photometry = photometry_from_table(
        run(with_column("FLUX_RELERR_APER_3_0", error, row=5, column=3)).accepted, SURVEY
    )
    assert np.isnan(photometry.flux_err[5, 3])
    assert photometry.flux[5, 3] == pytest.approx(FLUX_UJY)


def magnitude_columns():
    columns = make_columns()
    del columns["FLUX_APER_3_0"], columns["FLUX_RELERR_APER_3_0"]
    columns["MAG_APER_3_0"] = np.full((ROWS, 60), 21.4, np.float32)
    columns["MAG_ERR_APER_3_0"] = np.full((ROWS, 60), 0.05, np.float32)
    return columns


MAGNITUDES = {"units": {"MAG_APER_3_0": "mag", "MAG_ERR_APER_3_0": "mag"}}


def test_magnitudes_and_their_sentinels():
    columns = magnitude_columns()
    columns["MAG_APER_3_0"][0, :3] = 99, -99, np.nan
    columns["MAG_ERR_APER_3_0"][0, :3] = 99, -99, np.nan
    columns["MAG_ERR_APER_3_0"][0, 3] = 99
    photometry = photometry_from_table(run(columns, **MAGNITUDES).accepted, SURVEY)
    np.testing.assert_allclose(ab_magnitude(photometry.flux[1:]), 21.4, rtol=1e-6)
    np.testing.assert_allclose(photometry.magnitudes(4)[1], 0.05, rtol=1e-5)
    assert photometry.flux[0, 0] == 0
    assert np.isnan(photometry.flux_err[0, :4]).all()
    assert photometry.observed[0, :4].tolist() == [True, False, False, True]


def test_an_undeclared_sentinel_is_no_magnitude():
    columns = magnitude_columns()
    columns["MAG_APER_3_0"][3, 8] = -999.0
    assert run(columns, **MAGNITUDES).reasons() == {"magnitude out of range": 1}


def test_fluxes_are_preferred_to_magnitudes():
    columns = magnitude_columns() | make_columns()
    assert photometry_from_table(run(columns).accepted, SURVEY).flux[0, 0] == pytest.approx(FLUX_UJY)


# units


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("10**(-19) erg s-1 cm-2 Angstrom-1", 1.0),
        ("1e-19 erg s-1 cm-2 AA-1", 1.0),
        ("1e-17 erg/(s cm2 Angstrom)", 100.0),
        ("1e-20 W m-2 um-1", 1.0 / 1e-19 * 1e-20 * 0.1),
    ],
)
def test_the_unit_of_the_file_counts(unit, factor):
    found = photometry_from_table(run(units=UNITS | {"FLUX_APER_3_0": unit}).accepted, SURVEY)
    np.testing.assert_allclose(found.flux, FLUX_UJY * factor, rtol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("uJy", 1.0), ("microJy", 1.0), ("mJy", 1e3), ("Jy", 1e6)])
def test_fluxes_per_frequency(unit, factor):
    columns = with_column("FLUX_APER_3_0", np.full((ROWS, 60), 3.0, np.float64))
    found = photometry_from_table(run(columns, units=UNITS | {"FLUX_APER_3_0": unit}).accepted, SURVEY)
    np.testing.assert_allclose(found.flux, 3 * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({}, "'FLUX_APER_3_0' states no unit; a unit is required"),
        ({"FLUX_APER_3_0": "count / s"}, "'count / s', which is not a known unit of flux"),
        ({"FLUX_APER_3_0": "bananas"}, "'bananas', which is not a known unit of flux"),
        ({"FLUX_APER_3_0": "mag"}, "must hold a flux, but its unit says magnitude"),
        ({"FLUX_APER_3_0": UNIT, "FLUX_RELERR_APER_3_0": "uJy"}, "must be a ratio"),
        ({"FLUX_APER_3_0": UNIT, "ALPHA_J2000": "rad"}, "'rad'; coordinates must be in deg"),
        ({"FLUX_APER_3_0": UNIT, "DELTA_J2000": "arcsec"}, "'arcsec'; coordinates must be in deg"),
    ],
)
def test_a_missing_or_wrong_unit_refuses_the_file(units, message):
    refused(message, units=units)


def test_a_format_without_units_takes_those_of_the_survey():
    found = photometry_from_table(run(units={}, has_units=False).accepted, SURVEY)
    np.testing.assert_allclose(found.flux, FLUX_UJY, rtol=1e-6)


# the order of bands


def test_bands_are_resolved_by_name():
    columns = make_columns()
    columns["FLUX_APER_3_0"] *= np.linspace(1, 2, 60, dtype=np.float32)
    expected = photometry_from_table(run(dict(columns)).accepted, SURVEY).flux
    for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0"):
        columns[name] = columns[name][:, ::-1]
    found = photometry_from_table(run(columns, band_names=SURVEY.band_names[::-1]).accepted, SURVEY).flux
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_further_bands_are_left_out():
    columns = make_columns()
    for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0", "FLAGS", "MASK_FLAGS"):
        columns[name] = np.insert(columns[name], 0, 1000, axis=1)
    columns["FLAGS"][:] = columns["MASK_FLAGS"][:] = 0
    found = photometry_from_table(run(columns, band_names=("J1234", *SURVEY.band_names)).accepted, SURVEY)
    np.testing.assert_allclose(found.flux, FLUX_UJY, rtol=1e-6)


def test_an_unknown_order_of_bands_is_refused():
    refused("the order of bands in its vectors is unknown", band_names=None)


def test_a_missing_band_is_named():
    columns = make_columns()
    for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0", "FLAGS", "MASK_FLAGS"):
        columns[name] = columns[name][:, :57]
    message = refused("3 of the 60 bands", columns, band_names=SURVEY.band_names[:57])
    assert "gSDSS, rSDSS, iSDSS" in message


def test_a_band_named_twice_is_refused():
    refused("names a band twice: j0378", band_names=("J0378", *SURVEY.band_names[1:]))


@pytest.mark.parametrize("name", ["FLUX_APER_3_0", "FLUX_RELERR_APER_3_0", "FLAGS"])
@pytest.mark.parametrize("as_objects", [False, True])
def test_vectors_of_another_length_are_refused(name, as_objects):
    columns = make_columns()
    columns[name] = columns[name][:, :57]
    if as_objects:
        rows = np.empty(ROWS, object)
        rows[:] = list(columns[name])
        columns[name] = rows
    refused("vectors of length 57", columns)


def test_one_vector_of_another_length_is_refused():
    columns = make_columns()
    rows = np.empty(ROWS, object)
    rows[:] = list(columns["FLUX_APER_3_0"])
    rows[9] = rows[9][:59]
    refused("vectors of length 59 in row 9", columns | {"FLUX_APER_3_0": rows})


# coordinates


def test_negative_right_ascensions_are_raised_and_noted():
    columns = with_column("ALPHA_J2000", np.linspace(-0.5, 0.5, ROWS))
    result = run(columns)
    ra = result.accepted.column("ra").to_numpy()
    assert ((ra >= 0) & (ra < 360)).all()
    assert ra[0] == pytest.approx(359.5)
    assert "15 right ascensions in [-180, 0) were raised by 360" in result.notes[0]


@pytest.mark.parametrize("value", [-1e-300, 360.0, 0.0])
def test_right_ascension_stays_below_360(value):
    assert run(with_column("ALPHA_J2000", value, row=0)).accepted.column("ra")[0].as_py() == 0.0


def test_float32_coordinates_are_refused_unless_allowed():
    columns = make_columns()
    columns["ALPHA_J2000"] = columns["ALPHA_J2000"].astype(np.float32)
    refused("'ALPHA_J2000' is float32", columns)
    allowed = replace(SURVEY, catalogue=replace(SURVEY.catalogue, float32_coordinates=True))
    assert normalise(make_raw(columns), allowed, QualityCuts()).accepted.num_rows == ROWS


def test_radians_are_refused():
    # 5,000 objects in a square degree, taken for degrees: 16 million in a square degree
    columns = make_columns(5000)
    for name in ("ALPHA_J2000", "DELTA_J2000"):
        columns[name] = np.radians(columns[name])
    refused("seem to be in radians although the unit says deg", columns)
    refused("within the range of radians", columns, units={"FLUX_APER_3_0": UNIT})


def test_a_field_near_the_origin_is_accepted_if_it_states_degrees():
    columns = make_columns()
    columns["ALPHA_J2000"] -= 213
    columns["DELTA_J2000"] -= 52
    assert run(columns).accepted.num_rows == ROWS
    refused("state the unit deg", columns, units={"FLUX_APER_3_0": UNIT})
    unchecked = replace(SURVEY, catalogue=replace(SURVEY.catalogue, check_radians=False))
    raw = make_raw(columns, units={"FLUX_APER_3_0": UNIT})
    assert normalise(raw, unchecked, QualityCuts()).accepted.num_rows == ROWS


def test_too_many_impossible_coordinates_refuse_the_file():
    columns = make_columns()
    columns["DELTA_J2000"][:11] = 100.0
    message = refused("11 of 30 rows have impossible coordinates", columns)
    assert "dec out of range: 11" in message
    assert run(columns, QualityCuts(maximum_rejected_fraction=0.5)).reasons() == {"dec out of range": 11}


# ids


def test_duplicate_ids_refuse_the_file_or_go_to_quarantine():
    columns = with_column("NUMBER", 4, row=5)
    message = refused("1 rows repeat an id", columns)
    assert "'2406-4'" in message
    result = run(columns, QualityCuts(duplicates="quarantine"))
    assert result.reasons() == {"duplicate id": 1}
    assert result.rejected.to_pylist()[0]["row"] == 5


def test_a_rejected_row_takes_no_other_row_of_its_id_along():
    columns = with_column("NUMBER", 4, row=5)
    columns["ALPHA_J2000"][3] = np.nan
    result = run(columns)
    assert result.reasons() == {"ra not finite": 1}


@pytest.mark.parametrize(
    "numbers", [np.arange(ROWS, dtype=float), np.arange(ROWS).astype(str), np.arange(ROWS) > 4]
)
def test_ids_of_another_type_are_refused(numbers):
    refused("id column 'NUMBER' must hold integers", with_column("NUMBER", numbers))


# names, shapes and types


def test_names_match_without_case_and_prefix_where_the_survey_says_so():
    columns = {f"minijpas.{name.lower()}": values for name, values in make_columns().items()}
    units = {f"minijpas.{name.lower()}": unit for name, unit in UNITS.items()}
    assert run(columns, units=units).accepted.num_rows == ROWS


def test_wrong_case_names_the_candidates_where_it_does_not():
    strict = replace(SURVEY, catalogue=replace(SURVEY.catalogue, ignore_case=False))
    columns = make_columns()
    columns["Alpha_J2000"] = columns.pop("ALPHA_J2000")
    with pytest.raises(InputError, match=r"'ALPHA_J2000' is missing, but 'Alpha_J2000' differs in spelling"):
        normalise(make_raw(columns), strict, QualityCuts())


def test_two_candidates_for_one_column_are_refused():
    columns = make_columns()
    columns["number"] = columns["NUMBER"]
    refused("the columns 'NUMBER', 'number' could all be 'NUMBER'", columns)


@pytest.mark.parametrize("name", ["TILE_ID", "NUMBER", "DELTA_J2000", "FLAGS", "FLUX_RELERR_APER_3_0"])
def test_a_missing_column_is_named_with_what_was_found(name):
    columns = make_columns()
    del columns[name]
    message = refused(f"column {name!r} is missing; the file has ", columns, other_columns=("EXTRA",))
    assert "EXTRA" in message


def test_class_star_and_truth_are_optional():
    columns = make_columns()
    del columns["CLASS_STAR"]
    assert np.isnan(run(columns).accepted.column("class_star").to_numpy()).all()
    columns["TRUE_CLASS"] = np.array(["star", " qso ", "", None] * 7 + ["galaxy"] * 2, object)
    columns["TRUE_REDSHIFT"] = np.ma.MaskedArray(np.full(ROWS, 2.5), mask=np.arange(ROWS) == 1)
    accepted = run(columns).accepted
    assert accepted.column("true_class").to_pylist()[:4] == ["star", "qso", None, None]
    redshift = accepted.column("true_redshift").to_numpy()
    assert redshift[0] == 2.5
    assert np.isnan(redshift[1])


def test_big_endian_columns_are_read_alike():
    columns = {name: values.astype(values.dtype.newbyteorder(">")) for name, values in make_columns().items()}
    assert_same(run(columns).accepted, run().accepted)


def test_fluxes_in_double_precision_are_read_alike():
    columns = make_columns()
    for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0", "CLASS_STAR"):
        assert columns[name].dtype == np.float32
        columns[name] = columns[name].astype(np.float64)
    assert_same(run(columns).accepted, run().accepted)


def test_what_tap_clients_give():
    columns = make_columns()
    for name in ("TILE_ID", "NUMBER", "ALPHA_J2000", "CLASS_STAR"):
        columns[name] = columns[name].reshape(-1, 1)
    rows = np.empty(ROWS, object)
    rows[:] = [np.array([value]) for value in columns["DELTA_J2000"]]
    columns["DELTA_J2000"] = rows
    for name in ("FLUX_APER_3_0", "FLAGS"):
        rows = np.empty(ROWS, object)
        rows[:] = list(columns[name])
        columns[name] = rows
    assert_same(run(columns).accepted, run().accepted)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FLUX_APER_3_0", np.full((ROWS, 60), "x"), "must hold numbers"),
        ("ALPHA_J2000", np.full(ROWS, "214"), "must hold float64 degrees"),
        ("ALPHA_J2000", np.zeros((ROWS, 2)), "instead of one"),
        ("FLAGS", np.full((ROWS, 60), 0.5), "must hold integers"),
        ("FLAGS", np.full((ROWS, 60), 2**40), "beyond 32 bits"),
        ("NUMBER", np.array([1, "x"] * (ROWS // 2), object), "mixes values"),
    ],
)
def test_wrong_types_are_refused(name, value, message):
    refused(message, with_column(name, value))


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="differ in length"):
        make_raw(with_column("NUMBER", np.arange(3)))


# a survey with one column a band


def nepw_columns(rows=4):
    columns = {"AKR_ID": np.arange(rows), "RA": np.full(rows, 269.4), "DEC": np.full(rows, 65.2)}
    for band in NEPW.bands:
        columns[f"{band.column}m"] = np.full(rows, 21.4)
        columns[f"{band.column}me"] = np.full(rows, 0.1)
    return columns


def test_columns_of_single_bands():
    columns = nepw_columns()
    columns["L24m"][1] = np.nan
    raw = RawTable(columns, {}, None, "nepw.csv", has_units=False)
    result = normalise(raw, NEPW, QualityCuts())
    photometry = photometry_from_table(result.accepted, NEPW)
    np.testing.assert_allclose(photometry.flux[0], FLUX_UJY, rtol=1e-6)
    assert not photometry.observed[1, -1]
    assert result.accepted.column("object_id").to_pylist() == ["0", "1", "2", "3"]


def test_missing_columns_of_single_bands_name_the_bands():
    columns = nepw_columns()
    del columns["L18m"], columns["Gme"]
    with pytest.raises(InputError, match=r"bands are missing: g, L18W \(columns|bands are missing: L18W, g"):
        normalise(RawTable(columns, {}, None, "nepw.csv", has_units=False), NEPW, QualityCuts())


def test_units_of_single_bands_must_agree():
    columns = nepw_columns()
    units = {name: "mag" for name in columns if name.endswith("m")} | {"RA": "deg", "DEC": "deg"}
    raw = RawTable(columns, units, None, "nepw.fits")
    assert normalise(raw, NEPW, QualityCuts()).accepted.num_rows == 4
    with pytest.raises(InputError, match="differ in their units"):
        normalise(replace(raw, units=units | {"L24m": "uJy"}), NEPW, QualityCuts())


# options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flags": -1}, "flags: found -1; allowed is 0 to 2147483647"),
        ({"maximum_rejected_fraction": 1.5}, "maximum_rejected_fraction: found 1.5; allowed is 0 to 1"),
        ({"duplicates": "ignore"}, "duplicates: found 'ignore'; allowed: 'refuse', 'quarantine'"),
    ],
)
def test_wrong_cuts_name_the_key(options, message):
    with pytest.raises(ValueError, match=message):
        QualityCuts(**options)


def test_a_hundred_thousand_rows_take_about_a_second():
    import time

    columns = make_columns(100_000)
    started = time.perf_counter()
    normalise(make_raw(columns), SURVEY, QualityCuts())
    assert time.perf_counter() - started < 10  # some 0.5 s on an idle core; this machine may be busy
