import io
import re

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.products.targets.fits_table import OnesComplementSum, write_binary_table
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.targets import select_targets
from jpasbatch.products.targets.weave import Submission, weave_file_name, write_weave_catalogue
from jpasbatch.products.targets.weave_template import builtin_template, read_template

PROGRAMME = TargetProgramme(min_probability=0.2, description="J-PAS QSOs at z > 2.1")
CREATED = "2027-01-15T12:00:00"


@pytest.fixture(scope="module")
def targets(sky):
    return select_targets(sky[2], PROGRAMME, 1)


def write(chunks, submission=None, template=None, programme=PROGRAMME) -> bytes:
    file = io.BytesIO()
    write_weave_catalogue(file, chunks, programme, submission or Submission(), CREATED, template)
    return file.getvalue()


def opened(data: bytes) -> fits.HDUList:
    # warnings are errors: a wrong CHECKSUM or DATASUM does not pass
    return fits.open(io.BytesIO(data), checksum=True, memmap=False)


def test_read_back(targets):
    submission = Submission(
        leader_name_1="A. Leader", magnitude_comments={"g": "gSDSS, 3 arcsec"}, observing_programme="11331"
    )
    data = write([targets.slice(0, 7), targets.slice(7)], submission)
    assert len(data) % 2880 == 0
    with opened(data) as units:
        units.verify("exception")
        primary, table = units[0].header, units[1]
        assert primary["DATAMVER"] == "8.00"
        assert primary["TRIMESTE"] == "2027A1"
        assert re.fullmatch(r"\d{4}[AB][12]", primary["TRIMESTE"])
        assert primary["STL_NME1"] == "A. Leader"
        assert primary["CAT_MAIL"] == ""
        assert primary["MAG_G_CM"] == "gSDSS, 3 arcsec"
        assert primary["DATETIME"] == CREATED
        assert table.header["EXTNAME"] == "WQ CATALOGUE"
        rows = table.data
        assert len(rows) == targets.num_rows
        assert len(rows.names) == 69
        assert rows["TARGID"].tolist() == targets["object_id"].to_pylist()
        assert set(rows["TARGSRVY"]) == {"WQ"}
        assert set(rows["TARGCAT"]) == {"WQ_2027A1.fits"}
        assert set(rows["TARGUSE"]) == {"T"}
        assert set(rows["CNAME"]) == {""}
        assert set(rows["PROGTEMP"]) == {"11331"}
        assert rows["TARGPRIO"].tolist() == targets["priority"].to_pylist()
        assert rows["GAIA_RA"].tolist() == targets["ra"].to_pylist()
        assert np.isnan(rows["GAIA_PMRA"]).all()
        assert set(rows["GAIA_EPOCH"]) == {2015.5}
        assert set(np.asarray(rows["HEALPIX"])) == {-1}
        assert set(np.asarray(rows["IFU_DITHER"])) == {0}
        assert rows["MAG_R"].tolist() == targets["magnitude_r"].to_pylist()


def test_every_null_is_the_columns_null(targets):
    filled = {"TARGSRVY", "TARGPROG", "TARGCAT", "TARGID", "TARGNAME", "TARGPRIO", "TARGUSE", "TARGCLASS"}
    with opened(write([targets])) as units:
        table = units[1]
        for number, column in enumerate(table.columns, start=1):
            if column.name in filled or column.name.startswith(("GAIA_", "MAG_")):
                continue
            values = np.asarray(table.data[column.name])
            if values.dtype.kind == "U":
                assert set(values) == {""}
            elif values.dtype.kind == "f":
                assert np.isnan(values).all()
                assert f"TNULL{number}" not in table.header
            else:
                assert set(values) == {table.header[f"TNULL{number}"]}


def test_output_is_reproducible_and_does_not_depend_on_chunks(targets):
    assert write([targets]) == write([targets.slice(0, 1), targets.slice(1, 0), targets.slice(1)])


def test_no_targets(targets):
    with opened(write([])) as units:
        assert len(units[1].data) == 0


