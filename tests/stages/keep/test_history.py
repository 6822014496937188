"""The ledger of runs: every command that may publish is in it, however it ended."""

import errno
import getpass
import json
from pathlib import Path

import pytest

from jpasbatch.cli import main
from jpasbatch.compute.losses import Losses
from jpasbatch.errors import GapsError, InputError
from jpasbatch.stages import state
from jpasbatch.stages.pipeline import open_workspace
from jpasbatch.stages.run import history
from jpasbatch.stages.run.history import HISTORY, UNFINISHED, read_history, recorded_run
from jpasbatch.stages.summarise.series import earlier_publications
from jpasbatch.storage.stores.seals import Fault
from tests.stages.foretold import change_text


def run(verb: str, folder: Path, *flags: str) -> int:
    where = [] if verb == "history" else ["--serial"]
    return main([verb, str(folder / "tiny.toml"), "--output", str(folder), *where, *flags])


@pytest.fixture
def folder(finished_copy) -> Path:
    assert run("run", finished_copy) == 0
    return finished_copy


def test_a_run_is_told_with_all_that_it_did(folder):
    [told] = read_history(folder)
    assert told["verb"] == "run"
    assert told["exit_code"] == 0
    assert told["stages"][-1] == "summarise"
    assert not any(result["ran"] for result in told["results"].values())
    assert told["results"]["ingest"]["inputs"] == {
        "added": [],
        "changed": [],
        "removed": [],
        "renamed": {},
    }
    counts = told["results"]["summarise"]["counts"]
    assert counts["per_deg2_lower"] <= counts["per_deg2"] <= counts["per_deg2_upper"]
    assert list(told["results"]["summarise"]["lists"]) == ["WQ_2027A1.fits"]
    assert told["algorithms"]["infer"] >= 1


def test_what_was_computed_again_ran(folder):
    (folder / "report.html").unlink()
    assert run("run", folder) == 0
    told = read_history(folder)[-1]["results"]
    assert [stage for stage, result in told.items() if result["ran"]] == ["summarise"]
    assert told["summarise"]["because"] == ["published files that were damaged: 1"]
    assert [stage for stage, result in told.items() if "because" in result] == ["summarise"]


def test_a_run_that_fails_is_told_with_its_code(folder, capsys):
    next((folder / "sky").glob("photometry-*/dataset/*/*/*.parquet")).unlink()
    text = (folder / "tiny.toml").read_text(encoding="utf-8")
    (folder / "tiny.toml").write_text(text.replace("epochs     = 2", "epochs     = 3"), encoding="utf-8")
    assert run("infer", folder) == 2
    assert run("infer", folder, "--allow-gaps") == 2
    assert [one["verb"] for one in read_history(folder)] == ["run"]  # refused before it held the lease
    for path in (folder / "work").glob("mock*"):
        path.rename(path.with_name(f"gone-{path.name}"))
    assert run("ingest", folder) == 2
    last = read_history(folder)[-1]
    assert (last["verb"], last["exit_code"]) == ("ingest", 2)
    assert (last["error"], last["stopped_in"]) == ("InputError", "ingest")
    assert "no finished 'mock'" in capsys.readouterr().err


def test_a_run_that_was_killed_has_no_end(folder):
    [end] = (folder / HISTORY).glob("*.ended.json")
    end.unlink()
    assert read_history(folder)[0]["state"] == UNFINISHED


