"""Files in, files out: the same table with what the committee says, whole or not at all."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.classify import stage
from jpasbatch.stages.classify.columns import OTHERS, REASON
from jpasbatch.stages.classify.committee import name_committee
from jpasbatch.stages.classify.stage import ClassifyOptions, classify_tables
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.output.writing import write_table


def complete(path, survey) -> pa.Table:
    with open_complete(path, survey, 1000) as opened:
        return pa.concat_tables([opened.schema.empty_table(), *opened.pieces])


def written(folder, table, name="table.parquet"):
    """Write a table without facts, and return its path."""
    path = folder / name
    with write_table(path, table.schema, {}) as file:
        file.write(table)
    return path


def refused(tables, output, named, *words, **options):
    with pytest.raises(InputError) as caught:
        classify_tables(tables, output, named, ClassifyOptions(**options))
    for word in words:
        assert word in str(caught.value)
    assert not output.exists()
    assert not list(output.parent.glob(".*.tmp*"))


def test_files_get_what_infer_publishes_bit_for_bit(tiles, named, finished, tmp_path, survey):
    classify_tables(tiles, tmp_path / "all.parquet", named, ClassifyOptions(chunk_rows=137))
    found = pq.read_table(tmp_path / "all.parquet")
    catalogue = open_catalogue(current_extension(finished / "sky", "predictions"))
    published = pa.concat_tables(
        [read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    )
    identifiers = [
        f"{tile}-{number}"
        for tile, number in zip(found["TILE_ID"].to_pylist(), found["NUMBER"].to_pylist(), strict=True)
    ]
    kept = found[REASON].is_null().to_pylist()
    names = [name for name in found.column_names if name.startswith("probability_")] + list(OTHERS)
    ours = dict(zip(identifiers, found.select(names).to_pylist(), strict=True))
    assert len(ours) == found.num_rows
    theirs = dict(zip(published["object_id"].to_pylist(), published.select(names).to_pylist(), strict=True))
    assert set(theirs) == {one for one, is_kept in zip(identifiers, kept, strict=True) if is_kept}
    for identifier, row in theirs.items():
        assert ours[identifier] == row
    quarantine = next((finished / "quarantine").glob("ingest-*.parquet"))
    reasons = dict(
        zip(*pq.read_table(quarantine).select(["object_id", "reason"]).to_pydict().values(), strict=True)
    )
    ours = dict(zip(identifiers, found[REASON].to_pylist(), strict=True))
    assert reasons == {one: reason for one, reason in ours.items() if reason is not None}
    assert len(reasons) > 3


@pytest.mark.parametrize("ending", ["fits", "vot", "xml", "parquet", "ecsv"])
def test_every_format_holds_the_same_table(tiles, named, tmp_path, survey, ending):
    output = tmp_path / f"out.{ending}"
    done = classify_tables(tiles[:1], output, named)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    source = complete(tiles[0], survey)
    if ending == "ecsv":
        found = Table.read(output, format="ascii.ecsv")
        assert found.meta["committee"] == named.name
        columns = {name: found[name].tolist() for name in found.colnames}
    else:
        table = complete(output, survey)
        assert table.schema.field("ALPHA_J2000").metadata[b"unit"] == b"deg"
        columns = table.to_pydict()
    assert list(columns)[: source.num_columns] == source.column_names
    assert columns["NUMBER"] == source["NUMBER"].to_pylist()
    flux, before = (
        np.array(one, np.float32) for one in (columns["FLUX_APER_3_0"], source["FLUX_APER_3_0"].to_pylist())
    )
    np.testing.assert_array_equal(flux, before)
    classes = columns["predicted_class"]
    assert {name: classes.count(name) for name in done.classes} == done.classes
    assert done.rows == source.num_rows == done.classified + sum(done.refused.values())


@pytest.mark.parametrize("first", ["fits", "vot", "parquet"])
@pytest.mark.parametrize("second", ["fits", "vot", "parquet"])
def test_what_was_written_can_be_classified_again(tiles, named, tmp_path, survey, first, second):
    one = tmp_path / f"one.{first}"
    classify_tables(tiles[:1], one, named)
    again = tmp_path / f"again.{second}"
    classify_tables([one], again, named, ClassifyOptions(prefix="b_"))
    table = complete(again, survey)
    for name in ("probability_star", "novelty", "subset", "quality", REASON):
        assert known(table[f"b_{name}"]) == known(table[name])


def known(column):
    """Return the cells of a column; formats differ in how they say that one is empty."""
    return [None if cell is None or cell == "" or cell != cell else cell for cell in column.to_pylist()]


def test_metadata_say_what_was_done(tiles, named, tmp_path):
    from astropy.io import fits, votable

    for ending in ("fits", "vot", "parquet"):
        classify_tables(tiles[:1], tmp_path / f"out.{ending}", named)
    kept = pq.read_schema(tmp_path / "out.parquet").metadata
    assert kept[b"jpasbatch.fingerprint"].decode() == named.fingerprint
    assert kept[b"jpasbatch.survey"] == b"jpas60"
    assert b"not that of the sky" in kept[b"jpasbatch.probabilities"]
    header = fits.getheader(tmp_path / "out.fits", 1)
    assert header["JBFINGER"] == named.fingerprint
    assert header["JBCLASSE"] == "star,galaxy,qso_low,qso_high"
    infos = {one.name: one.value for one in votable.parse(tmp_path / "out.vot").get_first_table().infos}
    assert infos["jpasbatch_committee"] == named.name


def test_cards_of_a_header_are_kept(tiles, named, tmp_path):
    from astropy.io import fits

    source, path, output = tiles[0], tmp_path / "cards.fits", tmp_path / "out.fits"
    with fits.open(source) as hdus:
        header = hdus[1].header
        header["OBSERVER"] = ("somebody", "who observed")
        header["HIERARCH LONG NAME"] = 3.25
        header["LONGTEXT"] = "x" * 200
        header["COMMENT"] = "the first"
        header["COMMENT"] = "the second"
        header["HISTORY"] = "made for a test"
        hdus.writeto(path, checksum=True)
    classify_tables([path], output, named)
    with fits.open(output) as hdus:
        hdus.verify("exception")
        found = hdus[1].header
    assert found["EXTNAME"] == "FLAMBDADUALOBJ"
    assert (found["OBSERVER"], found.comments["OBSERVER"]) == ("somebody", "who observed")
    assert (found["LONG NAME"], found["LONGTEXT"]) == (3.25, "x" * 200)
    assert list(found["COMMENT"]) == ["the first", "the second"]
    assert list(found["HISTORY"]) == ["made for a test"]
    assert "CHECKSUM" not in found
    assert found["JBFINGER"] == named.fingerprint
    classify_tables([path, source], tmp_path / "both.fits", named)
    assert "OBSERVER" not in fits.getheader(tmp_path / "both.fits", 1)


def test_fits_is_as_the_standard_asks(tiles, named, tmp_path):
    from astropy.io import fits

    output = tmp_path / "out.fits"
    classify_tables(tiles, output, named, ClassifyOptions(chunk_rows=100))
    with fits.open(output) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "OBJECTS", "FILTER"]
        assert len(hdus[1].data) == sum(len(fits.getdata(tile)) for tile in tiles)
        assert hdus[2].data["NAME"][0] == "uJAVA"
        assert np.isnan(hdus[1].data["probability_star"][hdus[1].data[REASON] != ""]).all()
    assert output.stat().st_size % 2880 == 0


# csv: a survey of columns


COLUMNS = """
name = "jpas60"
title = "The same bands, one column each"
reference_band = "rSDSS"
magnitude_bins = [[17.0, 20.0], [20.0, 22.5], [22.5, 23.6]]
reported_bands = { g = "gSDSS", r = "rSDSS" }