def test_template_of_a_survey(targets):
    base = builtin_template()
    columns = [fits.Column(name=one.name, format=one.format, null=one.null) for one in base.columns]
    extra = [
        fits.Column(name="PHOTOZCAT", format="50A"),
        fits.Column(name="PHOTOZCAT_Z", format="E"),
        fits.Column(name="RANK", format="J", null=-99),
    ]
    table = fits.BinTableHDU.from_columns([*columns[::-1], *extra])
    table.header["EXTNAME"] = "WQ CATALOGUE"
    table.header["TUCD1"] = "meta.code"
    primary = fits.PrimaryHDU()
    primary.header["DATAMVER"] = "9.10"
    primary.header["TACID"] = ("", "kept")
    file = io.BytesIO()
    fits.HDUList([primary, table]).writeto(file, checksum=True)
    file.seek(0)
    template = read_template(file)
    with opened(write([targets], template=template)) as units:
        assert units[0].header["DATAMVER"] == "9.10"
        assert "TACID" in units[0].header
        assert list(units[1].columns.names) == table.columns.names
        assert units[1].header["TUCD1"] == "meta.code"
        assert set(np.asarray(units[1].data["RANK"])) == {-99}
        assert np.isnan(units[1].data["PHOTOZCAT_Z"]).all()
        assert set(units[1].data["GAIA_EPOCH"]) == {2016.0}  # this template sets no limits


def replaced(targets: pa.Table, name: str, value) -> pa.Table:
    position = targets.column_names.index(name)
    values = targets[name].to_pylist()
    values[2] = value
    return targets.set_column(position, name, pa.array(values, type=targets[name].type))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("object_id", "x" * 31, "at most 30"),
        ("object_id", "2406-ñ", "ASCII"),
        ("object_id", "", "is empty"),
        ("object_id", None, "is empty"),
        ("priority", float("nan"), "TARGPRIO"),
        ("priority", 0.0, "1.0 to 10.0"),
        ("priority", 11.0, "TARGPRIO"),
        ("ra", float("nan"), "GAIA_RA"),
        ("ra", 360.5, "GAIA_RA"),
        ("dec", -91.0, "GAIA_DEC"),
    ],
)
def test_what_does_not_fit_is_refused(targets, name, value, message):
    with pytest.raises(InputError, match=message):
        write([replaced(targets, name, value)])


def test_duplicates_over_chunks_are_refused(targets):
    with pytest.raises(InputError, match="appears twice"):
        write([targets, targets.slice(3, 1)])


def test_epoch_outside_the_template_is_refused(targets):
    with pytest.raises(InputError, match=r"GAIA_EPOCH.*2015.5 to 2015.5"):
        write([targets], Submission(reference_epoch=2016.0))


def test_date_is_checked(targets):
    with pytest.raises(InputError, match="DATETIME"):
        write_weave_catalogue(io.BytesIO(), [targets], PROGRAMME, Submission(), "yesterday")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"leader_name_1": "Á"}, "leader_name_1"),
        ({"contact_email": "x" * 69}, "contact_email"),
        ({"magnitude_comments": {"z": ""}}, "magnitude_comments"),
        ({"target_class": "QUASAR"}, "target_class"),
        ({"observing_programme": "113"}, "observing_programme"),
        ({"observing_constraints": "dace"}, "observing_constraints"),
    ],
)
def test_submission_is_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        Submission(**wrong)


def test_blank_submitter_is_warned_about():
    assert "leader_email" in Submission().warnings()[0]
    full = Submission(
        leader_name_1="a",
        leader_email="b",
        contact_name_1="c",
        contact_email="d",
        observing_programme="11331",
        observing_constraints="DACEB",
    )
    assert full.warnings() == ()


def test_file_names():
    assert weave_file_name(TargetProgramme()) == "WQ_2027A1.fits"
    assert weave_file_name(TargetProgramme(programme="WS2027A1-002")) == "WS2027A1-002.fits"


def test_builtin_columns():
    template = builtin_template()
    assert len(template.columns) == 69
    assert template.columns[0].name == "CNAME"
    assert template.columns[-1].name == "APS_FLAG"


@pytest.mark.parametrize("content", [b"", b"not a FITS file" * 300])
def test_template_that_is_no_fits_file(content):
    with pytest.raises(InputError, match="template"):
        read_template(io.BytesIO(content))


