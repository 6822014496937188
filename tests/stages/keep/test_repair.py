"""Damage to anything that was published: seen by a look where a look can, by a verification always, and mended."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jpasbatch.cli import main
from jpasbatch.storage.stores.files import sha256_file


def run(verb: str, folder: Path, *flags: str) -> int:
    where = ["--serial"] if verb != "prune" else []
    return main([verb, str(folder / "tiny.toml"), "--output", str(folder), *where, *flags])


def one(folder: Path, pattern: str) -> Path:
    return sorted(path for path in folder.glob(pattern) if path.is_file())[0]


# what can happen to a file


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    rewrite(path, path.read_bytes()[:-20])


def emptied(path: Path) -> None:
    rewrite(path, b"")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    rewrite(path, bytes(content))


def rotted(path: Path) -> None:
    """Flip a bit as a disk does: neither size nor time tells of it."""
    before = path.stat()
    flipped(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite(path: Path, content: bytes) -> None:
    """Write into the file itself, as a careless hand does: a second name of it sees that too."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)


def moved(path: Path) -> None:
    """Rewrite positions, so that the file is a valid one of other objects."""
    table = pq.read_table(path)
    number = table.schema.get_field_index("dec")
    pq.write_table(table.set_column(number, table.schema.field(number), table["ra"]), path)


def swapped(path: Path) -> None:
    """Exchange two partitions of a catalogue."""
    other = next(one for one in sorted(path.parents[2].rglob("Npix=*.parquet")) if one != path)
    content, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(content)


