"""The golden runs, once in a session."""

import pytest

from tests.algorithms.golden import Runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Return the golden runs, each of which is made when a test first asks for it."""
    return Runs(tmp_path_factory.mktemp("golden"))
