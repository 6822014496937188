"""TOPCAT's engine reads whatever says that it is FITS or VOTable, and no module that writes such files is forgotten."""

import ast
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits, votable
from astropy.table import Table

import jpasbatch
from jpasbatch.cli import main

PACKAGE = Path(jpasbatch.__file__).parent
ENDINGS = (".fits", ".vot", ".xml", ".votable")

WRITERS = {
    "products/counts/tables.py": [r"counts/density_map\.fits"],
    "products/targets/fits_table.py": [r"targets/WQ_2027A1\.fits", r"targets/WQ_2027A1/\w+/WQ_2027A1\.fits"],
    "products/targets/published_list.py": [r"targets/WQ_2027A1/\w+/WQ_2027A1\.vot"],
    "storage/catalogue/assembly.py": [
        r"(sky/(photometry|predictions|posteriors)-\w+|targets/WQ_2027A1/\w+/WQ_2027A1-hats)/point_map\.fits",
        r"(sky/(photometry|predictions|posteriors)-\w+|targets/WQ_2027A1/\w+/WQ_2027A1-hats)/skymap(\.\d+)?\.fits",
    ],
    "storage/tables/cefca_tiles.py": [r"work/mock/\w+/(survey|training|validation)/[\w-]+\.fits"],
    "storage/tables/output/fits.py": [r"classified/tile\.fits"],
    "storage/tables/output/votable.py": [r"classified/tile\.(vot|xml|votable)"],
}
"""Modules that write FITS or VOTable, and the files of theirs that this test reads."""

KEPT_AS_TEXT = {"storage/tables/complete/fits.py"}
"""Modules that make text of a header to hand it on, and write no file."""

CALLS = {"writeto", "write_map", "to_xml", "write_fits_image", "write_skymap", "tostring"}
"""Functions and methods of astropy, healpy and hats that make such a file, or the bytes of its header."""


def makes_such_files(code: str) -> bool:
    """Return whether a module calls something that writes FITS or VOTable."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in CALLS:
            return True
        texts = [
            part.value
            for part in ast.walk(node)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ]
        if name == "write" and any(
            text.startswith(("fits", "votable")) or text.endswith(ENDINGS) for text in texts
        ):
            return True
    return False


@pytest.mark.parametrize(
    "code",
    [
        "table.write(path, format='votable')",
        "table.write(path, format='fits', overwrite=True)",
        "Table(rows).write(folder / f'{name}.fits')",
        "fits.HDUList([one]).writeto(path)",
        "votable.writeto(document, path)",
        "healpy.write_map(path, values)",
        "file.write(header.tostring().encode())",
    ],
)
def test_a_writer_is_known_when_it_is_seen(code):
    assert makes_such_files(code)
    assert not makes_such_files(
        "file.write(data)\npq.write_table(table, path)\ntable.write(text, format='ascii.ecsv')"
    )


def test_every_module_that_writes_fits_or_votable_is_read_below():
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if makes_such_files(path.read_text(encoding="utf-8"))
    }
    assert found == set(WRITERS) | KEPT_AS_TEXT


def stilts(*arguments: str) -> str:
    """Return what stilts says."""
    done = subprocess.run(["stilts", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def in_memory(path: Path) -> Table:
    """Return what astropy reads of the first table of a file, as it lies there."""
    if path.suffix == ".fits":
        with fits.open(path, checksum=True) as file:  # a wrong checksum is a warning, and so an error
            hdu = next(one for one in file if isinstance(one, fits.BinTableHDU))
            columns = [(one.name, np.array(hdu.data[one.name]), one.null) for one in hdu.columns]
        return Table({name: np.ma.array(values, mask=values == null) for name, values, null in columns})
    return votable.parse(path).get_first_table().to_table(use_names_over_ids=True)


def plain(column: object) -> np.ndarray:
    """Return values that can be compared: what is missing is empty, 0 or not a number, and texts are stripped."""
    missing = np.ma.getmaskarray(column)
    values = np.ma.getdata(column)
    if values.dtype.kind in "OSU":
        texts = np.array([one.decode() if isinstance(one, bytes) else str(one) for one in values.ravel()])
        return np.where(missing.ravel(), "", np.char.strip(texts.astype(str)))
    if values.dtype.kind == "f":
        return np.where(missing, np.nan, values)
    return np.where(missing, 0, values)


@pytest.fixture(scope="module")
def written(snapshots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run, with a classified table of each format beside it."""
    folder = tmp_path_factory.mktemp("topcat") / "run"
    shutil.copytree(snapshots / "finished", folder, symlinks=True)
    tile = next(iter(sorted((folder / "work" / "mock").glob("*/survey/*.fits"))))
    for ending in ENDINGS:
        output = folder / "classified" / f"tile{ending}"
        output.parent.mkdir(exist_ok=True)
        command = ["classify", str(tile), "--committee", str(folder / "committee"), "--output", str(output)]
        assert main(command) == 0
    return folder


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("stilts") is None, reason="needs stilts, TOPCAT's engine")
def test_topcat_reads_every_file(written, tmp_path, unchanged_process):
    files = [path for path in sorted(written.rglob("*")) if path.suffix in ENDINGS]
    patterns = [pattern for listed in WRITERS.values() for pattern in listed]
    names = [str(path.relative_to(written)) for path in files]
    assert [name for name in names if not any(re.fullmatch(one, name) for one in patterns)] == []
    assert [one for one in patterns if not any(re.fullmatch(one, name) for name in names)] == []
    for path, name in zip(files, names, strict=True):
        expected = in_memory(path)
        assert len(expected), name
        counted = stilts("tpipe", f"in={path}", "omode=count")
        assert re.search(r"columns: (\d+)\s+rows: (\d+)", counted), counted
        copy = tmp_path / "copy.fits"
        stilts("tpipe", f"in={path}", f"out={copy}", "ofmt=fits-basic")
        found = in_memory(copy)
        copy.unlink()
        assert f"columns: {len(expected.colnames)}" in counted, name
        assert f"rows: {len(expected)}" in counted, name
        assert found.colnames == expected.colnames, name
        for column in expected.colnames:
            mine, theirs = plain(expected[column]), plain(found[column])
            assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), (name, column)
        if path.suffix != ".fits":
            assert ElementTree.parse(path).getroot().tag.endswith("VOTABLE")
            said = stilts("votlint", str(path))
            assert "ERROR" not in said, (name, said)
