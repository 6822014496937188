"""The table [mock] of a template sky: what is wrong is refused, and the message names the key."""

import math
from dataclasses import fields

import numpy as np
import pytest

from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS, GalaxyVariety
from jpasbatch.mocks.descendants.quasars import QuasarVariety
from jpasbatch.mocks.descendants.stars import STAR_KINDS, StarVariety
from jpasbatch.mocks.options.templates import (
    CLASSES,
    SETS,
    BalancedSamples,
    FieldCounts,
    SurveyPlan,
    TemplateSky,
    TileOptions,
)

NUMBERS = [
    (table, field.name)
    for table in (BalancedSamples, FieldCounts, SurveyPlan, TileOptions, GalaxyVariety, QuasarVariety)
    for field in fields(table)
    if field.name not in ("magnitudes", "incomplete_bands", "kinds_in_the_sky", "kinds_learnt")
]
"""Tables, and the keys of them that hold numbers."""


@pytest.mark.parametrize("value", [-100, math.nan, 1e9])
@pytest.mark.parametrize(("table", "key"), NUMBERS, ids=[f"{table.__name__}.{key}" for table, key in NUMBERS])
def test_a_number_beyond_its_limits_is_named(table, key, value):
    with pytest.raises(ValueError, match=rf"^{key}: found .*allowed is"):
        table(**{key: value})


@pytest.mark.parametrize("key", ["seed", "ra", "dec", "partition_rows", "flagged_share"])
@pytest.mark.parametrize("value", [-100, math.nan, 1e12])
def test_a_number_of_the_sky_beyond_its_limits_is_named(key, value):
    with pytest.raises(ValueError, match=rf"^{key}: found .*allowed is"):
        TemplateSky(templates="pack", **{key: value})


@pytest.mark.parametrize("key", ["training", "validation", "test", "held_out"])
def test_an_odd_number_of_samples_is_named(key):
    with pytest.raises(ValueError, match=rf"^{key}: found 101; allowed is .*a multiple of 2"):
        BalancedSamples(**{key: 101})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "builtin"}, "kind: found 'builtin'"),
        ({"templates": ""}, "templates = ''"),
        ({"classes": ()}, r"classes = \[\]"),
        ({"classes": ("star", "comet")}, "comet"),
        ({"classes": ("star", "star")}, "each once"),
    ],
)
def test_a_wrong_sky_is_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        TemplateSky(**{"templates": "pack"} | wrong)


def test_another_distribution_of_magnitudes_is_named():
    with pytest.raises(ValueError, match="magnitudes: found 'flat'; allowed: 'natural', 'uniform'"):
        BalancedSamples(magnitudes="flat")


def test_an_incomplete_share_needs_bands():
    with pytest.raises(ValueError, match="incomplete_bands"):
        BalancedSamples(incomplete_share=0.1)
    assert BalancedSamples(incomplete_share=0.1, incomplete_bands=("uJAVA",)).incomplete_share == 0.1


@pytest.mark.parametrize("key", ["bright", "faint"])
@pytest.mark.parametrize(
    ("shares", "says"),
    [({"G": 1.0, "T": 0.1}, "no type 'T'; allowed: B"), ({}, "shares"), ({"G": -1.0, "K": 2.0}, "shares"),
     ({"G": 0.0}, "shares")],
)  # fmt: skip
def test_wrong_shares_of_stars_are_named(key, shares, says):
    with pytest.raises(ValueError, match=rf"^{key}.*{says}"):
        StarVariety(**{key: shares})


@pytest.mark.parametrize("share", [math.nan, math.inf])
def test_a_share_of_stars_that_is_no_number_is_named(share):
    with pytest.raises(ValueError, match=r"^bright"):
        StarVariety(bright={"G": 1.0, "K": share})


@pytest.mark.parametrize("value", [-0.1, 0.5, math.nan])
def test_wrong_wiggles_of_stars_are_named(value):
    with pytest.raises(ValueError, match="continuum_wiggles"):
        StarVariety(continuum_wiggles=value)


def test_all_kinds_of_stars_have_a_share_by_default():
    variety = StarVariety()
    for rare in (variety.rare_in_the_sky, variety.rare_learnt):
        assert set(variety.bright) | set(rare) == set(variety.faint) | set(rare) == set(STAR_KINDS)


def test_all_kinds_of_galaxies_have_a_share_by_default():
    assert set(GalaxyVariety().kinds_in_the_sky) == set(GalaxyVariety().kinds_learnt) == set(MIXED_KINDS)


RARE = [(GalaxyVariety, "kinds_in_the_sky", "active"), (GalaxyVariety, "kinds_learnt", "starburst"),
        (StarVariety, "rare_in_the_sky", "carbon star"), (StarVariety, "rare_learnt", "A")]  # fmt: skip


@pytest.mark.parametrize(("table", "key", "kind"), RARE)
@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan, math.inf])
def test_wrong_shares_of_rare_kinds_are_named(table, key, kind, share):
    with pytest.raises(ValueError, match=rf"^{key} = .*must not be negative, and their sum must be below 1"):
        table(**{key: {kind: share}})


@pytest.mark.parametrize(("table", "key", "kind"), RARE)
def test_rare_kinds_that_do_not_exist_are_named(table, key, kind):
    with pytest.raises(ValueError, match=rf"^{key}: no kind 'comet'; allowed: .*{kind}"):
        table(**{key: {"comet": 0.1}})


@pytest.mark.parametrize("kinds", [("B", "A"), ("carbon star", "Wolf-Rayet star")])
def test_shares_of_stars_sum_to_one(kinds):
    variety = StarVariety()
    mix = variety.mix(np.linspace(0, 1, 5), dict.fromkeys(kinds, 0.2))
    assert mix.sum(axis=1) == pytest.approx(1.0)
    for kind in kinds:
        assert (mix[:, STAR_KINDS.index(kind)] >= 0.2).all()


def test_the_defaults_are_those_of_the_paper():
    options = TemplateSky(templates="pack")
    assert (options.samples.training, options.samples.validation, options.samples.test) == (
        100_000,
        10_000,
        10_000,
    )
    assert options.field.total == 2190 + 6410 + 510
    assert options.survey.area_deg2 == 0


@pytest.mark.parametrize(("names", "first"), [(SETS, ("training", "validation", "test", "field", "survey", "held_out")),
                                              (CLASSES, ("star", "galaxy", "qso"))])  # fmt: skip
def test_names_that_ids_are_made_of_keep_their_places(names, first):
    assert names[: len(first)] == first
