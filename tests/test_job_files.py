"""Every job file and cluster file that is shipped: it loads, and its folder's README lists it."""

import re
from pathlib import Path

import pytest

from jpasbatch.committees.registry import committee_folder
from jpasbatch.job.comparison import load_comparison
from jpasbatch.job.job import Job, load_cluster, load_job
from jpasbatch.job.notify import TOLD, load_notify
from jpasbatch.learning.samples import label
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.pipeline import demo_job, needed_stages, open_workspace
from jpasbatch.stages.run.committees import find_committee, load_version

REPOSITORY = Path(__file__).resolve().parents[1]
COMPARISONS = sorted((REPOSITORY / "jobs").rglob("comparison.toml"))
JOBS = sorted(set((REPOSITORY / "jobs").rglob("*.toml")) - set(COMPARISONS))
NOTIFY = REPOSITORY / "deploy" / "notify.toml"
CLUSTERS = sorted(set((REPOSITORY / "deploy").glob("*.toml")) - {NOTIFY})
DEMOS = [demo_job(), demo_job(train=True)]
BOTH = pytest.mark.parametrize("path", [*JOBS, *DEMOS], ids=lambda path: path.name)


def test_there_are_some():
    assert len(JOBS) >= 3
    assert len(CLUSTERS) >= 2


@BOTH
def test_a_job_file_opens(path, tmp_path):
    workspace = open_workspace(path, None, tmp_path)
    assert workspace.folder == Path("runs").resolve() / workspace.job.name
    assert not workspace.folder.is_relative_to(tmp_path)
    assert needed_stages(workspace)
    assert not list(tmp_path.iterdir())


@BOTH
def test_a_job_file_says_what_it_is(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert load_job(path, tmp_path).title


@pytest.mark.parametrize(("name", "survey"), [("jpas_qso", "jpas57"), ("minijpas_qso", "jpas60")])
def test_a_main_job_needs_tables_alone_and_can_train(name, survey, tmp_path):
    path = REPOSITORY / "jobs" / f"{name}.toml"
    workspace = open_workspace(path, None, tmp_path)
    assert needed_stages(workspace) == ("ingest", "infer", "correct", "summarise")
    assert find_committee(workspace).version == committee_folder(survey)
    text = path.read_text(encoding="utf-8").replace("\nartefact", "\n# artefact")
    start = text.index("# [samples]")
    end = text.index("\n\n", start)
    trains = tmp_path / "trains.toml"
    trains.write_text(
        text[:start] + text[start:end].replace("# ", "").replace("#\n", "\n") + text[end:], encoding="utf-8"
    )
    assert needed_stages(open_workspace(trains, None, tmp_path)) == (
        "ingest",
        "train",
        "evaluate",
        "infer",
        "correct",
        "summarise",
    )


@BOTH
def test_a_job_file_has_a_home_for_every_row(path, tmp_path):
    job = load_job(path, tmp_path)
    learns_alone = job.samples.labelled is not None
    learns_alone |= job.samples.training is not None
    assert (job.mock is None) == (job.catalogue.input is not None or learns_alone)
    if job.classes:
        first = next(iter(job.classes))
        known = "star" if "star" in job.classes else first
        assert label([job.classes[known].truth[0]], [0.0], job.classes).tolist() == [
            list(job.classes).index(known)
        ]
    assert load_survey(job.survey).bands


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_a_job_file_names_its_own_command(path):
    text = path.read_text(encoding="utf-8")
    verb = "mock" if path.parent.name == "wrong_mocks" else "run"
    made = "pretrained" in path.parts
    assert ("make pretrained" if made else f"jpasbatch {verb} {path.relative_to(REPOSITORY)}") in text
    # a folder that the user is to fill is described above the tables
    for folder in set(re.findall(r"\{data\}/([a-z_]+)", text)):
        assert f"FOLDER/{folder}" in text


def test_job_names_are_unique(tmp_path):
    names = [load_job(path, tmp_path).name for path in [*JOBS, *DEMOS]]
    assert len(set(names)) == len(names)


def test_two_jobs_of_one_committee_have_the_same_classes(tmp_path):
    borrowed: list[Job] = [
        job for path in [*JOBS, *DEMOS] if (job := load_job(path, tmp_path)).committee.artefact
    ]
    assert borrowed
    named = [job for job in borrowed if Path(str(job.committee.artefact)).name == job.committee.artefact]
    assert len(named) >= 2
    for job in named:
        manifest = load_version(str(job.committee.artefact)).manifest
        assert (job.survey, list(job.classes)) == (manifest.survey.name, list(manifest.classes))


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.name)
def test_a_cluster_file_loads(path):
    load_cluster(path)
    assert path.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.name)
def test_what_a_cluster_file_comments_out_loads_too(path, tmp_path):
    lines = path.read_text(encoding="utf-8").splitlines()
    tables = re.compile(r"# (\[[a-z]+\]|[A-Za-z_]+ *= .*)")
    opened = [found[1] if (found := tables.fullmatch(line)) else line for line in lines]
    changed = tmp_path / path.name
    changed.write_text("\n".join(opened), encoding="utf-8")
    load_cluster(changed)


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.parent.name)
def test_a_comparison_loads_with_all_its_jobs(path, tmp_path):
    comparison = load_comparison(path, tmp_path)
    assert f"jpasbatch compare {path.relative_to(REPOSITORY)}" in path.read_text(encoding="utf-8")
    beside = {str(one) for one in path.parent.glob("*.toml")} - {str(path)}
    assert set(comparison.jobs) <= beside | {str(one) for one in path.parent.parent.glob("*.toml")}
    assert path.parent.name != "paper_a" or set(comparison.jobs) == beside
    titles = [load_job(Path(job), tmp_path).title for job in comparison.jobs]
    assert len(set(titles)) == len(titles)
    assert comparison.reference in [*titles, *(one.name for one in comparison.combined)]


@pytest.mark.parametrize(
    "folder",
    [
        "jobs",
        "jobs/nepw",
        "jobs/nepw/mock_field",
        "jobs/nepw/ranges",
        "jobs/paper_a",
        "jobs/paper_a/shallow",
        "jobs/wrong_mocks",
        "deploy",
    ],
)
def test_the_readme_lists_each_file_once(folder):
    text = (REPOSITORY / folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+\.toml)` \|", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (REPOSITORY / folder).glob("*.toml"))


def test_the_example_of_who_is_told_opens_in_both_of_its_forms(tmp_path, monkeypatch):
    monkeypatch.setenv("JPASBATCH_HOOK", "T0/B0")
    [told] = load_notify(NOTIFY)
    assert told.on == TOLD
    text = NOTIFY.read_text(encoding="utf-8").replace("command = ", "# command = ")
    for key in ("webhook", "secret "):
        text = text.replace(f"# {key} =", f"{key} =")
    path = tmp_path / "notify.toml"
    path.write_text(text, encoding="utf-8")
    [told] = load_notify(path)
    assert told.address() == "https://hooks.example.org/services/T0/B0"
