"""The next version of the package, laid out as an installation has it: what it computes again of older results."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jpasbatch
from jpasbatch.algorithms import load_algorithms
from jpasbatch.stages.run.history import read_history
from tests.crash.judgement import data_files
from tests.stages.foretold import change_text
from tests.stages.test_pipeline import predictions_of

PACKAGE = Path(jpasbatch.__file__).resolve().parent
STAGES = ["mock", "ingest", "train", "infer", "correct", "summarise"]


@pytest.fixture
def site(tmp_path) -> Path:
    """Return a folder with the next version: another number, and other comments in what makes results."""
    folder = tmp_path / "site"
    shutil.copytree(PACKAGE, folder / "jpasbatch", ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "jpasbatch"
    change_text(package / "version.py", jpasbatch.__version__, "99.0.0")
    for module in ("infer/partition.py", "correct/partition.py", "ingest/reading.py", "summarise/rows.py"):
        path = package / "stages" / module
        path.write_text(
            path.read_text(encoding="utf-8") + "\n# a comment of the next version\n", encoding="utf-8"
        )
    return folder


def run(folder: Path, site: Path) -> dict[str, dict]:
    """Run the job with the version in a folder; return what the history says of each stage."""
    code = "import sys, jpasbatch.cli; print(jpasbatch.__file__); sys.exit(jpasbatch.cli.main(sys.argv[1:]))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    command += ["run", str(folder / "tiny.toml"), "--output", str(folder), "--serial"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        command, env=environment, cwd=site, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site)), "another version ran"
    last = read_history(folder)[-1]
    assert last["version"] == "99.0.0"
    assert sorted(last["results"]) == sorted(STAGES)
    return last["results"]


def ran(results: dict[str, dict]) -> list[str]:
    return [stage for stage in STAGES if results[stage]["ran"]]


@pytest.mark.slow
def test_a_version_with_other_comments_computes_nothing_again(finished_copy, site):
    before = {path.name: path.read_bytes() for path in (finished_copy / "work").glob("*.json")}
    assert ran(run(finished_copy, site)) == []
    after = {path.name: path.read_bytes() for path in (finished_copy / "work").glob("*.json")}
    assert {name: json.loads(text)["fingerprint"] for name, text in after.items()} == {
        name: json.loads(text)["fingerprint"] for name, text in before.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("infer", ["infer", "correct", "summarise"]),
        ("correct", ["correct", "summarise"]),
        ("tally", ["summarise"]),
    ],
)
def test_a_version_with_a_raised_algorithm_computes_that_again_and_no_more(finished_copy, site, name, stages):
    number = load_algorithms()[name].number
    file = site / "jpasbatch" / "algorithms.toml"
    head, section, rest = file.read_text(encoding="utf-8").partition(f"[{name}]")
    rest = rest.replace(f"number = {number}\n", f"number = {number + 1}\n", 1)
    file.write_text(head + section + rest, encoding="utf-8")
    predictions = data_files(predictions_of(finished_copy).path)
    results = run(finished_copy, site)
    assert ran(results) == stages
    assert results[stages[0]]["because"][0].startswith(f"algorithm {name} {number} -> {number + 1}")
    assert data_files(predictions_of(finished_copy).path) == predictions
    assert ran(run(finished_copy, site)) == []
