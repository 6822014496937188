"""Neighbours and circles: as every pair says, and with many rows at one position."""

import numpy as np
import pytest

from jpasbatch.products.targets.matching import (
    ALONE,
    chord,
    close_neighbours,
    unit_vectors,
    within_circles,
)


def test_neighbours_are_those_of_all_pairs(rng):
    """Some positions stand twice, some are close, some are the same on both sides of the meridian."""
    ra, dec = rng.uniform(359.999, 360.001, 400) % 360, rng.uniform(-0.001, 0.001, 400)
    ra[50:60], dec[50:60] = ra[0], dec[0]
    ra[60], dec[60], ra[61], dec[61] = 360.0, 0.0, 0.0, 0.0
    vectors = unit_vectors(ra, dec)
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    neighbour = close_neighbours(ra, dec, 0.1)
    assert ((neighbour == ALONE) == (distance.min(axis=1) > chord(0.1 / 3600))).all()
    found = np.flatnonzero(neighbour != ALONE)
    assert (distance[found, neighbour[found]] <= chord(0.1 / 3600)).all()
    assert 50 < len(found) < 400


@pytest.mark.parametrize("rows", [0, 1])
def test_who_is_alone_has_no_neighbour(rows):
    assert close_neighbours(np.zeros(rows), np.zeros(rows), 1.0).tolist() == [ALONE] * rows


def test_many_rows_of_one_position_are_no_matter_of_memory():
    """All pairs of these would be 320 GB."""
    ra, dec = np.full(200_000, 214.5), np.full(200_000, 52.5)
    assert (close_neighbours(ra, dec, 1.0) != ALONE).all()
    objects = np.full(1000, 214.5), np.linspace(52.0, 53.0, 1000)
    inside = within_circles(*objects, (ra, dec, np.full(200_000, 0.1)))
    assert inside.tolist() == (np.abs(objects[1] - 52.5) <= 0.1).tolist()
