"""A tiny job and its one run through the real stages, shared by every test that needs a finished run.

Two snapshots are kept: ``trained`` (after mock, ingest and train) and ``finished`` (also infer, correct
and summarise). Tests copy them; hats-import and TensorFlow are paid for once in a session.
"""

import shutil
from pathlib import Path

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.stages.run.workspace import Workspace
from tests.once import made_once

JOB = """
name   = "tiny"
title  = "A tiny sky"
survey = "jpas60"
seed   = {seed}

[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}

[mock]
kind                 = "builtin"
seed                 = 3
tiles                = 2
area_deg2            = 0.2
training_per_class   = 80
validation_per_class = 60
flagged_share        = 0.02

[catalogue.cuts]
maximum_rejected_fraction = 0.2

# hats-import loops over the pixels of the highest order: at order 9 this import takes 33 s
[catalogue.partitions]
pixel_threshold = 600
highest_order   = 8

[model]
hidden = [16, 16]

[training]
epochs     = 2
batch_size = 64

[committee]
members = {members}

[prior]
redraws = 3

[counts]
classes       = ["qso_low", "qso_high"]
band_role     = "g"
brighter_than = 23.0
area_deg2     = 0.2

[[targets]]
classes         = ["star", "galaxy", "qso_low", "qso_high"]  # a committee this small tells none of them for sure
min_probability = 0.9
"""


def write_job(path: Path, seed: int = 7, members: int = 2) -> Path:
    """Write the tiny job file."""
    path.write_text(JOB.format(seed=seed, members=members))
    return path


def workspace_of(folder: Path, job: Path | None = None, allow_gaps: bool = False) -> Workspace:
    """Return the workspace of a copy of a snapshot, for the job that lies in it."""
    return open_workspace(job or folder / "tiny.toml", folder, None, allow_gaps)


def serial() -> Executor:
    """Return the executor that runs everything in this process."""
    with open_cluster(SerialCluster()) as executor:
        return executor


def tiny_run(base: Path) -> Path:
    """Make the snapshots below a folder that all processes of a test run share, once, and return where they are."""
    return made_once(base / "tiny-run", _run_and_keep)


def _run_and_keep(home: Path) -> None:
    run = home / "run"
    run.mkdir()
    write_job(run / "tiny.toml")
    workspace = workspace_of(run)
    with workspace.prepare():
        for stage in ("mock", "ingest", "train"):
            run_stage(stage, workspace, serial())
        shutil.copytree(run, home / "trained")
        for stage in ("infer", "correct", "summarise"):
            run_stage(stage, workspace, serial())
    run.rename(home / "finished")
