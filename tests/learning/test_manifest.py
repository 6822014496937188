"""The manifest of a committee: it says what counts, and what does not fit is refused."""

import json
from dataclasses import replace

import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import TemperatureCalibration
from jpasbatch.learning.decision import Decision, FittedDecision
from jpasbatch.learning.description import TrainingFacts, describe_committee
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.manifest import DescribedCalibration, DescribedFolds, Manifest, check_manifest
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.survey import load_survey
from tests.learning.conftest import DEFINITIONS as CLASSES


def test_origin_is_kept_and_may_be_missing(manifest):
    assert manifest.origin is None
    assert "origin" not in manifest.to_json()
    known = Manifest.from_json(manifest.to_json() | {"origin": "builtin"})
    assert known.origin == "builtin"
    assert Manifest.from_json(known.to_json()) == known


def test_the_manifest_is_json_and_says_what_counts(manifest, survey):
    again = json.loads(json.dumps(manifest.to_json(), allow_nan=False))
    assert Manifest.from_json(again) == manifest
    assert "folds" not in again
    assert manifest.classes == tuple(CLASSES)
    assert manifest.survey.bands == survey.band_names
    assert [member.seed for member in manifest.members] == [0, 1, 2, 3]
    assert manifest.members[0].input_scaling.kind == "arcsinh"
    assert manifest.options["model"]["dropout"] == 0.15
    assert manifest.versions["keras"][0].isdigit()


def test_a_manifest_fits_its_own_survey(manifest, survey):
    again = Manifest.from_json(json.loads(json.dumps(manifest.to_json())))
    check_manifest(again, survey, CLASSES, "relative_flux")
    check_manifest(again, survey, tuple(CLASSES))
    check_manifest(again, survey)


def test_another_order_of_bands_is_refused(manifest, survey):
    bands = (survey.bands[1], survey.bands[0], *survey.bands[2:])
    with pytest.raises(InputError, match=r"band 0 is '\w+' against '\w+' \(the order of bands counts\)"):
        check_manifest(manifest, replace(survey, bands=bands))


def test_another_number_of_bands_is_refused(manifest, survey):
    fewer = tuple(
        b for b in survey.bands if b.name in {survey.reference_band, *survey.reported_bands.values()}
    )
    with pytest.raises(InputError, match=rf"{len(survey.bands)} bands against {len(fewer)}"):
        check_manifest(manifest, replace(survey, bands=fewer, gaps=()))


def test_a_committee_of_mini_jpas_is_none_of_j_pas(manifest):
    with pytest.raises(InputError, match=r"on survey 'jpas60', this is 'jpas57': .*60 bands against 57"):
        check_manifest(manifest, load_survey("jpas57"))


def test_another_wavelength_is_refused(manifest, survey):
    shifted = (replace(survey.bands[0], wavelength=survey.bands[0].wavelength + 1), *survey.bands[1:])
    with pytest.raises(InputError, match="wavelengths or reference band differ"):
        check_manifest(manifest, replace(survey, bands=shifted))


def test_other_classes_definitions_or_features_are_refused(manifest, survey):
    with pytest.raises(InputError, match="the order counts"):
        check_manifest(manifest, survey, tuple(CLASSES)[::-1])
    other = CLASSES | {"qso_low": ClassDefinition(("qso",), (0.0, 2.0))}
    with pytest.raises(InputError, match=r"'qso_low' is .*2.0.* in the job, but the committee learnt .*2.1"):
        check_manifest(manifest, survey, other)
    with pytest.raises(InputError, match=r"features.kind: the job has 'colours'"):
        check_manifest(manifest, survey, CLASSES, "colours")


@pytest.mark.parametrize("key", ["survey", "features", "classes", "definitions", "calibration", "decision"])
def test_an_incomplete_manifest_is_refused(manifest, key):
    content = manifest.to_json()
    del content[key]
    with pytest.raises(InputError, match=rf"not complete: '{key}' is missing"):
        Manifest.from_json(content)


