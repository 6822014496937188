"""The plan of a prune: whatever there is, what is reached, young or among the newest stays, and the rest goes."""

import os

from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.storage.catalogue import pruning
from jpasbatch.storage.catalogue.ownership import owns_catalogue
from jpasbatch.storage.catalogue.pruning import (
    Remnant,
    Retention,
    find_hidden,
    find_versions,
    occupied_bytes,
    plan_pruning,
)
from jpasbatch.storage.stores.files import temporary_name

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


def write_properties(folder: pruning.Path, **said: str) -> None:
    folder.mkdir()
    lines = "".join(f"{key}={value}\n" for key, value in said.items())
    (folder / "hats.properties").write_text(f"#HATS catalog\n{lines}")


def test_a_version_goes_with_its_margin_and_its_description_and_nothing_else_is_ours(tmp_path):
    for name in ("predictions-0123456789ab", "photometry-0123456789ab", "mine"):
        write_properties(tmp_path / name, obs_collection=name, hats_builder="jpasbatch v1, hats v1")
    margin = {"dataproduct_type": "margin", "hats_primary_table_url": "photometry-0123456789ab"}
    for name in ("photometry-0123456789ab_5arcs", "photometry-0123456789ab_6arcs"):
        write_properties(tmp_path / name, obs_collection="photometry-0123456789ab_5arcs", **margin)
    (tmp_path / "photometry-aaaaaaaaaaaa").mkdir()  # no catalogue
    write_properties(tmp_path / "photometry-bbbbbbbbbbbb", obs_collection="photometry-0123456789ab")  # a copy
    write_properties(
        tmp_path / "gaia-0123456789ab", obs_collection="gaia-0123456789ab", hats_builder="hats-import v1"
    )
    (tmp_path / "photometry-cccccccccccc").mkdir()
    (tmp_path / "photometry-cccccccccccc" / "hats.properties").write_bytes(b"\xff=\xfe")
    (tmp_path / "predictions-0123456789ab.properties").touch()
    (tmp_path / "gaia-0123456789ab.properties").touch()
    (tmp_path / "collection.properties").touch()
    found = {
        remnant.family.rpartition("/")[2]: remnant
        for remnant in find_versions(tmp_path, "version", owns_catalogue)
    }
    assert {family: [path.name for path in remnant.paths] for family, remnant in found.items()} == {
        "photometry": ["photometry-0123456789ab_5arcs", "photometry-0123456789ab"],
        "predictions": ["predictions-0123456789ab.properties", "predictions-0123456789ab"],
    }


def test_hidden_names_are_ours_only_in_our_own_form_and_in_our_own_folders(tmp_path):
    rooms = ["targets"]
    ours = {temporary_name(tmp_path / name).name for name in ("report.html", ".a.tmp")}
    ours |= {f"targets/{temporary_name(tmp_path / 'list.fits').with_suffix(pruning.LEFTOVER).name}"}
    others = {
        *(".draft.tmp", ".a.1.tmp", "x.1-0123456789ab.tmp", ".x.1-0123456789AB.tmp", ".old.pruned"),
        "x.1-0123456789ab.pruned",
        f"notes/{temporary_name(tmp_path / 'draft').name}",
        f"photometry-0123456789ab/{temporary_name(tmp_path / 'draft').name}",
    }
    for name in ours | others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [remnant.paths[0].relative_to(tmp_path).as_posix() for remnant in find_hidden(tmp_path, rooms)]
    assert sorted(found) == sorted(ours)


def test_bytes_of_a_file_with_two_names_count_once_and_until_both_are_gone(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "file").write_bytes(b"12345")
    os.link(tmp_path / "one" / "file", tmp_path / "other")
    assert occupied_bytes(tmp_path) == 5
    assert occupied_bytes(tmp_path, without=[tmp_path / "one"]) == 5
    assert occupied_bytes(tmp_path, without=[tmp_path / "one", tmp_path / "other"]) == 0