def test_the_verb_shows_runs_and_what_changed(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("run", folder) == 0
    capsys.readouterr()
    assert run("history", folder) == 0
    shown = capsys.readouterr().out
    assert shown.count(" run ") >= 2
    assert run("history", folder, "--last", "1", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert run("history", folder, "--diff", "1", "2") == 0
    assert "nothing that the history keeps is another" in capsys.readouterr().out
    begun = sorted((folder / HISTORY).glob("*.begun.json"))[1]
    begun.write_text(begun.read_text().replace('"infer": ', '"infer": 9'), encoding="utf-8")
    assert run("history", folder, "--diff", "1", "2") == 0
    assert "algorithm infer" in capsys.readouterr().out
    assert run("history", folder, "--diff", "1", "7") == 2
    assert "there is no run 7; there are 2" in capsys.readouterr().err
    assert run("history", folder, "--last", "0") == 2


def test_a_damaged_ledger_is_named(folder, capsys):
    begun = next((folder / HISTORY).glob("*.begun.json"))
    begun.write_bytes(b"{")
    assert run("history", folder) == 2
    assert begun.name in capsys.readouterr().err


@pytest.fixture
def workspace(finished_copy):
    opened = open_workspace(finished_copy / "tiny.toml", finished_copy, None)
    opened.prepare()
    return opened


@pytest.mark.parametrize(
    ("error", "code", "state"),
    [
        (InputError("object id '9-1234' of /home/me/tile.fits occurs more than once"), 2, None),
        (GapsError("3 partitions", "OUT_OF_MEMORY"), 3, "OUT_OF_MEMORY"),
        (OSError(errno.ENOSPC, "No space left on device"), 75, "DISK_FULL"),
        (KeyboardInterrupt(), 75, "INTERRUPTED"),
        (ZeroDivisionError(), 1, None),
    ],
)
def test_the_code_of_the_history_is_that_of_the_command(workspace, error, code, state):
    def stop() -> None:
        with recorded_run(workspace, "run", ["infer"]) as told:
            told.running = "infer"
            raise error

    with pytest.raises(type(error)):
        stop()
    [told] = read_history(workspace.folder)
    assert (told["exit_code"], told["error"], told["stopped_in"]) == (code, type(error).__name__, "infer")
    assert told.get("state_of_error") == state


def test_messages_with_paths_and_objects_are_not_kept(workspace):
    with pytest.raises(InputError), recorded_run(workspace, "run", ["ingest"]):
        raise InputError("object id '9-1234' of /home/me/tile.fits occurs more than once")
    kept = "".join(path.read_text() for path in (workspace.folder / HISTORY).iterdir())
    assert "9-1234" not in kept
    assert "/home/me" not in kept


def test_a_history_that_cannot_be_ended_hides_no_error(workspace, monkeypatch, caplog):
    def refuse(path: Path, data: bytes) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def stop() -> None:
        with recorded_run(workspace, "run", ["infer"]):
            monkeypatch.setattr(history, "create_once", refuse)
            raise InputError("what was wrong")

    with pytest.raises(InputError, match="what was wrong"):
        stop()
    assert "the end of this run is missing" in caplog.text
    assert read_history(workspace.folder)[0]["state"] == UNFINISHED


def test_a_user_without_a_name_has_a_number(workspace, monkeypatch):
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr(getpass, "getuser", unknown)
    with recorded_run(workspace, "run", []):
        pass
    assert read_history(workspace.folder)[0]["user"].startswith("uid ")


def test_densities_are_shown_with_their_own_interval(workspace, capsys, monkeypatch):
    """Intervals of counts are those per deg2, so that the number of objects must not stand before them."""
    monkeypatch.setenv("COLUMNS", "200")
    number = {"number": 900.0, "per_deg2": 9.0, "lower": 8.0, "upper": 10.0}
    without_area = {"number": 900.0, "per_deg2": None, "lower": None, "upper": None}
    for estimate in (number, without_area):
        record = {"fingerprint": "f", "finished": "now", "counts": {"summed_probability": estimate}}
        with recorded_run(workspace, "summarise", ["summarise"]) as told:
            told.add("summarise", None, record)
    assert run("history", workspace.folder) == 0
    shown = capsys.readouterr().out
    assert shown.count("9.0 (8.0 to 10.0)") == 1
    assert "900" not in shown


def test_a_repair_that_fails_is_told_with_its_code(finished_copy, monkeypatch):
    damaged = {"ingest": [Fault("sky/a.parquet", "is gone")]}
    monkeypatch.setattr(state, "repair", lambda *given: (damaged, damaged))
    assert run("repair", finished_copy) == 2
    assert read_history(finished_copy)[-1]["exit_code"] == 2


def test_no_place_of_the_machine_is_told(folder):
    for path in (folder / HISTORY).iterdir():
        assert str(Path.home()) not in path.read_text()


def test_why_a_run_computed_what_it_did_is_told(folder, capsys):
    workspace = open_workspace(folder / "tiny.toml", folder, None)
    with recorded_run(workspace, "summarise", ["summarise"]) as earlier:
        earlier.add("summarise", None, workspace.record("summarise"))
    change_text(folder / "tiny.toml", "min_probability = 0.9", "min_probability = 0.8")
    capsys.readouterr()
    assert run("run", folder) == 0
    assert run("history", folder, "--last", "1", "--why") == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "tables.targets" in line]
    partitions = read_history(folder)[-1]["results"]["summarise"]["partitions"]
    assert line == f"3:   tables.targets changed ({partitions} partitions)"
    first, second = earlier_publications(folder)
    assert first.lists.keys() == second.lists.keys() == {"WQ_2027A1.fits"}
    assert first.lists["WQ_2027A1.fits"] <= second.lists["WQ_2027A1.fits"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('<section id="series">') == 1
    assert '<th scope="col">WQ_2027A1.fits' in page


def test_workers_that_were_lost_are_told_by_their_states(workspace, capsys):
    one, other = Losses(), Losses()
    one.counts.update({"TIMEOUT": 2, "OUT_OF_MEMORY": 1})
    other.counts.update({"TIMEOUT": 1})
    with recorded_run(workspace, "run", []) as told:
        told.losses += [one, other]
    assert read_history(workspace.folder)[0]["workers_lost"] == {"OUT_OF_MEMORY": 1, "TIMEOUT": 3}
    assert run("history", workspace.folder, "--why") == 0
    assert "workers lost: OUT_OF_MEMORY 1, TIMEOUT 3" in capsys.readouterr().out
