"""Counting the rows of sets: by hand, in any order, and through JSON."""

import json

import numpy as np
import pytest

from jpasbatch.mocks.parents.parents import split_of
from jpasbatch.mocks.realism.tally import BAND_MAGNITUDE_EDGES, SIGNAL_EDGES, RealismTally


def rows_of(classes, magnitudes, redshifts, flux, error, split="training") -> dict[str, np.ndarray]:
    number = len(classes)
    names = np.array([f"boss-{one:05d}" for one in range(2000)])
    fitting = names[split_of(names) == split] if split != "held_out" else names
    return {
        "true_class": np.array(classes),
        "true_magnitude": np.array(magnitudes, dtype=np.float32),
        "true_redshift": np.array(redshifts, dtype=np.float32),
        "flux": np.array(flux, dtype=np.float32),
        "flux_err": np.array(error, dtype=np.float32),
        "parent_id": fitting[:number],
        "split": np.full(number, split),
    }


def random_rows(rng, number, split="test") -> dict[str, np.ndarray]:
    flux = rng.normal(3.0, 3.0, (number, 5))
    flux[rng.uniform(size=flux.shape) < 0.1] = np.nan
    error = np.where(rng.uniform(size=flux.shape) < 0.1, np.nan, 1.0)
    rows = rows_of(
        rng.choice(["star", "galaxy", "qso"], number),
        rng.uniform(17, 23.6, number),
        rng.uniform(0, 5, number),
        flux,
        error,
        "held_out",
    )
    return rows | {"parent_id": rng.choice(rows["parent_id"], number), "split": np.full(number, split)}


def same(one: RealismTally, other: RealismTally) -> bool:
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def test_hand_counted_rows():
    nan = np.nan
    rows = rows_of(
        ["star", "galaxy", "qso", "qso", "qso"],
        [17.0, 17.05, 20.0, 20.01, 23.6],
        [0.0, 0.3, 0.99, 2.1, 4.2],
        [[10, 1], [0, 1], [-1, nan], [5, 1], [100, 1]],
        [[1, 1], [1, nan], [1, nan], [nan, 1], [1, 1]],
    )
    tally = RealismTally.create(2).add(rows)
    assert tally.rows_by_class.tolist() == [1, 1, 3]
    assert tally.rows_by_split.tolist() == [5, 0, 0, 0]
    assert tally.misplaced.tolist() == [0]
    assert tally.quasars.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]
    assert tally.halves.tolist() == [1, 2]
    # 17.0 lies on the limit, 23.6 within the last bin: upper limits belong to a bin
    assert (tally.magnitudes[0, 0], tally.magnitudes[1, 0], tally.magnitudes[2, -1]) == (1, 1, 1)
    assert tally.redshifts[1, 6] == 1
    first, faint = 0, len(BAND_MAGNITUDE_EDGES) - 2
    assert tally.band_rows[:, first].tolist() == [2, 2]
    assert tally.non_detections[:, first].tolist() == [1, 1]
    assert tally.band_rows[:, 5].tolist() == [1, 0]  # r = 20, where the second band was not observed
    assert tally.non_detections[0, 6] == 1  # a flux without error
    ten, hundred = (int(np.searchsorted(SIGNAL_EDGES, one, "right")) - 1 for one in (1.0, 2.0))
    assert tally.signal[0, first, ten] == 1
    assert tally.signal[0, faint, hundred] == 1
    assert tally.signal.sum() == tally.band_rows.sum() - tally.non_detections.sum()


def test_any_order_of_parts_gives_the_same_numbers(rng):
    parts = [random_rows(rng, number) for number in (7, 40, 0, 13)]
    empty = RealismTally.create(5)
    tallies = [empty.add(part) for part in parts]
    whole = empty
    for part in parts:
        whole = whole.add(part)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        merged = empty
        for one in order:
            merged = merged.merge(tallies[one])
        assert same(merged, whole)
    assert whole.rows_by_class.sum() == 60


def test_json_holds_all_and_names_what_it_counts(rng):
    tally = RealismTally.create(5).add(random_rows(rng, 50))
    content = json.loads(json.dumps(tally.to_dict(), allow_nan=False))
    assert same(RealismTally.from_dict(content), tally)
    assert content["classes"] == ["star", "galaxy", "qso"]
    for key, counts in (("magnitudes", content["magnitudes"][0]), ("redshifts", content["redshifts"][0])):
        assert len(content["bins"][key]) == len(counts) + 1
    del content["halves"]
    with pytest.raises(ValueError, match="without halves"):
        RealismTally.from_dict(content)


def test_size_does_not_depend_on_rows(rng):
    few, many = (RealismTally.create(5).add(random_rows(rng, number)) for number in (5, 500))
    assert [value.shape for value in vars(few).values()] == [value.shape for value in vars(many).values()]


def test_rows_of_another_splits_parents_are_counted(rng):
    rows = rows_of(["qso"] * 4, [21] * 4, [1] * 4, [[1.0]] * 4, [[1.0]] * 4)
    rows["split"] = np.array(["training", "test", "test", "held_out"])
    tally = RealismTally.create(1).add(rows)
    assert tally.misplaced.tolist() == [2]
    assert tally.rows_by_split.tolist() == [1, 0, 2, 1]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("true_class", "comet", "'comet' is none of star"), ("split", "dev", "'dev' is none of training")],
)
def test_unknown_names_are_refused(column, value, message):
    rows = rows_of(["qso"], [21], [1], [[1.0]], [[1.0]])
    rows[column] = np.array([value])
    with pytest.raises(ValueError, match=message):
        RealismTally.create(1).add(rows)


def test_other_numbers_of_bands_are_refused():
    rows = rows_of(["qso"], [21], [1], [[1.0]], [[1.0]])
    with pytest.raises(ValueError, match="1 bands; this tally counts 2"):
        RealismTally.create(2).add(rows)
    with pytest.raises(ValueError, match="tallies of 2 and of 3 bands"):
        RealismTally.create(2).merge(RealismTally.create(3))
