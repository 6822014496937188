"""Every reader of a file that people name refuses what is none, by name, at once: a contract that new readers join."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jpasbatch.errors import InputError
from jpasbatch.footprint.completeness import read_completeness
from jpasbatch.footprint.maps import read_map, read_moc
from jpasbatch.footprint.tables import read_given
from jpasbatch.job.comparison import load_comparison
from jpasbatch.job.job import load_cluster, load_job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.table import read_shares
from jpasbatch.products.targets.exclusions import exclusions_of
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.weave_template import template_bytes
from jpasbatch.stages.run.history import HISTORY, read_history
from jpasbatch.stages.submit.check import read_whole
from jpasbatch.storage.foreign.options import ForeignTable
from jpasbatch.storage.foreign.reading import iterate_foreign
from jpasbatch.storage.tables.csv import read_filter_csv

CLASSES = ("star", "galaxy")


def history(path: Path) -> object:
    """Put a file into the ledger of a history, and read that."""
    ledger = path.parent / "run" / HISTORY
    ledger.mkdir(parents=True)
    if path.exists():
        os.rename(path, ledger / "2026-11-28T00-00-00Z-0001.begun.json")  # noqa: PTH104
    return read_history(path.parent / "run")


def excluded(path: Path) -> object:
    """Read a list of objects that get no fibre."""
    return exclusions_of(TargetProgramme(classes=("star",), exclude=str(path)))


def foreign(path: Path) -> object:
    """Read a table of others."""
    labels = {"star": ("STAR",)}
    options = ForeignTable(name="gaia", table=str(path), id=("id",), label="class", labels=labels)
    return list(iterate_foreign(path, options, load_survey("jpas60"), CLASSES))


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "job": (".toml", load_job),
    "comparison": (".toml", load_comparison),
    "cluster": (".toml", load_cluster),
    "survey": (".toml", load_survey),
    "filters": (".csv", read_filter_csv),
    "prior": (".csv", lambda path: read_shares(path, CLASSES)),
    "completeness": (".csv", lambda path: read_completeness(path, "r")),
    "polygons": (".ecsv", lambda path: read_given("[area] file", path)),
    "polygons of FITS": (".fits", lambda path: read_given("[area] file", path)),
    "polygons of Parquet": (".parquet", lambda path: read_given("[area] file", path)),
    "moc": (".fits", lambda path: read_moc("[area] file", path)),
    "moc of JSON": (".json", lambda path: read_moc("[area] file", path)),
    "map": (".fits", lambda path: read_map("[area] file", path)),
    "exclusions": (".csv", excluded),
    "foreign": (".csv", foreign),
    "targets": (".fits", read_whole),
    "template": (".fits", lambda path: template_bytes(path, "--template")),
    "history": (".json", history),
}
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "not text": b"\xff\xfe\x00name\x00\x80\x81 = 1\n\x00,\xff\n",
    "zeros": bytes(4096),
    "huge number": b"seed = 1" + b"0" * 10_000 + b"\nbrightest,faintest,star,galaxy\n1e999,nan,inf,-1\n",
    "nested": b"a = " + b"[" * 20_000,
    "nested JSON": b"[" * 20_000,
    "half a table": b"SIMPLE  =                    T / FITS",
    "not a number": b"seed = nan\nminimum = inf\n",
}
pytestmark = [  # astropy leaves a file open where the rest of a header is missing
    pytest.mark.filterwarnings("ignore:unclosed file"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BYTES_ONLY = {"targets", "template"}
"""Readers that hand on bytes; what is within is refused where it is interpreted."""


def refuses(name: str, path: Path) -> None:
    with pytest.raises(InputError) as caught:
        READERS[name][1](path)
    told = str(caught.value)
    assert path.name in told or name == "history"
    assert len(told) < 3000


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing", "nothing"])
def test_what_is_no_file_is_refused_at_once(name, kind, tmp_path):
    path = tmp_path / f"named{READERS[name][0]}"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "gone")
    elif name == "history":
        pytest.skip("a history that is not there is an empty one")
    if name == "history" and kind == "link to nothing":
        pytest.skip("the reader lists what is there")
    refuses(name, path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", sorted(set(READERS) - BYTES_ONLY))
@pytest.mark.parametrize("kind", CONTENTS)
def test_what_holds_something_else_is_refused_by_name(name, kind, tmp_path):
    path = tmp_path / f"named{READERS[name][0]}"
    path.write_bytes(CONTENTS[kind])
    refuses(name, path)


@pytest.mark.parametrize("name", sorted(set(READERS) - {"history"}))
@pytest.mark.skipif(os.geteuid() == 0, reason="NOT TESTED as root: it may read every file")
def test_what_may_not_be_read_is_named(name, tmp_path):
    path = tmp_path / f"named{READERS[name][0]}"
    path.write_bytes(b"x")
    path.chmod(0)
    refuses(name, path)
