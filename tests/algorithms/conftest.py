"""The golden runs, once in a session."""

import pytest

from tests.algorithms.golden import golden_results, golden_runs


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Return what each algorithm makes in the golden cases."""
    return golden_results(golden_runs(tmp_path_factory.mktemp("golden")))
