"""The column ``sky_weight``: from ids alone, what was drawn for each object counts as often as the sky has it."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS
from jpasbatch.mocks.options.templates import BalancedSamples, TemplateSky
from jpasbatch.mocks.parents.parents import Parents
from jpasbatch.mocks.populations.draws import expected_quasars, quasars_per_deg2
from jpasbatch.mocks.skies.objects import draw_kinds
from jpasbatch.mocks.skies.set_table import set_schema
from jpasbatch.mocks.skies.weights import weights_on_the_sky
from jpasbatch.photometry.streams import ObjectStreams
from tests.mocks.small_ingredients import small_workshop

OPTIONS = TemplateSky(templates="unused", samples=BalancedSamples(near_share=0.2))
STREAMS = ObjectStreams(1, np.arange(30_000))
NONE = np.zeros(len(STREAMS), dtype=bool)


@pytest.mark.parametrize("true_class", ["star", "galaxy"])
def test_weighted_kinds_have_their_shares_of_the_sky(true_class):
    workshop = small_workshop(OPTIONS)
    parents = workshop.parents(true_class)
    balanced, sky = (
        draw_kinds(workshop, true_class, "validation", STREAMS, "all", learnt) for learnt in (True, False)
    )
    weights = weights_on_the_sky(workshop, true_class, "validation", STREAMS, NONE)
    assert weights.mean() == pytest.approx(1, abs=0.02)
    for kind in np.unique(parents.kind):
        share = np.average(parents.kind[balanced.parent] == kind, weights=weights)
        assert share == pytest.approx((parents.kind[sky.parent] == kind).mean(), abs=0.015)


def test_a_kind_that_no_sky_has_does_not_count():
    workshop = small_workshop(OPTIONS)
    drawn = draw_kinds(workshop, "star", "validation", STREAMS, "all", True)
    weights = weights_on_the_sky(workshop, "star", "validation", STREAMS, NONE)
    wolf_rayet = workshop.parents("star").kind[drawn.parent] == "Wolf-Rayet star"
    assert wolf_rayet.any()
    assert np.array_equal(weights == 0, wolf_rayet)


def test_a_kind_without_parents_leaves_its_share_to_ordinary_galaxies():
    workshop = small_workshop(OPTIONS)
    parents = workshop.parents("galaxy")
    ordinary: Parents = parents.take(np.flatnonzero(~np.isin(parents.kind, MIXED_KINDS)))
    given = workshop.ingredients.parents | {"galaxy": ordinary}
    without = replace(workshop, ingredients=replace(workshop.ingredients, parents=given))
    weights = weights_on_the_sky(without, "galaxy", "validation", STREAMS, NONE)
    assert weights.mean() == pytest.approx(1, abs=0.02)
    assert weights.max() == pytest.approx(1 / 0.8)  # of those that are not near


def test_quasars_count_as_their_half_of_the_sky():
    odd = np.arange(len(STREAMS)) % 2 == 1
    weights = weights_on_the_sky(small_workshop(OPTIONS), "qso", "validation", STREAMS, odd)
    assert np.unique(weights[odd]).size == np.unique(weights[~odd]).size == 1
    [[_, high]] = expected_quasars(((17.0, 23.6),), ((0.0, 2.1), (2.1, 5.0)))
    assert weights[1] / 2 == pytest.approx(high / quasars_per_deg2(), abs=1e-3)
    assert weights.mean() == pytest.approx(1)


def test_only_sets_that_validate_or_test_have_the_column(survey):
    assert "sky_weight" in set_schema(survey, True, weighted=True).names
    assert "sky_weight" not in set_schema(survey, True).names