[catalogue]
layout = "columns"
id_columns = ["TILE_ID", "NUMBER"]
ra = "ALPHA_J2000"
dec = "DELTA_J2000"
flags = "FLAGS"
mask_flags = "MASK_FLAGS"

[[catalogue.forms]]
kind = "flux"
value = "f_{column}"
error = "e_{column}"
unit = "uJy"
"""


@pytest.fixture(scope="module")
def columns_survey(tmp_path_factory, survey):
    """Return a survey file of 60 columns whose committee is that of the vectors, since its bands are the same."""
    bands = [
        f'[[bands]]\nname = "{band.name}"\nwavelength = {band.wavelength}\nwidth = {band.width}\ndepth = {band.depth}\n'
        for band in survey.bands
    ]
    path = tmp_path_factory.mktemp("survey") / "columns.toml"
    path.write_text(COLUMNS + "\n".join(bands))
    return path


@pytest.fixture
def csv_table(tmp_path, columns_survey):
    survey = load_survey(columns_survey)
    rng = np.random.default_rng(2)
    flux = rng.lognormal(2, 1, (40, 60))
    names = ["TILE_ID", "NUMBER", "ALPHA_J2000", "DELTA_J2000", "FLAGS", "MASK_FLAGS", "note"]
    names += [f"f_{band}" for band in survey.band_names] + [f"e_{band}" for band in survey.band_names]
    lines = [",".join(names)]
    for row in range(40):
        note = ['"a, ""b"""', "007", "", "é"][row % 4]
        cells = [1, row, 3.5 + row / 10, -1.25, 0, 0, note, *flux[row], *(flux[row] / 10)]
        lines.append(",".join(map(str, cells)))
    path = tmp_path / "objects.csv"
    path.write_text("#SELECT something\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def named_columns(committee_folder, columns_survey):
    return name_committee(committee_folder, columns_survey)


def test_csv_keeps_its_texts(csv_table, named_columns, tmp_path):
    output = tmp_path / "out.csv"
    done = classify_tables([csv_table], output, named_columns, ClassifyOptions(chunk_rows=7))
    assert done.classified == 40
    before, after = csv_table.read_text().splitlines()[1:], output.read_text().splitlines()
    assert len(after) == 41
    for one, other in zip(before, after, strict=True):
        assert other.startswith(one + ",")


def test_csv_becomes_typed_where_the_format_has_types(csv_table, named_columns, tmp_path):
    classify_tables([csv_table], tmp_path / "out.parquet", named_columns)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.field("NUMBER").type == pa.int64()
    assert table.schema.field("f_uJAVA").type == pa.float64()
    assert table["note"].to_pylist()[:4] == ['a, "b"', "007", None, "é"]
    refused([csv_table], tmp_path / "out.fits", named_columns, "'note'", "not ASCII")


def test_the_chunks_change_nothing(csv_table, named_columns, tmp_path):
    for chunk in (1, 3, 1000):
        options = ClassifyOptions(chunk_rows=chunk)
        classify_tables([csv_table], tmp_path / f"{chunk}.csv", named_columns, options)
    texts = {(tmp_path / f"{chunk}.csv").read_bytes() for chunk in (1, 3, 1000)}
    assert len(texts) == 1


def test_vectors_do_not_fit_into_csv(tiles, named, tmp_path):
    refused(tiles[:1], tmp_path / "out.csv", named, "FLUX_APER_3_0", "vectors", ".ecsv")


# hostile tables


def test_one_row_and_no_rows(rows, named, tmp_path):
    for count in (0, 1):
        path = written(tmp_path, rows.slice(0, count), f"{count}.parquet")
        for ending in ("fits", "vot", "parquet", "ecsv"):
            done = classify_tables([path], tmp_path / f"{count}-out.{ending}", named)
            assert (done.rows, sum(done.classes.values())) == (count, count)
        for ending in ("fits", "vot"):
            assert complete(tmp_path / f"{count}-out.{ending}", named.survey).num_rows == count


def test_columns_of_our_names_need_a_prefix(rows, named, tmp_path):
    table = rows.append_column("Entropy", pa.array(np.arange(rows.num_rows)))
    path = written(tmp_path, table)
    refused([path], tmp_path / "out.fits", named, "'Entropy'", "--prefix")
    classify_tables([path], tmp_path / "out.fits", named, ClassifyOptions(prefix="jpb_"))
    found = complete(tmp_path / "out.fits", named.survey)
    assert found["Entropy"].to_pylist() == list(range(rows.num_rows))
    assert "jpb_entropy" in found.column_names
    table = table.append_column("jpb_subset", table["Entropy"])
    path = written(tmp_path, table)
    refused([path], tmp_path / "other.fits", named, "'jpb_subset'", "another prefix", prefix="jpb_")


@pytest.mark.parametrize("name", [" a b", 'quo"te', "it's", "FLUX_APER_3_0.", "_healpix_29", "row", "x" * 60])
def test_strange_column_names_are_handed_on(rows, named, tmp_path, name):
    path = written(tmp_path, rows.slice(0, 5).append_column(name, pa.array(range(5))))
    for ending in ("parquet", "fits", "vot", "ecsv"):
        classify_tables([path], tmp_path / f"out.{ending}", named)
    assert pq.read_table(tmp_path / "out.parquet")[name].to_pylist() == list(range(5))
    assert complete(tmp_path / "out.fits", named.survey)[name.strip()].to_pylist() == list(range(5))
    assert complete(tmp_path / "out.vot", named.survey)[name].to_pylist() == list(range(5))


@pytest.mark.parametrize("name", ["", " ", "new\nline", "ünicode", "x" * 200, "flags"])
def test_names_that_fits_cannot_hold_are_told(rows, named, tmp_path, name):
    path = written(tmp_path, rows.slice(0, 5).append_column(name, pa.array(range(5))))
    if name != "flags":  # which could be the survey's column too
        classify_tables([path], tmp_path / "out.parquet", named)
        assert pq.read_table(tmp_path / "out.parquet")[name].to_pylist() == list(range(5))
    refused([path], tmp_path / "out.fits", named, repr(name))


def test_columns_that_occur_twice(rows, named, tmp_path):
    table = pa.Table.from_arrays([*rows.columns, rows["NUMBER"]], names=[*rows.column_names, "NUMBER"])
    path = tmp_path / "twice.parquet"
    pq.write_table(table.replace_schema_metadata(rows.schema.metadata), path)
    refused([path], tmp_path / "out.parquet", named, "'NUMBER'", "more than one")


def test_ids_of_any_size_and_columns_with_gaps(rows, named, tmp_path):
    few = rows.slice(0, 4)
    number = few.schema.get_field_index("NUMBER")
    huge = [2**63 - 1, 2**53 + 1, -(2**63) + 1, 0]
    few = few.set_column(number, "NUMBER", pa.array(huge, pa.int64()))
    few = few.append_column("gaps", pa.array([1, None, 3, None], pa.int16()))
    few = few.append_column("sure", pa.array([True, None, False, True]))
    few = few.append_column("words", pa.array(["a", None, "", "dd"]))
    few = few.append_column("unsigned", pa.array([2**64 - 1, 0, 2**63, 1], pa.uint64()))
    few = few.append_column("small", pa.array([200, None, 0, 255], pa.uint8()))
    path = written(tmp_path, few.replace_schema_metadata(rows.schema.metadata))
    classify_tables([path], tmp_path / "out.fits", named)
    found = complete(tmp_path / "out.fits", named.survey)
    assert found["NUMBER"].to_pylist() == huge
    assert found["gaps"].to_pylist() == [1, None, 3, None]
    assert found["words"].to_pylist() == [
        "a",
        "",
        "",
        "dd",
    ]  # FITS does not tell a text that is missing from an empty one
    assert found["unsigned"].to_pylist() == [2**64 - 1, 0, 2**63, 1]
    assert found["small"].to_pylist() == [200, None, 0, 255]


def test_another_survey_is_refused(rows, named, tmp_path):
    names = json.loads(rows.schema.metadata[b"FILTER"])
    names["NAME"][5] = "J9999"
    path = written(tmp_path, rows.replace_schema_metadata({b"FILTER": json.dumps(names).encode()}))
    missing = named.survey.band_names[5]
    refused([path], tmp_path / "out.fits", named, missing, "missing from its filter table", str(path))


def test_vectors_without_an_order_need_a_filter_table(rows, named, tmp_path, survey):
    path = written(tmp_path, rows.replace_schema_metadata({}))
    refused([path], tmp_path / "out.parquet", named, "order of bands", "filter_table")
    listed = tmp_path / "filter.csv"
    listed.write_text(
        "FILTER_ID,NAME\n" + "".join(f"{n},{name}\n" for n, name in enumerate(survey.band_names))
    )
    done = classify_tables([path], tmp_path / "out.parquet", named, ClassifyOptions(filter_table=listed))
    assert done.rows == rows.num_rows


def test_tables_of_one_output_have_the_same_columns(rows, named, tmp_path):
    first = written(tmp_path, rows, "first.parquet")
    more = written(tmp_path, rows.append_column("more", pa.array(range(rows.num_rows))), "more.parquet")
    refused([first, more], tmp_path / "out.fits", named, "'more'", "one by one")
    position = rows.schema.get_field_index("FLUX_APER_3_0")
    field = rows.schema.field(position)
    other = rows.set_column(
        position, field.with_metadata({"unit": "1e-17 erg/s/cm2/A"}), rows.column(position)
    )
    other = written(tmp_path, other.replace_schema_metadata(rows.schema.metadata), "other.parquet")
    refused([first, other], tmp_path / "out.fits", named, "FLUX_APER_3_0", "1e-17")
    names = json.loads(rows.schema.metadata[b"FILTER"])
    names["NAME"][:2] = names["NAME"][1::-1]
    swapped = rows.replace_schema_metadata({b"FILTER": json.dumps(names).encode()})
    refused([first, written(tmp_path, swapped, "swapped.parquet")], tmp_path / "out.fits", named, "FILTER")


def test_outputs_that_cannot_be(rows, named, tmp_path):
    path = written(tmp_path, rows)
    refused([path], tmp_path / "out.txt", named, ".fits", ".ecsv")
    refused([path], tmp_path / "absent" / "out.fits", named, "does not exist")
    with pytest.raises(InputError, match="is one of the tables"):
        classify_tables([path], path, named, ClassifyOptions(overwrite=True))
    (tmp_path / "folder.fits").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        classify_tables([path], tmp_path / "folder.fits", named)
    output = tmp_path / "out.parquet"
    classify_tables([path], output, named)
    before = output.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        classify_tables([path], output, named)
    assert output.read_bytes() == before
    classify_tables([path], output, named, ClassifyOptions(overwrite=True))


def test_a_failure_leaves_what_was_there(rows, named, tmp_path, monkeypatch):
    path, output = written(tmp_path, rows), tmp_path / "out.fits"
    output.write_text("precious")
    calls = []

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return original(*arguments)

    original = stage.classify_rows
    monkeypatch.setattr(stage, "classify_rows", fail)
    with pytest.raises(KeyboardInterrupt):
        classify_tables([path], output, named, ClassifyOptions(overwrite=True, chunk_rows=50))
    assert output.read_text() == "precious"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.fits", "table.parquet"]


def test_progress_is_shown_only_when_it_takes_long(rows, named, tmp_path, monkeypatch, caplog):
    path = written(tmp_path, rows)
    caplog.set_level("INFO", logger="jpasbatch")
    classify_tables([path], tmp_path / "quick.fits", named, ClassifyOptions(chunk_rows=50))
    assert not caplog.messages
    monkeypatch.setattr(stage, "QUIET_SECONDS", -1.0)
    classify_tables([path], tmp_path / "slow.fits", named, ClassifyOptions(chunk_rows=50))
    assert caplog.messages[0] == "classify: rows: 200 to do"


PEAK = """\
import resource, sys
from pathlib import Path
from jpasbatch.stages.classify.committee import name_committee
from jpasbatch.stages.classify.stage import classify_tables

classify_tables([Path(sys.argv[1])], Path(sys.argv[2]), name_committee(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "fits"])
def test_memory_does_not_grow_with_the_table(committee_folder, rows, named, tmp_path, ending):
    peaks = []
    for copies in (250, 1000):
        path = tmp_path / f"{copies}.parquet"
        with pq.ParquetWriter(path, rows.schema) as writer:
            for _ in range(copies):
                writer.write_table(rows)
        arguments = [str(path), str(tmp_path / f"{copies}-out.{ending}"), str(committee_folder)]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.15 * peaks[0]
