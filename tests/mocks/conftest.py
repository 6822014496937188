import pytest

from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.spectra.grids import observed_wavelength
from jpasbatch.mocks.spectra.responses import approximate_responses, band_weights


@pytest.fixture(scope="session")
def weights(survey):
    return band_weights(observed_wavelength(), approximate_responses(survey))


@pytest.fixture
def small_sky():
    return MockSky(seed=5, tiles=4, area_deg2=0.08, training_per_class=40, validation_per_class=30)
