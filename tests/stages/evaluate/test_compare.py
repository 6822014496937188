"""Two jobs side by side through the real stages: one table, one page, and what cannot be compared."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.job.comparison import load_comparison
from jpasbatch.pages.figures import Report
from jpasbatch.stages.evaluate.compare import run_compare
from jpasbatch.stages.pipeline import compare_jobs, open_workspace
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.stages.train.stage import run_train
from tests.blank_figures import leave_figures_blank
from tests.page_rules import broken_links
from tests.stages.tiny_run import JOB, serial
from tests.storage.small_sets import publish_set, set_rows

FOREST = '[model]\nkind = "random_forest"\ntrees = 5\n'
NETWORK = "[model]\nhidden = [16, 16]\n"
MATRIX = "[[9, 0, 0, 1], [0, 9, 1, 0], [1, 0, 9, 0], [0, 1, 0, 9]]"
REPEATS = """[repeats]
seeds = [1, 2]
of    = ["Forest"]
"""
COMPARISON = f"""
name      = "both"
title     = "Network and forest"
jobs      = ["network.toml", "forest.toml"]
sample    = "labelled"
reference = "Network"

[[combined]]
name = "together"
of   = ["Network", "Forest"]

[[calibrated]]
name = "cooler"
of   = "Network"
kind = "temperature"

[findings]
network        = "Network"
network_hybrid = "Network"
forest         = "Forest"

