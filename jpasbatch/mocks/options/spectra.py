"""The table ``[mock]`` of a job whose catalogue is a folder of observed spectra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Interval

from jpasbatch.options import Options
from jpasbatch.photometry.noise import NoiseModel


@dataclass(frozen=True)
class ObservedSpectra(Options):
    """A folder of observed spectra, seen through a folder of filter curves.

    Parameters
    ----------
    kind : str
        "spectra".
    spectra : str
        Folder with boss_spectra.csv and boss_spectra.npz.
    filters : str
        Folder with the published curves, JPAS_<band>.tab or .tab.gz.
    seed : int
        Of the survey's noise.
    survey_noise : bool
        Whether to add the noise of a survey tile to that of the spectrum.
    match_photometry : bool
        Whether to bring spectra with PSF magnitudes to them (see `spectra_photometry`).
    noise : NoiseModel
        Of the survey.
    """

    kind: Literal["spectra"] = "spectra"
    spectra: str = ""
    filters: str = ""
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] = 1
    survey_noise: bool = True
    match_photometry: bool = True
    noise: NoiseModel = field(default_factory=NoiseModel)

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        for key in ("spectra", "filters"):
            if not getattr(self, key):
                raise ValueError(f"{key} = '': name the folder")
