"""The command line: quick help, exit codes, and messages instead of tracebacks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jpasbatch import __version__
from jpasbatch.algorithms import Algorithm, load_algorithms
from jpasbatch.cli import main
from jpasbatch.command_line import VERBS, build_parser
from jpasbatch.stages.pipeline import demo_job, open_workspace

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = (
    "numpy",
    "pandas",
    "pyarrow",
    "dask",
    "distributed",
    "pydantic",
    "astropy",
    "hats",
    "onnxruntime",
    "rich",
)
JOB = 'name = "trial"\nsurvey = "jpas60"\n[catalogue]\ninput = "tables"\n'
HOLDER = """\
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write("somebody else")
file.flush()
print("held", flush=True)
time.sleep(60)
"""


pytestmark = pytest.mark.usefixtures("unchanged_process")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return the path of a job file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trial.toml"
    path.write_text(JOB, encoding="utf-8")
    return path


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def refused(capsys):
    """Return a function that runs a command, which must end with this code and these words."""

    def run(arguments: list[str], *words: str, code: int = 2) -> None:
        assert main(arguments) == code
        shown = capsys.readouterr()
        assert shown.err.startswith("jpasbatch: ")
        assert "Traceback" not in shown.err + shown.out
        for word in words:
            assert word in shown.err

    return run


# help


def test_help_is_quick():
    durations = []
    for _ in range(5):
        start = time.monotonic()
        shown = run_python("-m", "jpasbatch", "--help")
        durations.append(time.monotonic() - start)
        assert shown.returncode == 0
        assert shown.stderr == ""
        assert "exit codes" in shown.stdout
    assert min(durations) < 0.5


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom jpasbatch.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *[name for name in {HEAVY} if name in sys.modules])"
    )
    assert run_python("-c", code).stdout.splitlines()[-1].strip() == "heavy:"


def test_help_names_every_verb_and_code(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in (*VERBS, "demo", "classify", "| 2 ", "| 3 ", "75 "):
        assert word in text


@pytest.mark.parametrize("verb", [*VERBS, "demo"])
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for flag in ("--cluster", "--output", "--data", "--serial", "--allow-gaps", "--metrics", "--verbose"):
        assert flag in text


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"jpasbatch {__version__}\n"


def test_flags_say_where_and_how_and_never_what():
    (action,) = [action for action in build_parser()._subparsers._group_actions if action.choices]
    flags = {
        option
        for command in action.choices.values()
        for entry in command._actions
        for option in entry.option_strings
    }
    assert flags == {
        *("-h", "--help", "--cluster", "--output", "--data", "--serial", "--allow-gaps", "--verbose"),
        "--metrics",
        *("--keep-days", "--keep", "--dry-run"),  # of prune
        "--json",  # for other programs
        "--verify",  # of status: how closely it looks
        *("--accept", "--reason", "--version"),  # of publish and discard: why, and which
        *("--last", "--diff", "--why"),  # of history: which runs, and what of them
        "--notify",  # who is told
        "--log-format",  # how the log is written
        "--sky",  # of infer and summarise
        "--train",  # of compare: whether its jobs are brought up to date first
        # of classify, which has no job file
        *(
            "--committee",
            "--survey",
            "--overwrite",
            "--prefix",
            "--filter-table",
            "--duplicates",  # of check, which has none either
            "--flags",
            "--mask-flags",
            "--flagged",
            "--aperture",
            "--json",
        ),
        "--stress",  # of evaluate: whether the table that the job describes is wanted now
    }


# wrong usage is argparse's, with the same exit code as wrong input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "VERB"),
        (["classified", "job.toml"], "invalid choice"),
        (["classify"], "TABLE"),
        (["infer"], "JOB.toml"),
        (["infer", "job.toml", "--sereal"], "--sereal"),
        (["infer", "job.toml", "--serial", "--cluster", "c.toml"], "not allowed with"),
    ],
)
def test_wrong_usage(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


# wrong input


@pytest.mark.parametrize("verb", VERBS)
def test_no_job_file(verb, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused([verb, "absent.toml"], "no such file: absent.toml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", VERBS)
def test_a_misspelt_key(verb, refused, job, tmp_path):
    job.write_text(JOB + "inptu = 'x'\n", encoding="utf-8")
    refused([verb, str(job)], "trial.toml", "unknown key 'inptu' in catalogue", "did you mean 'input'")
    assert list(tmp_path.iterdir()) == [job]


def test_a_job_file_that_is_a_folder(refused, tmp_path):
    refused(["ingest", str(tmp_path), "--serial"], "cannot be read")


def test_a_misspelt_key_of_the_cluster_file(refused, job, tmp_path):
    cluster = tmp_path / "cluster.toml"
    cluster.write_text("kind = 'local'\nworker = 2\n", encoding="utf-8")
    refused(["ingest", str(job), "--cluster", str(cluster)], "cluster.toml", "'worker'", "'workers'")
    refused(["ingest", str(job), "--cluster", str(tmp_path / "absent.toml")], "no such file")
    assert not (tmp_path / "runs").exists()


def test_data_that_nobody_named(refused, monkeypatch, job):
    monkeypatch.delenv("JPASBATCH_DATA", raising=False)
    job.write_text(JOB.replace("tables", "{data}/tables"), encoding="utf-8")
    refused(["ingest", str(job), "--serial"], "'{data}/tables'", "--data FOLDER")


def test_no_tables(refused, job, tmp_path):
    refused(["ingest", str(job), "--serial"], "tables: there is no such file or folder")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "notes.txt").write_text("nothing")
    refused(["ingest", str(job), "--serial"], "tables: holds no table", ".parquet")
    assert not (tmp_path / "runs" / "trial" / "sky").exists()


def test_an_output_folder_that_is_a_file(refused, job, tmp_path):
    (tmp_path / "taken").write_text("a file")
    refused(["ingest", str(job), "--output", "taken", "--serial"], "taken", "--output")
    refused(["ingest", str(job), "--output", "taken/below", "--serial"], "taken/below", "--output")


def test_locations_that_cannot_be(refused, job, tmp_path):
    refused(["infer", str(job), "--sky", str(tmp_path)], "--sky", "s3://BUCKET/PREFIX", "--output")
    refused(["infer", str(job), "--output", "s3://survey/x"], "POSIX", "replicate", "--sky")
    for verb in ("run", "update"):
        refused(
            [verb, str(job), "--sky", "s3://survey/x"],
            "infer, combine, correct and summarise",
            "jpasbatch replicate",
        )
    refused(["replicate", str(job), "s3://key:secret@survey/x"], "without credentials")
    assert not (tmp_path / "runs").exists()


# stages out of order


def test_ingest_before_mock(refused, tmp_path):
    refused(
        ["ingest", str(demo_job()), "--output", str(tmp_path), "--serial"],
        "no finished 'mock'",
        "jpasbatch mock",
    )


def test_train_before_mock(refused, tmp_path):
    refused(
        ["train", str(demo_job(train=True)), "--output", str(tmp_path), "--serial"],
        "no finished 'mock'",
        "jpasbatch mock",
    )


def test_infer_before_train(refused, tmp_path):
    refused(
        ["infer", str(demo_job(train=True)), "--output", str(tmp_path), "--serial"],
        "no finished 'train'",
        "jpasbatch train",
    )


def test_summarise_before_infer(refused, tmp_path):
    refused(
        ["summarise", str(demo_job()), "--output", str(tmp_path), "--serial"], str(tmp_path / "sky"), "infer"
    )


def test_a_mock_that_the_job_has_not(refused, job):
    refused(["mock", str(job), "--serial"], "'trial'", "[mock]")


def test_train_without_classes(refused, job):
    refused(["train", str(job), "--serial"], "'trial'", "[classes]", "two")


# leases and records


def test_a_lease_that_another_process_holds(refused, job, tmp_path):
    work = tmp_path / "out" / "work"
    work.mkdir(parents=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(work / "lease")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        command = ["ingest", str(job), "--output", str(tmp_path / "out"), "--serial"]
        refused(command, "lease", "somebody else", "same command again", code=75)
        assert main(["status", str(job), "--output", str(tmp_path / "out")]) == 1  # only reads
    finally:
        holder.kill()
        holder.communicate()
    refused(command, "tables: there is no such file")


def test_an_interrupted_command(monkeypatch, refused, job):
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("jpasbatch.stages.pipeline.run_verb", interrupt)
    refused(["ingest", str(job), "--serial"], "interrupted", "same command again", code=75)


def test_a_terminated_command(monkeypatch, refused, job):
    def terminate(*_: object, **__: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        return 0

    monkeypatch.setattr("jpasbatch.stages.pipeline.run_verb", terminate)
    refused(["ingest", str(job), "--serial"], "interrupted", code=75)


def test_status_of_an_empty_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["status", str(demo_job(train=True)), "--output", str(tmp_path / "none")]) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    for stage in ("mock", "ingest", "train", "infer", "correct", "summarise"):
        assert stage in shown.out
    assert shown.out.count("missing") == 6
    assert not list(tmp_path.iterdir())


def test_status_counts_the_commits_of_a_stopped_stage(capsys, job, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    ledger = tmp_path / "runs" / "trial" / "work" / "ingest" / "0123" / "ledger"
    ledger.mkdir(parents=True)
    (ledger / "a.json").write_text("{}")
    assert main(["status", str(job)]) == 1
    assert "1 commits, not finished" in capsys.readouterr().out


def test_status_names_an_algorithm_that_was_raised(capsys, job, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    workspace = open_workspace(job, None, None)
    workspace.prepare()
    number = load_algorithms()["ingest"].number
    workspace.finish("ingest", "ab", 1.0, {"algorithms": {"ingest": number}})
    main(["status", str(job)])
    assert "done" in capsys.readouterr().out
    now = {"ingest": Algorithm(("jpasbatch.place:work",), number + 1, "another cut", "")}
    monkeypatch.setattr("jpasbatch.algorithms.load_algorithms", lambda: now)
    assert main(["status", str(job)]) == 1
    shown = capsys.readouterr().out
    assert f"ingest is out of date: algorithm ingest {number} -> {number + 1}: another cut" in shown
    assert "done" not in shown


def test_a_damaged_record(refused, job, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    record = tmp_path / "runs" / "trial" / "work" / "ingest.json"
    record.parent.mkdir(parents=True)
    for content in (b'{"stage": "ing', b"[]", b"\xff", b'{"stage": "ingest"}'):
        record.write_bytes(content)
        assert main(["status", str(job)]) == 1
        assert "damaged: work/ingest.json holds no record that can be read" in capsys.readouterr().out


def test_tracebacks_are_for_those_who_ask(capfd, job):
    assert main(["ingest", str(job), "--serial", "--verbose"]) == 2
    assert "jpasbatch: " in capfd.readouterr().err
