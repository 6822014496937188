"""Star parents that need no template pack: white dwarfs without lines."""

import numpy as np

from jpasbatch.mocks.descendants.stars import STAR_KINDS, StarVariety
from jpasbatch.mocks.parents.packs.stars import (
    FEATURELESS_KIND,
    FEATURELESS_TEMPERATURES,
    featureless_white_dwarf_parents,
)
from jpasbatch.mocks.parents.parents import SPLITS
from jpasbatch.mocks.spectra.grids import rest_grid


def test_white_dwarfs_without_lines_are_black_bodies():
    parents = featureless_white_dwarf_parents()
    assert set(parents.kind) == {FEATURELESS_KIND}
    assert all(parents.of_kind(split, FEATURELESS_KIND).size > 5 for split in SPLITS)
    flux = parents.rest(np.arange(len(parents)))
    # Wien: the maximum of f_lambda lies at 2.898e7 Angstrom K / T
    for row in (60, 150):
        peak = rest_grid()[flux[row].argmax()]
        assert abs(peak * FEATURELESS_TEMPERATURES[row] / 2.898e7 - 1) < 0.01


def test_a_fifth_of_the_white_dwarfs_show_no_lines():
    shares = StarVariety().faint
    assert set(shares) == set(STAR_KINDS)
    assert shares[FEATURELESS_KIND] / (shares[FEATURELESS_KIND] + shares["white dwarf"]) == 0.2
