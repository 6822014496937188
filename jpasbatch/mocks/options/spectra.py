"""The table ``[mock]`` of a job whose catalogue is a folder of observed spectra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jpasbatch.photometry.noise import NoiseModel


@dataclass(frozen=True)
class ObservedSpectra:
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
    seed: int = 1
    survey_noise: bool = True
    match_photometry: bool = True
    noise: NoiseModel = field(default_factory=NoiseModel)

    def __post_init__(self) -> None:
        if self.kind != "spectra":
            raise ValueError(f"kind = {self.kind!r}: must be 'spectra'")
        for key in ("spectra", "filters"):
            if not getattr(self, key):
                raise ValueError(f"{key} = '': name the folder")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed = {self.seed!r}: must be from 0 to {2**32 - 1}")
