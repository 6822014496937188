"""Sources of parents that are rare or odd: active galaxies, starbursts, strong lines, white and brown dwarfs.

All of them are optional. Each lies in a folder of its own below ``galaxy_agn_templates``.
"""

from __future__ import annotations

from jpasbatch.mocks.packs.source import Source

FOLDER = "galaxy_agn_templates"
LEPHARE = "github.com/lephare-photoz/lephare-data"
EAZY = "github.com/gbrammer/eazy-photoz, templates"
NONE_STATED = "none stated"

ACTIVE_NUCLEI = (
    *("Sey18_template_norm", "Sey2_template_norm", "Mrk231_template_norm"),
    *(f"S0_{host}_QSO2_{100 - host}" for host in range(10, 100, 10)),
    *(f"I22491_{host}_TQSO1_{100 - host}" for host in (70, 80, 90)),
)
"""Spectra with the light of an active nucleus. Of the hybrids with a quasar of type 1, those with a third of its
light or less: the others are quasars."""

BURSTS = ("M82_template_norm", "CB1_0_LOIII4")
DISCS = ("S0_template_norm", "Sb_template_norm", "Spi4_template_norm")

FURTHER_SOURCES: tuple[Source, ...] = (
    Source(
        key="active-galaxies",
        files=tuple(f"{FOLDER}/salvato09/{name}.sed" for name in (*ACTIVE_NUCLEI, *BURSTS, *DISCS)),
        provides="Seyfert galaxies, hybrids of host and nucleus, M 82, spirals: 20 spectra",
        role="enrichment",
        published=f"{LEPHARE}, sed/GAL/SALVATO_2009 and others",
        licence=NONE_STATED,
        cite="Polletta et al. 2007, ApJ 663, 81; Salvato et al. 2009, ApJ 690, 1250",
    ),
    Source(
        key="galaxy-sequence",
        files=tuple(
            f"{FOLDER}/cosmos/{name}.sed"
            for name in ("Ell?_A_0", "S0_A_0", "Sa_A_?", "Sb_A_?", "Sc_A_?", "Sd_A_?", "Sdm_A_0", "SB*_A_0")
        ),
        provides="31 galaxies from elliptical ones to young starbursts",
        role="enrichment",
        published=f"{LEPHARE}, sed/GAL/COSMOS_SED",
        licence=NONE_STATED,
        cite="Ilbert et al. 2009, ApJ 690, 1236; Polletta et al. 2007, ApJ 663, 81",
    ),
    Source(
        key="galaxies-with-lines",
        files=(f"{FOLDER}/eazy_lines/eazy_v1.1_sed?.dat",),
        provides="7 galaxies, emission lines included",
        role="enrichment",
        published=f"{EAZY}/EAZY_v1.1_lines",
        licence=NONE_STATED,
        cite="Brammer et al. 2008, ApJ 686, 1503; Brammer et al. 2011, ApJ 739, 24",
    ),
    Source(
        key="blue-galaxies",
        files=(f"{FOLDER}/eazy_sfhz/corr_sfhz_13_bin*.fits", f"{FOLDER}/eazy_sfhz/4590.fits"),
        provides="blue galaxies rich in lines, and one with extreme lines",
        role="enrichment",
        published=f"{EAZY}/sfhz",
        licence=NONE_STATED,
        cite="Brammer et al. 2008, ApJ 686, 1503; A. Carnall (4590)",
    ),
    Source(
        key="hot-white-dwarfs",
        files=(f"{FOLDER}/white_dwarfs/WD*.sed",),
        provides="4 hot white dwarfs with hydrogen lines, the standards of HST",
        role="enrichment",
        published=f"{LEPHARE}, sed/STAR/WD",
        licence=NONE_STATED,
        cite="Bohlin et al. 1995, AJ 110, 1316",
    ),
    Source(
        key="brown-dwarfs",
        files=(f"{FOLDER}/brown_dwarfs/lte*.7.sed",),
        provides="model atmospheres of brown dwarfs and cool stars, 800 K to 9800 K",
        role="enrichment",
        published=f"{LEPHARE}, sed/STAR",
        licence=NONE_STATED,
        cite="Allard et al. 2001, ApJ 556, 357",
    ),
)
