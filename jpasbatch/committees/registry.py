"""Which committees come with the package, and how a committee is named: by folder, by name, or by its survey.

A committee of the package lies in ``jpasbatch/committees/<name>/``: one version as `jpasbatch.storage.stores.artefacts`
writes it, or a folder of versions with its pointer. The committee that bears the name of a survey is its default.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.storage.stores.artefacts import MANIFEST, POINTER, committee_version


def home() -> Path:
    """Return the folder that holds them."""
    return Path(str(resources.files("jpasbatch.committees")))


def shipped_committees() -> dict[str, Path]:
    """Return the folders of the committees that come with the package, by name."""
    return {
        folder.name: folder
        for folder in sorted(home().iterdir())
        if (folder / MANIFEST).is_file() or (folder / POINTER).is_file()
    }


def committee_folder(name: str | Path) -> Path:
    """Return the folder of the version that a folder, or the name of a committee of the package, means.

    A folder is that of a version, that of versions, or the output folder of a run that trained.

    Raises
    ------
    InputError
        When it is neither.
    """
    folder = Path(name)
    if folder.is_dir():
        of_a_run = folder / "committee"
        return committee_version(of_a_run if (of_a_run / POINTER).is_file() else folder)
    known = shipped_committees()
    if str(name) in known:
        return committee_version(known[str(name)])
    raise InputError(
        f"committee {str(name)!r}: is neither a folder nor the name of a committee that comes with the package "
        f"({', '.join(known) or 'none does'}); name the folder of a run that trained one, such as runs/NAME"
    )


def default_committee(survey: str) -> Path:
    """Return the folder of the version of the committee of the package that is the default of a survey.

    Raises
    ------
    InputError
        When none comes with the package.
    """
    known = shipped_committees()
    if survey in known:
        return committee_version(known[survey])
    raise InputError(
        f"no committee for survey {survey!r} comes with this package (it has {', '.join(known) or 'none'}): train one "
        "with `jpasbatch train JOB.toml`, and name its folder (--committee runs/NAME)"
    )
