"""What ``docs/extending.md`` shows is tried: its code is added to a copy of the package, and runs there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import jpasbatch
from jpasbatch.job.job import load_job
from jpasbatch.learning.samples import label
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.pipeline import demo_job
from tests.products.page_rules import broken_rules

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = Path(jpasbatch.__file__).parent
RUN_A_TASK = """
import sys
from pathlib import Path
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError
from jpasbatch.job.job import load_cluster

folder = Path(sys.argv[1])
with open_cluster(load_cluster(folder / "threads.toml")) as executor:
    found = [outcome.result for outcome in run_tasks(pow, [Task("power", (2, 5))], executor)]
    print(executor.count_workers(), "workers:", found)
try:
    load_cluster(folder / "wrong.toml")
except InputError as error:
    print(str(error).partition("wrong.toml: ")[2])
"""


def section(title: str) -> str:
    """Return the text of a section of the document."""
    text = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
    return next(part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(title))


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def patched(text: str, diff: str) -> str:
    """Return a text with a hunk applied; what the hunk shows as there must be there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(before) == 1, before
    return text.replace(before, after)


def extended(place: Path, text: str, module: str, registry: str) -> Path:
    """Return a copy of the package with the module of a section and its changes of a registry.

    Compiled modules come along, and are used where a module is as it was.
    """
    copy = place / "copy"
    shutil.copytree(PACKAGE, copy / "jpasbatch")
    (code,) = blocks(text, "python")
    (copy / module).write_text(code, encoding="utf-8")
    path = copy / registry
    for diff in blocks(text, "diff"):
        path.write_text(patched(path.read_text(encoding="utf-8"), diff), encoding="utf-8")
    return copy


def run_in(copy: Path, command: list) -> str:
    """Run a command on a copy of the package, and return what it prints."""
    settings = os.environ | {"PYTHONPATH": str(copy)}
    return subprocess.run(
        command, cwd=copy, env=settings, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def test_a_class(tmp_path):
    (diff,) = blocks(section("A class"), "diff")
    path = tmp_path / "job.toml"
    path.write_text(patched(demo_job(train=True).read_text(encoding="utf-8"), diff), encoding="utf-8")
    classes = load_job(path).classes
    assert list(classes) == ["star", "white_dwarf", "galaxy", "qso_low", "qso_high"]
    assert label(["white dwarf", "star", "qso"], [0.0, 0.0, 3.0], classes).tolist() == [1, 0, 4]


def test_a_survey(tmp_path):
    (text,) = blocks(section("A survey"), "toml")
    path = tmp_path / "southern.toml"
    path.write_text(text, encoding="utf-8")
    survey = load_survey(path)
    columns = {"ID": np.arange(3), "RA": np.full(3, 10.0), "DEC": np.full(3, -30.0)}
    for name in survey.band_names:
        columns |= {f"mag_{name}": np.full(3, 21.4), f"err_{name}": np.full(3, 0.1)}
    columns["mag_u"][1] = 99.0
    found = normalise(RawTable(columns, {}, None, "southern.csv", has_units=False), survey, QualityCuts())
    photometry = photometry_from_table(found.accepted, survey)
    assert len(photometry) == 3
    assert photometry.detected[:, 0].tolist() == [True, False, True]
    assert make_features("relative_flux", survey)(photometry).shape == (3, 3)


def test_a_feature_set(tmp_path):
    features = "jpasbatch/photometry/features"
    copy = extended(tmp_path, section("A feature set"), f"{features}/signal.py", f"{features}/registry.py")
    shutil.copytree(REPOSITORY / "tests", copy / "tests")
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    contract = ["tests/photometry/features/test_registry.py", "-k", "signal_to_noise"]
    printed = run_in(copy, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *contract])
    assert "5 passed" in printed


def test_a_cluster_kind(tmp_path):
    clusters = "jpasbatch/compute/clusters"
    copy = extended(tmp_path, section("A cluster kind"), f"{clusters}/threads.py", f"{clusters}/registry.py")
    (tmp_path / "threads.toml").write_text('kind = "threads"\nworkers = 3\n', encoding="utf-8")
    (tmp_path / "wrong.toml").write_text('kind = "threads"\nworkers = 0\n', encoding="utf-8")
    printed = run_in(copy, [sys.executable, "-c", RUN_A_TASK, str(tmp_path)])
    assert printed.splitlines() == ["3 workers: [32]", "workers: found 0; allowed is 1 to 64"]


def test_a_product(tmp_path, snapshots):
    text = section("A product")
    copy = extended(tmp_path, text, "jpasbatch/products/entropy.py", "jpasbatch/products/registry.py")
    run = tmp_path / "run"
    shutil.copytree(snapshots / "finished", run)
    before = json.loads((run / "summary.json").read_text())
    command = [sys.executable, "-m", "jpasbatch", "summarise", run / "tiny.toml", "--output", run, "--serial"]
    run_in(copy, command)

    after = json.loads((run / "summary.json").read_text())
    assert set(after) == {*before, "entropy"}
    assert after["counts"] == before["counts"]
    assert set(after["entropy"]) == {"star", "galaxy", "qso_low", "qso_high"}
    assert all(median is None or 0 < median < 2 for median in after["entropy"].values())
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<a href="#entropy">Entropy</a>' in page
    order = [page.index(f'<section id="{name}">') for name in ("confusion", "entropy", "examples")]
    assert order == sorted(order)
    assert "Histogram of entropy by predicted class" in page
    assert broken_rules(page, [f"report/{one.name}" for one in (run / "report").iterdir()]) == []
    assert (run / "report" / "entropy.csv").read_text().startswith("class,entropy from (bits),")
