"""A manifest for tests that look at a part of it."""

from typing import Any

from jpasbatch.learning.manifest import (
    DescribedCalibration,
    DescribedDecision,
    DescribedFeatures,
    DescribedSurvey,
    Manifest,
)
from jpasbatch.learning.samples import ClassDefinition


def manifest_with(definitions: dict[str, ClassDefinition], **parts: Any) -> Manifest:
    """Return the manifest of a committee of these classes; all but the parts given is of no interest."""
    content: dict[str, Any] = {
        "survey": DescribedSurvey("jpas60", "0", ("a",) * 60),
        "features": DescribedFeatures("fluxes_and_errors", 118, {}),
        "combine": "median",
        "members": (),
        "options": {},
        "validation": None,
        "versions": {"jpasbatch": "1"},
        "learnt": dict.fromkeys(definitions, 1000),
        "calibration": DescribedCalibration("none", {}),
        "decision": DescribedDecision("most_probable", "", 0.85, 0, None),
    }
    return Manifest(classes=tuple(definitions), definitions=definitions, **content | parts)
