"""Fixtures that several rooms share."""

import gc
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jpasbatch.photometry.survey import Survey, load_survey
from tests.blank_figures import leave_figures_blank
from tests.slurm_site import slurm, why_not
from tests.storage.object_server import object_server

REPOSITORY = Path(__file__).resolve().parents[1]

# hats compiles its alignment of pixel trees anew in every process: ten seconds for trees of a few pixels, which Python
# walks in milliseconds. This is set before numba is imported, and processes that tests start inherit it.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# Python looks for garbage after every 700 new objects, and now and then among all there are: with all modules of the
# package and of its dependencies in memory, this took a ninth of the time of the tests. What is imported stays for the
# whole run, and is not looked at; young objects are looked at more rarely.
gc.disable()

LONG_FILES = ("test_extending.py", "test_packaging.py")
"""Files that start processes, and that would come last by their names."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files of the end: whoever has one left then keeps the other processes waiting."""
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not in what was there when the first test began."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of public data that a user would download, or skip."""
    named = os.environ.get("JPASBATCH_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs real data: set JPASBATCH_DATA to the folder that holds it")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _leave_flushing_to_the_system() -> Iterator[None]:
    """Wait for no disk: no test cuts the power of this machine, and those that play it count what is flushed."""
    flush = os.fsync
    os.fsync = lambda descriptor: None
    yield
    os.fsync = flush


@pytest.fixture
def unchanged_process() -> Iterator[None]:
    """Put back what a command sets for its whole process."""
    handler, level = signal.getsignal(signal.SIGTERM), logging.getLogger("jpasbatch").level
    yield
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger("jpasbatch").setLevel(level)


@pytest.fixture(scope="session")
def shared_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of this test run that all its processes share; see `tests.once`."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def snapshots(shared_folder: Path) -> Path:
    """Return the folder that holds the snapshots ``trained`` and ``finished``; tests must not change it."""
    from tests.stages.tiny_run import tiny_run

    return tiny_run(shared_folder)


@pytest.fixture
def trained_copy(snapshots: Path, tmp_path: Path) -> Path:
    """Return an output folder with a catalogue and a committee, and nothing inferred yet."""
    return Path(shutil.copytree(snapshots / "trained", tmp_path / "run"))


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no figure in a test that is not about figures."""
    leave_figures_blank(monkeypatch)


@pytest.fixture(scope="session")
def survey() -> Survey:
    """Return the miniJPAS survey."""
    return load_survey("jpas60")


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator of random numbers that are the same in every run."""
    return np.random.default_rng(11)


@pytest.fixture(scope="session")
def object_store_url():
    """Return the URL of an object store with the bucket ``survey``, which the environment names to clients."""
    pytest.importorskip("moto", reason="needs moto, of the extra 'test'")
    with object_server() as url:
        yield url


@pytest.fixture(scope="session")
def slurm_site() -> Iterator[Path]:
    """Start a Slurm of two virtual nodes, which the environment names to its commands, or skip aloud."""
    if reason := why_not():
        pytest.skip(reason)
    home = Path(
        tempfile.mkdtemp(prefix="slurm-")
    )  # pytest's own folders are closed to other users, as munge is one
    home.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch, slurm(home) as configuration:
        patch.setenv("SLURM_CONF", str(configuration))
        yield home
    shutil.rmtree(home)
