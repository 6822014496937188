"""Small synthetic packs in the published formats."""

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.layout import CURVES, STAR_TYPES

KINDS = ("BOSS", "SDSS")


def write(pack: Path, name: str, *hdus) -> Path:
    path = pack / name
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(list(hdus)).writeto(path, overwrite=True)
    return path


def image(data, name: str | None = None, primary: bool = False, **header):
    hdu = fits.PrimaryHDU(data) if primary else fits.ImageHDU(data, name=name)
    for key, value in header.items():
        hdu.header[key] = value
    return hdu


def quasars(pack: Path) -> Path:
    rng = np.random.default_rng(1)
    hdus = [fits.PrimaryHDU()]
    for kind, rows in zip(KINDS, (3, 2), strict=True):
        columns = [fits.Column(f"PCA{k}", "E", array=rng.normal(size=rows)) for k in range(4)]
        hdus += [fits.BinTableHDU.from_columns(columns, name=f"{kind}_PCA")]
        hdus += [image(np.linspace(1, 3, rows).astype(np.float32), f"{kind}_Z")]
    hdus += [image(rng.normal(size=(4, 60)), "SDSS_EIGEN")]
    hdus += [image(np.geomspace(450, 10385, 60), "SDSS_EIGEN_WAVE")]
    return write(pack, "qso_pca_desisim/qso_templates_v2.0-lite.fits", *hdus)


def unabsorbed(pack: Path) -> Path:
    header = {"CRVAL1": 2.6471, "CDELT1": 0.01, "LOGLAM": 1, "EXTNAME": "BASIS_VECTORS"}
    return write(
        pack,
        "qso_eigenvectors_redrock/rrtemplate-QSO-HIZ-v1.1.fits",
        image(np.ones((4, 101)), primary=True, **header),
    )


def troughs(pack: Path) -> Path:
    columns = [fits.Column(key, "J", array=np.arange(54)) for key in ("PLATE", "MJD", "FIBERID")]
    columns += [fits.Column("TEMP", "90D", array=np.full((54, 90), 0.5))]
    table = fits.BinTableHDU.from_columns(columns, name="METADATA")
    table.header["CRVAL1"], table.header["CDELT1"] = 944.6, 10.0
    return write(pack, "qso_pca_desisim/bal_templates_v3.0-lite.fits", fits.PrimaryHDU(), table)


def mixture(pack: Path) -> Path:
    return write(
        pack,
        "galaxy_desi/desisim_forbidden_mogs.fits",
        image(np.full(6, 1 / 6), primary=True, EXTNAME="WEIGHTS"),
        image(np.zeros((6, 4)), "MEANS"),
        image(np.tile(np.eye(4), (6, 1, 1)), "COVARS"),
    )


def elg(pack: Path) -> Path:
    header = {"CRVAL1": 1166.7, "CDELT1": 100.0, "EXTNAME": "BASIS_VECTORS"}
    vectors = image(np.ones((5, 90)), primary=True, **header)
    return write(
        pack,
        "galaxy_desi/rrtemplate-galaxy_2016-02.fits",
        vectors,
        image(np.ones((750, 5)), "ARCHETYPE_COEFF"),
    )


def kcorrect(pack: Path) -> Path:
    wave, flux = np.geomspace(600, 3e6, 40)[None], np.ones((1, 5, 40))
    columns = [fits.Column("wave", "40E", array=wave), fits.Column("flux", "200E", dim="(40,5)", array=flux)]
    template = fits.BinTableHDU.from_columns(columns, name="FLUX")
    write(pack, "galaxy_kcorrect/kcorrect-default-v4.fits", fits.PrimaryHDU(), template)
    values = {"MODELFLUX": 10.0, "MODELFLUX_IVAR": 4.0, "EXTINCTION": 0.5}
    columns = [fits.Column(key, "5E", array=np.full((7, 5), value)) for key, value in values.items()]
    columns += [fits.Column("Z", "E", array=np.full(7, 0.1))]
    table = fits.BinTableHDU.from_columns(columns, name="GSTTEST")
    return write(pack, "galaxy_kcorrect/gst_tests_small.fits", fits.PrimaryHDU(), table)


def stars(pack: Path) -> Path:
    """Write the published form: a linear grid for the models, a logarithmic one for CV, which has no coefficients."""
    for kind in STAR_TYPES:
        hdus = [image(np.ones((5, 81)), primary=True, CRVAL1=3000.0, CDELT1=100.0, EXTNAME="BASIS_VECTORS")]
        if kind == "CV":
            hdus = [image(np.ones((3, 93)), primary=True, CRVAL1=3.5509, CDELT1=0.005, LOGLAM=1)]
        else:
            hdus += [image(np.ones((4, 5)), "ARCHETYPE_COEFF")]
        path = write(pack, f"star_model_coeffs_redrock/rrtemplate-STAR-{kind}-v0.1.fits", *hdus)
    return path


def curves(pack: Path) -> Path:
    folder = pack / "jpas_filters"
    folder.mkdir(parents=True)
    lines = [f"{wavelength} 0.5" for wavelength in range(3000, 11000, 50)]
    for name in CURVES:
        (folder / f"JPAS_{name}.tab").write_text("# a curve\n" + "\n".join(lines))
    return folder / "JPAS_J0400.tab"


@pytest.fixture
def build(tmp_path, survey):
    """Return a function that adds one source to the pack in tmp_path and returns the path of its last file."""

    def tiles(pack: Path) -> Path:
        folder = pack / "minijpas_tables"
        folder.mkdir(parents=True)
        # numbers of the filters run against the survey's order: only names may match them
        numbered = list(enumerate(reversed(survey.band_names), start=1))
        (folder / "minijpas.Filter.csv").write_text(
            "#SELECT\nFILTER_ID,name\n" + "".join(f"{number},{name}\n" for number, name in numbered)
        )
        rows = [
            f"{number},{tile},A-{tile}_{name}_swp,{20 + survey.index(name) / 100},{1 + tile / 1000}\n"
            for tile in (12, 11)
            for number, name in numbered
        ]
        path = folder / "minijpas.TileImage.csv"
        path.write_text("#SELECT\nFILTER_ID,REF_TILE_ID,name,DEPTH3ARC5S,FWHMG\n" + "".join(rows))
        return path

    known = {
        "quasar-pca": quasars,
        "unabsorbed-basis": unabsorbed,
        "bal-troughs": troughs,
        "forbidden-lines": mixture,
        "desi-elg": elg,
        "kcorrect": kcorrect,
        "star-basis": stars,
        "filter-curves": curves,
        "tile-images": tiles,
    }
    return lambda key: known[key](tmp_path)


@pytest.fixture
def change():
    """Return a function that applies another one to the HDUs of a file, and writes what it leaves."""

    def apply(path: Path, action) -> None:
        with fits.open(path, memmap=False) as hdus:
            action(hdus)
            hdus.writeto(path, overwrite=True)

    return apply


@pytest.fixture
def refuses(tmp_path):
    """Return a function that asserts that reading the pack is refused with the file's name and some words."""

    def check(read, path: Path, words: str) -> None:
        with pytest.raises(InputError, match=f"{re.escape(str(path))}.*{words}"):
            read(tmp_path)

    return check
