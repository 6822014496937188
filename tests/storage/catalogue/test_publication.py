import json
import threading

import numpy as np
import pyarrow as pa
import pytest
from hats.io.validation import is_valid_catalog, is_valid_collection

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.catalogue import assembly as catalogue_assembly
from jpasbatch.storage.catalogue import publication as catalogue_publication
from jpasbatch.storage.catalogue.collection import WRITER_LEASE, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition, write_partition
from jpasbatch.storage.catalogue.publication import publish_extension, register_extension
from jpasbatch.storage.stores.files import Lease
from jpasbatch.storage.stores.opening import open_store

ROWS = 1500
SCHEMA = pa.schema(
    [
        ("_healpix_29", pa.int64()),
        ("object_id", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("probability_star", pa.float32()),
        ("predicted_class", pa.string()),
    ],
    metadata={"jpasbatch.survey": "jpas60"},
)


def stage(sky, number=0, keep=lambda pixel, rows: rows):
    """Stage predictions for every partition of the collection, and return their records."""
    catalogue = open_catalogue(sky)
    records = []
    for pixel in catalogue.pixels:
        rows = read_partition(catalogue.partition_path(*pixel), SCHEMA.names[:4])
        kept = rows.slice(0, keep(pixel, rows.num_rows))
        table = pa.table(
            [
                *kept.columns,
                pa.array(np.full(kept.num_rows, number / 100, np.float32)),
                pa.array(["star"] * kept.num_rows),
            ],
            schema=SCHEMA,
        )
        staged = write_partition(table, open_store(sky), ".staging/run", f"{pixel[0]}_{pixel[1]}")
        records.append(staged.facts(pixel, "", "ab", quarantined=rows.num_rows - kept.num_rows).to_record())
    return records


def publish(sky, records, provenance=None, rows=ROWS):
    return publish_extension(sky, "predictions", records, SCHEMA, provenance or {"model": "abc"}, rows)


def test_a_version_is_a_valid_catalogue_that_the_collection_names(sky):
    version = publish(sky, stage(sky), {"model": "abc", "score": float("nan")})
    assert version.parent == sky
    assert version.name.startswith("predictions-")
    assert len(version.name) == len("predictions-") + 12
    assert current_extension(sky, "predictions") == version
    assert is_valid_catalog(version, strict=True)
    assert is_valid_collection(sky, strict=True)
    primary, catalogue = open_catalogue(sky), open_catalogue(version)
    assert primary.name == "photometry-0123"
    assert (catalogue.rows, catalogue.pixels) == (ROWS, primary.pixels)
    assert catalogue.schema.names == SCHEMA.names
    assert np.array_equal(catalogue.coverage(), primary.coverage())
    for pixel in primary.pixels:
        ours, theirs = (
            read_partition(one.partition_path(*pixel), ["object_id"]) for one in (catalogue, primary)
        )
        assert ours["object_id"].equals(theirs["object_id"])
    provenance = json.loads((version / "provenance.json").read_text())
    assert provenance["provenance"] == {"model": "abc", "score": None}
    assert provenance["primary"] == "photometry-0123"
    assert not (sky / ".building").exists()


def test_publishing_again_changes_nothing_and_other_rows_are_another_version(sky):
    records = stage(sky)
    first = publish(sky, records)
    pointer = (sky / "collection.properties").read_bytes()
    assert publish(sky, list(reversed(records))) == first
    assert (sky / "collection.properties").read_bytes() == pointer
    second = publish(sky, stage(sky, number=1))
    third = publish(sky, records, {"model": "def"})
    assert len({first, second, third}) == 3
    assert all(is_valid_catalog(version, strict=True) for version in (first, second, third))
    assert current_extension(sky, "predictions") == third


def test_partitions_without_rows_have_a_record_and_no_file(sky):
    empty, short = open_catalogue(sky).pixels[:2]
    rows = {empty: 0, short: 1}
    version = publish(sky, stage(sky, keep=lambda pixel, count: rows.get(pixel, count)))
    catalogue = open_catalogue(version)
    assert empty not in catalogue.pixels
    assert short in catalogue.pixels
    assert not catalogue.partition_path(*empty).exists()
    assert is_valid_catalog(version, strict=True)


def test_staged_files_that_the_ledger_did_not_choose_are_left_out(sky):
    stage(sky, number=7)  # the same tasks, run twice
    version = publish(sky, stage(sky, number=1))
    for pixel in open_catalogue(version).pixels:
        found = read_partition(open_catalogue(version).partition_path(*pixel), ["probability_star"])
        assert set(found["probability_star"].to_pylist()) == {np.float32(0.01)}


def _without(key):
    return lambda records: [{k: v for k, v in record.items() if k != key} for record in records]


def _changed(number=0, **values):
    return lambda records: [{**r, **(values if k == number else {})} for k, r in enumerate(records)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[1:], "1 partitions have no record"),
        (lambda records: [*records, records[0]], "has two records"),
        (lambda records: [*records, {**records[0], "pixel": 0}], "are not in photometry-0123"),
        (_without("sha256"), "lacks sha256"),
        (_changed(sha256="0" * 64), "changed after it was committed"),
        (_changed(bytes=1), "changed after it was committed"),
        (_changed(path=".staging/run/absent.parquet"), "is missing"),
        (_changed(path="../outside.parquet"), "must be inside .*sky"),
        (_changed(path="/etc/passwd"), "must be inside .*sky"),
        (_changed(path=""), "must be inside .*sky"),
        (_changed(quarantined=1), "Rows are lost or doubled: 1500 rows and 1 in quarantine make 1501"),
    ],
)
def test_records_that_do_not_add_up_are_refused(sky, change, message):
    records = change(stage(sky))
    before = (sky / "collection.properties").read_bytes()
    with pytest.raises(InputError, match=message):
        publish(sky, records)
    assert (sky / "collection.properties").read_bytes() == before
    assert not list(sky.glob("predictions-*"))
    with pytest.raises(InputError, match="has no 'predictions'"):
        current_extension(sky, "predictions")


