import json

import pytest

from jpasbatch.errors import InputError
from jpasbatch.storage.stores import artefacts
from jpasbatch.storage.stores.artefacts import copy_committee, load_committee, load_ordinary, save_committee
from jpasbatch.storage.stores.opening import open_store

MANIFEST = {"name": "jpas-qso", "classes": ["star", "galaxy"], "survey": {"name": "jpas60"}, "f1": 0.5}
GRAPH = bytes(range(256)) * 8


def test_a_committee_round_trips_from_its_folder_and_from_the_pointer(tmp_path):
    version = save_committee(tmp_path / "committees", MANIFEST, GRAPH)
    assert version.parent == tmp_path / "committees"
    assert version.name.startswith("jpas-qso-")
    assert len(version.name) == len("jpas-qso-") + 12
    assert load_committee(version) == (MANIFEST, GRAPH)
    assert load_committee(tmp_path / "committees") == (MANIFEST, GRAPH)


def test_the_same_contents_are_the_same_version_and_others_stay(tmp_path):
    first = save_committee(tmp_path, MANIFEST, GRAPH)
    second = save_committee(tmp_path, MANIFEST, GRAPH + b"!")
    assert first != second
    assert load_committee(tmp_path)[1] == GRAPH + b"!"
    assert save_committee(tmp_path, MANIFEST, GRAPH) == first
    assert load_committee(tmp_path)[1] == GRAPH
    assert load_committee(second)[1] == GRAPH + b"!"


def test_an_undefined_score_is_saved_as_null(tmp_path):
    version = save_committee(tmp_path, MANIFEST | {"f1": float("nan")}, GRAPH)
    assert load_committee(version)[0]["f1"] is None


@pytest.mark.parametrize("step", ["fsync_tree", "write_atomically"])
def test_a_crash_leaves_the_older_committee_current(tmp_path, monkeypatch, step):
    save_committee(tmp_path, MANIFEST, GRAPH)

    def crash(*_):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(artefacts, step, crash)
        with pytest.raises(RuntimeError, match="crash"):
            save_committee(tmp_path, MANIFEST, b"newer")
    assert load_committee(tmp_path)[1] == GRAPH
    save_committee(tmp_path, MANIFEST, b"newer")
    assert load_committee(tmp_path)[1] == b"newer"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "committee.onnx").write_bytes(GRAPH[:-1]), "truncated or changed"),
        (lambda folder: (folder / "committee.onnx").write_bytes(b"x" + GRAPH[1:]), "truncated or changed"),
        (lambda folder: (folder / "committee.onnx").unlink(), "Cannot read"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "Cannot read the manifest"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "is not 'jpasbatch-committee-1'"),
        (lambda folder: (folder / "manifest.json").unlink(), "holds no committee"),
    ],
)
def test_damage_is_refused(tmp_path, damage, message):
    version = save_committee(tmp_path, MANIFEST, GRAPH)
    damage(version)
    with pytest.raises(InputError, match=message):
        load_committee(version)


@pytest.mark.parametrize("key", ["graph", "manifest", "sha256"])
def test_missing_keys_and_changed_manifests_are_refused(tmp_path, key):
    path = save_committee(tmp_path, MANIFEST, GRAPH) / "manifest.json"
    contents = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in contents.items() if name != key}))
    with pytest.raises(InputError, match=f"lacks the keys {key}"):
        load_committee(path.parent)
    contents["manifest"]["classes"] = ["galaxy", "star"]
    path.write_text(json.dumps(contents))
    with pytest.raises(InputError, match="was changed after it was written"):
        load_committee(path.parent)


@pytest.mark.parametrize("name", ["../elsewhere", "", "missing-0123"])
def test_a_pointer_leads_nowhere_else(tmp_path, name):
    save_committee(tmp_path / "committees", MANIFEST, GRAPH)
    save_committee(tmp_path / "elsewhere", MANIFEST, GRAPH)
    (tmp_path / "committees" / "current").write_text(name)
    with pytest.raises(InputError, match="which is no committee"):
        load_committee(tmp_path / "committees")


def test_an_empty_folder_or_graph_or_a_bad_name_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no committee"):
        load_committee(tmp_path)
    with pytest.raises(InputError, match="empty"):
        save_committee(tmp_path, MANIFEST, b"")
    with pytest.raises(InputError, match="Committee name"):
        save_committee(tmp_path, MANIFEST | {"name": "a/b"}, GRAPH)


def test_what_is_ordinary_is_kept_beside_the_graph_and_may_be_absent(tmp_path):
    without = save_committee(tmp_path / "a", MANIFEST, GRAPH, b"validation")
    version = save_committee(tmp_path / "a", MANIFEST, GRAPH, b"validation", b"ordinary")
    assert version != without
    assert load_ordinary(without) is None
    assert load_ordinary(version) == b"ordinary"
    copy_committee(version, open_store(tmp_path / "b"))
    assert load_ordinary(tmp_path / "b") == b"ordinary"
    (version / "ordinary.npz").write_bytes(b"ordinarx")
    with pytest.raises(InputError, match=r"ordinary\.npz is not the record of ordinary objects"):
        load_ordinary(version)
    (version / "ordinary.npz").unlink()
    with pytest.raises(InputError, match="no such file"):
        load_ordinary(version)


def test_notes_are_no_part_of_the_contents(tmp_path):
    first = save_committee(tmp_path, MANIFEST, GRAPH)
    again = save_committee(tmp_path, MANIFEST, GRAPH, notes={"curves.ecsv": b"of the first training"})
    later = save_committee(tmp_path, MANIFEST, GRAPH, notes={"curves.ecsv": b"of another"})
    assert first == again == later
    assert (first / "curves.ecsv").read_bytes() == b"of the first training"
    assert load_committee(first) == (MANIFEST, GRAPH)
    other = save_committee(tmp_path, MANIFEST, GRAPH + b"!", notes={"curves.ecsv": b"of the third"})
    assert (other / "curves.ecsv").read_bytes() == b"of the third"
