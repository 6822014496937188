"""Give the validation sample of a committee of the package what its mock knows: weights on the sky, and stellarity.

jpasbatch mock jobs/pretrained/jpas60.toml --data FOLDER
python jobs/pretrained/validation_samples.py runs/pretrained-jpas60/mock/validation jpas60

A committee that is trained now has both. Those that were trained before are not trained again: their mock is made
anew from the same seed, and each object gets its own when order, class, magnitude and missing bands of all agree.
The graph and what is ordinary stay as they are, byte for byte, and so does what the manifest says of them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from jpasbatch.committees.registry import home
from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.learning.samples import UNLABELLED
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.samples import (
    labels_of,
    list_sample,
    read_sample,
    sample_photometry,
    sky_weights_of,
    stellarity_of,
)
from jpasbatch.stages.train.prepared import with_gaps
from jpasbatch.storage.stores.artefacts import (
    committee_fingerprint,
    load_committee,
    load_ordinary,
    load_validation,
    save_committee,
)

SHORT = 12
AGREEMENT = 1e-4
"""Magnitudes that agree differ by no more: noise is that of the same streams, and rounding may differ."""


def completed(mock: Path, name: str, old: ValidationSample) -> ValidationSample:
    """Return the validation sample with the weights and the stellarity of its objects; weights that it has stay.

    Raises
    ------
    InputError
        When the mock has no weights or no stellarity, or its objects are not those of the sample.
    """
    job = load_job(Path(__file__).parent / f"{name}.toml", Path())
    survey = load_survey(job.survey)
    rows, _ = read_sample(list_sample(mock), survey, job)
    weights, stellarity, labels = sky_weights_of(rows), stellarity_of(rows), labels_of(rows, job)
    if weights is None or stellarity is None:
        raise InputError(f"{mock} has no weights or no stellarity: make it again (jpasbatch mock)")
    photometry = with_gaps(sample_photometry(rows, survey, job), job, survey)
    kept = open_committee(str(home() / name), survey).judge(photometry).usable & (labels != UNLABELLED)
    if old.is_weighted:
        kept &= weights > 0  # the others have left it
    magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])[kept]
    same = len(magnitude) == len(old) and (
        np.array_equal(labels[kept], old.labels)
        and np.array_equal(photometry.missing[kept], old.missing)
        and np.allclose(magnitude, old.magnitude, rtol=0, atol=AGREEMENT)
    )
    if not same:
        raise InputError(
            f"{mock}: its {len(magnitude)} objects are not the {len(old)} of the validation sample of {name}; make "
            "the mock from the same job and template pack, or train again"
        )
    sample = replace(old, class_star=stellarity[kept])
    return sample if old.is_weighted else sample.weighted(weights[kept])


def main(mock: Path, name: str) -> None:
    """Complete the validation sample of a committee, and put the committee in the place of the old one.

    Raises
    ------
    InputError
        When the committee is damaged, or its objects are not those of the mock.
    """
    folder = home() / name
    manifest, graph = load_committee(folder)
    old = Validation.from_bytes(load_validation(folder)[0], tuple(manifest["classes"]))
    sample = completed(mock, name, old.sample)
    with tempfile.TemporaryDirectory(dir=home()) as aside:
        data = replace(old, sample=sample).to_bytes()
        saved = save_committee(Path(aside), manifest, graph, data, load_ordinary(folder))
        before, after = committee_fingerprint(folder), committee_fingerprint(saved)
        for file in ("validation.npz", "manifest.json"):
            shutil.copyfile(saved / file, folder / file)
    card = folder / "card.md"  # its title has the first digits of what the committee is
    card.write_text(card.read_text(encoding="utf-8").replace(before[:SHORT], after[:SHORT]), encoding="utf-8")
    effective = ", ".join(f"{number:.0f}" for number in sample.effective)
    points = ", ".join(
        f"{np.average(sample.class_star[rows] > 0.5, weights=sample.weights[rows]):.3f}"
        for rows in (sample.labels == label for label in range(sample.classes))
    )
    print(f"{folder}: {len(old.sample)} objects; {len(sample)} count, as many as {effective} of the classes;")
    print(f"{points} of them are points")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except InputError as error:
        sys.exit(str(error))
