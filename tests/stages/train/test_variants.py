"""Validation samples of other mocks: they count as the sample itself does."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.errors import InputError
from jpasbatch.stages.train import validation
from jpasbatch.stages.train.validation import judged_variants


@pytest.mark.parametrize(
    ("weighted", "columns", "told"),
    [
        (True, {"true_class": ["star"]}, "validation has the column sky_weight, shallow/mock has not"),
        (False, {"sky_weight": [1.0]}, "shallow/mock has the column sky_weight, validation has not"),
    ],
)
def test_weights_of_one_side_alone_are_refused(monkeypatch, survey, weighted, columns, told):
    monkeypatch.setattr(validation, "list_sample", lambda path: [path])
    monkeypatch.setattr(validation, "read_sample", lambda *_: (pa.table(columns), {}))
    job = SimpleNamespace(samples=SimpleNamespace(variants={"shallow": "shallow/mock"}))
    with pytest.raises(InputError, match=told):
        judged_variants(job, survey, None, None, weighted, False)


@pytest.mark.parametrize("columns", [{"true_class": ["star"]}, {"class_star": [np.nan]}])
def test_a_variant_without_the_stellarity_of_the_sample_is_refused(monkeypatch, survey, columns):
    monkeypatch.setattr(validation, "list_sample", lambda path: [path])
    monkeypatch.setattr(validation, "read_sample", lambda *_: (pa.table(columns), {}))
    job = SimpleNamespace(samples=SimpleNamespace(variants={"shallow": "shallow/mock"}))
    with pytest.raises(InputError, match="validation has the column class_star, shallow/mock has not"):
        judged_variants(job, survey, None, None, False, True)
