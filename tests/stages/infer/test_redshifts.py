"""Redshifts of candidates, from the committee of another job, in the pass that classifies."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.description import TrainingFacts, describe_committee
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.redshifts import RedshiftRanges
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.record import range_probabilities, record_ranges
from jpasbatch.stages.infer.redshifts import RedshiftFinder, RedshiftSearch
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.stores.artefacts import save_committee
from tests.learning.conftest import random_member
from tests.stages.tiny_run import serial, workspace_of

LIMITS = (0.0, 1.0, 2.1, 3.0, 5.0)
FOUND = ("redshift", "redshift_low", "redshift_high", "redshift_probabilities")


def write_committee(
    folder: Path, survey: Survey, limits: tuple[float, ...] = LIMITS, truth: tuple[str, ...] = ("qso",)
) -> Path:
    """Save a committee of ranges of redshift that knows nothing."""
    ranges = pairwise(limits)
    classes = {f"z_{number}": ClassDefinition(truth, one) for number, one in enumerate(ranges)}
    features = make_features("relative_flux", survey)
    members = [random_member(seed, (features.n_inputs, 8, len(classes))) for seed in (1, 2)]
    learnt = dict.fromkeys(classes, 10)
    manifest = describe_committee(
        survey,
        features,
        classes,
        members,
        Jury.plain(),
        TrainingFacts(learnt=learnt, origin="builtin"),
    )
    save_committee(folder, manifest.to_json(), committee_graph(members, features.n_inputs), b"")
    return folder


def with_redshifts(folder: Path, committee: Path, minimum: float = 0.4):
    job = folder / "redshifts.toml"
    table = f'\n[redshifts]\nartefact = "{committee}"\nminimum_probability = {minimum}\n'
    job.write_text((folder / "tiny.toml").read_text() + table)
    return workspace_of(folder, job)


def rows_of(folder: Path) -> tuple[Catalogue, pa.Table]:
    catalogue = open_catalogue(current_extension(folder / "sky", "predictions"))
    parts = [read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    return catalogue, pa.concat_tables(parts)


def test_candidates_have_redshifts_and_the_rest_stays(finished_copy, survey):
    before, plain = rows_of(finished_copy)
    assert record_ranges(before.schema) is None
    workspace = with_redshifts(finished_copy, write_committee(finished_copy / "second", survey))
    record = run_stage("infer", workspace, serial())
    assert record["recomputed"] == record["partitions"]
    assert record["redshifts"]["origin"] == "builtin"
    after, rows = rows_of(finished_copy)
    assert record_ranges(after.schema) == RedshiftRanges(LIMITS)
    assert rows.drop_columns(list(FOUND)).to_pandas().equals(plain.to_pandas())
    summed = sum(rows[f"probability_{name}"].to_numpy().astype(float) for name in ("qso_low", "qso_high"))
    found = np.isfinite(rows["redshift"].to_numpy())
    assert 0 < found.sum() < len(found)
    assert (found == (summed >= 0.4)).all()
    density = range_probabilities(rows)
    assert density[found].sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(density[~found]).all()
    low, high = rows["redshift_low"].to_numpy()[found], rows["redshift_high"].to_numpy()[found]
    assert ((low >= 0.0) & (low < high) & (high <= 5.0)).all()
    run_stage("correct", workspace, serial())
    summary = run_stage("summarise", workspace, serial())
    assert {"counts/redshifts.ecsv", "counts/redshift_quality.parquet"} <= set(summary["files"])
    told = json.loads((finished_copy / "summary.json").read_text())
    assert told["redshifts"]["all"]["candidates"] == found.sum()
    assert 'id="redshifts"' in (finished_copy / "report.html").read_text()
    # and back: the records without redshifts are those of before
    run_stage("infer", workspace_of(finished_copy), serial())
    assert rows_of(finished_copy)[0].name == before.name


def test_predictions_of_another_job_are_not_summarised(finished_copy, survey):
    tiny = finished_copy / "tiny.toml"
    tiny.write_text(tiny.read_text().replace("redraws = 3", 'kind = "none"'))
    workspace = with_redshifts(finished_copy, write_committee(finished_copy / "second", survey))
    with pytest.raises(InputError, match=r"predictions have no redshifts, job 'tiny' has a table.*run infer"):
        run_stage("summarise", workspace, serial())
    run_stage("infer", workspace, serial())
    with pytest.raises(InputError, match=r"predictions have redshifts, job 'tiny' has no table.*run infer"):
        run_stage("summarise", workspace_of(finished_copy), serial())


def test_another_minimum_or_committee_is_another_result(trained_copy, survey):
    committee = write_committee(trained_copy / "second", survey)
    identities = []
    for minimum, place in ((0.4, committee), (0.5, committee)):
        identities.append(
            run_stage("infer", with_redshifts(trained_copy, place, minimum), serial())["fingerprint"]
        )
    other = write_committee(trained_copy / "third", survey, (0.0, 1.5, 2.1, 5.0))
    record = run_stage("infer", with_redshifts(trained_copy, other, 0.4), serial())
    assert len({*identities, record["fingerprint"]}) == 3
    assert record["changed"] == ["redshifts"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truth": ("agn",)}, "are of agn, and no class of the job is"),
        ({"limits": (0.0, 2.1, np.inf)}, "finite limits"),
    ],
)
def test_a_committee_of_something_else_is_refused(trained_copy, survey, options, message):
    committee = write_committee(trained_copy / "second", survey, **options)
    with pytest.raises(InputError, match=message):
        run_stage("infer", with_redshifts(trained_copy, committee), serial())


def test_a_committee_that_is_not_there_is_named(trained_copy):
    with pytest.raises(InputError, match="nowhere"):
        run_stage("infer", with_redshifts(trained_copy, trained_copy / "nowhere"), serial())


class SureEngine:
    """As much of an engine as a committee uses: the third of four ranges."""

    def members(self, features: np.ndarray) -> np.ndarray:
        return np.tile(np.array([0.0, 0.0, 1.0, 0.0], np.float32), (len(features), 1, 1))


def test_what_the_second_committee_cannot_judge_has_no_redshift(finished, survey):
    catalogue = open_catalogue(finished / "sky")
    table = read_partition(catalogue.partition_path(*catalogue.pixels[0])).slice(0, 6)
    photometry = photometry_from_table(table, survey)
    assert len(photometry) == 6
    flux = photometry.flux.copy()
    flux[2, survey.reference_index] = np.nan
    search = RedshiftSearch("", RedshiftRanges(LIMITS), (2, 3), 0.3)
    features = make_features("relative_flux", survey)
    second = Committee(survey, features, SureEngine(), Jury.plain(), tuple("abcd"))
    probabilities = np.tile([0.6, 0.0, 0.2, 0.2], (6, 1))
    probabilities[4] = 0.9, 0.0, 0.1, 0.0
    judgement = Jury.plain().judge_votes(probabilities, np.full(6, 21.0))
    found = RedshiftFinder(search, second)(replace(photometry, flux=flux), judgement)
    assert np.isnan(found.point).tolist() == [False, False, True, False, True, False]
    assert ((found.point[[0, 1, 3, 5]] > 2.1) & (found.point[[0, 1, 3, 5]] < 3.0)).all()
