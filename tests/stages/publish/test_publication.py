"""Versions that are held, published, discarded and taken back: what is public is always one version, whole."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from jpasbatch.errors import InputError
from jpasbatch.stages.publish.stage import publish_or_hold
from jpasbatch.stages.run.history import read_history
from jpasbatch.stages.run.versions import current_version, held_version, read_versions
from jpasbatch.stages.run.workshop import open_workshop
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.files import write_atomically
from tests.stages.publish.versions import STAGES, change, command, decide, public
from tests.stages.tiny_run import workspace_of

pytestmark = pytest.mark.usefixtures("unchanged_process")


def test_a_folder_that_gets_gates_shows_what_it_showed(gated):
    before = public(gated.folder)
    decision = decide(gated)
    assert (decision.state, decision.version.number) == ("unchanged", 1)
    assert public(gated.folder) == before
    assert gated.faults("summarise", thorough=True) == gated.faults("correct", thorough=True) == []
    assert command(gated, "status", "--verify") == 0


def test_what_moves_little_is_published(gated):
    decide(gated)
    before = public(gated.folder)
    decision = decide(gated, 1.1)
    assert (decision.state, decision.version.number) == ("published", 2)
    now = public(gated.folder)
    assert [name for name in now if now[name] != before[name]] == ["summary.json"]
    assert held_version(gated.folder) is None


def test_what_jumps_is_held_and_nothing_public_changes(gated, capsys):
    decide(gated)
    before = public(gated.folder)
    decision = decide(gated, 1.5)
    assert (decision.state, decision.version.number) == ("held", 2)
    assert "are published, now" in decision.why[0]
    assert public(gated.folder) == before
    held = decision.version.folder
    assert (gated.folder / "versions" / "held").resolve() == held
    assert open_catalogue(held / "sky").rows == open_catalogue(gated.sky).rows
    capsys.readouterr()
    assert command(gated, "status", "--json") == 4
    told = json.loads(capsys.readouterr().out)
    assert told["stages"]["summarise"] == "done"  # nothing of the job file changed, only what it makes
    assert told["versions"]["held"]["version"] == 2
    assert told["versions"]["held"]["why"] == list(decision.why)
    assert Path(told["versions"]["held"]["page"]).is_file()


def test_the_same_input_is_held_again_and_is_the_same_version(gated):
    decide(gated)
    first, again = decide(gated, 1.5), decide(gated)
    assert again.state == "held"
    assert again.version == first.version
    assert len(read_versions(gated.folder)) == 2


def test_a_looser_gate_lets_it_pass(gated):
    decide(gated)
    decide(gated, 1.5)
    looser = replace(gated.job.gates, counts=0.6)
    loose = replace(gated, job=gated.job.model_copy(update={"gates": looser}))
    for stage in STAGES:
        assert loose.options(stage) == gated.options(stage)
    assert decide(loose).state == "published"
    assert current_version(gated.folder).number == 2
    assert not (gated.folder / "versions" / "held").is_symlink()


def test_another_input_supersedes_what_is_held(gated):
    decide(gated)
    decide(gated, 1.5)
    decision = decide(gated, 1.4)
    assert (decision.state, decision.version.number) == ("held", 3)
    assert [one.state for one in read_versions(gated.folder)] == ["published", "superseded", "held"]
    assert decide(gated, 1 / 1.5 / 1.4 * 1.1).state == "published"
    assert held_version(gated.folder) is None


def test_an_input_that_goes_back_leaves_nothing_held(gated):
    decide(gated)
    workshop = open_workshop(gated)
    kept = {name: (workshop.folder / name).read_bytes() for name in ("summary.json", "work/summarise.json")}
    decide(gated, 1.5)
    for name, data in kept.items():
        write_atomically(workshop.folder / name, data)
    assert decide(gated).state == "unchanged"
    assert held_version(gated.folder) is None


def test_publish_needs_a_reason_and_keeps_it(gated, capsys):
    decide(gated)
    decide(gated, 1.5)
    assert command(gated, "publish") == 2
    assert "--accept" in capsys.readouterr().err
    assert command(gated, "publish", "--accept", "a bright nebula; looked at it", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "stage": "publication",
        "state": "published",
        "version": 2,
        "why": ["a bright nebula; looked at it"],
    }
    run = read_history(gated.folder)[-1]
    assert (run["verb"], run["exit_code"]) == ("publish", 0)
    assert run["results"]["publication"]["why"] == ["a bright nebula; looked at it"]
    event = current_version(gated.folder).last("accepted")
    assert event["reason"] == "a bright nebula; looked at it"
    assert event["who"] == run["user"]
    assert decide(gated).state == "unchanged"
    assert command(gated, "publish", "--accept", "again") == 2
    assert command(gated, "status") == 0


def test_what_is_discarded_is_not_made_again_and_every_run_says_so(gated, capsys):
    decide(gated)
    before = public(gated.folder)
    decide(gated, 1.5)
    assert command(gated, "discard", "--reason", "tile 9 is bad") == 0
    decision = decide(gated)
    assert (decision.state, decision.version.number) == ("held", 2)
    assert "was discarded on" in decision.why[0]
    assert decision.why[0].endswith("tile 9 is bad")
    assert len(read_versions(gated.folder)) == 2
    assert public(gated.folder) == before
    assert command(gated, "discard") == 2
    assert command(gated, "status") == 4
    assert "was discarded on" in capsys.readouterr().out
    assert command(gated, "publish", "--version", "2") == 2
    assert command(gated, "publish", "--version", "2", "--accept", "it was not the tile") == 0
    assert current_version(gated.folder).number == 2


def test_going_back_makes_everything_public_that_of_the_earlier_version(gated):
    decide(gated)
    first = public(gated.folder)
    decide(gated, 1.1)
    second = public(gated.folder)
    assert first != second
    assert command(gated, "publish", "--version", "1", "--accept", "wrong zero points") == 0
    assert public(gated.folder) == first
    decision = decide(gated)
    assert (decision.state, decision.version.number) == ("held", 2)
    assert "taken back" in decision.why[0]
    assert command(gated, "publish", "--version", "2") == 0
    assert public(gated.folder) == second
    assert [one.state for one in read_versions(gated.folder)] == ["published", "published"]
    assert decide(gated).state == "unchanged"


def test_a_version_that_is_damaged_is_not_published(gated, capsys):
    decide(gated)
    decide(gated, 1.1)
    before = public(gated.folder)
    page = gated.folder / "versions" / "1" / "report.html"
    data = page.read_bytes()
    page.unlink()
    page.write_bytes(data[:-1] + b"?")
    assert command(gated, "publish", "--version", "1") == 2
    assert "report.html holds other bytes" in capsys.readouterr().err
    assert public(gated.folder) == before
    assert command(gated, "publish", "--version", "7") == 2
    assert "there are 1 (published), 2 (published)" in capsys.readouterr().err


def fresh(gated: Workspace, **gates: float) -> Workspace:
    """Return a folder in whose workshop all stages are done, and which never published anything."""
    folder = gated.folder.with_name("fresh")
    (folder / "work").mkdir(parents=True)
    shutil.copytree(gated.folder, folder / "work" / "workshop")
    job = folder / "tiny.toml"
    lines = "".join(f"{key} = {value}\n" for key, value in gates.items())
    job.write_text((gated.folder / "tiny.toml").read_text() + lines)
    return workspace_of(folder)


def test_the_first_version_is_compared_with_nothing(gated):
    workspace = fresh(gated)
    assert decide(workspace).state == "published"
    assert public(workspace.folder) == public(gated.folder)


def test_the_first_version_may_be_held_and_then_nothing_is_public(gated, capsys):
    workspace = fresh(gated, unsafe=0.0001)
    decision = decide(workspace)
    assert (decision.state, decision.version.number) == ("held", 1)
    assert not [name for name in public(workspace.folder) if not name.startswith("sky/")]
    assert not (workspace.sky / "collection.properties").exists()  # catalogues that nobody is pointed at
    assert command(workspace, "status") == 4
    assert "version 1 is held back" in capsys.readouterr().out
    assert command(workspace, "publish", "--accept", "stranger than mocks, as expected") == 0
    assert public(workspace.folder) == public(gated.folder)
    assert command(workspace, "status", "--verify") == 0


def test_a_new_folder_publishes_nothing(gated):
    other = replace(gated, folder=gated.folder.with_name("other"))
    with other.prepare():
        workshop = open_workshop(other)
    assert publish_or_hold(other, workshop, STAGES).state == "unfinished"
    assert read_versions(other.folder) == []


def test_stages_that_are_missing_hold_everything(gated):
    decide(gated)
    before = public(gated.folder)
    workshop = open_workshop(gated)
    change(workshop, 1.1)
    (workshop.folder / "work" / "correct.json").unlink()
    decision = decide(gated)
    assert (decision.state, decision.why) == ("unfinished", ("correct",))
    assert public(gated.folder) == before


def test_without_gates_there_are_no_versions(finished_copy, capsys):
    workspace = workspace_of(finished_copy)
    assert command(workspace, "publish", "--accept", "x") == 2
    assert "[gates]" in capsys.readouterr().err
    assert not (finished_copy / "versions").exists()


def test_a_damaged_register_is_told(gated):
    decide(gated)
    (gated.folder / "versions" / "1.json").write_text("{}")
    with pytest.raises(InputError, match=r"1\.json"):
        read_versions(gated.folder)


def test_a_run_that_is_held_ends_with_4_and_computes_nothing_the_next_time(gated, capsys):
    decide(gated)
    before = public(gated.folder)
    job = gated.folder / "tiny.toml"
    job.write_text(job.read_text().replace("area_deg2     = 0.2", "area_deg2     = 0.1"))
    assert command(gated, "update", "--serial", "--json") == 4
    said = capsys.readouterr()
    assert "version 2 is made, and held back; version 1 stays public" in said.err
    told = [json.loads(line) for line in said.out.splitlines()]
    assert told[-1]["stage"] == "publication"
    assert told[-1]["state"] == "held"
    assert public(gated.folder) == before
    assert command(gated, "update", "--serial") == 4
    first, second = read_history(gated.folder)[-2:]
    assert first["exit_code"] == second["exit_code"] == 4
    assert first["results"]["summarise"]["ran"]
    assert not any(one["ran"] for one in second["results"].values() if "ran" in one)
    assert second["results"]["publication"]["version"] == 2
    assert command(gated, "publish", "--accept", "the area was wrong") == 0
    assert json.loads((gated.folder / "summary.json").read_text())["counts"]["area_deg2"] == 0.1
    assert command(gated, "update", "--serial") == 0
    assert command(gated, "status", "--verify") == 0


def test_a_single_stage_publishes_nothing(gated, capsys):
    decide(gated)
    before = public(gated.folder)
    change(open_workshop(gated), 1.1)
    assert command(gated, "infer", "--serial") == 0
    assert "not published" in capsys.readouterr().out
    assert public(gated.folder) == before
    assert len(read_versions(gated.folder)) == 1


def test_a_collection_in_a_store_has_no_versions(gated, capsys):
    assert command(gated, "infer", "--serial", "--sky", "s3://survey/sky") == 2
    assert "[gates]" in capsys.readouterr().err
    assert not (gated.folder / "versions").exists()
