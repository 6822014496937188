"""Committees whose hashes are right and whose manifests are wrong: a message, never a traceback, never an opinion."""

import contextlib
import functools
import json
import os
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.committees.registry import committee_folder
from jpasbatch.errors import InputError
from jpasbatch.learning import committee as committee_module
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.manifest import Manifest, check_manifest
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.committees import load_version, open_committee, try_committee
from jpasbatch.storage.stores.artefacts import load_committee, save_committee

NAME = "jplus12"
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@functools.cache
def good() -> tuple[dict[str, Any], bytes]:
    return load_committee(committee_folder(NAME))


@pytest.fixture(scope="module", autouse=True)
def one_engine():
    """Compile the one graph of these tests once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committee_module, "InferenceEngine", functools.lru_cache(2)(InferenceEngine))
        yield
    open_committee.cache_clear()


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the way to every part of a manifest, long lists only at their begin."""
    found = [path] if path else []
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    )
    for key, part in inner:
        found += places(part, (*path, key))
    return found


def use(folder: Any, manifest: dict[str, Any]) -> None:
    """Do with a committee what a run does before its first partition."""
    survey = load_survey(NAME)
    version = save_committee(folder, manifest, good()[1])
    stored = load_version(version)
    check_manifest(stored.manifest, survey)
    try_committee(version, survey)


def test_the_good_one_is_used(tmp_path):
    use(tmp_path, good()[0])


@pytest.mark.parametrize("remove", [True, False])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_manifest_that_is_wrong_anywhere_is_refused_or_harmless(remove, data, tmp_path):
    manifest = deepcopy(good()[0])
    place = data.draw(st.sampled_from(places(manifest)))
    part = manifest
    for key in place[:-1]:
        part = part[key]
    if remove:
        del part[place[-1]]
    else:
        part[place[-1]] = data.draw(VALUES)
    with contextlib.suppress(InputError):
        use(tmp_path, manifest)


@pytest.mark.parametrize("key", ["survey", "features", "classes", "members", "calibration", "decision"])
@pytest.mark.parametrize("value", [None, 1, "text", [1], {"a": 1}])
def test_a_key_of_another_kind_is_refused(key, value, tmp_path):
    with pytest.raises(InputError):
        use(tmp_path, good()[0] | {key: value})


@pytest.mark.parametrize("fingerprint", [None, 12, ["a"], {}])
def test_a_fingerprint_that_is_no_text_is_refused(fingerprint, tmp_path):
    manifest = deepcopy(good()[0])
    manifest["survey"]["fingerprint"] = fingerprint
    with pytest.raises(InputError, match="fingerprint"):
        use(tmp_path, manifest)


def test_json_that_is_too_deep_or_no_number_is_refused(tmp_path):
    version = save_committee(tmp_path, good()[0], good()[1])
    path = version / "manifest.json"
    content = path.read_text()
    for text in (
        "[" * 100_000,
        content.replace('"combine"', '"x": NaN, "combine"', 1),
        content[:-20],
        "[]",
        "{}",
    ):
        path.write_text(text)
        with pytest.raises(InputError):
            load_version(version)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("file", ["committee.onnx", "manifest.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(file, tmp_path):
    version = save_committee(tmp_path, good()[0], good()[1])
    (version / file).unlink()
    os.mkfifo(version / file)
    with pytest.raises(InputError):
        load_version(version)


def test_a_manifest_says_what_kind_its_parts_are():
    content = json.loads(json.dumps(good()[0]))
    assert Manifest.from_json(content).to_json() == content
