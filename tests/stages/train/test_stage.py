"""Training through the real stage: what it shows while it runs, and what it keeps of how it went."""

import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.table import Table

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.messages import send
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Task
from jpasbatch.compute.steps import Report
from jpasbatch.errors import InputError
from jpasbatch.stages.run import progress
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.stages.run.mapping import run_each
from jpasbatch.stages.train import watching
from jpasbatch.stages.train.stage import run_train
from jpasbatch.storage.stores.artefacts import committee_fingerprint
from tests.stages.tiny_run import serial, workspace_of, write_job


def test_members_tell_of_their_epochs_while_they_train(trained_copy, monkeypatch, caplog):
    monkeypatch.setattr(progress, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(watching, "SECONDS_BETWEEN_MESSAGES", 0.0)
    workspace = workspace_of(trained_copy, write_job(trained_copy / "tiny.toml", seed=8, members=1))
    with caplog.at_level(logging.INFO, logger="jpasbatch"):
        record = run_train(workspace, serial()).content
    lines = [one.message for one in caplog.records]
    assert "train: members: member-00: begun" in lines
    second, *_ = [line for line in lines if line.startswith("train: members: member-00: epoch 2 of 2, f1 0.")]
    assert "(training " in second
    table = Table.read(find_committee(workspace).version / "curves.ecsv")
    assert table["epoch"].tolist() == [1, 2]
    assert table["kept"].sum() == 1
    assert record["machines"] == table.meta["machines"]
    assert len(record["machines"]) == 1


def test_members_of_an_older_version_have_the_curve_that_they_remember(trained_copy):
    workspace = workspace_of(trained_copy)
    first = find_committee(workspace)
    for file in ("curves.ecsv", "curves.png"):
        (first.version / file).unlink()
    [folder] = [path.parent for path in trained_copy.glob("work/train/*/ledger")]
    ledger = Run(str(trained_copy), folder.relative_to(trained_copy).as_posix()).ledger
    for key in ("member-00", "member-01"):
        [record] = ledger.records([key]).values()
        ledger.forget(key)
        ledger.commit(
            key, {name: value for name, value in record.items() if name not in ("curve", "machine")}
        )
    (trained_copy / "work" / "train.json").unlink()
    record = run_train(workspace, serial()).content  # trains nothing, and finds the same committee
    assert find_committee(workspace).version == first.version
    table = Table.read(first.version / "curves.ecsv")
    assert table["epoch"].tolist() == [1, 2, 1, 2]
    assert (table["validation_loss"] > 0).all()
    assert record["machines"] == []


def tell(topic: str, file: str) -> dict[str, int]:
    """Tell of an epoch, and wait until the driver has shown it."""
    send(topic, Report("a", 3, 10, "epoch", "f1 0.9", 7.0).to_message())
    for _ in range(200):
        if Path(file).exists():
            return {"rows": 1}
        time.sleep(0.05)
    raise TimeoutError("nothing was shown")


class Told:
    """A display that leaves a file when it has seen a running task."""

    def __init__(self, file: Path) -> None:
        self.file, self.seconds_left = file, None

    def show(self, meter: Meter) -> None:
        if meter.running.reports and self.seconds_left is None:
            self.seconds_left = meter.seconds_left
            self.file.touch()

    def close(self, meter: Meter) -> None:
        assert meter.running.reports == []


def test_workers_are_heard_before_their_tasks_end(tmp_path):
    told = Told(tmp_path / "shown")
    with open_cluster(LocalCluster(workers=1, memory_limit="1 GiB")) as executor:
        watched = replace(executor, displays=(told,))
        tasks = [Task("a", ("a topic", str(told.file)))]
        [outcome] = run_each(Meter("train: members", 1), tell, tasks, watched, topic="a topic")
    assert outcome.status == "done"
    assert told.seconds_left == pytest.approx(49, abs=5)


def test_a_committee_that_goes_on_from_another_one(trained_copy):
    first = find_committee(workspace_of(trained_copy))
    job = write_job(trained_copy / "tiny.toml", seed=8, members=1)
    text = job.read_text(encoding="utf-8")
    job.write_text(text.replace("[committee]", f'[committee]\nbegin = "{first.version}"'), encoding="utf-8")
    workspace = workspace_of(trained_copy, job)
    record = run_train(workspace, serial()).content
    second = find_committee(workspace)
    assert second.version != first.version
    assert second.manifest.options["committee"] == {
        "begin": first.version.name,
        "sha256": committee_fingerprint(first.version),
    }
    assert second.manifest.features.state == first.manifest.features.state
    scalings = [one.input_scaling for one in second.manifest.members]
    assert scalings == [one.input_scaling for one in first.manifest.members[: len(scalings)]]
    assert run_train(workspace, serial()).content == record


def test_a_committee_goes_on_from_its_own_classes_only(trained_copy):
    first = find_committee(workspace_of(trained_copy))
    job = write_job(trained_copy / "tiny.toml", seed=8, members=1)
    text = job.read_text(encoding="utf-8").replace("[committee]", f'[committee]\nbegin = "{first.version}"')
    job.write_text(text.replace("[0.0, 2.1]", "[0.0, 2.0]").replace("[2.1,", "[2.0,"), encoding="utf-8")
    with pytest.raises(InputError, match="learnt it"):
        run_train(workspace_of(trained_copy, job), serial())
