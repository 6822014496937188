"""Calibration of a committee's probabilities before class shares are found from them.

Shares of probabilities that are not calibrated are wrong and look right. Each kind is fitted to what the committee says
of its validation sample. The network is not run again: another calibration is another word in a job file.

===========  ====================================================================================================
kind         log-probabilities become, but for a constant
===========  ====================================================================================================
temperature  s log p_k, one number s (Guo et al. 2017)
vector       s_k(m, u) log p_k + b_k(m, u), class by class
matrix       sum over j of s_kj(m, u) log p_j + b_k(m, u) (Kull et al. 2019: Dirichlet calibration)
isotonic     a rising step function of each p_k, in bins of magnitude (Zadrozny & Elkan 2002); rows are made to sum to 1
===========  ====================================================================================================

m is the magnitude and u the number of missing bands, as a logarithm. s and b are parabolas in m and straight in u.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import FEWEST
from jpasbatch.priors.calibrations.isotonic import IsotonicCalibration, fit_isotonic
from jpasbatch.priors.calibrations.log_linear import LOG_LINEAR, LogLinearCalibration, fit_log_linear
from jpasbatch.priors.calibrations.protocol import Reach, SkyCalibration
from jpasbatch.priors.validation import ValidationSample

FITS: dict[str, Callable[[ValidationSample], SkyCalibration]] = {
    **{kind: (lambda sample, kind=kind: fit_log_linear(kind, sample)) for kind in LOG_LINEAR},
    "isotonic": fit_isotonic,
}
"""How each kind is fitted to a validation sample."""


def calibrated(sample: ValidationSample, kind: str) -> tuple[SkyCalibration, ValidationSample]:
    """Return what calibrates the probabilities of a sample, and the sample with it.

    Parameters
    ----------
    sample : ValidationSample
    kind : str
        One of `FITS`.

    Raises
    ------
    InputError
        When a class has too few objects.
    """
    counts = sample.effective
    if counts.min() < FEWEST:
        raise InputError(
            f"the validation sample of the committee has {int(counts.min())} objects of class number "
            f"{int(counts.argmin())}: {FEWEST} are needed to find the class mix of a sky; train with a larger "
            'validation sample, or set [prior] kind = "none"'
        )
    calibration = FITS[kind](sample)
    return calibration, sample.calibrated_by(calibration)


def restore_calibration(kind: str, state: dict[str, Any]) -> SkyCalibration:
    """Return the calibration that `SkyCalibration.state` described.

    Raises
    ------
    InputError
        If the kind is unknown or the state does not belong to it.
    """
    try:
        if kind == "isotonic":
            places, heights = (
                [np.array(one, dtype=np.float64) for one in state[key]] for key in ("places", "heights")
            )
            return IsotonicCalibration(np.array(state["edges"], dtype=np.float64), places, heights)
        if kind in LOG_LINEAR:
            arrays = (np.array(state[key], dtype=np.float64) for key in ("sharpness", "bias"))
            return LogLinearCalibration(kind, Reach(**state["reach"]), *arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"calibration {kind!r}: its stored state is not valid ({error!r})") from None
    raise InputError(f"calibration {kind!r}: allowed are {', '.join(map(repr, FITS))}")
