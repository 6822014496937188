"""What is ordinary, from the training of a job to its page."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.learning.novelty.novelty import EXTRAPOLATION, SUBSETS, UNKNOWN, UNSAFE
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.stage_facts import TrainFacts
from jpasbatch.stages.train.prepared import VALIDATION, read_prepared
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.stores.artefacts import (
    committee_version,
    load_committee,
    load_ordinary,
    save_committee,
)


@pytest.fixture(scope="module")
def survey():
    return load_survey("jpas60")


@pytest.fixture(scope="module")
def validation(finished) -> Photometry:
    folder = next((finished / "work" / "train").glob("*/validation-flux.npy")).parent
    return read_prepared(folder, VALIDATION).photometry


def test_training_keeps_what_is_ordinary(finished, survey, validation):
    version = committee_version(finished / "committee")
    committee = open_committee(str(version), survey)
    assert committee.ordinary is not None
    record = json.loads((finished / "work" / "train.json").read_text())
    assert TrainFacts.from_record(record).ordinary == committee.ordinary.describe()
    subset = committee.judge(validation).novelty.subset
    assert not (subset == UNKNOWN).any()
    # 240 objects: 1 % are 2.4
    assert (subset == UNSAFE).sum() <= 4
    assert (subset == EXTRAPOLATION).sum() <= 16


def test_a_bright_band_is_seen(finished, survey, validation):
    committee = open_committee(str(committee_version(finished / "committee")), survey)
    bright = np.argsort(-validation.flux[:, survey.reference_index])[:60]
    flux = validation.flux[bright].copy()
    flux[:, 20:23] *= 10
    subset = committee.judge(Photometry(flux, validation.flux_err[bright])).novelty.subset
    assert (subset == UNSAFE).mean() > 0.5


def test_a_committee_that_was_trained_before_still_works(finished, survey, validation, tmp_path):
    manifest, graph = load_committee(committee_version(finished / "committee"))
    older = save_committee(tmp_path, manifest, graph)
    assert load_ordinary(older) is None
    judgement = open_committee(str(older), survey).judge(validation)
    assert judgement.usable.all()
    assert (judgement.novelty.subset == UNKNOWN).all()


def test_published_records_and_the_summary_agree(finished):
    sky = open_catalogue(current_extension(finished / "sky", "predictions"))
    tables = [pq.read_table(sky.partition_path(*pixel)) for pixel in sky.pixels]
    subset = np.concatenate([table["subset"].to_numpy(zero_copy_only=False) for table in tables])
    novelty = np.concatenate([table["novelty"].to_numpy() for table in tables])
    assert set(subset) <= set(SUBSETS)
    assert {"safe", "unsafe"} <= set(subset)
    assert ((novelty > 2) == (subset == "unsafe")).all()
    summary = json.loads((finished / "summary.json").read_text())
    numbers = [one["unsafe"]["number"] for one in summary["subsets"]["by_class"].values()]
    assert sum(numbers) == (subset == "unsafe").sum()
    assert all("vetoed" in one for one in summary["targets"].values())
    assert "Unusual objects" in (finished / "report.html").read_text()
