"""Rows are judged each by itself, as infer judges them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.products.record import make_record
from jpasbatch.stages.classify.columns import REASON, added_schema
from jpasbatch.stages.classify.rows import classify_photometry, classify_rows
from jpasbatch.storage.tables.memory import raw_of_arrow

FIXED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def classified(table: pa.Table | RawTable, named, cuts: QualityCuts | None = None) -> pa.Table:
    raw = table if isinstance(table, RawTable) else raw_of_arrow(table, named.survey)
    return classify_rows(raw, named.survey, named.committee, cuts or QualityCuts())[0]


def bits(table: pa.Table) -> list[tuple]:
    """Return the rows as values that are equal only where their bits are."""
    columns = []
    for column in table.columns:
        if pa.types.is_floating(column.type):
            whole = column.combine_chunks()
            integers = (
                whole.fill_null(0).to_numpy(zero_copy_only=False).view(f"i{column.type.bit_width // 8}")
            )
            columns.append([*zip(integers.tolist(), whole.is_null().to_pylist(), strict=True)])
        else:
            columns.append(column.to_pylist())
    return list(zip(*columns, strict=True))


def changed(table: pa.Table, name: str, row: int, value) -> pa.Table:
    """Return a table with another value in one row; in all elements of a vector."""
    cells = table[name].to_pylist()
    cells[row] = [value] * len(cells[row]) if isinstance(cells[row], list) else value
    position, field = table.schema.get_field_index(name), table.schema.field(name)
    return table.set_column(position, field, pa.array(cells, field.type))


@FIXED
@given(data=st.data())
def test_any_order_and_any_chunking_give_the_same_bits(data, rows, named):
    whole = bits(classified(rows, named))
    order = data.draw(st.permutations(range(rows.num_rows)))
    cuts = sorted(data.draw(st.sets(st.integers(1, rows.num_rows - 1), max_size=6)))
    shuffled = rows.take(pa.array(order))
    parts = [
        classified(shuffled.slice(start, end - start).combine_chunks(), named)
        for start, end in zip([0, *cuts], [*cuts, rows.num_rows], strict=True)
    ]
    assert bits(pa.concat_tables(parts)) == [whole[row] for row in order]


def test_the_first_row_number_of_a_chunk_changes_nothing(rows, named):
    raw = raw_of_arrow(rows, named.survey)
    assert bits(classified(replace(raw, first_row=12_345), named)) == bits(classified(rows, named))


def test_refused_rows_keep_their_place(rows, named):
    table = rows.filter(classified(rows, named)[REASON].is_null()).combine_chunks()
    good = classified(table, named)
    assert good[REASON].null_count == table.num_rows
    for row, (name, value, reason) in enumerate(
        [
            ("ALPHA_J2000", float("nan"), "ra not finite"),
            ("DELTA_J2000", 91.0, "dec out of range"),
            ("FLUX_APER_3_0", float("inf"), "flux infinite"),
            ("FLUX_APER_3_0", float("nan"), "reference band not observed"),
            ("FLUX_APER_3_0", -1.0, "reference flux not positive"),
            ("FLAGS", 4, "flags"),
            ("NUMBER", None, "id missing"),
        ]
    ):
        table = changed(table, name, row, value)
        found = classified(table, named)
        assert found[REASON][row].as_py() == reason
        assert found["probability_star"][row].as_py() is None
        assert found["predicted_class"][row].as_py() is None
    assert found[REASON].null_count == table.num_rows - 7
    assert bits(found.slice(7)) == bits(good.slice(7))


def test_all_rows_may_be_refused(rows, named):
    table = rows.slice(0, 30)
    for row in range(30):
        table = changed(table, "ALPHA_J2000", row, float("nan"))
    found = classified(table.combine_chunks(), named)
    assert found[REASON].to_pylist() == ["ra not finite"] * 30
    assert found["entropy"].null_count == 30
    assert found.schema.equals(added_schema(named.survey, named.committee.classes))


def test_no_rows(rows, named):
    found = classified(rows.slice(0, 0), named)
    assert found.num_rows == 0
    assert found.schema.equals(added_schema(named.survey, named.committee.classes))


def test_flags_that_are_allowed(rows, named):
    flagged = changed(rows.slice(0, 3), "FLAGS", 1, 4).combine_chunks()
    assert classified(flagged, named)[REASON].to_pylist()[1] == "flags"
    assert classified(flagged, named, QualityCuts(flags=4))[REASON].to_pylist()[1] is None


def test_a_flag_may_take_a_band_alone(rows, named):
    few = rows.filter(classified(rows, named)[REASON].is_null()).slice(0, 3).combine_chunks()
    flags = few["FLAGS"].to_pylist()
    flags[1][3] = 4
    position = few.schema.get_field_index("FLAGS")
    flagged = few.set_column(
        position, few.schema.field(position), pa.array(flags, few.schema.field(position).type)
    )
    assert classified(flagged, named)[REASON].to_pylist() == [None, "flags", None]
    found = classified(flagged, named, QualityCuts(flagged="band"))
    assert found[REASON].to_pylist() == [None] * 3
    missing = classified(few, named)["missing_bands"].to_pylist()
    assert found["missing_bands"].to_pylist() == [missing[0], missing[1] + 1, missing[2]]


def test_an_id_may_occur_twice(rows, named):
    twice = pa.concat_tables([rows.slice(0, 5)] * 2).combine_chunks()
    found = bits(classified(twice, named))
    assert found[:5] == found[5:]


def test_positions_are_not_needed_and_not_taken_for_radians(rows, named):
    bare = rows.drop_columns(["ALPHA_J2000", "DELTA_J2000"])
    assert bits(classified(bare, named)) == bits(classified(rows, named))
    small = rows
    for row in range(small.num_rows):
        small = changed(changed(small, "ALPHA_J2000", row, 1.0 + row / 100), "DELTA_J2000", row, 0.5)
    # at one place more rows per square degree than the sky has, and no unit that says degrees
    assert bits(classified(small.combine_chunks(), named)) == bits(classified(rows, named))


@pytest.mark.parametrize(
    "column", ["FLUX_APER_3_0", "FLUX_RELERR_APER_3_0", "TILE_ID", "NUMBER", "FLAGS", "DELTA_J2000"]
)
def test_a_missing_column_is_named(rows, named, column):
    with pytest.raises(InputError, match=column):
        classified(rows.drop_columns([column]), named)


def test_probabilities_are_those_of_the_record(rows, named):
    rng = np.random.default_rng(5)
    flux = rng.lognormal(2, 1, (50, 60)).astype(np.float32)
    photometry = Photometry(flux, 0.1 * flux)
    found = classify_photometry(photometry, named.survey, named.committee)
    catalogue = pa.table(
        {
            "object_id": [str(row) for row in range(50)],
            "ra": np.linspace(10, 20, 50),
            "dec": np.linspace(10, 20, 50),
            "class_star": np.zeros(50, np.float32),
        }
    )
    judgement = named.committee.judge(photometry)
    record = make_record(catalogue, photometry, judgement, named.survey, named.committee.classes)
    for name in found.column_names[:-1]:
        assert found[name].to_pylist() == record[name].to_pylist()


def test_objects_that_the_committee_cannot_judge(named):
    flux = np.ones((3, 60), np.float32)
    flux[1, named.survey.reference_index] = np.nan
    found = classify_photometry(Photometry(flux, 0.1 * flux), named.survey, named.committee)
    assert found[REASON].to_pylist() == [None, "features not finite", None]
    assert found["quality"].null_count == 1


VALUES = st.sampled_from(
    [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-45, 1e-30, 1e30, 3e38, -3e38, 5.0, 99.0, -99.0]
)


@FIXED
@given(data=st.data())
def test_whatever_a_band_holds_a_row_is_judged_or_refused_by_itself(data, rows, named):
    table, whole = rows.slice(0, 12), bits(classified(rows.slice(0, 12).combine_chunks(), named))
    for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0"):
        cells = np.array(table[name].to_pylist(), np.float32)
        for row in range(6):
            for band in data.draw(st.sets(st.integers(0, 59), max_size=4)):
                cells[row, band] = data.draw(VALUES)
        field = table.schema.field(name)
        column = pa.FixedSizeListArray.from_arrays(pa.array(cells.ravel()), type=field.type)
        table = table.set_column(table.schema.get_field_index(name), field, column)
    found = classified(table.combine_chunks(), named)
    assert bits(found)[6:] == whole[6:]
    for row in found.slice(0, 6).to_pylist():
        probabilities = [row[name] for name in found.column_names if name.startswith("probability_")]
        if row[REASON] is None:
            assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        else:
            assert probabilities == [None] * 4
