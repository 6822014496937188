"""A committee with all that a table which it classified must say of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jpasbatch.committees.registry import committee_folder, default_committee
from jpasbatch.errors import InputError
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.manifest import Manifest, check_manifest
from jpasbatch.photometry.survey import Survey, load_survey, survey_names
from jpasbatch.stages.run.committees import load_version, open_committee, origin_warning
from jpasbatch.storage.stores.artefacts import committee_fingerprint
from jpasbatch.version import __version__

RAW = "the committee's own: under the class mix that it learnt, not that of the sky"
"""What probabilities are that no stage has corrected."""


@dataclass(frozen=True)
class NamedCommittee:
    """A committee that is ready to judge, and what it is.

    Attributes
    ----------
    name : str
        Of the folder of its version.
    fingerprint : str
        SHA-256 of all that it is.
    manifest : Manifest
    survey : Survey
        Of the photometry that it judges.
    committee : Committee
    """

    name: str
    fingerprint: str
    manifest: Manifest
    survey: Survey
    committee: Committee

    def facts(self) -> dict[str, str]:
        """Return what stands in the metadata of every table that it classified; FITS has 6 letters for each key."""
        return {
            "version": __version__,
            "committee": self.name,
            "fingerprint": self.fingerprint,
            "survey": self.survey.name,
            "classes": ",".join(self.committee.classes),
            "probabilities": RAW,
            "learnt": self.manifest.origin or "not recorded",
        }

    def warnings(self) -> list[str]:
        """Return what must be said with every result."""
        return list(origin_warning(self.manifest.origin))


def name_committee(
    committee: str | Path | None = None, survey: Survey | str | Path | None = None, aperture: str = ""
) -> NamedCommittee:
    """Return a committee that is ready to judge.

    Parameters
    ----------
    committee : str or Path, optional
        Folder of one, or the name of one that comes with the package; without it the default of the survey.
    survey : Survey, str or Path, optional
        Of the photometry; without it the one that the committee learnt from, where it comes with the package.

    aperture : str
        In which the photometry is read; that of the survey if empty.

    Raises
    ------
    InputError
        When neither is given; there is no such committee or survey, they do not belong together, or the committee looks
        at columns beside the photometry.
    """
    if isinstance(survey, str | Path):
        survey = load_survey(survey)
    if committee is None and survey is None:
        raise InputError(
            "neither a survey nor a committee is named: name the survey of the table (--survey; "
            f"{', '.join(survey_names())}, or a survey file), or a committee (--committee)"
        )
    if committee is not None:
        folder = committee_folder(committee)
    else:
        assert survey is not None
        folder = default_committee(survey.name)
    manifest = load_version(folder).manifest
    if survey is None:
        survey = _survey_of(manifest)
    if aperture:
        survey = replace(survey, catalogue=survey.catalogue.with_aperture(aperture))
    check_manifest(manifest, survey)
    opened = open_committee(str(folder), survey)
    if opened.auxiliary:
        raise InputError(
            f"committee {folder.name}: it looks at columns beside the photometry ({', '.join(opened.auxiliary)}), "
            "which only a job reads ([catalogue] carry); classify with a job, or with a committee without them"
        )
    return NamedCommittee(folder.name, committee_fingerprint(folder), manifest, survey, opened)


def _survey_of(manifest: Manifest) -> Survey:
    name = manifest.survey.name
    if name not in survey_names():
        raise InputError(
            f"the committee learnt from survey {name!r}, which does not come with the package; name its survey file "
            "(--survey FILE.toml)"
        )
    return load_survey(name)
