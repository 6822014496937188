"""Thirty nights of a cron job: tiles come, change and go, a model and a calibration are new, and much goes wrong.

After each night the plan of the evening, the history and what is public are held against each other.
"""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jpasbatch.cli import main
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.run.history import read_history
from jpasbatch.stages.run.versions import held_version
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.stores.artefacts import committee_version
from tests.stages.ingest.test_arrivals import JOB, rows_of, write_tile
from tests.stages.publish.versions import public
from tests.stages.tiny_run import serial, workspace_of, write_job

GATES = """
[gates]
counts = 0.4
"""


@dataclass
class Survey:
    """The input of the job, and what its operator knows of it.

    Attributes
    ----------
    folder : Path
    other_committee : Path
        That of another training.
    rows : dict of str to int
        Rows of each tile that is whole, by file.
    """

    folder: Path
    other_committee: Path
    rows: dict[str, int] = field(default_factory=dict)
    tiles: int = 0

    def observe(self, rows: int = 60) -> str:
        """Add a tile, and return the name of its file."""
        self.tiles += 1
        path = write_tile(self.folder / "tiles", self.tiles, 180.0 + 1.5 * (self.tiles % 7), rows=rows)
        self.rows[path.name] = rows
        return path.name

    def remove(self, name: str) -> None:
        (self.folder / "tiles" / name).unlink()
        self.rows.pop(name, None)

    def change_job(self, old: str, new: str) -> None:
        job = self.folder / "job.toml"
        assert old in job.read_text()
        job.write_text(job.read_text().replace(old, new))

    def command(self, verb: str, *options: str) -> int:
        where = ["--output", str(self.folder / "run"), "--data", str(self.folder)]
        return main([verb, str(self.folder / "job.toml"), *where, *options])


def quiet(survey: Survey) -> None:
    """Let nothing happen."""


def new_tile(survey: Survey) -> None:
    survey.observe()


def changed_tile(survey: Survey) -> None:
    """Reduce the last tile again: fewer objects, and other fluxes."""
    name = list(survey.rows)[-1]
    number = int(name.partition("-")[0])
    survey.remove(name)
    aside = write_tile(survey.folder / "aside", number, 180.0 + 1.5 * (number % 7), rows=50, bad=0)
    aside.rename(survey.folder / "tiles" / name)
    survey.rows[name] = 50


def removed_tile(survey: Survey) -> None:
    survey.remove(list(survey.rows)[-1])


def renamed_tile(survey: Survey) -> None:
    name = list(survey.rows)[-1]
    (survey.folder / "tiles" / name).rename(survey.folder / "tiles" / f"again-{name}")
    survey.rows[f"again-{name}"] = survey.rows.pop(name)


def corrupt_tile(survey: Survey) -> None:
    """Let a transfer break off."""
    name = survey.observe()
    path = survey.folder / "tiles" / name
    path.write_bytes(path.read_bytes()[:9000])
    survey.rows.pop(name)


def corrupt_tile_is_gone(survey: Survey) -> None:
    survey.remove(max((survey.folder / "tiles").glob(f"{survey.tiles}-*")).name)


def jump(survey: Survey) -> None:
    survey.observe(rows=int(0.7 * sum(survey.rows.values())))


def jump_is_gone(survey: Survey) -> None:
    survey.remove(list(survey.rows)[-1])


def new_calibration(survey: Survey) -> None:
    survey.change_job("[prior]", '[prior]\ncalibration = "temperature"')


def new_model(survey: Survey) -> None:
    committee = json.loads((survey.folder / "committee.json").read_text())
    survey.change_job(committee, str(survey.other_committee))


def new_targets(survey: Survey) -> None:
    survey.change_job("min_probability = 0.2", "min_probability = 0.3")


def comment(survey: Survey) -> None:
    survey.change_job("\n[classes]", "\n# a note of the operator\n[classes]")


def accept(survey: Survey) -> None:
    """Look at what is held, if anything is, and publish it."""
    if held_version(survey.folder / "run") is not None:
        assert survey.command("publish", "--accept", "looked at it") == 0


def discard(survey: Survey) -> None:
    assert survey.command("discard", "--reason", "a tile of noise") == 0
    jump_is_gone(survey)


Event = Callable[[Survey], None]
FULL_DISK = object()
NIGHTS: list[tuple[Event | object, int]] = [
    (quiet, 0),
    (new_tile, 0),
    (new_tile, 0),
    (changed_tile, 0),
    (quiet, 0),
    (removed_tile, 0),
    (corrupt_tile, 2),
    (quiet, 2),
    (corrupt_tile_is_gone, 0),
    (new_tile, 0),
    (FULL_DISK, 75),
    (quiet, 0),
    (new_calibration, None),  # how far it moves the counts of this sky is for the gate to see
    (accept, 0),
    (renamed_tile, 0),
    (jump, 4),
    (quiet, 4),
    (accept, 0),
    (comment, 0),
    (jump, 4),
    (discard, 0),
    (new_targets, 0),
    (changed_tile, 0),
    (new_tile, 0),
    (FULL_DISK, 75),
    (corrupt_tile, 2),
    (corrupt_tile_is_gone, 0),
    (removed_tile, 0),
    (new_model, None),  # what it says of this sky is for the gate to see
    (new_tile, None),
]


