"""What a training set is made of, epoch by epoch: the sample as observed, observed anew, or mixed between classes."""

from __future__ import annotations

from dataclasses import dataclass

NOISE = ("observed", "fresh")


@dataclass(frozen=True)
class Augmentation:
    """How the training set is enlarged; each member draws its own.

    Parameters
    ----------
    noise : {"observed", "fresh"}
        "observed": the fluxes of the sample. "fresh": the noise is drawn again at every epoch, from the noiseless
        fluxes that a mock's samples keep, so that no network ever sees the same photometry twice. Classifiers
        that know no epochs see one draw.
    hybrid_factor : int
        Hybrids of each object, which then replace the objects themselves (paper A: 5); 0 mixes nothing.
    hybrid_scale : float
        beta of eq. 4: how much of a hybrid comes from other classes (paper A: 0.1).
    hybrid_bin_rows : int
        Objects of a bin of r magnitude, about, within which they are mixed (paper A: 20,000).
    """

    noise: str = "observed"
    hybrid_factor: int = 0
    hybrid_scale: float = 0.1
    hybrid_bin_rows: int = 20_000

    def __post_init__(self) -> None:
        if self.noise not in NOISE:
            raise ValueError(f"noise: found {self.noise!r}; allowed: {', '.join(NOISE)}")
        if not 0 <= self.hybrid_factor <= 100:
            raise ValueError(f"hybrid_factor: found {self.hybrid_factor!r}; allowed is 0 to 100")
        if not 0.0 <= self.hybrid_scale <= 10.0:
            raise ValueError(f"hybrid_scale: found {self.hybrid_scale!r}; allowed is 0 to 10")
        if not 100 <= self.hybrid_bin_rows <= 10_000_000:
            raise ValueError(f"hybrid_bin_rows: found {self.hybrid_bin_rows!r}; allowed is 100 to 10000000")
