"""What is told of a run that ended, to whom, and that telling changes nothing."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from jpasbatch.cli import main
from jpasbatch.errors import GapsError, InputError, JpasbatchError, TryAgainError
from jpasbatch.job.notify import NotifyOptions
from jpasbatch.stages.run import notification
from jpasbatch.stages.run.history import HISTORY, RunOfStages, read_history, recorded_run
from jpasbatch.stages.run.notification import FORMAT, VERSION, Notice, compose, event_of, notified
from tests.stages.tiny_run import workspace_of

RAN = {
    "infer": {"ran": True, "computed": {"partitions": 2}, "because": ["first run"], "partitions": 17},
    "summarise": {
        "ran": True,
        "computed": {},
        "counts": {"number": 90.0, "per_deg2": 9.04, "per_deg2_lower": 8.0, "per_deg2_upper": 10.0},
        "lists": {"WQ.fits": "ab"},
    },
}
IDLE = {"infer": {"ran": False}}


class HeldError(JpasbatchError):
    exit_code = 4


def noticed(results) -> Notice:
    begun = {"run": "2026-x", "begun": "then", "user": "me", "host": "here"}
    told = {**begun, "ended": "now", "seconds": 3.0, "results": results}
    return Notice("update", "jpas_qso", RunOfStages(None, "2026-x", results, told))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exit_code", "computed", "event"),
    [
        (0, True, "success"),
        (0, False, "unchanged"),
        (4, True, "held"),
        (75, True, "retry"),
        (75, False, "retry"),
        (1, False, "failure"),
        (2, False, "failure"),
        (3, True, "failure"),
    ],
)
def test_how_a_run_ended(exit_code, computed, event):
    assert event_of(exit_code, computed) == event


def test_a_success_is_told_with_its_numbers():
    content = compose(noticed(RAN), 0, None)
    assert (content["format"], content["version"]) == (FORMAT, VERSION)
    assert content["event"] == "success"
    assert content["stages"]["infer"] == RAN["infer"]
    assert content["counts"]["per_deg2"] == 9.04
    assert content["lists"] == {"WQ.fits": "ab"}
    assert content["text"].startswith("jpas_qso: update finished on ")
    assert content["text"].endswith(": infer 2 partitions; summarise; 9.0 (8.0 to 10.0) per deg2")
    json.dumps(content, allow_nan=False)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("object 9-1 of /home/me/t.fits"), 2, "failed (InputError, exit code 2); the log on "),
        (GapsError("object 9-1 of /home/me/t.fits"), 3, "failed (GapsError, exit code 3); the log on "),
        (
            TryAgainError("9-1 of /home/me", "DISK_FULL"),
            75,
            "stopped (TryAgainError, DISK_FULL, exit code 75)",
        ),
        (HeldError("object 9-1 of /home/me/t.fits"), 4, "holds it back (HeldError, exit code 4)"),
    ],
)
def test_an_error_is_told_by_its_kind_and_not_by_its_message(error, code, words):
    content = compose(Notice("update", "jpas_qso"), code, error)
    assert content["state"] == (error.state or None)
    assert words in content["text"]
    assert "9-1" not in json.dumps(content)
    assert "/home" not in json.dumps(content)
    assert (content["run"], content["stages"]) == (None, {})


class Told(list):
    """Takes what is delivered."""

    def __call__(self, options: NotifyOptions, payload: bytes) -> None:
        self.append((options.command[0], json.loads(payload)))


def end_in(told, run, error: JpasbatchError | None) -> None:
    """End a block that is told of, with an error or without; the error comes out as it was."""
    ended = pytest.raises(type(error)) if error else nullcontext()
    with ended, notified(told, "run", Path("a/b.toml")) as notice:
        notice.run = run
        if error:
            raise error


def one(name: str, *on: str) -> NotifyOptions:
    return NotifyOptions(command=(name,), on=on) if on else NotifyOptions(command=(name,))  # type: ignore[arg-type]


def test_each_is_told_of_the_ends_that_he_named(monkeypatch):
    told = Told()
    monkeypatch.setattr(notification, "deliver", told)
    monkeypatch.setattr(notification, "record_notifications", lambda *_: None)
    everybody = (
        one("default"),
        one("all", "success", "unchanged", "held", "failure", "retry"),
        one("held", "held"),
    )
    for results, error in ((RAN, None), (IDLE, None), (RAN, HeldError()), (IDLE, InputError())):
        end_in(everybody, noticed(results).run, error)
    assert [(name, content["event"]) for name, content in told] == [
        ("default", "success"),
        ("all", "success"),
        ("all", "unchanged"),
        ("default", "held"),
        ("all", "held"),
        ("held", "held"),
        ("default", "failure"),
        ("all", "failure"),
    ]


def test_what_could_not_begin_is_told_under_the_name_of_its_file(monkeypatch):
    told = Told()
    monkeypatch.setattr(notification, "deliver", told)
    with pytest.raises(InputError), notified([one("x")], "run", Path("a/jpas_qso.toml")):
        raise InputError("no such file")
    assert told[0][1]["job"] == "jpas_qso"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), notification.DeliveryError("ended with 3")])
def test_a_notification_that_fails_is_said_and_kept_and_changes_no_end(
    finished_copy, monkeypatch, caplog, error
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(notification, "deliver", fail)
    workspace = workspace_of(finished_copy)
    everything = one("x", "unchanged", "failure")
    for how in (None, InputError("what was wrong")):
        with recorded_run(workspace, "run", []) as run:
            pass
        end_in([everything], run, how)
    trouble = str(error) or "interrupted"
    assert caplog.text.count(f"nobody was notified by command: {trouble}") == 2
    told = [run["notifications"] for run in read_history(finished_copy)]
    kept = {"by": "command", "delivered": False, "trouble": trouble}
    assert told == [[{"event": "unchanged", **kept}], [{"event": "failure", **kept}]]


def test_a_whole_run_tells_a_command(finished_copy, tmp_path, capsys):
    code = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"
    target, file = tmp_path / "told", tmp_path / "notify.toml"
    command = json.dumps([sys.executable, "-S", "-c", code, str(target)])

    def run(on: str, *flags: str) -> int:
        file.write_text(f'[notify]\ncommand = {command}\non = ["{on}"]\n')
        where = ["--output", str(finished_copy), "--serial", "--notify", str(file), *flags]
        return main(["infer", str(finished_copy / "tiny.toml"), *where])

    assert run("success") == 0
    assert not target.exists()  # there was nothing to do
    assert run("unchanged", "--dry-run") == 0
    assert not target.exists()
    assert run("unchanged") == 0
    [told] = map(json.loads, target.read_text().splitlines())
    assert (told["event"], told["exit_code"], told["job"]) == ("unchanged", 0, "tiny")
    last = read_history(finished_copy)[-1]
    assert told["run"] == last["run"]
    assert last["notifications"] == [{"by": "command", "delivered": True, "event": "unchanged"}]
    assert str(finished_copy) not in target.read_text()
    assert len(list((finished_copy / HISTORY).glob("*.notified.json"))) == 1
    capsys.readouterr()
    where = ["--output", str(finished_copy), "--last", "1", "--why"]
    assert main(["history", str(finished_copy / "tiny.toml"), *where]) == 0
    assert "unchanged, by command: told" in capsys.readouterr().out
    file.write_text("[notify]\n")  # found wrong before anything runs
    assert main(["infer", "no-such.toml", "--notify", str(file)]) == 2
    assert "either command" in capsys.readouterr().err
