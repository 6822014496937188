"""A template pack of smooth made-up spectra in the published formats: a whole mock without any download."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from jpasbatch.mocks.packs.layout import STAR_TYPES
from jpasbatch.mocks.spectra.responses import approximate_responses
from jpasbatch.photometry.survey import load_survey

TEMPERATURES = {"B": 20000, "A": 9000, "F": 6800, "G": 5700, "K": 4300, "M": 3300, "WD": 15000, "CV": 12000}


def blackbody(wavelength, temperature):
    flux = wavelength**-5.0 / np.expm1(1.4388e8 / (wavelength * temperature))
    return flux / flux.mean()


def write_fits(path: Path, *hdus) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(list(hdus)).writeto(path)


def write_pack(folder: Path) -> Path:
    """Write quasars, galaxies, stars and filter curves, and none of what enriches them."""
    rng = np.random.default_rng(4)
    _write_quasars(folder, rng)
    _write_galaxies(folder, rng)
    _write_stars(folder, rng)
    curves = folder / "jpas_filters"
    curves.mkdir()
    survey = load_survey("jpas60")
    for band, response in zip(survey.bands, approximate_responses(survey), strict=True):
        lines = "\n".join(
            f"{x:.3f} {y:.6f}" for x, y in zip(response.wavelength, response.transmission, strict=True)
        )
        (curves / survey.curves.name_of(band)).write_text(f"# lambda [Angstrom] T\n{lines}\n")
    return folder


def _components(wavelength):
    lines = [np.exp(-0.5 * ((wavelength / line - 1) / 0.01) ** 2) for line in (1215.7, 1549.0, 2799.0)]
    return np.array([(wavelength / 2000) ** -1.5 + sum(lines), *(0.3 * line for line in lines)])


def _write_quasars(folder, rng):
    hdus = [fits.PrimaryHDU()]
    for survey in ("BOSS", "SDSS"):
        columns = [
            fits.Column(f"PCA{k}", "E", array=(k == 0) + 0.2 * rng.normal(size=150) * (k > 0))
            for k in range(4)
        ]
        redshift = fits.ImageHDU(rng.uniform(0.1, 5.0, 150).astype(np.float32), name=f"{survey}_Z")
        hdus += [fits.BinTableHDU.from_columns(columns, name=f"{survey}_PCA"), redshift]
    wavelength = np.geomspace(450, 10385, 1364)
    hdus += [fits.ImageHDU(_components(wavelength), name="SDSS_EIGEN")]
    hdus += [fits.ImageHDU(wavelength, name="SDSS_EIGEN_WAVE")]
    write_fits(folder / "qso_pca_desisim/qso_templates_v2.0-lite.fits", *hdus)
    vectors = fits.PrimaryHDU(_components(10 ** (2.6471 + 1e-3 * np.arange(1007))))
    vectors.header.update({"CRVAL1": 2.6471, "CDELT1": 1e-3, "LOGLAM": 1, "EXTNAME": "BASIS_VECTORS"})
    write_fits(folder / "qso_eigenvectors_redrock/rrtemplate-QSO-HIZ-v1.1.fits", vectors)


def _write_galaxies(folder, rng):
    wavelength = np.geomspace(600, 3e5, 2000).astype(np.float32)
    templates = np.array([blackbody(wavelength, t) for t in (4200, 4800, 5500, 7000, 12000)], np.float32)
    columns = [
        fits.Column("wave", "2000E", array=wavelength[None]),
        fits.Column("flux", "10000E", dim="(2000,5)", array=templates[None]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="FLUX")
    write_fits(folder / "galaxy_kcorrect/kcorrect-default-v4.fits", fits.PrimaryHDU(), table)
    shares = rng.dirichlet(np.full(5, 0.6), 200)
    centres = np.array([3560.0, 4690.0, 6170.0, 7480.0, 8930.0])
    at_bands = np.array([np.interp(centres, wavelength, row) * centres**2 for row in templates])
    flux = shares @ at_bands
    columns = [
        fits.Column("MODELFLUX", "5E", array=100 * flux / flux[:, [2]]),
        fits.Column("MODELFLUX_IVAR", "5E", array=np.full((200, 5), 4.0)),
        fits.Column("EXTINCTION", "5E", array=np.zeros((200, 5))),
        fits.Column("Z", "E", array=rng.uniform(0.001, 0.01, 200)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="GSTTEST")
    write_fits(folder / "galaxy_kcorrect/gst_tests_small.fits", fits.PrimaryHDU(), table)


def _write_stars(folder, rng):
    wavelength = np.arange(8000) + 3000.45
    arrays = {"wave": wavelength}
    for kind in STAR_TYPES:
        mean = blackbody(wavelength, TEMPERATURES[kind])
        wave = np.array([np.sin(wavelength / scale) for scale in (700, 1100, 1900, 2600)])
        arrays[f"basis_{kind}"] = np.concatenate([mean[None], 0.02 * mean * wave]).astype(np.float32)
        if kind != "CV":
            coefficients = rng.normal(0, 1, (60, 5))
            coefficients[:, 0] = 1.0
            arrays[f"coeff_{kind}"] = coefficients.astype(np.float32)
    target = folder / "star_model_coeffs_redrock/redrock_star_basis_1A_and_coeffs.npz"
    target.parent.mkdir(parents=True)
    np.savez(target, **arrays)