@pytest.fixture
def survey(trained_copy, tmp_path) -> Survey:
    """Return a survey of six tiles whose job was never run."""
    first = committee_version(trained_copy / "committee")
    other = workspace_of(trained_copy, write_job(trained_copy / "tiny.toml", seed=8))
    with other.prepare():
        run_stage("train", other, serial())
    folder = tmp_path / "survey"
    survey = Survey(folder, committee_version(trained_copy / "committee"))
    assert survey.other_committee != first
    for _ in range(6):
        survey.observe(rows=250)
    (folder / "committee.json").write_text(json.dumps(str(first)))
    (folder / "job.toml").write_text(JOB.format(committee=first).replace("= 400", "= 1200") + GATES)
    return survey


def plan(survey: Survey, capsys) -> tuple[int, dict]:
    """Return how the evening's dry run ends, and what it says of each stage."""
    capsys.readouterr()
    code = survey.command("update", "--dry-run", "--json")
    told = capsys.readouterr().out
    return code, {} if code else {one["stage"]: one for one in json.loads(told)["stages"]}


def night(survey: Survey, event: Event | object, patch: pytest.MonkeyPatch) -> int:
    """Run the cron job, on a disk that is full after a while where that is the event."""
    if event is not FULL_DISK:
        return survey.command("update", "--serial", "--json")
    flushed = iter(range(1000))

    def fsync(descriptor: int) -> None:
        if next(flushed) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")

    with patch.context() as full:
        full.setattr(os, "fsync", fsync)
        return survey.command("update", "--serial", "--json")


def check_public(survey: Survey) -> None:
    """Check that what is public is of the files that there are: each row once, each with its prediction."""
    sky = survey.folder / "run" / "sky"
    photometry, predictions = open_catalogue(sky), open_catalogue(current_extension(sky, "predictions"))
    assert photometry.rows == predictions.rows == sum(survey.rows.values())
    summary = json.loads((survey.folder / "run" / "summary.json").read_text())
    assert summary["counts"]["objects"] == photometry.rows
    refused = list((survey.folder / "run" / "quarantine").glob("ingest-*.parquet"))
    assert sum(pq.read_table(path).num_rows for path in refused) == 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("unchanged_process")
def test_thirty_nights(survey, capsys, monkeypatch, tmp_path):
    assert len(NIGHTS) == 30
    codes: list[int] = []
    run = survey.folder / "run"
    assert survey.command("update", "--serial") == 0
    check_public(survey)
    for number, (event, code) in enumerate(NIGHTS, 1):
        what = f"night {number}: {getattr(event, '__name__', 'full disk')}"
        if event is FULL_DISK:
            survey.observe()
        else:
            event(survey)
        before, tiles = public(run), sorted(path.name for path in (survey.folder / "tiles").iterdir())
        warned, foretold = plan(survey, capsys)
        found = night(survey, event, monkeypatch)
        told = read_history(run)[-1]
        codes.append(found)
        # a history that no disk has room for does not tell how it ended
        assert told.get("exit_code", 75 if event is FULL_DISK else None) == found, what
        assert found == code or (code is None and found in (0, 4)), what
        assert warned == (found if found == 2 else 0), what
        if found:
            after = public(run)
            assert before.items() <= after.items(), what
            # catalogues lie side by side: nothing points at that of a version that waits
            assert {name.partition("/")[0] for name in after.keys() - before.keys()} <= {"sky"}, what
        else:
            check_public(survey)
        if found in (0, 4):
            check_foretold(foretold, told["results"], what)
            assert sorted(read_inputs(run)) == tiles, what
    whole = afresh(survey, tmp_path / "afresh")
    if found == 4:
        accept(survey)
    sky = run / "sky"
    assert rows_of(open_catalogue(sky)) == rows_of(open_catalogue(whole / "sky"))
    ours, theirs = (
        rows_of(open_catalogue(current_extension(one, "predictions"))) for one in (sky, whole / "sky")
    )
    assert ours == theirs
    assert len([one for one in read_history(run) if one["verb"] == "update"]) == 31
    assert codes.count(75) == 2
    assert codes.count(2) == 3
    assert codes.count(4) >= 3


def check_foretold(foretold: dict, results: dict, what: str) -> None:
    """Check that what was computed is what the plan said: which stages, and how many partitions of infer."""
    for stage, told in foretold.items():
        if told["exact"]:
            assert results[stage]["ran"] == told["runs"], f"{what}, {stage}"
    tasks = [work["tasks"] for work in foretold["infer"]["work"] if work["title"] == "infer: partitions"]
    if foretold["infer"]["exact"] and results["infer"]["ran"]:
        assert results["infer"]["recomputed"] == sum(tasks), what


def read_inputs(run: Path) -> list[str]:
    """Return the files that the catalogue in the workshop came from."""
    return list(json.loads((run / "work" / "workshop" / "work" / "ingest.json").read_text())["inputs"])


def afresh(survey: Survey, folder: Path) -> Path:
    """Run the job of the last night on the files of the last night, in a new folder without gates."""
    folder.mkdir()
    (folder / "tiles").symlink_to(survey.folder / "tiles")
    (folder / "job.toml").write_text((survey.folder / "job.toml").read_text().replace(GATES, ""))
    where = ["--output", str(folder / "run"), "--data", str(folder), "--serial"]
    assert main(["run", str(folder / "job.toml"), *where]) == 0
    return folder / "run"
