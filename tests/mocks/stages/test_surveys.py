"""The template engine makes any survey whose curves a pack holds: J-PAS selected in iSDSS, and 12 bands."""

import json
from functools import cache

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.spectra.responses import approximate_responses
from jpasbatch.mocks.stages.mock import run_mock
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.reported import reported_magnitudes
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import matrix_of
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from tests.blank_figures import leave_figures_blank
from tests.mocks.small_pack import write_pack
from tests.stages.tiny_run import serial, workspace_of

JOB = """
name   = "other-survey"
survey = "{survey}"

[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}

[mock]
kind      = "templates"
templates = "{pack}"
seed      = 1
compared  = 20

[mock.samples]
training   = 60
validation = 0
test       = 0

[mock.field]
star   = 0
galaxy = 0
qso    = 0

[mock.survey]
area_deg2 = 0
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Return a small pack with the curves of S-PLUS beside those of J-PAS."""
    folder = write_pack(tmp_path_factory.mktemp("pack"))
    (folder / "splus_filters").mkdir()
    survey = load_survey("splus12")
    for band, response in zip(survey.bands, approximate_responses(survey), strict=True):
        rows = zip(response.wavelength / 10, response.transmission, strict=True)
        lines = "\n".join(f"{x:.5e},{y:.6e},1.0e-04" for x, y in rows)
        (folder / "splus_filters" / survey.curves.name_of(band)).write_text(
            f"# wavelength,transmittance,std\n{lines}\n"
        )
    return folder


def make_mock(folder, pack, name):
    """Make the mock of a survey, and return its training set and where its pages are."""
    job = folder / "job.toml"
    job.write_text(JOB.format(survey=name, pack=pack))
    workspace = workspace_of(folder / "out", job)
    with pytest.MonkeyPatch.context() as patch, workspace.prepare():
        leave_figures_blank(patch)
        run_mock(workspace, serial())
    catalogue = open_catalogue(folder / "out" / "mock" / "training")
    (pixel,) = catalogue.pixels
    return read_partition(catalogue.partition_path(*pixel)), folder / "out" / "mock"


@pytest.fixture(scope="module")
def training_set(pack, tmp_path_factory):
    """Return what makes the mock of a survey when it is first asked for."""
    return cache(lambda name: make_mock(tmp_path_factory.mktemp(name), pack, name))


@pytest.mark.parametrize("name", ["jpas57", "splus12"])
def test_magnitudes_are_those_of_the_reference_band(training_set, name):
    survey = load_survey(name)
    table, folder = training_set(name)
    assert table.num_rows == 180
    width = len(survey.bands)
    noiseless = matrix_of(table, "noiseless_flux", width)
    stars = np.array(table["true_class"].to_pylist()) != "galaxy"  # a galaxy's light is cut by the aperture
    drawn = table["true_magnitude"].to_numpy()
    found = ab_magnitude(noiseless[:, survey.reference_index])
    np.testing.assert_allclose(found[stars], drawn[stars], atol=1e-3)
    faintest = survey.magnitude_bins[-1][1]
    assert ((drawn > 17.0) & (drawn <= faintest)).all()
    assert (drawn > faintest - 1).any()
    page = (folder / "realism.html").read_text()
    band = {"jpas57": "i", "splus12": "r"}[name]
    assert json.loads((folder / "realism.json").read_text())["facts"]["band"] == band
    assert f"Histograms of {band} magnitude" in page


def test_a_sky_of_j_pas_has_g_and_r(training_set):
    survey = load_survey("jpas57")
    table, _ = training_set("jpas57")
    photometry = Photometry(*(matrix_of(table, key, 57) for key in ("flux", "flux_err")))
    bright = table["true_magnitude"].to_numpy() < 20
    for role in ("g", "r"):
        magnitude, error = reported_magnitudes(photometry, survey, role)
        assert np.isfinite(magnitude[bright]).mean() > 0.95
        assert (error[bright & np.isfinite(error)] < 0.2).mean() > 0.9


def test_a_pack_without_the_curves_of_the_survey_is_refused_by_name(tmp_path):
    bare = write_pack(tmp_path / "bare")
    with pytest.raises(InputError, match=r"splus_filters/uJAVA\.csv"):
        make_mock(tmp_path, bare, "splus12")
