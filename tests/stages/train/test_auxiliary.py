"""A committee that looks at columns beside the photometry, from its job file to the published predictions."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.classify.committee import name_committee
from jpasbatch.stages.infer.stage import run_infer
from jpasbatch.stages.ingest.stage import run_ingest
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.stages.train.stage import run_train
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.artefacts import load_committee
from jpasbatch.storage.tables.per_band import write_column_table
from tests.stages.tiny_run import serial

ROWS = 240
JOB = """
name   = "moving"
survey = "splus12"

[classes]
star   = {{ truth = ["star"] }}
galaxy = {{ truth = ["galaxy"] }}

[catalogue]
input = "{folder}/sky.parquet"
carry = [{{ column = "pmra", name = "pm_ra" }}]
[catalogue.partitions]
highest_order = 4
margin_arcsec = 0

[features]
kind      = "magnitudes_and_errors"
auxiliary = ["pm_ra"]

[samples]
training   = "{folder}/training.parquet"
validation = "{folder}/validation.parquet"
[samples.tests]
test = "{folder}/test.parquet"

[counts]
classes   = ["star"]
area_deg2 = 1.0

[model]
kind   = "random_forest"
trees  = 20
[committee]
members = 1
"""


def write_objects(path, seed):
    """Write objects whose colours say nothing; stars move, and of a third nobody knows whether they do."""
    rng, survey = np.random.default_rng(seed), load_survey("splus12")
    star = np.arange(ROWS) % 2 == 0
    moves = np.where(star, 10.0, 0.0) + rng.normal(0, 1, ROWS)
    flux = rng.lognormal(3, 0.3, (ROWS, len(survey.bands))).astype(np.float32)
    rows = {
        "tile_id": np.full(ROWS, seed),
        "number": np.arange(ROWS) + 1000 * seed,
        "ra": rng.uniform(10, 11, ROWS),
        "dec": rng.uniform(0, 1, ROWS),
        "flux": flux,
        "flux_err": 0.05 * flux,
        "true_class": np.where(star, "star", "galaxy"),
        "true_redshift": np.where(star, 0.0, 0.1).astype(np.float32),
        "pmra": np.where(rng.random(ROWS) < 1 / 3, np.nan, moves),
    }
    write_column_table(path, rows, survey)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a job with a sky, a committee and predictions, and the job file."""
    folder = tmp_path_factory.mktemp("auxiliary")
    patch = pytest.MonkeyPatch()
    patch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    for seed, name in enumerate(("training", "validation", "test", "sky"), start=1):
        write_objects(folder / f"{name}.parquet", seed)
    job = folder / "moving.toml"
    job.write_text(JOB.format(folder=folder))
    workspace = open_workspace(job, folder / "run", None)
    workspace.prepare()
    records = {
        stage: run_stage(stage, workspace, serial()) for stage in ("ingest", "train", "evaluate", "infer")
    }
    patch.undo()
    return folder, records


def test_it_learns_what_no_colour_says(made):
    """Where the motion is known, star and galaxy are told apart; the manifest names the column and its scale."""
    folder, records = made
    [committee] = [one for one in (folder / "run" / "committee").iterdir() if one.is_dir()]
    manifest = load_committee(committee)[0]
    [column] = manifest["features"]["state"]["auxiliary"]
    assert column["name"] == "pm_ra"
    assert manifest["features"]["n_inputs"] == 2 * 12 + 2
    catalogue = open_catalogue(folder / "run" / "sky")
    predictions = open_catalogue(current_extension(folder / "run" / "sky", "predictions"))
    tables = [
        pa.concat_tables([read_partition(one.partition_path(*pixel), names) for pixel in one.pixels])
        for one, names in (
            (catalogue, ["object_id", "pm_ra", "true_class"]),
            (predictions, ["predicted_class"]),
        )
    ]
    known = tables[0]["pm_ra"].is_valid().to_numpy()
    right = np.array(tables[0]["true_class"].to_pylist()) == np.array(
        tables[1]["predicted_class"].to_pylist()
    )
    assert 0.5 < known.mean() < 0.8
    assert right[known].mean() > 0.95
    assert right[~known].mean() < 0.75
    assert records["evaluate"]["weighted_f1"]["test"] > 0.75


def test_a_catalogue_without_the_column_is_refused(made, tmp_path):
    """The committee of the run, on a sky to which the column did not travel: its name, and what to do."""
    folder, _ = made
    shutil.copytree(folder / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "sky")
    [committee] = [one for one in (folder / "run" / "committee").iterdir() if one.is_dir()]
    text = (folder / "moving.toml").read_text()
    text = text.replace('carry = [{ column = "pmra", name = "pm_ra" }]\n', "").replace(
        'auxiliary = ["pm_ra"]\n', ""
    )
    text = text.replace("members = 1", f'artefact = "{committee}"')
    (tmp_path / "moving.toml").write_text(text)
    workspace = open_workspace(tmp_path / "moving.toml", tmp_path / "run", None)
    run_ingest(workspace, serial())
    with pytest.raises(InputError, match=r"looks at the columns pm_ra .* lacks pm_ra: let them travel"):
        run_infer(workspace, serial())


def test_tables_without_a_job_are_refused(made):
    """`classify` reads photometry alone: it says so before it reads a row."""
    folder, _ = made
    [committee] = [one for one in (folder / "run" / "committee").iterdir() if one.is_dir()]
    with pytest.raises(InputError, match=r"columns beside the photometry \(pm_ra\), which only a job reads"):
        name_committee(committee, "splus12")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('auxiliary = ["pm_ra"]', 'auxiliary = ["pm_dec"]'), "'pm_dec' does not travel into the catalogue"),
        (('auxiliary = ["pm_ra"]', 'auxiliary = ["pm_ra", "pm_ra"]'), "a column is named twice"),
        (('kind   = "random_forest"\ntrees  = 20', 'kind = "cnn"'), "sees bands side by side"),
    ],
)
def test_jobs_that_cannot_be(made, tmp_path, change, message):
    folder, _ = made
    (tmp_path / "job.toml").write_text((folder / "moving.toml").read_text().replace(*change))
    with pytest.raises(InputError, match=message):
        load_job(tmp_path / "job.toml")


def test_a_sample_without_the_column_is_refused(made, tmp_path, monkeypatch):
    """A training table that lacks the column, or has text there, is refused by name."""
    folder, _ = made
    for name in ("validation", "test", "sky"):
        shutil.copy(folder / f"{name}.parquet", tmp_path)
    table = pq.read_table(folder / "training.parquet")
    pq.write_table(table.drop_columns(["pmra"]), tmp_path / "training.parquet")
    (tmp_path / "job.toml").write_text(JOB.format(folder=tmp_path))
    workspace = open_workspace(tmp_path / "job.toml", tmp_path / "run", None)
    workspace.prepare()
    with pytest.raises(InputError, match=r"training.parquet: the column 'pmra' .* is missing"):
        run_train(workspace, serial())
