"""Provenance: a document that others can read, of all that a run made, and the same as long as nothing is made."""

import io
import json

import pytest

from jpasbatch.cli import main
from jpasbatch.stages.pipeline import ORDER
from jpasbatch.stages.run import provenance as module
from jpasbatch.stages.run.history import read_history, recorded_run
from jpasbatch.stages.run.provenance import FILE, makers_of, provenance, write_provenance
from tests.stages.tiny_run import workspace_of

RUN = {"user": "ünique user", "host": "here", "version": "1.2.3"}


@pytest.fixture(scope="module")
def told(finished) -> dict:
    workspace = workspace_of(finished)
    records = {stage: workspace.record(stage) for stage in ORDER}
    records = {stage: record for stage, record in records.items() if record is not None}
    return provenance("tiny", records, dict.fromkeys(("infer", "summarise"), RUN))


def read(content: dict):
    prov = pytest.importorskip("prov.model", reason="needs prov, of the extra 'test'")
    return prov.ProvDocument.deserialize(io.StringIO(json.dumps(content)), format="json")


def test_a_library_of_others_reads_all_of_it(told):
    document = read(told)
    kinds = [type(one).__name__ for one in document.get_records()]
    parts = {
        "ProvEntity": "entity",
        "ProvActivity": "activity",
        "ProvAgent": "agent",
        "ProvUsage": "used",
        "ProvGeneration": "wasGeneratedBy",
        "ProvAssociation": "wasAssociatedWith",
        "ProvAttribution": "wasAttributedTo",
    }
    assert {kind: kinds.count(kind) for kind in parts} == {
        kind: len(told[part]) for kind, part in parts.items()
    }
    assert len(kinds) == sum(len(told[part]) for part in parts.values())
    again = json.loads(document.serialize(format="json"))
    assert again.keys() == told.keys()
    assert again["entity"].keys() == told["entity"].keys()


def test_every_end_of_a_relation_is_told(told):
    names = {*told["entity"], *told["activity"], *told["agent"]}
    for kind in module.RELATIONS:
        for relation in told.get(kind, {}).values():
            ends = {key: name for key, name in relation.items() if key != "prov:role"}
            assert len(ends) == 2
            assert set(ends.values()) <= names


def test_stages_use_what_earlier_ones_made(told):
    made = {one["prov:entity"]: one["prov:activity"] for one in told["wasGeneratedBy"].values()}
    used: dict[str, set[str]] = {}
    for one in told["used"].values():
        maker = made.get(one["prov:entity"], "outside")
        used.setdefault(one["prov:activity"].split(":")[1].split("-")[0], set()).add(
            maker.split(":")[-1].split("-")[0]
        )
    assert used["ingest"] == {"outside"}
    assert used["infer"] == {"outside", "ingest", "train"}  # from outside: what the job file asks
    assert used["correct"] == {"outside", "infer", "train"}
    assert used["summarise"] == {"outside", "ingest", "infer", "correct"}


def test_published_files_are_told_with_their_hashes(told, finished):
    files = json.loads((finished / "work" / "summarise.json").read_bytes())["files"]
    hashes = {one["voprov:name"]: one.get("jpasbatch:sha256") for one in told["entity"].values()}
    assert files.items() <= hashes.items()
    inputs = json.loads((finished / "work" / "ingest.json").read_bytes())["inputs"]
    assert inputs.items() <= hashes.items()


def test_times_numbers_and_people_are_told_and_no_place_of_the_machine(told, finished):
    record = json.loads((finished / "work" / "infer.json").read_bytes())
    (activity,) = [one for one in told["activity"].values() if one["voprov:name"] == "infer"]
    assert activity["prov:endTime"].startswith(record["finished"][:19])
    assert activity["prov:startTime"] < activity["prov:endTime"]
    assert activity["jpasbatch:algorithms"].startswith("infer ")
    assert {one["prov:type"] for one in told["agent"].values()} == {"prov:SoftwareAgent", "prov:Person"}
    assert str(finished) not in json.dumps(told)


def test_the_last_run_that_ran_a_stage_made_it():
    runs = [
        {"run": "1", "results": {"infer": {"ran": True}, "ingest": {"ran": True}}},
        {"run": "2", "results": {"infer": {"ran": False}, "ingest": {"ran": True}}},
        {"run": "3"},
    ]
    assert {stage: run["run"] for stage, run in makers_of(runs).items()} == {"infer": "1", "ingest": "2"}


def test_a_run_writes_it_and_one_without_anything_to_do_leaves_it(finished_copy):
    where = ["--output", str(finished_copy), "--serial"]
    assert main(["infer", str(finished_copy / "tiny.toml"), *where]) == 0  # it was not there
    path = finished_copy / FILE
    first, inode = path.read_bytes(), path.stat().st_ino
    with recorded_run(workspace_of(finished_copy), "infer", ["infer"]) as idle:
        idle.stages["infer"] = {"ran": False}
        assert write_provenance(idle, ORDER) is None
    assert (path.read_bytes(), path.stat().st_ino) == (first, inode)
    assert "agent" not in json.loads(first)  # nobody is known to have run what these runs found
    with recorded_run(workspace_of(finished_copy), "infer", ["infer"]) as other:
        other.stages["infer"] = {"ran": True}
        assert write_provenance(other, ORDER) == path
    assert len(read_history(finished_copy)) == 3
    with recorded_run(workspace_of(finished_copy), "infer", ["infer"]) as later:
        later.stages["summarise"] = {"ran": True}
        write_provenance(later, ORDER)
    agents = json.loads(path.read_bytes())["wasAssociatedWith"].values()
    assert len({one["prov:activity"] for one in agents}) == 2  # who made the predictions is still told
