"""The layout of a template pack: which published file lies where, what it gives, and whose it is.

Every path is relative to the pack; any file may also be there compressed, with ``.gz`` after its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.further_sources import FURTHER_SOURCES
from jpasbatch.mocks.packs.source import Source

DESISIM = "github.com/desihub/desisim-testdata, desi/spectro/templates/basis_templates/v3.2"
REDROCK = "github.com/desihub/redrock-templates"
BSD = "BSD-3-Clause"
STAR_TYPES = ("A", "B", "F", "G", "K", "M", "WD", "CV")
CURVES = (
    *("J0348", "J0378", "J0390", *(f"J0{number}" for number in range(400, 911, 10)), "J1007"),
    *("uJPAS", "gSDSS", "rSDSS", "iSDSS"),
)
"""Names of the published curves; J0348 is the band uJAVA."""

SPLUS_CURVES = (
    *("uJAVA", "J0378", "J0395", "J0410", "J0430", "gSDSS"),
    *("J0515", "rSDSS", "J0660", "iSDSS", "J0861", "zSDSS"),
)


SOURCES: tuple[Source, ...] = (
    Source(
        key="quasar-pca",
        files=("qso_pca_desisim/qso_templates_v2.0-lite.fits",),
        provides="20,345 observed quasars: 4 PCA coefficients, redshift, and their basis",
        role="quasars",
        published=DESISIM,
        licence=BSD,
        cite="desisim, DESI Collaboration; SDSS and BOSS",
    ),
    Source(
        key="unabsorbed-basis",
        files=("qso_eigenvectors_redrock/rrtemplate-QSO-HIZ-v1.1.fits",),
        provides="4 quasar vectors without Lyman alpha forest, for forests of one's own",
        role="enrichment",
        published=REDROCK,
        licence=BSD,
        cite="redrock-templates; Brodzeller et al. 2023, AJ 166, 66",
    ),
    Source(
        key="bal-troughs",
        files=("qso_pca_desisim/bal_templates_v3.0-lite.fits",),
        provides="54 observed broad absorption line troughs",
        role="enrichment",
        published=DESISIM,
        licence=BSD,
        cite="desisim, DESI Collaboration; V. Niu & P. Martini (header of the file)",
    ),
    Source(
        key="line-trends",
        files=("qso_parametric_inputs/desisim_emlinetrends_Harris2016mod_v2.fits",),
        instead=(
            "qso_parametric_inputs/simqso_emlinetrends_v7.fits",
            "qso_parametric_inputs/simqso_emlinetrends_v6.fits",
        ),
        provides="strength, width and scatter of quasar emission lines against luminosity",
        role="enrichment",
        published="github.com/desihub/desisim, or github.com/imcgreer/simqso, simqso/data",
        licence=BSD,
        cite="McGreer et al. 2021, ascl:2106.008 (simqso); Harris et al. 2016, AJ 151, 155",
    ),
    Source(
        key="kcorrect",
        files=("galaxy_kcorrect/kcorrect-default-v4.fits", "galaxy_kcorrect/gst_tests_small.fits"),
        provides="5 galaxy templates and the ugriz photometry of 10,000 observed galaxies",
        role="galaxies",
        published="github.com/blanton144/kcorrect",
        licence=BSD,
        cite="Blanton & Roweis 2007, AJ 133, 734",
    ),
    Source(
        key="desi-lrg",
        files=("galaxy_desi/lrg_templates_v2.1-lite.fits",),
        provides="300 luminous red galaxies fitted at redshift 0.3 to 1.1",
        role="galaxies",
        published=DESISIM,
        licence=BSD,
        cite="desisim, DESI Collaboration",
    ),
    Source(
        key="desi-elg",
        files=("galaxy_desi/rrtemplate-galaxy_2016-02.fits",),
        provides="500 emission line galaxies as coefficients of 5 vectors",
        role="galaxies",
        published=REDROCK + ", before version 0.4",
        licence=BSD,
        cite="redrock-templates, DESI Collaboration",
    ),
    Source(
        key="forbidden-lines",
        files=("galaxy_desi/desisim_forbidden_mogs.fits",),
        provides="mixture model of forbidden line ratios of galaxies",
        role="enrichment",
        published="github.com/desihub/desisim, py/desisim/data",
        licence=BSD,
        cite="desisim, DESI Collaboration",
    ),
    Source(
        key="star-basis",
        files=tuple(f"star_model_coeffs_redrock/rrtemplate-STAR-{name}-v0.1.fits" for name in STAR_TYPES),
        instead=("star_model_coeffs_redrock/redrock_star_basis_1A_and_coeffs.npz",),
        provides="model atmospheres A to M, white dwarfs and cataclysmic variables as coefficients",
        role="stars",
        published=REDROCK,
        licence=BSD,
        cite="redrock-templates, DESI Collaboration",
    ),
    Source(
        key="white-dwarfs",
        files=("star_libraries/wd_templates_v2.2-lite.fits",),
        provides="127 model white dwarfs, DA and DB",
        role="stars",
        published=DESISIM,
        licence=BSD,
        cite="desisim, DESI Collaboration",
    ),
    Source(
        key="filter-curves",
        files=tuple(f"jpas_filters/JPAS_{name}.tab" for name in CURVES),
        provides="transmission of the 60 bands",
        role="instrument",
        published="github.com/totoal/jpasLAE, src/jpasLAEs/data",
        licence="CC0-1.0",
        cite="CEFCA, Varela & Marin 2017; Bonoli et al. 2021, A&A 653, A31",
    ),
    Source(
        key="splus-curves",
        files=tuple(f"splus_filters/{name}.csv" for name in SPLUS_CURVES),
        provides="transmission of the 12 bands of S-PLUS and J-PLUS",
        role="other survey",
        published="github.com/splus-collab/splus_filters",
        licence="GPL-3.0 (of the repository)",
        cite="S-PLUS: Mendes de Oliveira et al. 2019, MNRAS 489, 241",
    ),
    Source(
        key="tile-images",
        files=("minijpas_tables/minijpas.TileImage.csv", "minijpas_tables/minijpas.Filter.csv"),
        optional=("minijpas_tables/jnep.TileImage.csv",),
        provides="depth and seeing of every band in every tile",
        role="instrument",
        published="github.com/totoal/jpasLAE; originally CEFCA, archive.cefca.es (PDR201912, PDR202107)",
        licence="CC0-1.0",
        cite="Bonoli et al. 2021, A&A 653, A31; Hernan-Caballero et al. 2023, A&A 671, A71",
    ),
    Source(
        key="pickles",
        files=("star_libraries/pickles_131.npz",),
        provides="131 observed stars, held out as a second test",
        role="check",
        published="github.com/AstarVienna/speXtra (the spectra, here combined into one file)",
        licence="MIT",
        cite="Pickles 1998, PASP 110, 863",
    ),
    Source(
        key="sdss-stars",
        files=("star_libraries/ndArch-spEigenStar-55734.fits",),
        provides="123 observed stars of the SDSS pipeline, held out as a second test",
        role="check",
        published="github.com/timahutchinson/redmonster, templates",
        licence="data by permission of their authors; repository BSD-3-Clause",
        cite="Bolton et al. 2012, AJ 144, 144",
    ),
    Source(
        key="galaxy-atlas",
        files=("galaxy_kcorrect/storchi_calzetti_kinney/*.fits",),
        provides="observed galaxies, quiescent to active, held out as a second test",
        role="check",
        published="github.com/blanton144/kcorrect, or the authors' pages at the STScI",
        licence="none stated",
        cite="Storchi-Bergmann et al. 1995, ApJS 98, 103; McQuade et al. 1995, ApJS 97, 331",
    ),
    Source(
        key="sdss-photometry",
        files=("sdss_photometry_check/skyserver_dr14_10k.csv",),
        provides="colours of 10,000 observed stars, galaxies and quasars",
        role="check",
        published="SDSS SkyServer, skyserver.sdss.org (DR14)",
        licence="public SDSS data",
        cite="Abolfathi et al. 2018, ApJS 235, 42",
    ),
    *FURTHER_SOURCES,
)


def source(key: str) -> Source:
    """Return a source by its key; KeyError if there is none."""
    return {entry.key: entry for entry in SOURCES}[key]


def published_at(entry: Source) -> str:
    """Return where a source is published, under which licence, and what to cite."""
    return f"published at {entry.published} ({entry.licence}); cite {entry.cite}"


def find(pack_folder: str | Path, entry: Source) -> list[Path]:
    """Return the files of a source that are in a pack.

    Those of `Source.files` if all are there; else the first of `Source.instead`; else what there is.
    The optional files follow.
    """
    folder = Path(pack_folder)
    found = _existing(folder, entry.files)
    if any(_matches(folder, pattern) == [] for pattern in entry.files):
        found = _existing(folder, entry.instead)[:1] or found
    return found + _existing(folder, entry.optional)


def lacking(pack_folder: str | Path, entry: Source) -> list[str]:
    """Return the patterns of the needed files that a pack lacks; none where another form replaces them."""
    folder = Path(pack_folder)
    if _existing(folder, entry.instead):
        return []
    return [pattern for pattern in entry.files if not _matches(folder, pattern)]


def needed(pack_folder: str | Path, key: str) -> list[Path]:
    """Return the files of a source, in the order of its patterns.

    Raises
    ------
    InputError
        If a needed file is missing: it says which, and where it is published.
    """
    entry = source(key)
    missing = lacking(pack_folder, entry)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{Path(pack_folder) / missing[0]}: there is no such file{more}, with or without .gz; "
            f"{entry.provides}: {published_at(entry)}"
        )
    return find(pack_folder, entry)


def _existing(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in _matches(folder, pattern)]


def _matches(folder: Path, pattern: str) -> list[Path]:
    """Files of one pattern in order of their names; the plain file where it is there in both forms."""
    plain = {path.name: path for path in folder.glob(pattern) if path.is_file()}
    packed = {path.name[:-3]: path for path in folder.glob(pattern + ".gz") if path.is_file()}
    both = packed | plain
    return [both[name] for name in sorted(both)]
