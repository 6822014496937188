"""Our classifier and one of others as one, from the job file to the published catalogue."""

import json
import logging
import shutil
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.scoring.combination import Combination
from jpasbatch.stages.pipeline import needed_stages, open_workspace, run_stage
from jpasbatch.stages.planning import plan_stages
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.objects import ObjectStore
from jpasbatch.storage.tables.per_band import write_column_table
from tests.blank_figures import leave_figures_blank
from tests.stages.tiny_run import serial

ROWS = 400
JOB = """
name   = "together"
survey = "splus12"

[classes]
star   = {{ truth = ["star"] }}
galaxy = {{ truth = ["galaxy"] }}

[catalogue]
input = "{folder}/sky.parquet"
[catalogue.partitions]
highest_order = 4
margin_arcsec = 0

[[foreign]]
name  = "others"
table = "{folder}/others.parquet"
id    = ["ID"]
probabilities = {{ star = ["STAR"], galaxy = ["GALAXY"] }}

[samples]
training   = "{folder}/training.parquet"
validation = "{folder}/validation.parquet"
[samples.tests]
spectra = "{folder}/spectra.parquet"

[combination]
sample = "spectra"

[counts]
classes   = ["star"]
area_deg2 = 1.0
[prior]
kind = "none"
[model]
kind  = "random_forest"
trees = 10
[committee]
members = 1
"""


def write_objects(path, seed, rows=ROWS, first=0):
    """Write objects whose colours say something of their class; return which are stars."""
    rng, survey = np.random.default_rng(seed), load_survey("splus12")
    star = rng.random(rows) < 0.5
    flux = rng.lognormal(3, 0.1, (rows, 1)) * rng.lognormal(0, 0.4, (rows, 12))
    flux[:, :6] *= np.where(star, 1.4, 1.0)[:, None]
    content = {
        "tile_id": np.full(rows, seed),
        "number": np.arange(rows) + 10_000 * seed,
        "ra": rng.uniform(10, 11, rows),
        "dec": rng.uniform(0, 1, rows),
        "flux": flux.astype(np.float32),
        "flux_err": (0.05 * flux).astype(np.float32),
        "true_class": np.where(star, "star", "galaxy"),
        "true_redshift": np.where(star, 0.0, 0.1).astype(np.float32),
    }
    write_column_table(path, content, survey)
    return star


