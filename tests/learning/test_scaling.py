import numpy as np
import pytest

from jpasbatch.learning.scaling import InputScaling, fit_scaling


@pytest.fixture
def relative_fluxes():
    rng = np.random.default_rng(3)
    return (1.0 + rng.standard_t(2, size=(5000, 4))).astype(np.float32)


def test_the_bulk_has_order_one_and_tails_are_short(relative_fluxes):
    scaled = InputScaling.fit(relative_fluxes)(relative_fluxes)
    assert scaled.dtype == np.float32
    assert np.abs(np.median(scaled, axis=0)).max() < 0.3
    assert np.abs(scaled).max() < 8.0


def test_a_few_outliers_do_not_change_the_scaling(relative_fluxes):
    contaminated = relative_fluxes.copy()
    contaminated[:3] = 1e6
    clean, dirty = InputScaling.fit(relative_fluxes), InputScaling.fit(contaminated)
    np.testing.assert_allclose(dirty.scale, clean.scale, rtol=0.5)


def test_the_map_is_monotonic_and_keeps_signs():
    scaling = InputScaling(np.zeros(1, np.float32), np.ones(1, np.float32))
    x = np.array([[-1e30], [-100.0], [-1e-3], [0.0], [1e-3], [100.0], [1e30]], np.float32)
    scaled = scaling(x)[:, 0]
    assert (np.diff(scaled) > 0).all()
    np.testing.assert_allclose(scaled, -scaled[::-1], rtol=1e-6)


def test_a_constant_input_becomes_zero():
    scaling = InputScaling.fit(np.full((100, 2), 0.1, np.float32))
    assert scaling.scale.tolist() == [1.0, 1.0]
    assert np.abs(scaling(np.full((3, 2), 0.1, np.float32))).max() == 0.0


def test_kinds(relative_fluxes):
    assert fit_scaling("none", relative_fluxes) is None
    assert isinstance(fit_scaling("arcsinh", relative_fluxes), InputScaling)