PHOTOMETRY = "sky/photometry-????????????/dataset/**/Npix=*.parquet"
PREDICTIONS = "sky/predictions-*/dataset/**/Npix=*.parquet"
MATRIX: list[tuple[str, Callable[[Path], None]]] = [
    *((PHOTOMETRY, damage) for damage in (gone, cut, flipped, rotted, moved, swapped)),
    ("sky/photometry-????????????/hats.properties", gone),
    ("sky/photometry-????????????/partition_info.csv", emptied),
    ("sky/photometry-????????????/point_map.fits", flipped),
    ("sky/photometry-????????????/provenance.json", cut),
    ("sky/photometry-????????????/dataset/_metadata", gone),
    *(("sky/photometry-*arcs/dataset/**/Npix=*.parquet", damage) for damage in (gone, flipped, rotted)),
    ("sky/photometry-*arcs/hats.properties", emptied),
    *((PREDICTIONS, damage) for damage in (gone, cut, flipped, rotted, moved, swapped)),
    ("sky/predictions-*/hats.properties", gone),
    ("sky/predictions-*.properties", emptied),
    *(("sky/posteriors-*/dataset/**/Npix=*.parquet", damage) for damage in (gone, rotted)),
    ("sky/collection.properties", gone),
    ("sky/collection.properties", emptied),
    *(("committee/committee-*/committee.onnx", damage) for damage in (gone, flipped, rotted)),
    ("committee/committee-*/manifest.json", cut),
    ("committee/current", gone),
    ("quarantine/ingest-*.parquet", flipped),
    ("quarantine/ingest-*.parquet", gone),
    ("counts/*.ecsv", cut),
    ("targets/*.fits", flipped),
    ("targets/*.fits", gone),
    ("report.html", rotted),
    ("summary.json", emptied),
    ("work/infer.json", emptied),
    ("work/ingest.json", cut),
    ("work/seals/infer.json", cut),
    ("work/correct/*/prior.json", flipped),
]
"""Forty kinds of damage, and some more."""


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of all that readers see, but for times that are within."""
    pages = ("report.html", "summary.json")
    found = {}
    for place in ("sky", "committee", "counts", "targets", "quarantine"):
        for path in sorted((folder / place).rglob("*")):
            inside = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in inside.parts)
            if path.is_file() and not hidden and path.name not in ("properties", "hats.properties"):
                # times of runs, places of copies, and pictures that tests leave empty are within
                timed = path.suffix in (".fits", ".png") or place in ("counts", "quarantine")
                timed = timed or path.stem.endswith("-yield")
                found[inside.as_posix()] = "" if timed else sha256_file(path)
    return found | {name: "" for name in pages if (folder / name).is_file()}


def test_there_are_forty():
    assert len(MATRIX) >= 40
    assert len(set(MATRIX)) == len(MATRIX)


def test_what_is_whole_is_told_so(finished_copy, capsys):
    assert run("status", finished_copy, "--verify") == 0
    assert "every byte that was published is what was written" in capsys.readouterr().out
    assert run("repair", finished_copy) == 0
    assert "nothing is damaged" in capsys.readouterr().out


def test_a_copy_is_no_damage(finished_copy, tmp_path, capsys):
    copied = tmp_path / "copied"
    shutil.copytree(
        finished_copy, copied, copy_function=shutil.copyfile
    )  # with times of now, and no second names
    assert run("status", copied) == 0
    assert "damaged" not in capsys.readouterr().out


def kinds(quick: list[tuple[str, Callable[[Path], None]]]) -> list:
    """Return all kinds of damage as cases of a test, of which only the quick ones run by default."""
    return [
        pytest.param(
            *case, id=f"{case[0]}-{case[1].__name__}", marks=() if case in quick else pytest.mark.slow
        )
        for case in MATRIX
    ]


QUICK = [
    (PHOTOMETRY, gone),
    (PREDICTIONS, rotted),
    ("committee/committee-*/committee.onnx", flipped),
]


@pytest.mark.parametrize(("pattern", "damage"), kinds(QUICK))
def test_damage_is_seen_and_mended(pattern, damage, finished_copy, capsys):
    folder = finished_copy
    whole = contents(folder)
    path = one(folder, pattern)
    damage(path)
    name = path.relative_to(folder).as_posix()
    # seen
    assert run("status", folder, "--verify", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert name in {fault["path"] for faults in told["damaged"].values() for fault in faults} or any(
        name in fault["what"] for faults in told["damaged"].values() for fault in faults
    )
    if damage is not rotted:
        assert run("status", folder) == 1
        assert "damaged" in capsys.readouterr().out
        assert run("summarise", folder) in (
            0,
            2,
        )  # it makes its own again, and refuses to read what is damaged
        capsys.readouterr()
    # mended
    assert run("repair", folder, "--json") == 0, capsys.readouterr().err
    capsys.readouterr()
    assert run("status", folder, "--verify") == 0, capsys.readouterr().out
    assert contents(folder) == whole
    assert not [path for path in (folder / "sky").iterdir() if "damaged" in path.name]
    assert run("run", folder) == 0


def damaged_files(folder: Path, capsys) -> str:
    """Return what a verification says of damage, empty if there is none."""
    capsys.readouterr()
    code = run("status", folder, "--verify", "--json")
    told = json.loads(capsys.readouterr().out)["damaged"]
    assert code == (1 if told else 0)
    return json.dumps(told) if told else ""


@pytest.mark.parametrize("verb", ["run", "update", "correct", "summarise"])
@pytest.mark.parametrize(("pattern", "damage"), kinds([]))
def test_every_verb_mends_what_a_look_sees_or_names_it(pattern, damage, verb, finished_copy, capsys):
    folder = finished_copy
    whole = contents(folder)
    path = one(folder, pattern)
    name = path.relative_to(folder).as_posix()
    damage(path)
    code = run(verb, folder)
    told = capsys.readouterr()
    left = damaged_files(folder, capsys)
    if code == 0 and verb in ("run", "update") and damage is not rotted:
        assert not left
        assert contents(folder) == whole
    elif code == 0:  # nothing that this stage reads: somebody else is still told of it
        assert name in left or contents(folder) == whole
    else:
        assert code == 2, told.err
        assert path.name in told.err
        assert name in left
    assert run("repair", folder) == 0, capsys.readouterr().err
    assert not damaged_files(folder, capsys)
    assert contents(folder) == whole


def test_what_cannot_be_made_again_is_named(finished_copy, capsys):
    one(finished_copy, PHOTOMETRY).unlink()
    shutil.rmtree(finished_copy / "work" / "mock")
    (finished_copy / "work" / "mock.json").unlink()
    assert run("summarise", finished_copy) == 2
    assert "jpasbatch repair" in capsys.readouterr().err


def test_a_plan_says_that_damage_is_why(finished_copy, capsys):
    one(finished_copy, PREDICTIONS).unlink()
    assert run("run", finished_copy, "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert "1 published files are damaged" in json.dumps(told)
