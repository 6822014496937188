import numpy as np
import pytest

from jpasbatch.photometry.photometry import Photometry, flux_from_ab_magnitude


@pytest.fixture
def photometry(survey) -> Photometry:
    """Return 40 objects of magnitude 18-23 with every kind of missing and undetected band."""
    rng = np.random.default_rng(7)
    flux = flux_from_ab_magnitude(rng.uniform(18, 23, (40, len(survey.bands)))).astype(np.float32)
    flux_err = (0.05 * flux).astype(np.float32)
    reference = survey.reference_index
    flux[0, 3] = flux_err[0, 3] = np.nan  # not observed
    flux[1, 3], flux_err[1, 3] = 0.0, np.nan  # catalogued non-detection
    flux[2, 3], flux_err[2, 3] = -0.5, 0.4  # measured, not detected
    flux_err[3, 3] = np.nan  # detected, error unknown
    flux[4, reference] = -1.0
    flux[5, reference] = flux_err[5, reference] = np.nan
    flux[6, reference] = 0.0
    return Photometry(flux, flux_err)
