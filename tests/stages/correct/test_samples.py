"""Validation samples that could be read, and whose class shares would be wrong."""

import json

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.stages.correct import validation
from jpasbatch.stages.correct.validation import ValidationSource, check_sample, read_validation

CLASSES = ("star", "galaxy")


def sample_of(probabilities, magnitude) -> ValidationSample:
    rows = len(magnitude)
    zeros = np.zeros(rows, dtype=np.int16)
    return ValidationSample.of(
        np.array(probabilities, dtype=np.float32),
        np.array(magnitude, dtype=np.float32),
        labels=zeros,
        missing=zeros,
        group=np.arange(rows, dtype=np.int32),
    )


def test_a_sample_without_some_magnitudes_is_one():
    check_sample(sample_of([[0.5, 0.5004], [1.0, 0.0], [0.2, 0.8]], [20.0, np.nan, np.inf]))


@pytest.mark.parametrize(
    ("probabilities", "magnitude", "told"),
    [
        ([[0.5, 0.5], [0.75, 0.75]], [20.0, 21.0], r"sum to 1\.5 \(object 2\); allowed is 1"),
        ([[0.0, 0.0], [0.5, 0.5]], [20.0, 21.0], r"sum to 0 \(object 1\)"),
        ([[0.5, 0.5], [0.5, 0.5]], [20.0, 1e30], r"the magnitude 1e\+30; allowed is -100 to 100"),
        ([[0.5, 0.5], [0.5, 0.5]], [-999.0, 20.0], r"the magnitude -999"),
    ],
)
def test_a_sample_that_cannot_be_is_refused_where_it_is_read(monkeypatch, probabilities, magnitude, told):
    """Also where it is one of another mock beside a sound one."""
    wrong, sound = sample_of(probabilities, magnitude), sample_of([[0.5, 0.5]], [20.0])
    for number, held in enumerate((Validation(wrong, {}), Validation(sound, {"other": wrong}))):
        monkeypatch.setattr(validation, "load_validation", lambda store, held=held: (held.to_bytes(), ""))
        with pytest.raises(InputError, match=told):
            read_validation(ValidationSource(f"/nowhere/{json.dumps(told)}/{number}"), CLASSES)


def test_a_sample_that_claims_more_than_memory_is_refused(monkeypatch):
    monkeypatch.setattr(validation, "load_validation", lambda store: (b"", ""))

    def claim(data, classes):
        np.empty(10**18, dtype=np.float32)

    monkeypatch.setattr(Validation, "from_bytes", claim)
    with pytest.raises(InputError, match="claims more than fits into memory"):
        read_validation(ValidationSource("/nowhere/large"), CLASSES)