def test_a_manifest_with_more_than_is_known_is_refused(manifest):
    with pytest.raises(InputError, match="'colour' is unknown"):
        Manifest.from_json(manifest.to_json() | {"colour": "blue"})


@pytest.mark.parametrize("part", ["survey", "features"])
def test_a_part_that_is_not_complete_is_refused(manifest, part):
    with pytest.raises(InputError, match=rf"not complete: manifest: {part}: the key '\w+' is missing"):
        Manifest.from_json(manifest.to_json() | {part: {}})


def test_an_open_range_of_redshifts_comes_back_from_json(survey, features, members):
    classes = CLASSES | {"qso_high": ClassDefinition(("qso",), (2.1, float("inf")))}
    described = describe_committee(survey, features, classes, members, Jury.plain(), TrainingFacts())
    content = json.loads(json.dumps(described.to_json(), allow_nan=False))
    assert content["definitions"]["qso_high"] == {"truth": ["qso"], "redshift": [2.1, "inf"]}
    assert Manifest.from_json(content) == described
    assert described.definitions == classes


def test_the_jury_is_what_was_described(manifest, survey, features, members):
    decision = FittedDecision(Decision("balanced", "qso_high"), 2, 0.174)
    jury = Jury(TemperatureCalibration(1.5), decision)
    folds = DescribedFolds(4, 1, True, 2, ("0" * 64,))
    described = describe_committee(survey, features, CLASSES, members, jury, TrainingFacts(folds=folds))
    again = Manifest.from_json(json.loads(json.dumps(described.to_json())))
    assert again.make_jury().decision == decision
    assert again.make_jury().calibration.state() == {"temperature": 1.5}
    assert again.folds == folds


def test_a_jury_that_is_not_described_is_refused(manifest):
    with pytest.raises(InputError, match="manifest of the committee is not complete"):
        Manifest.from_json(manifest.to_json() | {"calibration": {"kind": "temperature"}})
    with pytest.raises(InputError, match="stored state is not valid"):
        replace(manifest, calibration=DescribedCalibration("none", {"x": 1})).make_jury()
    with pytest.raises(InputError, match="manifest of the committee is not complete"):
        replace(manifest, decision=replace(manifest.decision, rule="best")).make_jury()


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (["star", "star", "qso_low", "qso_high"], "'star' stands twice"),
        (["a/b", "galaxy", "qso_low", "qso_high"], "found 'a/b'"),
        (["", "galaxy", "qso_low", "qso_high"], "found ''"),
        ([1, 2, 3, 4], "found 1"),
    ],
)
def test_classes_that_no_column_can_be_named_after(manifest, classes, told):
    with pytest.raises(InputError, match=told):
        replace(manifest, classes=classes).check_classes()


def test_members_that_vote_in_another_way_are_refused(manifest):
    with pytest.raises(InputError, match="combine = 'mean'; allowed is 'median'"):
        Manifest.from_json(manifest.to_json() | {"combine": "mean"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position": 9}, "position 9 is none of"),
        ({"position": -1}, "position -1 is none of"),
        ({"position": "3"}, "position '3' is none of"),
        ({"threshold": "x"}, "threshold 'x' is no number"),
        ({"threshold": 50}, "threshold 50 is not from 0 to 1"),
    ],
)
def test_a_decision_of_no_class_is_refused(manifest, change, told):
    manifest.make_jury()
    with pytest.raises(InputError, match=told):
        replace(manifest, decision=replace(manifest.decision, **change)).make_jury()


def test_a_calibration_of_other_classes_is_refused(manifest):
    """One line of bias would be that of every class."""
    state = {"sharpness": [1.0, 0.0, 0.0], "bias": [[0.1, 0.0]], "limits": [17.0, 23.0]}
    with pytest.raises(InputError, match=r"bias of 1 of \d classes"):
        replace(manifest, calibration=DescribedCalibration("magnitude", state)).make_jury()
