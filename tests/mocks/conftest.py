import pickle
from pathlib import Path

import pytest

from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.parents.packs.ingredients import Ingredients, gather
from jpasbatch.mocks.spectra.grids import observed_wavelength
from jpasbatch.mocks.spectra.responses import approximate_responses, band_weights
from jpasbatch.photometry.survey import Survey
from tests.once import made_once


@pytest.fixture(scope="session")
def weights(survey):
    return band_weights(observed_wavelength(), approximate_responses(survey))


@pytest.fixture
def small_sky():
    return MockSky(seed=5, tiles=4, area_deg2=0.08, training_per_class=40, validation_per_class=30)


@pytest.fixture(scope="session")
def real_ingredients(data_folder: Path, survey: Survey, shared_folder: Path) -> Ingredients:
    """Return what the whole public pack gives; it takes seconds to read. Tests must not change it."""

    def keep(folder: Path) -> None:
        given = gather(data_folder, ("star", "galaxy", "qso"), survey, True)
        (folder / "ingredients.pickle").write_bytes(pickle.dumps(given))

    made = made_once(shared_folder / "real-ingredients", keep)
    return pickle.loads((made / "ingredients.pickle").read_bytes())
