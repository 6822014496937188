from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.judgement import Judgement
from jpasbatch.learning.novelty.novelty import SUBSETS, Novelty
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.products.record import (
    Quality,
    count_quality,
    healpix_29,
    magnitude_bin,
    make_record,
    record_schema,
)
from tests.products.conftest import make_sky

CLASSES = ("star", "galaxy", "qso_low", "qso_high")


def judgement_of(probabilities: np.ndarray) -> Judgement:
    """Return a judgement with these probabilities, whatever they are."""
    return Judgement(probabilities, np.ones(len(probabilities)), probabilities.argmax(axis=1), {})


def test_how_unusual_objects_are_is_recorded(sky, survey):
    table, photometry, record = sky
    # votes that were judged without photometry: nothing is known, and nothing is called safe
    assert set(record["subset"].to_pylist()) == {"unknown"}
    assert np.isnan(record["novelty"].to_numpy()).all()
    assert np.isnan(record["disagreement"].to_numpy()).all()
    table, photometry = table.slice(0, 4), photometry.select(slice(0, 4))
    novelty = Novelty(np.array([0.5, 1.5, 3.25, np.nan]), np.arange(4, dtype=np.int8), np.arange(4) / 8)
    judgement = replace(judgement_of(np.full((4, 4), 0.25)), novelty=novelty)
    record = make_record(table, photometry, judgement, survey, CLASSES)
    assert record["subset"].to_pylist() == list(SUBSETS)
    assert record["novelty"].to_pylist()[:3] == [0.5, 1.5, 3.25]
    assert record["disagreement"].to_pylist() == [0.0, 0.125, 0.25, 0.375]
    assert count_quality(record, Quality.FEW_BANDS) == 0
    few = replace(novelty, few_bands=np.array([True, False, False, True]))
    record = make_record(table, photometry, replace(judgement, novelty=few), survey, CLASSES)
    marked = record["quality"].to_numpy() & Quality.FEW_BANDS
    assert (marked > 0).tolist() == [True, False, False, True]
    assert count_quality(record, Quality.FEW_BANDS) == 2


def test_schema_and_rows(sky, survey):
    table, photometry, record = sky
    assert record.schema.equals(record_schema(survey, CLASSES), check_metadata=True)
    assert record["object_id"].to_pylist() == table["object_id"].to_pylist()
    assert record["magnitude_r"].to_numpy() == pytest.approx(
        23.9 - 2.5 * np.log10(photometry.flux[:, survey.index("rSDSS")]), abs=1e-5
    )
    names = np.array(CLASSES)
    probability = np.column_stack([record[f"probability_{name}"].to_numpy() for name in CLASSES])
    assert record["predicted_class"].to_pylist() == names[probability.argmax(axis=1)].tolist()
    assert record["_healpix_29"][7].as_py() == healpix_29(table["ra"].to_numpy(), table["dec"].to_numpy())[7]


def test_j_pas_reports_g_and_r_that_are_no_bands():
    survey = load_survey("jpas57")
    _, photometry, record = make_sky(survey, rows=300)
    bright = ab_magnitude(photometry.flux[:, survey.reference_index]) < 21
    for role in ("g", "r", "i"):
        magnitude, error = (record[f"magnitude_{kind}{role}"].to_numpy() for kind in ("", "err_"))
        assert np.isfinite(magnitude[bright]).all()
        assert (error[bright] > 0).all()
    # the sky is straight in magnitudes: a band in between has the magnitude in between
    blue, red = (ab_magnitude(photometry.flux[bright, survey.index(name)]) for name in ("J0450", "J0500"))
    assert abs(np.median(record["magnitude_g"].to_numpy()[bright] - (blue + red) / 2)) < 0.05
    bins = record["magnitude_bin"].to_numpy()[bright]
    assert (
        bins.tolist()
        == magnitude_bin(record["magnitude_i"].to_numpy()[bright], survey.magnitude_bins).tolist()
    )


def test_bins_are_open_below_and_closed_above():
    magnitude = np.array([17.0, 17.01, 20.0, 20.01, 22.5, 23.6, 23.61, np.nan])
    bins = magnitude_bin(magnitude, ((17, 20), (20, 22.5), (22.5, 23.6)))
    assert bins.tolist() == [-1, 0, 0, 1, 1, 2, -1, -1]


def test_healpix_column_is_taken_over(sky, survey):
    table, photometry, _ = sky
    pixels = np.arange(table.num_rows)
    table = table.append_column("_healpix_29", pa.array(pixels))
    record = make_record(table, photometry, judgement_of(np.full((len(pixels), 4), 0.25)), survey, CLASSES)
    assert record["_healpix_29"].to_numpy().tolist() == pixels.tolist()
    assert set(np.unique(record["quality"].to_numpy() & Quality.UNDECIDED)) == {Quality.UNDECIDED}


def test_quality_bits(sky, survey):
    table, _, _ = sky
    table = table.slice(0, 4)
    flux, error = (
        np.full((4, len(survey.bands)), 3.0, np.float32),
        np.full((4, len(survey.bands)), 0.1, np.float32),
    )
    flux[1, 5], error[1, 5] = 0, np.nan
    flux[2, 6], error[2, 6] = np.nan, np.nan
    flux[3, survey.index("uJPAS")] = -1
    probabilities = np.tile([0.7, 0.1, 0.1, 0.1], (4, 1))
    record = make_record(table, Photometry(flux, error), judgement_of(probabilities), survey, CLASSES)
    expected = [
        Quality.GOOD,
        Quality.NON_DETECTIONS,
        Quality.MISSING_BANDS,
        Quality.NON_DETECTIONS | Quality.NO_REPORTED_MAGNITUDE,
    ]
    assert record["quality"].to_pylist() == [int(bits) for bits in expected]
    assert np.isnan(record["magnitude_u"][3].as_py())
    assert record["median_snr"].to_numpy() == pytest.approx([30] * 4, rel=1e-5)


def test_empty_partition(sky, survey):
    table, photometry, _ = sky
    empty = make_record(
        table.slice(0, 0), photometry.select(slice(0)), judgement_of(np.zeros((0, 4))), survey, CLASSES
    )
    assert empty.num_rows == 0
    assert empty.schema.equals(record_schema(survey, CLASSES))


def test_the_class_is_the_one_that_was_decided(sky, survey):
    table, photometry, record = sky
    judgement = replace(judgement_of(np.full((table.num_rows, 4), 0.25)), decided=np.full(table.num_rows, 2))
    decided = make_record(table, photometry, judgement, survey, CLASSES)
    assert set(decided["predicted_class"].to_pylist()) == {"qso_low"}
    assert decided["magnitude_r"].equals(record["magnitude_r"])


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.5])
def test_bad_probabilities_are_refused(sky, survey, value):
    table, photometry, _ = sky
    probabilities = np.full((table.num_rows, 4), 0.25)
    probabilities[3, 2] = value
    with pytest.raises(InputError, match="row 3"):
        make_record(table, photometry, judgement_of(probabilities), survey, CLASSES)


def test_wrong_shape_is_refused(sky, survey):
    table, photometry, _ = sky
    with pytest.raises(InputError, match="3 classes"):
        make_record(table, photometry, judgement_of(np.zeros((5, 4))), survey, CLASSES[:3])
