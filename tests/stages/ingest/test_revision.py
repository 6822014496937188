"""Files that go, change or have other names: what is published is that of the files there are."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.stages.ingest import returning
from jpasbatch.stages.keep.prune import prune
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.pruning import Retention
from tests.stages.ingest.test_arrivals import files_of, rows_of, write_tile
from tests.stages.tiny_run import serial

JOB = """
name   = "changing"
survey = "jpas60"

[catalogue]
input = "{data}/tiles"

[catalogue.cuts]
duplicates = "quarantine"

[catalogue.partitions]
pixel_threshold = 60
highest_order   = 6
lowest_order    = 2
margin_arcsec   = 0.0
"""

PLACES = {1: 180.0, 2: 180.7, 3: 200.0, 4: 150.0}
"""Right ascension of each tile; the first two share pixels."""
VERSIONS = (1, 2)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(SLOW, max_examples=2)


def ingest(folder: Path, incremental: bool = True) -> dict:
    workspace = replace(open_workspace(folder / "job.toml", folder / "run", folder), incremental=incremental)
    with workspace.prepare():
        return run_stage("ingest", workspace, serial())


def catalogue(folder: Path):
    return open_catalogue(folder / "run" / "sky")


def refused(folder: Path, record: dict) -> Counter:
    """Return what the quarantine tells, files by their names, and check that the rows are there as a whole too."""
    table = pq.read_table(folder / "run" / "quarantine" / f"ingest-{record['fingerprint'][:12]}.parquet")
    rows = [(Path(one["source"]).name, one["row"], one["reason"]) for one in table.to_pylist()]
    whole = [
        (Path(row["quarantine_source"]).name, row["quarantine_row"], row["quarantine_reason"])
        for path in (folder / "run" / record["whole_rows"]["folder"]).glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert Counter(whole) == Counter(one for one in rows if one[2] != "superseded")
    assert record["rows_in"] == record["rows_out"] + record["quarantined"]
    assert record["quarantined"] == len(rows) == sum(record["reasons"].values())
    return Counter(rows)


def make_pool(folder: Path) -> None:
    for version in VERSIONS:
        for tile, ra in PLACES.items():
            rows = 40 + 7 * tile + 5 * version
            made = write_tile(folder / f"made-{version}", tile, ra, rows, bad=version)
            made.rename(folder / f"made-{version}" / f"{tile}.fits")


@pytest.fixture(scope="session")
def pool(tmp_path_factory) -> Path:
    """Return a folder with every tile in two versions, and each version ingested at once; tests must not change it."""
    folder = tmp_path_factory.mktemp("changing")
    make_pool(folder)
    for version in VERSIONS:
        home = folder / str(version)
        home.mkdir()
        shutil.copytree(folder / f"made-{version}", home / "tiles")
        (home / "job.toml").write_text(JOB)
        (home / "record.json").write_text(json.dumps(ingest(home)))
    return folder


@pytest.fixture
def sky(pool, tmp_path) -> Path:
    """Return a copy of the first version that the test may change."""
    return shutil.copytree(pool / "1", tmp_path / "sky")


def expected_of(pool: Path) -> dict[tuple[int, int], tuple[dict, Counter]]:
    """Return the rows and the refused rows of each tile in each version, as they were ingested at once."""
    found = {}
    for version in VERSIONS:
        record = json.loads((pool / str(version) / "record.json").read_text())
        rows, bad = rows_of(catalogue(pool / str(version))), refused(pool / str(version), record)
        for tile in PLACES:
            mine = {name: row for name, row in rows.items() if row["tile"] == str(tile)}
            found[tile, version] = (
                mine,
                Counter({one: count for one, count in bad.items() if one[0] == f"{tile}.fits"}),
            )
    return found


def lay_out(pool: Path, folder: Path, versions: tuple[int, ...]) -> None:
    """Let the input folder hold each tile in this version; 0 is none."""
    shutil.rmtree(folder / "tiles")
    (folder / "tiles").mkdir()
    for tile, version in zip(PLACES, versions, strict=True):
        if version:
            shutil.copy2(pool / f"made-{version}" / f"{tile}.fits", folder / "tiles" / f"{tile}.fits")


def check_step(pool: Path, folder: Path, old: tuple[int, ...], new: tuple[int, ...], expected: dict) -> None:
    """Go from some versions of the tiles to others, and check that only what they touch is made again."""
    before = files_of(catalogue(folder))
    lay_out(pool, folder, new)
    record = ingest(folder)
    there = [(tile, version) for tile, version in zip(PLACES, new, strict=True) if version]
    assert rows_of(catalogue(folder)) == {
        name: row for one in there for name, row in expected[one][0].items()
    }
    assert refused(folder, record) == sum((expected[one][1] for one in there), Counter())
    assert is_valid_catalog(catalogue(folder).path, strict=True)
    moved = [tile for tile, one, other in zip(PLACES, old, new, strict=True) if one != other]
    touched = {
        int(row["_healpix_29"])
        for tile in moved
        for version in VERSIONS
        for row in expected[tile, version][0].values()
    }
    after = files_of(catalogue(folder))
    for path, file in before.items():
        order, pixel = int(path.parts[1].partition("=")[2]), int(path.stem.partition("=")[2])
        if not any(index >> 2 * (29 - order) == pixel for index in touched):
            assert after[path] == file  # the same bytes in the same place on the disk


choices = st.lists(st.tuples(*[st.integers(0, 2)] * len(PLACES)).filter(any), min_size=1, max_size=3)


def check_walk(pool: Path, folder: Path, steps: list[tuple[int, ...]]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pool / "1", folder)
    expected, here = expected_of(pool), (1,) * len(PLACES)
    for step in steps:
        check_step(pool, folder, here, step, expected)
        here = step


@given(steps=choices)
@FEW
def test_any_way_leads_to_the_catalogue_of_the_files_that_there_are(pool, tmp_path, steps):
    check_walk(pool, tmp_path / "walk", steps)


@pytest.mark.slow
@given(steps=choices)
@SLOW
def test_many_ways_lead_there_too(pool, tmp_path, steps):
    check_walk(pool, tmp_path / "walk", steps)


def test_a_file_with_another_name_changes_nothing_but_its_name(sky):
    before, name = files_of(catalogue(sky)), catalogue(sky).name
    (sky / "tiles" / "3.fits").rename(sky / "tiles" / "renamed.fits")
    record = ingest(sky)
    assert (catalogue(sky).name, files_of(catalogue(sky))) == (name, before)
    assert record["new_partitions"] == 0
    assert {source for source, _, _ in refused(sky, record)} == {"1.fits", "2.fits", "renamed.fits", "4.fits"}


def test_a_partition_that_loses_all_rows_is_no_more(sky):
    before = set(catalogue(sky).pixels)
    (sky / "tiles" / "4.fits").unlink()
    record = ingest(sky)
    gone = before - set(catalogue(sky).pixels)
    assert gone
    assert record["touched"] == {"made": [], "gone": sorted(f"{order}_{pixel}" for order, pixel in gone)}


def test_all_files_gone_is_refused(sky):
    shutil.copytree(sky / "run", sky / "before")
    name = catalogue(sky).name
    for path in (sky / "tiles").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="holds no table"):
        ingest(sky)
    write_tile(sky / "tiles", 7, 180.0, rows=3, bad=3)
    with pytest.raises(InputError, match="no row would be left in the catalogue after"):
        ingest(sky)
    assert catalogue(sky).name == name


def changed_rows(folder: Path, tile: int, right_of: float) -> int:
    """Return how many rows of a tile lie east of a place."""
    rows = rows_of(catalogue(folder)).values()
    return sum(row["tile"] == str(tile) and float(row["ra"]) > right_of for row in rows)


def test_superseded_rows_come_back_when_what_superseded_them_goes(sky):
    """Of three files with ten objects in common the last that there is counts."""
    first, bad = rows_of(catalogue(sky)), refused(sky, json.loads((sky / "record.json").read_text()))
    write_tile(sky / "tiles", 1, 210.0, rows=10, first=5)
    second = ingest(sky)
    assert (second["reasons"]["superseded"], changed_rows(sky, 1, 205.0)) == (10, 10)
    write_tile(sky / "tiles", 1, 220.0, rows=10, first=5)
    assert ingest(sky)["reasons"]["superseded"] == 20
    (sky / "tiles" / "1-2200-5.fits").unlink()
    third = ingest(sky)
    assert (third["reasons"], changed_rows(sky, 1, 205.0)) == (second["reasons"], 10)
    write_tile(sky / "tiles", 1, 220.0, rows=10, first=5)
    ingest(sky)
    (sky / "tiles" / "1-2100-5.fits").unlink()  # the one in the middle
    assert (ingest(sky)["reasons"], changed_rows(sky, 1, 215.0)) == (second["reasons"], 10)
    (sky / "tiles" / "1-2200-5.fits").unlink()
    record = ingest(sky)
    assert (rows_of(catalogue(sky)), refused(sky, record)) == (first, bad)
    assert record["rows_in"] == json.loads((sky / "record.json").read_text())["rows_in"]


@pytest.mark.slow
def test_a_row_that_repeated_an_id_comes_back_when_the_first_one_goes(sky):
    write_tile(sky / "tiles", 1, 210.0, rows=10, first=5).rename(sky / "tiles" / "5.fits")
    record = ingest(sky, incremental=False)  # at once: the first file counts
    assert record["reasons"]["duplicate id"] == 10
    assert not changed_rows(sky, 1, 205.0)
    (sky / "tiles" / "1.fits").unlink()
    record = ingest(sky)
    refused(sky, record)
    assert "duplicate id" not in record["reasons"]
    assert changed_rows(sky, 1, 0.0) == changed_rows(sky, 1, 205.0) == 10
    shutil.copytree(sky / "tiles", sky / "afresh" / "tiles")
    (sky / "afresh" / "job.toml").write_text(JOB)
    ingest(sky / "afresh")
    assert rows_of(catalogue(sky / "afresh")) == rows_of(catalogue(sky))


def test_a_file_that_changes_while_rows_come_back_from_it_is_refused(sky, monkeypatch):
    write_tile(sky / "tiles", 1, 210.0, rows=10, first=5)
    ingest(sky)
    (sky / "tiles" / "1-2100-5.fits").unlink()
    name, real = catalogue(sky).name, returning.normalise_table

    def changing(*arguments):
        (sky / "tiles" / "1.fits").write_bytes(b"SIMPLE")
        return real(*arguments)

    monkeypatch.setattr(returning, "normalise_table", changing)
    with pytest.raises(InputError, match=r"1\.fits"):
        ingest(sky)
    assert catalogue(sky).name == name


def test_a_run_that_is_stopped_before_it_is_recorded_goes_on_from_there(sky, monkeypatch):
    (sky / "tiles" / "3.fits").unlink()
    before = catalogue(sky).name
    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ingest(sky)
    stopped = catalogue(sky)
    assert stopped.name != before
    record = ingest(sky)
    assert catalogue(sky).name == stopped.name
    assert 0 < record["new_partitions"] + len(record["touched"]["gone"]) < len(stopped.pixels)
    refused(sky, record)


def test_what_was_known_of_files_that_are_gone_is_pruned(sky):
    (sky / "tiles" / "3.fits").unlink()
    (sky / "run" / "work" / "sources" / "notes.parquet").touch()
    record = ingest(sky)
    workspace = open_workspace(sky / "job.toml", sky / "run", sky)
    gone = prune(workspace, Retention(0.0))
    assert "rows by file" in {one.kind for one in gone.remnants}
    kept = {path.name for path in (sky / "run" / "work" / "sources").iterdir()}
    assert kept == {Path(one["table"]).name for one in record["sources"].values()} | {"notes.parquet"}
    (sky / "tiles" / "4.fits").unlink()
    assert ingest(sky)["touched"]["gone"]


def test_plan_and_history_say_what_went_and_what_follows(sky, capsys):
    def command(verb: str, *options: str) -> str:
        where = [str(sky / "job.toml"), "--output", str(sky / "run"), "--data", str(sky)]
        assert main([verb, *where, *options]) == 0
        return capsys.readouterr().out

    (sky / "tiles" / "1.fits").rename(sky / "tiles" / "one.fits")
    (sky / "tiles" / "4.fits").unlink()
    write_tile(sky / "made", 3, 200.0, 9).rename(sky / "tiles" / "3.fits")
    [planned] = json.loads(command("update", "--dry-run", "--json"))["stages"]
    assert planned["reasons"][:3] == [
        "1 input file changed: 3.fits",
        "1 input file gone: 4.fits",
        "1 input file renamed: 1.fits to one.fits",
    ]
    made = {
        key for work in planned["work"] if work["title"] == "ingest: grown partitions" for key in work["keys"]
    }
    command("update", "--serial")
    [told] = json.loads(command("history", "--json"))
    told = told["results"]["ingest"]
    assert told["inputs"] == {
        "added": [],
        "changed": ["3.fits"],
        "removed": ["4.fits"],
        "renamed": {"1.fits": "one.fits"},
    }
    assert set(told["touched"]["made"]) == made
    assert planned["reasons"][3].removeprefix("partitions lose all of their rows: ").split(", ") == [
        *told["touched"]["gone"]
    ]
    assert "~1 -1" in command("history")
    command("update", "--serial")
    assert "touched" not in json.loads(command("history", "--json", "--last", "1"))[0]["results"]["ingest"]
