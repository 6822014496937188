import pytest

from jpasbatch.mocks.populations import MockSky
from jpasbatch.mocks.synthesis import approximate_responses, band_weights
from jpasbatch.mocks.templates import observed_wavelength


@pytest.fixture(scope="session")
def weights(survey):
    return band_weights(observed_wavelength(), approximate_responses(survey))


@pytest.fixture
def small_sky():
    return MockSky(seed=5, tiles=4, area_deg2=0.08, training_per_class=40, validation_per_class=30)
