"""Fixtures that several rooms share."""

import os
from pathlib import Path

import numpy as np
import pytest

from jpasbatch.photometry.survey import Survey, load_survey
from tests.storage.object_server import object_server

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of public data that a user would download, or skip."""
    named = os.environ.get("JPASBATCH_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs real data: set JPASBATCH_DATA to the folder that holds it")
    return folder


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
