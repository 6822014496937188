"""Hybrids by hand, at the limits that the paper states, and under any input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.learning.augmentation import Augmentation
from jpasbatch.learning.hybrid import Mixture, draw_mixture, luminosity_coefficients, mix_fluxes, mixing

LABELS = np.array([0, 0, 1, 1, 1, 2, 3, 3])
MAGNITUDE = np.linspace(18.0, 19.0, 8)


def drawn(scale, factor=1, labels=LABELS, magnitude=MAGNITUDE, bin_rows=1000):
    return draw_mixture(labels, magnitude, 4, factor, scale, bin_rows, np.random.default_rng(1))


def test_the_coefficients_are_those_of_equation_5():
    # 10 stars, 40 galaxies, 30 QSO-l, 20 QSO-h: c_21 = 10 / (100 - 40)
    found = luminosity_coefficients(np.array([10.0, 40.0, 30.0, 20.0]))
    assert found[1] == pytest.approx([10 / 60, 0.0, 30 / 60, 20 / 60])
    assert found[0] == pytest.approx([0.0, 40 / 90, 30 / 90, 20 / 90])
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert luminosity_coefficients(np.array([5.0, 0.0, 0.0]))[0] == pytest.approx(0.0)


def test_a_hybrid_galaxy_is_that_of_equation_6():
    # alpha_2 = 0.7; c_21 = 0.2, c_23 = 0.5, c_24 = 0.3
    flux = np.array([[10.0, 1.0], [20.0, 2.0], [30.0, 3.0], [40.0, 4.0]], dtype=np.float32)
    error = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]], dtype=np.float32)
    weights = np.array([[0.3 * 0.2, 0.7, 0.3 * 0.5, 0.3 * 0.3]], dtype=np.float32)
    mixture = Mixture(np.array([1]), np.array([[0, 1, 2, 3]]), weights)
    mixed, mixed_err = mix_fluxes(flux, error, mixture)
    assert mixed[0] == pytest.approx([0.7 * 20 + 0.3 * (0.2 * 10 + 0.5 * 30 + 0.3 * 40), 2.27], rel=1e-6)
    assert mixed_err[0] == pytest.approx(np.sqrt(0.06**2 + 1.4**2 + 0.45**2 + 0.36**2), rel=1e-6)


def test_without_mixing_the_set_is_as_it_was():
    mixture = drawn(0.0, factor=3)
    assert np.array_equal(mixture.base, np.tile(np.arange(8), 3))
    assert np.array_equal(mixture.weights, np.eye(4, dtype=np.float32)[LABELS[mixture.base]])
    flux = np.random.default_rng(2).normal(size=(8, 5)).astype(np.float32)
    mixed, mixed_err = mix_fluxes(flux, np.abs(flux), mixture)
    assert np.array_equal(mixed, np.tile(flux, (3, 1)))
    assert mixed_err == pytest.approx(np.abs(mixed), rel=1e-6)


def test_less_and_less_mixing_approaches_the_set():
    impurity = [1.0 - drawn(scale, 200).weights.max(axis=1).mean() for scale in (0.2, 0.05, 0.01, 0.001)]
    assert (np.diff(impurity) < 0).all()
    assert impurity[-1] < 2e-3


@pytest.mark.parametrize(("scale", "mean"), [(0.1, 0.1), (0.01, 0.01), (10.0, 0.49)])
def test_the_coefficient_is_exponential_within_0_and_1(scale, mean):
    found = mixing(scale, 200_000, np.random.default_rng(3))
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert found.mean() == pytest.approx(mean, rel=0.02)


def test_labels_of_the_paper_have_the_entropy_of_its_figure_5():
    labels = np.arange(40_000) % 4
    weights = drawn(0.1, labels=labels, magnitude=np.zeros(40_000), bin_rows=20_000).weights.astype(float)
    entropy = -(weights * np.log2(weights + 1e-14)).sum(axis=1)
    assert np.median(entropy) == pytest.approx(0.45, abs=0.1)


def test_components_are_of_their_class_and_about_as_bright():
    rng = np.random.default_rng(4)
    labels, magnitude = rng.integers(4, size=5000), rng.uniform(17, 23.6, 5000)
    mixture = drawn(0.1, 2, labels, magnitude, bin_rows=500)
    for k in range(4):
        partner = mixture.rows[:, k]
        assert np.array_equal(labels[partner], np.full(10_000, k))
        assert np.abs(magnitude[partner] - magnitude[mixture.base]).max() < 6.6 / 10 * 1.2
    assert mixture.weights[np.arange(10_000), labels[mixture.base]].mean() == pytest.approx(0.9, abs=0.01)


def test_a_class_without_objects_in_a_bin_adds_nothing():
    labels = np.array([0, 0, 0, 1, 1, 1])
    mixture = draw_mixture(
        labels, np.array([18, 18, 18, 23, 23, 23.0]), 2, 4, 0.5, 3, np.random.default_rng(0)
    )
    assert np.array_equal(mixture.weights.argmax(axis=1), labels[mixture.base])
    assert mixture.weights.max(axis=1).min() == 1.0


def test_what_an_object_lacks_its_hybrid_lacks_and_no_partner_takes_away():
    flux = np.array([[1.0, np.nan, 3.0], [5.0, 6.0, np.nan]], dtype=np.float32)
    error = np.array([[0.1, np.nan, 0.3], [0.5, 0.6, np.nan]], dtype=np.float32)
    mixture = Mixture(np.array([0]), np.array([[0, 1]]), np.array([[0.75, 0.25]], dtype=np.float32))
    mixed, mixed_err = mix_fluxes(flux, error, mixture)
    assert mixed[0, 0] == pytest.approx(2.0)
    assert np.isnan(mixed[0, 1])
    assert np.isnan(mixed_err[0, 1])
    assert mixed[0, 2] == pytest.approx(3.0)
    assert np.isfinite(mixed_err[0, 2])


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60),
    st.integers(1, 3),
    st.floats(0.0, 10.0),
    st.integers(1, 50),
    st.integers(0, 2**31),
)
def test_labels_sum_to_one_and_proportions_stay(labels, factor, scale, bin_rows, seed):
    rng = np.random.default_rng(seed)
    labels = np.array(labels)
    mixture = draw_mixture(labels, rng.uniform(17, 24, labels.size), 4, factor, scale, bin_rows, rng)
    assert mixture.weights.shape == (factor * labels.size, 4)
    assert mixture.weights.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (mixture.weights >= 0).all()
    assert np.array_equal(np.bincount(mixture.base, minlength=labels.size), np.full(labels.size, factor))


@pytest.mark.parametrize(
    ("key", "value"),
    [("noise", "new"), ("hybrid_factor", -1), ("hybrid_scale", float("nan")), ("hybrid_bin_rows", 1)],
)
def test_a_wrong_option_is_named(key, value):
    with pytest.raises(ValueError, match=rf"{key}: found .*; allowed"):
        Augmentation(**{key: value})
