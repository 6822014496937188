"""The ledger of runs: every command that may publish is in it, however it ended."""

import json
from pathlib import Path

import pytest

from jpasbatch.cli import main
from jpasbatch.stages.run.history import HISTORY, UNFINISHED, read_history


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
    assert told["results"]["ingest"]["inputs"] == {"added": [], "changed": [], "removed": []}
    counts = told["results"]["summarise"]["counts"]
    assert counts["lower"] <= counts["number"] <= counts["upper"]
    assert list(told["results"]["summarise"]["lists"]) == ["WQ_2027A1.fits"]
    assert told["algorithms"]["infer"] >= 1


def test_what_was_computed_again_ran(folder):
    (folder / "report.html").unlink()
    assert run("run", folder) == 0
    told = read_history(folder)[-1]["results"]
    assert [stage for stage, result in told.items() if result["ran"]] == ["summarise"]


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
    assert "no finished 'mock'" in last["message"]
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


def test_no_place_of_the_machine_is_told(folder):
    for path in (folder / HISTORY).iterdir():
        assert str(Path.home()) not in path.read_text()
