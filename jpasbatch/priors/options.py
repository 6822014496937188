"""How the class shares of the sky are found: the table ``[prior]`` of a job file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from jpasbatch.options import Options


@dataclass(frozen=True)
class PriorOptions(Options):
    """Which share each class has on the sky, and how that is found.

    Attributes
    ----------
    kind : {"sky", "none", "table"}
        "sky": from the predictions themselves. "none": probabilities stay as the committee gives them, for the mix of
        its validation sample. "table": from ``table``.
    method : {"expectation_maximisation", "unfolding"}
        Of kind "sky": the shares of highest likelihood (Saerens et al. 2002), or those that give the observed mean
        probabilities through the response of the validation sample (Bella et al. 2010).
    calibration : {"vector", "matrix", "isotonic", "temperature"}
        How the committee's probabilities are calibrated first (`jpasbatch.priors.calibrations.registry`). One
        "temperature" for all is kept to compare with: of the faintest quasars of mock skies it finds two thirds
        (benchmarks/README.md).
    bin_width : float
        Width of the magnitude bins in which shares are found, mag.
    stellarity : tuple of float
        Limits of ``class_star`` that divide each bin further; none leaves it out. Objects without stellarity are a
        part of their own.
    galactic_latitude : tuple of float
        Limits of the absolute galactic latitude that divide each bin further, degrees.
    validation : str
        Labelled objects that say what each class looks like, in place of the committee's own validation sample: tables
        or a HATS catalogue, as ``[samples]`` names them; "mock" for the validation set of the job's mock. The committee
        must not have learnt from them. At each magnitude the objects of a class are to look as those of the sky do; how
        many there are of each class, and of each magnitude, does not matter.
    redraws : int
        How often the validation sample is drawn again for its part of the errors.
    table : str
        Of kind "table": a CSV file with ``brightest`` and ``faintest`` magnitude and a column of weights a class.
    """

    kind: Literal["sky", "none", "table"] = "sky"
    method: Literal["expectation_maximisation", "unfolding"] = "expectation_maximisation"
    calibration: Literal["vector", "matrix", "isotonic", "temperature"] = "vector"
    bin_width: Annotated[float, Interval(gt=0, le=10)] = 0.5
    stellarity: tuple[Annotated[float, Interval(gt=0, lt=1)], ...] = (0.5,)
    galactic_latitude: tuple[Annotated[float, Interval(gt=0, lt=90)], ...] = ()
    validation: str = ""
    redraws: Annotated[int, Interval(ge=0, le=1000)] = 40
    table: str = ""

    def check_relations(self) -> None:
        """Refuse limits that do not rise, and a table without its kind or the reverse."""
        for key in ("stellarity", "galactic_latitude"):
            limits = getattr(self, key)
            if list(limits) != sorted(set(limits)):
                raise ValueError(f"{key}: found {list(limits)}; limits must rise")
        if (self.kind == "table") != bool(self.table):
            raise ValueError("table: names a file with kind = 'table', and is left out with any other")
        if self.validation and self.kind == "none":
            raise ValueError(
                "validation: nothing is corrected with kind = 'none'; leave it out, or set kind = 'sky'"
            )
