"""``jpasbatch check``: everything that is wrong with all files, and nothing imported."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.cli import main
from jpasbatch.stages.check.identities import BUCKETS, Identities, hashes
from jpasbatch.storage.tables.tables import write_cefca_tile

ROWS = 30
pytestmark = pytest.mark.usefixtures("unchanged_process")


@pytest.fixture
def write(tmp_path, survey):
    """Return a function that writes a tile, changed or not."""
    folder = tmp_path / "tables"
    folder.mkdir()

    def write_tile(name: str, first: int = 0, change=None, **fields) -> Path:
        rng = np.random.default_rng(first)
        shape = (ROWS, len(survey.bands))
        rows = {
            "tile_id": np.full(ROWS, 2406),
            "number": np.arange(first, first + ROWS),
            "ra": rng.uniform(214, 215, ROWS),
            "dec": rng.uniform(52, 53, ROWS),
            "flux": rng.lognormal(2, 1, shape).astype(np.float32),
            "flux_err": rng.uniform(0.1, 1, shape).astype(np.float32),
            "flags": np.zeros(shape, int),
            "mask_flags": np.zeros(shape, int),
            "class_star": np.ones(ROWS),
        } | fields
        path = folder / name
        write_cefca_tile(path, rows, survey)
        if change is not None:
            with fits.open(path, memmap=False) as hdus:
                columns = change(list(hdus[1].columns))
                hdus[1] = fits.BinTableHDU.from_columns(columns, name="FLAMBDADUALOBJ")
                hdus.writeto(path, overwrite=True)
        return path

    return write_tile


def as_json(capsys, *arguments: object) -> tuple[int, dict]:
    code = main(["check", *map(str, arguments), "--survey", "jpas60", "--json"])
    return code, json.loads(capsys.readouterr().out)


def three_faults(columns: list[fits.Column]) -> list[fits.Column]:
    """Take a column away, and give two others units that they must not have."""
    kept = [one for one in columns if one.name != "MASK_FLAGS"]
    for one in kept:
        if one.name in ("ALPHA_J2000", "FLUX_APER_3_0"):
            one.unit = "K"
    return kept


def test_everything_that_is_wrong_is_told_at_once(write, capsys):
    good = write("a.fits")
    wrong = write("b.fits", 100, three_faults)
    truncated = write("c.fits", 200)
    truncated.write_bytes(truncated.read_bytes()[:-3000])
    flags = np.zeros((ROWS, 60), int)
    flags[:4, 3] = 4
    write("d.fits", 300, flags=flags)
    code, found = as_json(capsys, good.parent)
    assert code == 2
    assert not found["good"]
    files = {Path(one["file"]).name: one for one in found["files"]}
    assert files["a.fits"]["problems"] == []
    assert files["a.fits"]["usable"] == ROWS
    told = "\n".join(files["b.fits"]["problems"])
    assert len(files["b.fits"]["problems"]) == 3
    for words in (
        "'MASK_FLAGS' is missing",
        "'ALPHA_J2000' has the unit 'K'",
        "'FLUX_APER_3_0' has the unit 'K'",
    ):
        assert words in told
    assert "truncated" in files["c.fits"]["problems"][0]
    assert files["d.fits"]["quarantined"] == {"flags": 4}
    assert files["d.fits"]["usable"] == ROWS - 4
    assert str(wrong) not in told  # the file is named once
    assert {path.name for path in good.parent.parent.iterdir()} == {"tables"}


def test_good_tables_end_with_0_and_a_line_each(write, capsys):
    first, second = write("a.fits"), write("b.fits", 100)
    assert main(["check", str(first), str(second), "--survey", "jpas60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[1:3]] == ["good", "good"]
    assert lines[-1] == f"2 files of survey jpas60: 0 would be refused; {2 * ROWS} of {2 * ROWS} rows usable"


def test_ids_that_occur_in_two_files_are_told_of(write, capsys):
    first, second = write("a.fits"), write("b.fits", ROWS - 3)
    code, found = as_json(capsys, first, second)
    assert code == 2
    assert found["files"][0]["problems"] == []
    assert "3 rows repeat an id" in found["files"][1]["problems"][0]
    code, found = as_json(capsys, first, second, "--duplicates", "quarantine")
    assert code == 0
    assert found["files"][1]["quarantined"] == {"duplicate id": 3}
    assert found["files"][1]["usable"] == ROWS - 3


def test_tables_without_a_usable_row_are_not_good(write, capsys):
    path = write("a.fits", flags=np.full((ROWS, 60), 4))
    assert main(["check", str(path), "--survey", "jpas60"]) == 2
    assert "no usable row" in capsys.readouterr().out


def test_what_is_no_table_is_a_line_as_well(write, tmp_path, capsys):
    path = write("a.fits")
    code, found = as_json(capsys, tmp_path / "absent.fits", path, path.parent)
    assert code == 2
    assert [len(one["problems"]) for one in found["files"]] == [1, 1, 0]
    assert "no such file" in found["files"][0]["problems"][0]
    assert "named twice" in found["files"][1]["problems"][0]


@pytest.mark.parametrize("arguments", [["--flags", "-1"], ["--aperture", "absent"], ["--survey", "absent"]])
def test_wrong_options_end_with_2(arguments, write, capsys):
    path = write("a.fits")
    assert main(["check", str(path), "--survey", "jpas60", *arguments]) == 2
    assert "jpasbatch: " in capsys.readouterr().err


def test_identities_count_what_was_there_before_whatever_the_order(tmp_path):
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 500, 3000).astype(str)
    (tmp_path / "ids").mkdir()
    identities = Identities(tmp_path / "ids")
    seen: set[str] = set()
    expected = {0: 0, 1: 0, 2: 0}
    for file, part in enumerate(np.split(ids, 3)):
        identities.add(pa.array(part.tolist()), file)
        for one in part:
            expected[file] += one in seen
            seen.add(one)
    assert dict(identities.repeated()) == {file: count for file, count in expected.items() if count}


@given(st.lists(st.text(st.characters(max_codepoint=127), max_size=40), max_size=30))
def test_two_ids_have_one_hash_if_they_are_one(ids):
    found = hashes(pa.array(ids, pa.string()))
    longer = hashes(pa.array([*ids, "x" * 70], pa.string()))  # what stands beside an id changes nothing
    np.testing.assert_array_equal(found, longer[:-1])
    assert len(set(found.tolist())) == len(set(ids))


def test_hashes_of_ids_that_count_up_spread_over_all_buckets():
    found = hashes(pa.array([f"2406-{number}" for number in range(20_000)]))
    assert len(np.unique(found)) == len(found)
    in_buckets = np.bincount((found % BUCKETS).astype(int), minlength=BUCKETS)
    assert in_buckets.min() > 0.7 * in_buckets.mean()
    assert in_buckets.max() < 1.3 * in_buckets.mean()


def test_memory_does_not_grow_with_the_number_of_ids(tmp_path, monkeypatch):
    monkeypatch.setattr("jpasbatch.stages.check.identities.WAITING", 4000)

    def peak(chunks: int) -> int:
        folder = tmp_path / str(chunks)
        folder.mkdir()
        identities = Identities(folder)
        tracemalloc.start()
        for number in range(chunks):
            identities.add(pa.array([f"{number}-{row}" for row in range(2000)]), 0)
        identities.repeated()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)
    assert peak(20) < 1.5 * peak(4)
