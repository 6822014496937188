"""Tables of one survey given to another, and apertures: refused before anything is published, or read as chosen."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.cli import main
from jpasbatch.photometry.survey import load_survey
from jpasbatch.storage.tables.tables import write_cefca_tile

ROWS = 12
JOB = """\
name = "trial"
survey = "{survey}"
[catalogue]
input = "{input}"
{more}
[catalogue.partitions]
highest_order = 4
margin_arcsec = 0
"""


pytestmark = pytest.mark.usefixtures("unchanged_process")


def write_tile(path, survey):
    rng = np.random.default_rng(2)
    shape = (ROWS, len(survey.bands))
    rows = {
        "tile_id": np.full(ROWS, 2406),
        "number": np.arange(1, ROWS + 1),
        "ra": rng.uniform(214, 215, ROWS),
        "dec": rng.uniform(52, 53, ROWS),
        "flux": rng.lognormal(2, 0.3, shape).astype(np.float32),
        "flux_err": rng.uniform(0.1, 1, shape).astype(np.float32),
        "flags": np.zeros(shape, int),
        "mask_flags": np.zeros(shape, int),
        "class_star": np.linspace(0, 1, ROWS),
    }
    path.parent.mkdir(exist_ok=True)
    write_cefca_tile(path, rows, survey)


def contradict(path):
    """Give three positive fluxes a negative relative error."""
    with fits.open(path, memmap=False) as hdus:
        hdus[1].data["FLUX_RELERR_APER_COR_3_0"][:3, 5] *= -1
        hdus.writeto(path, overwrite=True, checksum=True)


def give_filters(path, names):
    """Give a tile a table FILTER that lists these bands; vectors stay as they are."""
    with fits.open(path, memmap=False) as hdus:
        filters = hdus["FILTER"]
        filters.data = filters.data[: len(names)]
        filters.data["NAME"] = names
        hdus.writeto(path, overwrite=True, checksum=True)


@pytest.fixture
def ingest(tmp_path, capsys):
    """Return a function that ingests a tile of one survey as one of another; exit code and messages."""

    def run(
        survey: str, tile_of: str, more: str = "", aperture: str = "", spoil: Callable = lambda path: None
    ) -> tuple[int, str]:
        path = tmp_path / "tables" / "tile.fits"
        write_tile(path, load_survey(tile_of, aperture))
        spoil(path)
        job = tmp_path / "trial.toml"
        job.write_text(JOB.format(survey=survey, input=tmp_path / "tables", more=more), encoding="utf-8")
        code = main(["ingest", str(job), "--output", str(tmp_path / "out"), "--serial"])
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("survey", "tile_of", "words"),
    [
        ("jpas57", "jpas60", "these are the bands of survey = 'jpas60'"),
        # what a J-PAS table lacks for miniJPAS is its aperture, and, with that chosen, its bands
        ("jpas60", "jpas57", "has 3_0_cor: choose one by [catalogue] aperture"),
    ],
)
def test_a_table_of_the_other_camera(ingest, tmp_path, survey, tile_of, words):
    code, message = ingest(survey, tile_of, aperture="3_0_cor" if tile_of == "jpas60" else "")
    assert code == 2
    assert words in message
    assert not (tmp_path / "out" / "sky" / "collection.properties").exists()


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (sorted, "names and wavelengths were mixed up, and the order of bands cannot be known"),
        (
            lambda names: names[:-1],
            "1 of the 57 bands of survey 'jpas57' are missing from its filter table: iSDSS",
        ),
    ],
    ids=["sorted by name", "without iSDSS"],
)
def test_another_table_of_filters(ingest, tmp_path, listed, words):
    names = listed(load_survey("jpas57").band_names)
    code, message = ingest("jpas57", "jpas57", spoil=lambda path: give_filters(path, list(names)))
    assert code == 2
    assert words in message
    assert not (tmp_path / "out" / "sky" / "collection.properties").exists()


def test_57_bands_are_not_60_in_their_aperture_either(ingest):
    code, message = ingest("jpas60", "jpas57", 'aperture = "3_0_cor"')
    assert code == 2
    assert "these are the bands of survey = 'jpas57'" in message


def test_an_aperture_that_the_table_lacks(ingest):
    code, message = ingest("jpas57", "jpas57", 'aperture = "6_0"')
    assert code == 2
    assert "aperture '6_0' (FLUX_APER_6_0 or MAG_APER_6_0); it has 3_0_cor" in message


def test_an_aperture_that_no_table_of_the_survey_has(ingest):
    code, message = ingest("jpas57", "jpas57", 'aperture = "5_0"')
    assert code == 2
    assert "[catalogue] aperture = '5_0': allowed are 3_0_cor" in message


def test_a_tile_of_j_pas_in_the_aperture_of_the_job(ingest, tmp_path):
    code, message = ingest("jpas57", "jpas57", 'aperture = "6_0"', aperture="6_0")
    assert code == 0, message
    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_text())
    assert (record["rows_in"], record["rows_out"], record["values"]) == (ROWS, ROWS, {})


def test_doubted_values_are_counted_in_the_record(ingest, tmp_path):
    code, message = ingest("jpas57", "jpas57", spoil=contradict)
    assert code == 0, message
    record = json.loads((tmp_path / "out" / "work" / "ingest.json").read_text())
    assert record["values"] == {"relative error below 0 beside a flux above 0: band taken as not observed": 3}
