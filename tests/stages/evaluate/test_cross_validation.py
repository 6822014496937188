"""Cross validation end to end: who saw what, what a fold may decide with, and how classifiers are compared."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.judgement import vote
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.scoring.folds import member_folds
from jpasbatch.stages.evaluate.cross_validation import check_folds
from jpasbatch.stages.evaluate.stage import run_evaluate
from jpasbatch.stages.pipeline import compare_jobs, needed_stages, open_workspace
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.stages.train.stage import run_train
from jpasbatch.storage.tables.tables import iterate_raw
from tests.blank_figures import leave_figures_blank
from tests.stages.tiny_run import serial

SURVEY = load_survey("nepw14")
ROWS = 160

JOB = """
name   = "{name}"
title  = "{name}"
survey = "nepw14"

[classes]
sfg = {{ truth = ["GAL"] }}
agn = {{ truth = ["AGN1"] }}

[samples]
labelled = "{table}"
folds    = 4
nested   = {nested}

[features]
kind = "{features}"

[model]
kind  = "random_forest"
trees = 8

[decision]
rule = "balanced"

[committee]
members = {members}

[counts]
classes = ["agn"]

[distributions]
colour_x = ["g", "r"]
colour_y = ["r", "i"]
"""


def write_table(path: Path, rows: int = ROWS, positions: bool = False) -> Path:
    """Write objects of which a third are red in N2 - N4, and half of the faint ones lack the mid infrared."""
    rng = np.random.default_rng(5)
    header = ["AKR_ID", "specz", "clss", "score", *(["RA", "DEC"] if positions else [])]
    header += [f"{band.column}{end}" for band in SURVEY.bands for end in ("m", "me")]
    lines = [",".join(header)]
    for row in range(rows):
        active = row % 3 == 0
        magnitude = 19.0 + rng.normal(0, 0.7) + rng.normal(0, 0.15, len(SURVEY.bands))
        magnitude[7:] -= 0.5 * active
        cells = [f"{value:.3f},0.05" for value in magnitude]
        cells[8:] = [cell if rng.random() < 0.6 else "," for cell in cells[8:]]
        start = [str(7000 + row), "0.5", "AGN1" if active else "GAL", f"{rng.normal() + active:.3f}"]
        start += [f"{269.0 + row / 1000}", "66.5"] if positions else []
        lines.append(",".join([*start, *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_job(
    folder: Path, name: str = "trees", nested: bool = True, members: int = 2, features="neighbour_colours"
):
    table = folder / "labelled.csv"
    if not table.exists():
        write_table(table)
    path = folder / f"{name}.toml"
    text = JOB.format(name=name, table=table, nested=str(nested).lower(), members=members, features=features)
    path.write_text(text)
    return path


def run(path: Path, folder: Path):
    workspace = open_workspace(path, folder, None)
    assert needed_stages(workspace) == ("train", "evaluate")
    with workspace.prepare():
        return workspace, run_train(workspace, serial()).content, run_evaluate(workspace, serial()).content


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_blank(patch)
        return run(write_job(folder), folder / "run")


def predictions(workspace, name="folds"):
    return pq.read_table(workspace.folder / "evaluation" / f"predictions-{name}.parquet")


def test_every_object_is_tested_once(finished):
    workspace, trained, evaluated = finished
    assert trained["members"] == 8
    assert evaluated["rows"] == {"folds": ROWS}
    table = predictions(workspace)
    assert sorted(table["object_id"].to_pylist()) == [str(7000 + row) for row in range(ROWS)]
    assert np.bincount(table["fold"].to_numpy()).tolist() == [40] * 4


def test_an_object_is_judged_by_members_that_never_saw_it(finished):
    workspace, _, _ = finished
    manifest, graph, _ = find_committee(workspace)
    (raw,) = iterate_raw(Path(workspace.job.samples.labelled), SURVEY)
    accepted = normalise(raw, SURVEY, QualityCuts(), positions=False).accepted
    features = make_features("neighbour_colours", SURVEY, manifest.features.state)
    members = InferenceEngine(graph).members(features(photometry_from_table(accepted, SURVEY)))
    table = predictions(workspace)
    fold = table["fold"].to_numpy()
    tested = member_folds(4, 2, True)[:, 0]
    expected = np.stack([vote(members[[row]][:, tested == fold[row]])[0] for row in range(ROWS)])
    np.testing.assert_allclose(table["probability_agn"].to_numpy(), expected[:, 1], atol=1e-6)
    # a forest remembers what it learnt from: those that saw an object are surer of it
    labels = table["label"].to_numpy()
    others = np.stack([vote(members[[row]][:, tested != fold[row]])[0] for row in range(ROWS)])
    rows = np.arange(ROWS)
    assert others[rows, labels].mean() > expected[rows, labels].mean() + 0.03


def test_what_validates_a_fold_is_never_tested_in_it(finished):
    workspace, _, _ = finished
    tested, validated = predictions(workspace), predictions(workspace, "validation")
    fold_of = dict(zip(tested["object_id"].to_pylist(), tested["fold"].to_pylist(), strict=True))
    pairs = list(zip(validated["object_id"].to_pylist(), validated["fold"].to_pylist(), strict=True))
    assert len(pairs) == 2 * ROWS  # two members of each fold, each with a fold of its own
    assert all(fold_of[name] != fold for name, fold in pairs)


def test_scores_are_those_of_folds(finished):
    workspace, _, _ = finished
    content = json.loads((workspace.folder / "evaluation" / "evaluation.json").read_bytes())["folds"]
    assert len(content["rankings"][1]["folds"]) == 4
    assert content["rankings"][1]["mean"][0] > 0.7
    assert np.shape(content["by_fold"]["completeness"]) == (4, 2)


def test_the_committee_of_all_folds_is_ready_for_inference(finished):
    workspace, _, _ = finished
    manifest, _, _ = find_committee(workspace)
    assert manifest.folds.folds == 4
    assert 0.0 < manifest.decision.threshold < 1.0
    assert len(manifest.members) == 8


def test_without_nesting_the_tested_fold_decides(tmp_path):
    workspace, _, _ = run(write_job(tmp_path, nested=False, members=1), tmp_path / "run")
    tested, validated = predictions(workspace), predictions(workspace, "validation")
    assert sorted(tested["object_id"].to_pylist()) == sorted(validated["object_id"].to_pylist())


@pytest.mark.parametrize(("key", "value"), [("folds", 5), ("seed", 1), ("nested", False), ("sample", ["x"])])
def test_a_committee_of_other_folds_is_refused(finished, key, value):
    workspace, _, _ = finished
    manifest, _, _ = find_committee(workspace)
    files = [Path(workspace.job.samples.labelled)]
    check_folds(manifest, workspace.job, files)
    changed = replace(manifest, folds=replace(manifest.folds, **{key: value}))
    with pytest.raises(InputError, match=rf"\({key} differ\).*may have seen"):
        check_folds(changed, workspace.job, files)
    with pytest.raises(InputError, match="may have seen"):
        check_folds(replace(manifest, folds=None), workspace.job, files)


def test_finders_are_compared_and_asked_how_far_they_agree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    for name, features in (
        ("one", "neighbour_colours"),
        ("two", "magnitudes_and_errors"),
        ("three", "colours"),
    ):
        write_job(tmp_path, name, features=features)
    field = write_table(tmp_path / "field.csv", 30, positions=True)
    rows = "".join(f"{number},{'QG'[number % 2]}\n" for number in range(7000, 7020))
    (tmp_path / "squeze.csv").write_text(f"ID,CLASS\n{rows}")
    file = tmp_path / "comparison.toml"
    file.write_text(f"""