def test_template_without_needed_columns():
    table = fits.BinTableHDU.from_columns([fits.Column(name="TARGID", format="30A")])
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    file.seek(0)
    with pytest.raises(InputError, match="lacks the columns TARGSRVY"):
        read_template(file)


def template_file(change) -> io.BytesIO:
    """Return a template with the built-in columns, whose header was changed."""
    base = builtin_template()
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name=one.name, format=one.format) for one in base.columns]
    )
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return io.BytesIO(change(file.getvalue()))


def card(name: str, value: str) -> bytes:
    return f"{name:<8}= {value:<20}".encode()


RA = [one.name for one in builtin_template().columns].index("GAIA_RA") + 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (card("TTYPE5", "'TARGID  '"), card("TTYPX5", "'TARGID  '"), "lacks the card TTYPE5"),
        (card("TFIELDS", f"{69:>20}"), card("TFIELDX", f"{69:>20}"), "lacks the card TFIELDS"),
        (card("TFIELDS", f"{69:>20}"), card("TFIELDS", f"{70:>20}"), "lacks the card TTYPE70"),
        (card(f"TFORM{RA}", "'D       '"), card(f"TFORM{RA}", "'E       '"), "'E' for GAIA_RA; allowed is D"),
        (
            card(f"TFORM{RA}", "'D       '"),
            card(f"TFORM{RA}", "'K       '"),
            "'K' for GAIA_RA; allowed are numbers",
        ),
        (
            card(f"TFORM{RA}", "'D       '"),
            card(f"TFORM{RA}", "'8A      '"),
            "'8A' for GAIA_RA; allowed are numbers",
        ),
        (
            card("TFORM7", "'E       '"),
            card("TFORM7", "'J       '"),
            "'J' for TARGPRIO; allowed are numbers with",
        ),
        (card("TFORM5", "'30A     '"), card("TFORM5", "'J       '"), "'J' for TARGID; allowed are texts"),
    ],
)
def test_a_template_with_cards_that_cannot_be_is_refused(old, new, message):
    """A list written by it would have cut values, or none."""

    def change(data: bytes) -> bytes:
        assert data.count(old) == 1
        return data.replace(old, new)

    with pytest.raises(InputError, match=message):
        read_template(template_file(change))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (f"TUNIT{RA}", "h", r"the unit 'h' for GAIA_RA; allowed is deg"),
        (f"TUNIT{RA}", "furlong", r"the unit 'furlong' for GAIA_RA"),
        (f"TUNIT{RA}", "degree", ""),
        ("TUNIT7", "mag", r"the unit 'mag' for TARGPRIO; allowed is none"),
        ("TLMIN7", "low", r"TLMIN7 = 'low'; allowed is a number"),
        ("TNULL23", "x", r"TNULL23 = 'x'; allowed is a whole number"),
    ],
)
def test_units_and_limits_of_a_template(name, value, message):
    def change(data: bytes) -> bytes:
        with fits.open(io.BytesIO(data)) as units:
            units[1].header[name] = value
            file = io.BytesIO()
            units.writeto(file)
        return file.getvalue()

    if not message:
        assert read_template(template_file(change)).columns[RA - 1].name == "GAIA_RA"
        return
    with pytest.raises(InputError, match=message):
        read_template(template_file(change))


@given(st.lists(st.binary(max_size=23), max_size=6))
def test_checksums_of_any_bytes(pieces):
    primary = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    table = fits.BinTableHDU.from_columns([fits.Column(name="X", format="B")]).header
    data = b"".join(pieces)
    file = io.BytesIO()
    chunks = [np.frombuffer(piece, dtype=[("X", "u1")]) for piece in pieces]
    assert write_binary_table(file, primary, table, chunks) == len(data)
    with opened(file.getvalue()) as units:
        assert (units[1].data["X"].tobytes() if data else b"") == data
    total = OnesComplementSum()
    total.add(data + bytes(-len(data) % 4))
    parts = OnesComplementSum()
    for piece in pieces:
        parts.add(piece)
    parts.add(bytes(-len(data) % 4))
    assert total.value == parts.value