{REPEATS}
[[published]]
name      = "Others"
source    = "somewhere"
confusion = [{MATRIX}, {MATRIX}, {MATRIX}]
"""


FOREIGN = """
[[foreign]]
name  = "squeze"
table = "{table}"
id    = ["ID"]
probabilities = {{ star = ["STAR"], galaxy = ["GALAXY"], qso_low = ["QSO_LOW"], qso_high = ["QSO_HIGH"] }}
"""


def write_foreign(rows: pa.Table, path: Path) -> None:
    """Write a table of others who know the truth of every other object, and a tenth of the probability for nothing."""
    rows = rows.take(list(range(0, rows.num_rows, 2)))
    kinds = [
        name if name != "qso" else "qso_high" if redshift > 2.1 else "qso_low"
        for name, redshift in zip(
            rows["true_class"].to_pylist(), rows["true_redshift"].to_pylist(), strict=True
        )
    ]
    said = {
        name.upper(): [0.9 * (kind == name) for kind in kinds]
        for name in ("star", "galaxy", "qso_low", "qso_high")
    }
    pq.write_table(pa.table({"ID": rows["object_id"], **said}), path)


@pytest.fixture(scope="module")
def compared(snapshots, survey, tmp_path_factory):
    """Return the folder of two trained jobs and what comparing them gave; tests must not change it."""
    folder = tmp_path_factory.mktemp("compare")
    patch = pytest.MonkeyPatch()
    leave_figures_blank(patch)
    patch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    sample = publish_set(set_rows(survey, 300), folder / "labelled", "labelled").parent
    trained = Path(shutil.copytree(snapshots / "trained", folder / "trained"))
    mock = json.loads((trained / "work" / "mock.json").read_text())
    samples = "\n".join(
        f'{part} = "{trained / mock["folder"] / part}"' for part in ("training", "validation")
    )
    for name, model in (("Network", NETWORK), ("Forest", FOREST)):
        text = JOB.format(seed=7, members=1).replace(NETWORK, model)
        text = text.replace('"tiny"', f'"{name.lower()}"').replace('"A tiny sky"', f'"{name}"')
        text += f'\n[samples]\n{samples}\n[samples.tests]\nlabelled = "{sample}"\n'
        (folder / f"{name.lower()}.toml").write_text(text)
    write_foreign(set_rows(survey, 300), folder / "squeze.parquet")
    (folder / "both.toml").write_text(COMPARISON + FOREIGN.format(table=folder / "squeze.parquet"))
    result = run_compare(
        load_comparison(folder / "both.toml"),
        workspaces(folder, survey),
        folder / "result",
        serial(),
        run_train,
    )
    patch.undo()
    return folder, result


def workspaces(folder, survey):
    jobs = (open_workspace(folder / f"{name}.toml", None, None).job for name in ("network", "forest"))
    return {job.title: Workspace(job, survey, folder / job.name) for job in jobs}


def test_every_classifier_has_a_score(compared):
    _, result = compared
    assert list(result.scores) == ["Network", "Forest", "cooler", "together"]
    assert all(0 < score < 1 for score in result.scores.values())


def test_the_table_is_there_in_three_forms(compared):
    folder, result = compared
    rows = pq.read_table(folder / "result" / "comparison.parquet").to_pylist()
    [one] = [
        row
        for row in rows
        if (row["classifier"], row["sample"], row["group"], row["score"])
        == ("Forest", "labelled", "all", "weighted_f1")
    ]
    assert one["value"] == pytest.approx(result.scores["Forest"])
    text = (folder / "result" / "comparison.md").read_text()
    assert f"{one['value']:.3f} ± {one['error']:.3f}" in text
    assert "*Others*" in text
    assert "random forests are under-confident" in text
    page = (folder / "result" / "comparison.html").read_text()
    assert 'class="published"' in page
    assert 'id="findings"' in page
    files = {
        path.relative_to(folder / "result").as_posix(): b"" for path in folder.glob("result/figures/*.csv")
    }
    assert broken_links(Report(page, files)) == []
    assert "<script" not in page


def test_others_stand_beside_ours_on_their_objects(compared):
    """Everyone is scored on the objects of which the others speak, and all their probabilities sum to 1."""
    folder, _ = compared
    stored = json.loads((folder / "result" / "comparison.json").read_bytes())
    [name] = [name for name in stored["samples"] if name.endswith("objects of squeze")]
    part = stored["samples"][name]
    rows = part["squeze"]["rows"]
    assert name == f"labelled: {rows} objects of squeze"
    assert 100 < rows <= 150
    assert set(part) == {"Network", "Forest", "cooler", "together", "squeze"}
    assert {one["rows"] for one in part.values()} == {rows}
    assert part["squeze"]["groups"][-1]["weighted_f1"][0] == 1.0
    assert part["Forest"]["groups"][-1]["weighted_f1"][0] < 1.0
    for form in ("comparison.md", "comparison.html"):
        assert f"{rows} objects of squeze" in (folder / "result" / form).read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('id    = ["ID"]', 'ra = "RA"\ndec = "DEC"'), "objects of a comparison are known by their ids"),
        (('star = ["STAR"], ', ""), "it says nothing of star"),
        (('"squeze"\n', '"Forest"\n'), "a lower-case letter"),
        (('id    = ["ID"]', 'id = ["STAR"]'), "'STAR' of the id holds double"),
    ],
)
def test_others_that_cannot_stand_beside_ours(compared, survey, tmp_path, monkeypatch, change, message):
    folder, _ = compared
    monkeypatch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    text = FOREIGN.format(table=folder / "squeze.parquet").replace(*change)
    (tmp_path / "both.toml").write_text(COMPARISON.replace(REPEATS, "") + text)
    with pytest.raises(InputError, match=message):
        run_compare(
            load_comparison(tmp_path / "both.toml"), workspaces(folder, survey), tmp_path, serial(), None
        )


def test_published_scores_are_those_of_their_matrices(compared):
    folder, _ = compared
    stored = json.loads((folder / "result" / "comparison.json").read_text())
    groups = stored["published"][0]["groups"]
    assert groups["all"]["f1"] == pytest.approx([0.9] * 4)
    assert stored["costs"] == {"Network": 59 * 16 + 16 * 16 + 16 * 4, "Forest": None}


def test_samples_of_a_repeat_are_those_of_its_job(compared):
    folder, _ = compared
    stored = json.loads((folder / "result" / "comparison.json").read_text())["repeats"]
    assert list(stored["classifiers"]) == ["Forest"]  # what is made of others too is left out
    assert stored["differences"] == {}
    [score] = stored["classifiers"]["Forest"].values()
    assert 0 < score["mean"] < 1
    assert score["values"][0] != score["values"][1]


def test_without_training_the_committees_as_they_are_are_compared(compared, survey, monkeypatch):
    folder, result = compared
    monkeypatch.setattr("jpasbatch.stages.train.stage.train_one_member", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    both = load_comparison(folder / "both.toml").model_copy(update={"repeats": None})
    again = run_compare(both, workspaces(folder, survey), folder / "again", serial(), None)
    assert again.scores == result.scores


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ('reference = "Network"', "no job has the title 'Nobody'"),
        ('of   = ["Network", "Forest"]', "no job has the title 'Nobody'"),
        ('sample    = "labelled"', "has no test sample 'other'"),
        (f"{MATRIX}, {MATRIX}, {MATRIX}", "1 confusion matrices for 3 bins"),
    ],
)
def test_what_does_not_fit_is_named(compared, survey, tmp_path, changed, message, monkeypatch):
    folder, _ = compared
    monkeypatch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    other = {
        'reference = "Network"': 'reference = "Nobody"',
        'of   = ["Network", "Forest"]': 'of = ["Network", "Nobody"]',
        'sample    = "labelled"': 'sample = "other"',
    }.get(changed, MATRIX)
    (tmp_path / "both.toml").write_text(COMPARISON.replace(changed, other))
    comparison = load_comparison(tmp_path / "both.toml")
    with pytest.raises(InputError, match=message):
        run_compare(comparison, workspaces(folder, survey), tmp_path, serial(), None)
    assert not (tmp_path / "comparison.html").exists()


def test_a_temperature_changes_no_decision(compared):
    _, result = compared
    assert result.scores["cooler"] == result.scores["Network"]


def test_an_unknown_calibration_is_named(tmp_path):
    (tmp_path / "both.toml").write_text(COMPARISON.replace('"temperature"', '"isotonic"'))
    with pytest.raises(InputError, match=r"found 'isotonic'; allowed: none, temperature, magnitude"):
        load_comparison(tmp_path / "both.toml")


def test_two_jobs_of_one_title_are_refused(compared, tmp_path):
    folder, _ = compared
    for name in ("network", "forest"):
        text = (folder / f"{name}.toml").read_text()
        (tmp_path / f"{name}.toml").write_text(text.replace('"Forest"', '"Network"'))
    (tmp_path / "both.toml").write_text(COMPARISON)
    with pytest.raises(InputError, match="two of its jobs have the same title"):
        compare_jobs(tmp_path / "both.toml", serial=True)


def test_a_wrong_key_is_named(tmp_path):
    (tmp_path / "both.toml").write_text(COMPARISON.replace("sample ", "sampel "))
    with pytest.raises(InputError, match=r"unknown key 'sampel' .*did you mean 'sample'"):
        load_comparison(tmp_path / "both.toml")