def test_rows_of_a_record_must_be_in_its_file(sky):
    records = stage(sky)
    records[0]["rows"] += 1
    records[1]["rows"] -= 1
    with pytest.raises(InputError, match=r"its record says"):
        publish(sky, records)


def test_partitions_that_were_swapped_are_noticed(sky):
    records = stage(sky)
    for key in ("rows", "bytes", "sha256", "path"):
        records[0][key], records[1][key] = records[1][key], records[0][key]
    with pytest.raises(InputError, match="leaves the pixel"):
        publish(sky, records)


def test_every_flipped_byte_of_a_staged_file_is_noticed(sky):
    records = stage(sky)
    path = sky / records[0]["path"]
    whole = path.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 12)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        with pytest.raises(InputError, match="changed after it was committed"):
            publish(sky, records)
    path.write_bytes(whole)
    publish(sky, records)


def test_other_columns_are_refused(sky):
    records = stage(sky)
    wider = SCHEMA.append(pa.field("entropy", pa.float32()))
    with pytest.raises(InputError, match="or other types"):
        publish_extension(sky, "predictions", records, wider, {}, ROWS)
    with pytest.raises(InputError, match="must begin with _healpix_29"):
        publish_extension(sky, "predictions", records, SCHEMA.remove(0), {}, ROWS)
    with pytest.raises(InputError, match="Extension name"):
        publish_extension(sky, "my predictions", records, SCHEMA, {}, ROWS)


def test_nothing_left_to_publish_is_refused(sky):
    with pytest.raises(InputError, match="all 1500 rows are in quarantine"):
        publish(sky, stage(sky, keep=lambda pixel, rows: 0))


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (catalogue_publication, "_check_records"),
        (catalogue_assembly, "link_partitions"),
        (catalogue_assembly, "verify_partition"),
        (catalogue_assembly, "write_metadata"),
        (catalogue_assembly, "check_catalogue"),
        (catalogue_assembly, "place_version"),
        (catalogue_publication, "register_extension"),
        (catalogue_publication, "write_atomically"),
        (catalogue_publication, "swap_collection"),
    ],
)
def test_a_crash_at_any_step_leaves_the_old_version_and_running_again_finishes(
    sky, monkeypatch, module, step
):
    old = publish(sky, stage(sky))
    records = stage(sky, number=1)

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(module, step, crash)
        with pytest.raises(RuntimeError, match="crash"):
            publish(sky, records)
    assert current_extension(sky, "predictions") == old
    assert is_valid_catalog(old, strict=True)
    new = publish(sky, records)
    assert current_extension(sky, "predictions") == new != old
    assert is_valid_collection(sky, strict=True)
    assert not (sky / ".building").exists()


def test_readers_see_one_version_or_the_other_during_50_swaps(sky):
    versions = [publish(sky, stage(sky, number=number)) for number in (1, 2)]
    values = {version: {np.float32(number / 100)} for number, version in enumerate(versions, start=1)}
    done, mixed, opened = threading.Event(), [], []

    def read():
        while not done.is_set():
            try:
                version = current_extension(sky, "predictions")
                catalogue = open_catalogue(version)
                pixel = catalogue.pixels[len(opened) % len(catalogue.pixels)]
                found = read_partition(catalogue.partition_path(*pixel), ["probability_star"])
                if set(found["probability_star"].to_pylist()) != values[version]:
                    mixed.append(version)
                if open_catalogue(sky).rows != ROWS:
                    mixed.append(sky)
            except Exception as error:  # whatever it is, a reader must not see it
                mixed.append(error)
            opened.append(1)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(50):
        register_extension(sky, "predictions", versions[number % 2].name)
    done.set()
    for reader in readers:
        reader.join()
    assert mixed == []
    assert len(opened) > 2


def test_two_writers_do_not_meet(sky):
    records = stage(sky)
    with Lease(sky / WRITER_LEASE), pytest.raises(TryAgainError):
        publish(sky, records)


def test_an_extension_whose_folder_is_gone_is_named(sky):
    version = publish(sky, stage(sky))
    version.rename(sky / "moved")
    with pytest.raises(InputError, match="which is missing"):
        current_extension(sky, "predictions")
    (sky / "collection.properties").write_text("nonsense\n")
    with pytest.raises(InputError, match="is damaged"):
        current_extension(sky, "predictions")


# lsdb warns when an extension has no margin; ours has the pixels of its primary, and needs none. It also
# sets an option, when it is imported, that pandas 3.1 deprecates; nested-pandas 0.7.2 passes on a keyword
# that pandas 3.1 deprecates, whenever lsdb drops a column.
@pytest.mark.filterwarnings("ignore:Right catalog does not have a margin cache:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_lsdb_opens_a_version_and_joins_the_extension(sky, client):
    import lsdb

    empty = open_catalogue(sky).pixels[0]
    version = publish(sky, stage(sky, number=3, keep=lambda pixel, rows: 0 if pixel == empty else rows))
    alone = lsdb.open_catalog(version).compute(progress_bar=False)
    assert len(alone) == open_catalogue(version).rows < ROWS
    joined = lsdb.open_catalog(sky).load_extension("predictions").compute(progress_bar=False)
    assert len(joined) == ROWS
    assert joined["probability_star"].notna().sum() == len(alone)
    assert {"flux", "object_id", "ra", "dec", "predicted_class"} <= set(joined.columns)
