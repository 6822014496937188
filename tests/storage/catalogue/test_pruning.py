"""The plan of a prune: whatever there is, what is reached, young or among the newest stays, and the rest goes."""

import os

from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.storage.catalogue import pruning
from jpasbatch.storage.catalogue.pruning import (
    Remnant,
    Retention,
    find_versions,
    occupied_bytes,
    plan_pruning,
)

NOW = 1000.0
names = st.sampled_from([f"name-{number}" for number in range(12)])
remnants = st.lists(
    st.builds(
        lambda kind, own, changed, family: Remnant(
            kind, (pruning.Path(own),), frozenset({own}), changed, family
        ),
        st.sampled_from(["version", "run", pruning.LEFTOVER]),
        names,
        st.floats(0, NOW),
        st.sampled_from(["", "predictions", "photometry"]),
    ),
    max_size=12,
    unique_by=lambda remnant: remnant.names,
)


@given(remnants, st.sets(names), st.floats(0, NOW), st.integers(0, 3))
def test_what_is_reached_young_or_newest_stays_and_the_rest_goes(found, reached, seconds, newest):
    removed = plan_pruning(found, reached, Retention(seconds, newest), NOW)
    for remnant in found:
        if remnant.is_leftover:
            assert remnant in removed
            continue
        stays = bool(remnant.names & reached) or NOW - remnant.changed <= seconds
        if remnant.family and not stays:
            rivals = [
                other
                for other in found
                if other.family == remnant.family and not other.is_leftover and not other.names & reached
            ]
            rank = sorted(rivals, key=lambda other: (other.changed, other.paths), reverse=True).index(remnant)
            stays = rank < newest
        assert (remnant in removed) != stays
    assert len(removed) == len(set(removed))


def test_a_version_goes_with_its_margin_and_its_description_and_nothing_else_is_ours(tmp_path):
    for name in (
        "predictions-0123456789ab",
        "photometry-0123456789ab",
        "photometry-0123456789ab_5arcs",
        "mine",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hats.properties").touch()
    (tmp_path / "photometry-aaaaaaaaaaaa").mkdir()  # no catalogue
    (tmp_path / "predictions-0123456789ab.properties").touch()
    (tmp_path / "collection.properties").touch()
    found = {
        remnant.family.rpartition("/")[2]: remnant
        for remnant in find_versions(tmp_path, "version", "hats.properties")
    }
    assert {family: [path.name for path in remnant.paths] for family, remnant in found.items()} == {
        "photometry": ["photometry-0123456789ab", "photometry-0123456789ab_5arcs"],
        "predictions": ["predictions-0123456789ab.properties", "predictions-0123456789ab"],
    }


def test_bytes_of_a_file_with_two_names_count_once_and_until_both_are_gone(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "file").write_bytes(b"12345")
    os.link(tmp_path / "one" / "file", tmp_path / "other")
    assert occupied_bytes(tmp_path) == 5
    assert occupied_bytes(tmp_path, without=[tmp_path / "one"]) == 5
    assert occupied_bytes(tmp_path, without=[tmp_path / "one", tmp_path / "other"]) == 0
