"""A committee is named by its folder, by its name in the package, or by its survey."""

import shutil

import pytest

from jpasbatch.committees import registry
from jpasbatch.committees.registry import committee_folder, default_committee, shipped_committees
from jpasbatch.errors import InputError
from jpasbatch.stages.classify.committee import name_committee
from jpasbatch.storage.stores.artefacts import committee_version


@pytest.fixture
def shipped(snapshots, tmp_path, monkeypatch):
    """Return the folder of a package that holds the tiny committee, as the default of its survey."""
    home = tmp_path / "package"
    (home / "jpas60").mkdir(parents=True)
    (home / "notes").mkdir()
    version = committee_version(snapshots / "trained" / "committee")
    shutil.copytree(version, home / "jpas60", dirs_exist_ok=True)
    monkeypatch.setattr(registry, "home", lambda: home)
    return home


def test_every_committee_of_the_package_belongs_to_its_survey():
    for name, folder in shipped_committees().items():
        assert committee_folder(name) == committee_version(folder)
        assert name_committee(name).survey.name == name.partition("-")[0]


def test_a_committee_of_the_package_has_a_name(shipped):
    assert list(shipped_committees()) == ["jpas60"]
    assert committee_folder("jpas60") == default_committee("jpas60") == shipped / "jpas60"
    assert name_committee(survey="jpas60").fingerprint == name_committee("jpas60").fingerprint


def test_a_folder_is_a_name_too(snapshots):
    folder = snapshots / "trained" / "committee"
    version = committee_version(folder)
    for one in (folder, str(folder), version, folder.parent):
        assert committee_folder(one) == version


def test_what_is_neither_says_what_there_is(shipped, tmp_path):
    with pytest.raises(InputError, match=r"'absent'.*\(jpas60\).*runs/NAME"):
        committee_folder("absent")
    with pytest.raises(InputError, match="holds no committee"):
        committee_folder(tmp_path)
    with pytest.raises(InputError, match=r"no committee for survey 'nepw14'.*has jpas60.*jpasbatch train"):
        default_committee("nepw14")


def test_committees_of_other_surveys_are_refused(snapshots):
    folder = snapshots / "trained" / "committee"
    with pytest.raises(InputError, match=r"trained on survey 'jpas60', this is 'nepw14'"):
        name_committee(folder, "nepw14")
    with pytest.raises(InputError, match="neither a survey nor a committee"):
        name_committee()
    with pytest.raises(InputError, match="allowed are"):
        name_committee(folder, "absent")