name      = "finders"
title     = "Finders"
jobs      = ["one.toml", "two.toml", "three.toml"]
sample    = "folds"
reference = "Both"
[detection]
of = "agn"
[[combined]]
name = "Both"
of   = ["one", "two"]
[[external]]
name   = "Foreign"
table  = "{tmp_path / "labelled.csv"}"
id     = "AKR_ID"
column = "score"
[field]
table = "{field}"
of    = ["one", "two", "three"]
[[foreign]]
name   = "squeze"
table  = "{tmp_path / "squeze.csv"}"
id     = ["ID"]
label  = "CLASS"
labels = {{ agn = ["Q"], sfg = ["G"] }}
[[published]]
name         = "Elsewhere"
source       = "Somebody"
completeness = {{ sfg = 0.8, agn = 0.9 }}
accuracy     = 0.85
roc_auc      = 0.88
""")
    assert compare_jobs(file, tmp_path / "out", None, None, serial=True, train=True) == 0
    stored = json.loads((tmp_path / "out" / "comparison.json").read_bytes())
    found = stored["detection"]
    assert set(found["classifiers"]) == {"one", "two", "three", "Both"}
    assert set(found["differences"]) == {"one", "two", "three"}
    assert found["external"][0]["objects"] == ROWS
    assert 0.6 < found["external"][0]["curves"]["Foreign"]["pooled"][0] < 0.9
    agreed = stored["field"]
    assert agreed["names"] == ["one", "two", "three", "squeze"]
    assert agreed["objects"] == sum(agreed["patterns"].values()) == 20
    assert agreed["rejected"] == {"not in squeze": 10}
    assert (
        agreed["found"]["squeze"]
        == sum(n for pattern, n in agreed["patterns"].items() if pattern[3] == "1")
        == 10
    )
    table = pq.read_table(tmp_path / "out" / "field" / "field.parquet")
    assert table.num_rows == 20
    assert {"object_id", "ra", "dec", "probability_agn:one", "class:three", "pattern", "squeze_class"} <= set(
        table.column_names
    )
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "*Elsewhere*" in text
    assert "Agreement on 20 objects" in text
