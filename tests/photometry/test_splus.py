"""S-PLUS: columns of its releases, and real magnitudes that were passed on without errors."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.flux_conversion import MODELLED
from jpasbatch.photometry.noise import expected_errors
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.photometry import ab_magnitude, flux_from_ab_magnitude
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.storage.tables.tables import iterate_raw

S12 = load_survey("splus12")


def columns_of(rows: int = 4, errors: bool = True) -> dict[str, np.ndarray]:
    columns = {
        "Field": np.full(rows, "STRIPE82-0130"),
        "ID": np.array([f"SPLUS.STRIPE82-0130.{number}.griz" for number in range(rows)]),
        "RA": np.linspace(329.0, 330.0, rows),
        "Dec": np.linspace(1.0, 1.2, rows),
    }
    for name in S12.band_names:
        columns[f"{name}_auto"] = np.full(rows, 19.0)
        if errors:
            columns[f"e{name}_auto"] = np.full(rows, 0.05)
    return columns


def read(columns):
    return normalise(RawTable(columns, {}, None, "splus.csv", has_units=False), S12, QualityCuts())


def test_magnitudes_with_errors():
    result = read(columns_of())
    photometry = photometry_from_table(result.accepted, S12)
    np.testing.assert_allclose(photometry.magnitudes(5)[1], 0.05, rtol=1e-5)
    assert not result.values
    assert result.accepted["object_id"][1].as_py() == "SPLUS.STRIPE82-0130.1.griz"


def test_magnitudes_without_errors_have_those_of_the_depths_and_say_so():
    columns = columns_of(errors=False)
    columns["F378_auto"][2] = 99.0
    result = read(columns)
    photometry = photometry_from_table(result.accepted, S12)
    expected = expected_errors(photometry.flux.astype(np.float64), S12)
    measured = photometry.flux > 0
    np.testing.assert_allclose(photometry.flux_err[measured], expected[measured], rtol=1e-6)
    assert np.isnan(photometry.flux_err[2, 1])  # a non-detection has no error, as anywhere
    assert result.values == {MODELLED: 4 * 12 - 1}
    assert "magnitudes without errors: they are those of the depths of splus12" in result.notes[-1]


def test_the_modelled_error_is_a_fifth_at_the_depth():
    at_depth = flux_from_ab_magnitude(np.array([[band.depth for band in S12.bands]]))
    ratio = expected_errors(at_depth, S12) / at_depth
    np.testing.assert_allclose(ratio, np.hypot(0.2, 0.4 * np.log(10) * 0.025), rtol=1e-12)


def test_some_errors_are_not_none():
    columns = columns_of()
    del columns["eF378_auto"], columns["ez_auto"]
    with pytest.raises(InputError, match=r"bands are missing: F378, z .columns eF378_auto, ez_auto."):
        read(columns)


def test_a_missing_band_of_a_table_without_errors_is_named():
    columns = columns_of(errors=False)
    del columns["F660_auto"]
    with pytest.raises(InputError, match=r"bands are missing: .*F660"):
        read(columns)


def test_4930_real_objects(data_folder, tmp_path):
    lines = (data_folder / "splus_s82" / "splus_s82_sdss.txt").read_text().splitlines()
    header = ["ra" if name == "RA_1" else "dec" if name == "Dec_1" else name for name in lines[0].split()]
    rows = list(zip(*(line.split() for line in lines[1:]), strict=True))
    table = pa.table({name: pa.array(column) for name, column in zip(header, rows, strict=True)})
    arrow_csv.write_csv(table, tmp_path / "s82.csv")
    (raw,) = iterate_raw(tmp_path / "s82.csv", S12)
    result = normalise(raw, S12, QualityCuts())
    assert result.accepted.num_rows == 4930
    assert set(result.accepted["true_class"].to_pylist()) == {"STAR", "GALAXY"}
    photometry = photometry_from_table(result.accepted, S12)
    r = ab_magnitude(photometry.flux[:, S12.reference_index])
    assert 14 < r.min() < r.max() < 21
    assert result.values == {MODELLED: 4930 * 12}
    # the blue bands of red stars are faint: their errors must say so
    assert np.median(photometry.signal_to_noise()[:, 0]) < np.median(photometry.signal_to_noise()[:, 7])
