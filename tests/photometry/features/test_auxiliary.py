"""Further inputs beside the features of the photometry."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.features.registry import auxiliary_of, make_features
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import load_survey

SURVEY = load_survey("jpas60")
NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=False)


def photometry(values, name="pm", rows=None) -> Photometry:
    rows = len(values) if rows is None else rows
    flux = np.random.default_rng(3).lognormal(1, 1, (rows, 60)).astype(np.float32)
    return Photometry(flux, 0.1 * flux, {name: np.asarray(values, dtype=np.float32)})


@given(st.lists(NUMBERS, min_size=3, max_size=30))
def test_a_missing_value_is_masked_and_nothing_else_changes(values):
    """Two inputs more for each object: 0 and 0 where the value is missing; the state makes the same features again."""
    sample = photometry(values)
    known = np.isfinite(sample.auxiliary["pm"])
    plain = make_features("relative_flux", SURVEY)
    features = make_features("relative_flux", SURVEY, {"auxiliary": ["pm"]})
    if len(np.unique(sample.auxiliary["pm"][known])) < 2:
        with pytest.raises(InputError, match=r"'pm' has .* in the training sample"):
            features.fit(sample)
        return
    fitted = features.fit(sample)
    inputs = fitted(sample)
    assert inputs.dtype == np.float32
    assert fitted.n_inputs == plain.n_inputs + 2 == inputs.shape[1]
    assert np.array_equal(inputs[:, :-2], plain(sample))
    assert np.array_equal(inputs[:, -1], known)
    assert (inputs[~known, -2] == 0).all()
    assert (np.abs(inputs[:, -2]) <= 10).all()
    again = make_features("relative_flux", SURVEY, json.loads(json.dumps(fitted.state())))
    assert np.array_equal(again(sample), inputs)
    assert auxiliary_of(again) == ("pm",)


def test_scaled_by_the_training_sample_alone():
    """Median and half of the central 68 %: the scale is that of the training sample, whatever is judged."""
    fitted = make_features("colours", SURVEY, {"auxiliary": ["pm"]}).fit(photometry(np.arange(101.0)))
    inputs = fitted(photometry([50.0, 84.0, 16.0, 1e9]))
    assert inputs[:, -2] == pytest.approx([0.0, 1.0, -1.0, 10.0])


def test_rows_without_features_stay_without():
    """An object without a reference flux has no input at all, auxiliary ones included."""
    sample = photometry([1.0, 2.0, 3.0])
    sample.flux[1, SURVEY.reference_index] = -1.0
    inputs = make_features("relative_flux", SURVEY, {"auxiliary": ["pm"], "without": ["gSDSS"]}).fit(sample)(
        sample
    )
    assert np.isnan(inputs[1]).all()
    assert np.isfinite(inputs[[0, 2]]).all()


def test_photometry_without_the_column_is_refused():
    """Never zeros in the place of numbers that nobody gave."""
    fitted = make_features("colours", SURVEY, {"auxiliary": ["pm"]}).fit(photometry([1.0, 2.0, 3.0]))
    with pytest.raises(
        InputError, match=r"need the auxiliary columns pm, and 'pm' is not there \(found: parallax\)"
    ):
        fitted(photometry([1.0], name="parallax"))


@pytest.mark.parametrize(
    "auxiliary",
    [["pm", "pm"], [{"name": "pm", "centre": 0.0, "scale": 0.0}], [{"name": "pm", "centre": 0.0}]],
)
def test_a_damaged_state_is_refused(auxiliary):
    with pytest.raises(InputError, match="its stored state"):
        make_features("colours", SURVEY, {"auxiliary": auxiliary})
