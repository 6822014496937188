"""Training on another backend of Keras: the tests of training themselves, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TESTS = ("test_training.py", "classifiers/test_networks.py")
CHOSEN = "same_seed or it_learns or cut_off and cosine"
"""What training promises; with ``-m slow`` all of it."""


def run_with(backend: str, chosen: str | None) -> str:
    """Run the tests of training with a backend and return what pytest said."""
    pytest.importorskip(backend)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(HERE / one) for one in TESTS),
    ]
    command += ["-k", chosen] if chosen else []
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        command,
        cwd=HERE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def test_jax_trains_as_tensorflow_does():
    assert "passed" in run_with("jax", CHOSEN)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_all_of_training_holds_with(backend):
    assert "passed" in run_with(backend, None)
