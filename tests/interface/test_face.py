"""The public face is frozen: names, signatures, and that the import of the package loads nothing."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import get_overloads

import pytest

import jpasbatch as jb

REPOSITORY = Path(__file__).resolve().parents[2]

NAMES = [
    "Committee",
    "InputError",
    "JpasbatchError",
    "Photometry",
    "QualityCuts",
    "Survey",
    "__version__",
    "classify",
    "load_committee",
    "load_survey",
    "open_predictions",
    "read_table",
]
SIGNATURES = {
    "classify": ["table", "committee", "survey", "*bands", "*cuts", "*prefix"],
    "load_committee": ["committee", "survey"],
    "load_survey": ["name_or_path"],
    "open_predictions": ["run", "which", "*photometry"],
    "read_table": ["path", "survey"],
}
LOADED = {"jpasbatch", "jpasbatch.version"}


def parameters(function) -> list[str]:
    """Return the names of parameters, with a star where only the name may be given."""
    found = inspect.signature(function).parameters.values()
    return ["*" * (one.kind is one.KEYWORD_ONLY) + one.name for one in found]


def test_the_names():
    assert jb.__all__ == NAMES
    assert set(NAMES) <= set(dir(jb))
    for name in NAMES:
        assert getattr(jb, name) is getattr(jb, name)


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signatures(name):
    function = getattr(jb, name)
    assert parameters(function)[: len(SIGNATURES[name])] == SIGNATURES[name]
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    required = [one.name for one in signature.parameters.values() if one.default is one.empty]
    assert len(required) <= 1  # whatever is added later has a default
    assert "Raises\n" in inspect.getdoc(function)


def test_the_committee():
    public = {name for name in vars(jb.Committee) if not name.startswith("_")}
    assert public == {"named", "of_survey", "predict_proba"}
    assert parameters(jb.Committee.predict_proba) == ["self", "X"]


def test_types_of_tables_are_told_apart():
    kinds = [inspect.signature(one).return_annotation for one in get_overloads(jb.classify)]
    assert kinds == ["Kind", "Table"]
    assert (Path(jb.__file__).parent / "py.typed").is_file()


def test_other_names_are_no_attributes():
    with pytest.raises(AttributeError, match=r"no attribute 'clasify'.*classify"):
        _ = jb.clasify
    assert not hasattr(jb, "numpy")


def test_the_import_loads_nothing():
    code = (
        "import sys; before = set(sys.modules); import jpasbatch; print(*sorted(set(sys.modules) - before))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(shown.stdout.split())
    assert {name for name in loaded if name.startswith("jpasbatch")} == LOADED
    assert {name.partition(".")[0] for name in loaded} <= {*sys.stdlib_module_names, "jpasbatch"}


def test_a_name_loads_what_it_needs_and_no_training_framework():
    code = (
        "import sys, jpasbatch; jpasbatch.classify; jpasbatch.load_committee; jpasbatch.open_predictions;"
        "print(*[name for name in ('pandas', 'astropy.table', 'keras', 'tensorflow', 'lsdb', 'dask', 'openvino')"
        " if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.split() == []