def write_others(path, identifiers, star, seed=9):
    """Write what others say: the right class with evidence of their own, under probabilities that are too sure."""
    evidence = np.random.default_rng(seed).normal(1.5 * (2 * star - 1), 1.5)
    said = 1 / (1 + np.exp(-3 * evidence))
    columns = {"ID": identifiers, "STAR": 0.9 * said, "GALAXY": 0.9 * (1 - said)}
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a run with everything, and the records of its stages."""
    folder = tmp_path_factory.mktemp("combine")
    patch = pytest.MonkeyPatch()
    leave_figures_blank(patch)
    patch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    for seed, name in ((1, "training"), (2, "validation")):
        write_objects(folder / f"{name}.parquet", seed)
    star = write_objects(folder / "sky.parquet", 3, 2 * ROWS)
    sky = pq.read_table(folder / "sky.parquet")
    pq.write_table(sky.slice(0, ROWS + 50), folder / "spectra.parquet")
    identifiers = [str(one) for one in sky[load_survey("splus12").catalogue.id_columns[0]].to_pylist()]
    write_others(folder / "others.parquet", identifiers[50:700], star[50:700])
    (folder / "together.toml").write_text(JOB.format(folder=folder))
    workspace = open_workspace(folder / "together.toml", folder / "run", None)
    with workspace.prepare():
        records = {
            stage: run_stage(stage, workspace, serial())
            for stage in needed_stages(workspace)
            if stage != "summarise"
        }
    patch.undo()
    return folder, records


def rows_of(folder, extension=None):
    sky = folder / "run" / "sky"
    catalogue = open_catalogue(sky if extension is None else current_extension(sky, extension))
    return pa.concat_tables([read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels])


def test_together_they_know_more(made):
    """On objects that the fit has not seen, the combination loses less than ours and than the others."""
    _, records = made
    assert list(records) == ["ingest", "foreign", "train", "evaluate", "infer", "combine"]
    record = records["combine"]
    assert record["objects"] == ROWS  # of the 450 with a spectrum, the others speak of all but the first 50
    assert record["sample_rows"] == ROWS + 50
    loss = record["log_loss"]
    assert loss["combined"] < min(loss["ours"], loss["others"]) - 0.02
    assert set(record["weighted_f1"]) == {"ours", "others", "combined"}


def test_what_is_published_is_what_was_fitted(made):
    """Each object of which both speak has the combined probabilities of the stored fit; no other object has a row."""
    folder, records = made
    combined, others = rows_of(folder, "combined"), rows_of(folder, "foreign_others")
    ours = rows_of(folder, "predictions")
    assert combined["object_id"].to_pylist() == others["object_id"].to_pylist()
    assert records["combine"]["rows_out"] == combined.num_rows == 650
    stored = json.loads((folder / "run" / "evaluation" / "combination.json").read_bytes())
    assert stored["classifiers"] == ["ours", "others"]
    kept = np.isin(ours["object_id"].to_pylist(), combined["object_id"].to_pylist())
    parts = [
        np.stack([table[f"{start}probability_{name}"].to_numpy() for name in ("star", "galaxy")], axis=1)
        for table, start in ((ours.filter(pa.array(kept)), ""), (others, "others_"))
    ]
    parts[1] = parts[1] / parts[1].sum(axis=1, keepdims=True)
    magnitude = ours.filter(pa.array(kept))["magnitude_r"].to_numpy()
    wanted = Combination.from_state(stored["fitted"])(parts, magnitude)
    found = np.stack(
        [combined[f"combined_probability_{name}"].to_numpy() for name in ("star", "galaxy")], axis=1
    )
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    decided = np.array(["star", "galaxy"])[found.argmax(axis=1)]
    assert combined["combined_class"].to_pylist() == decided.tolist()


def test_a_second_run_has_nothing_to_do(made, caplog):
    folder, records = made
    workspace = open_workspace(folder / "together.toml", folder / "run", None)
    with caplog.at_level(logging.INFO, "jpasbatch"):
        again = run_stage("combine", workspace, serial())
    assert again["combined"] == records["combine"]["combined"]
    assert "combine: up to date" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('sample = "spectra"', 'sample = "spectra"\nof = ["squeze"]'),
            "'squeze' is none of the tables of others",
        ),
        (('star = ["STAR"], ', ""), "foreign 'others' must give probabilities of all classes"),
    ],
)
def test_jobs_that_cannot_be(made, tmp_path, change, message):
    folder, _ = made
    (tmp_path / "job.toml").write_text((folder / "together.toml").read_text().replace(*change))
    with pytest.raises(InputError, match=message):
        load_job(tmp_path / "job.toml")


def test_a_sample_that_is_not_there_is_named(made, tmp_path):
    folder, _ = made
    text = (folder / "together.toml").read_text().replace('sample = "spectra"', 'sample = "spectre"')
    (tmp_path / "job.toml").write_text(text)
    workspace = open_workspace(tmp_path / "job.toml", folder / "run", None)
    with pytest.raises(InputError, match="evaluate has made no predictions of it"):
        run_stage("combine", workspace, serial())


def test_plans_tell_what_would_be_made_again(made, tmp_path):
    """Nothing to do after a run; another number of folds means the combination, another table both stages."""
    folder, _ = made
    workspace = open_workspace(folder / "together.toml", folder / "run", None)
    stages = tuple(stage for stage in needed_stages(workspace) if stage != "summarise")
    assert not any(plan.runs for plan in plan_stages(stages, workspace).values())
    for change, runs in (
        (('sample = "spectra"', 'sample = "spectra"\nfolds = 3'), {"combine"}),
        (('galaxy = ["GALAXY"]', 'galaxy = ["STAR"]'), {"foreign", "combine"}),
    ):
        (tmp_path / "job.toml").write_text((folder / "together.toml").read_text().replace(*change))
        changed = open_workspace(tmp_path / "job.toml", folder / "run", None)
        plans = plan_stages(stages, changed)
        assert {stage for stage, plan in plans.items() if plan.runs} == runs
        assert plans["combine"].work[0].title == "combine: partitions"


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged_process")
def test_a_combination_in_an_object_store_is_that_on_disk(made, tmp_path, object_store_url):
    """Tables of others go with the collection; the driver's folder keeps records and scores alone."""
    folder, records = made
    job, location = folder / "together.toml", f"s3://survey/{uuid4().hex}/sky"
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run, symlinks=True)
    assert main(["replicate", str(job), location, "--output", str(run)]) == 0
    store = ObjectStore(location)
    for key in sorted(store.keys()):  # what was combined and inferred on disk is not there
        if key.startswith(("combined", "predictions")):
            store.remove(key)
    for name in ("sky", "evaluation/combination.json", "work/combine.json", "work/infer.json"):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for verb in ("infer", "combine"):
        assert main([verb, str(job), "--output", str(run), "--sky", location, "--serial"]) == 0
    assert not (run / "sky").exists()
    record = json.loads((run / "work" / "combine.json").read_bytes())
    assert record["combined"].startswith(f"{location}/combined-")
    assert (record["rows_out"], record["log_loss"]) == (650, records["combine"]["log_loss"])
    version = record["combined"].rpartition("/")[2]
    parts = [key for key in sorted(store.keys(version)) if "/Npix=" in key]
    stored = pa.concat_tables([read_partition(key, None, store) for key in parts])
    assert stored.equals(rows_of(folder, "combined"))
    assert main(["combine", str(job), "--output", str(run), "--sky", location, "--serial", "--json"]) == 0


@pytest.mark.usefixtures("unchanged_process")
def test_tables_of_others_are_matched_before_a_sky_goes_to_a_store(made, tmp_path, capsys):
    folder, _ = made
    given = ["foreign", str(folder / "together.toml"), "--output", str(tmp_path), "--sky", "s3://survey/sky"]
    assert main(given) == 2
    told = capsys.readouterr().err
    assert "foreign needs the collection in its output folder" in told
    assert "match tables of others: they go with the collection" in told
    assert not list(tmp_path.iterdir())
