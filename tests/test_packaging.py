"""What is shipped: the project file, the size and names of modules, and what each part may need."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jpasbatch

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "jpasbatch"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOOLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
MOST_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "tools"}
DISTRIBUTIONS = {
    "annotated_types": "annotated-types",
    "sklearn": "scikit-learn",
    "distributed": "dask",
    "hats_import": "hats-import",
    "markupsafe": "jinja2",  # which returns its strings, and always brings it
}
UNSEEN = {
    "scipy",
    "cryptography",
}  # astropy.stats, and Dask where it makes keys, import and do not require them
TRAINING = ("keras", "tensorflow", "sklearn", "onnx", "speclite", "hats_import", "healsparse", "lsdb")
BASE_MODULES = (
    "jpasbatch.cli",
    "jpasbatch.job.job",
    "jpasbatch.compute.clusters.registry",
    "jpasbatch.compute.clusters.serial",
    "jpasbatch.compute.clusters.local",
    "jpasbatch.compute.clusters.address",
    "jpasbatch.compute.runner",
    "jpasbatch.stages.infer.stage",
    "jpasbatch.stages.summarise.stage",
    "jpasbatch.stages.pipeline",
    "jpasbatch.stages.train.stage",
    "jpasbatch.mocks.stages.mock",
)
BLOCKED_IMPORTS = """\
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)

sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
"""


def dependency_names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_.-]+", entry)[0].lower() for entry in requirements}


def extras(*names: str) -> set[str]:
    return set().union(*(dependency_names(PROJECT["optional-dependencies"][name]) for name in names))


BASE = dependency_names(PROJECT["dependencies"])


def imported(path: Path) -> set[str]:
    """Return the third-party packages that a module imports, at its top or in its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return {
        DISTRIBUTIONS.get(name, name)
        for name in found - set(sys.stdlib_module_names) - {"jpasbatch", "__future__"}
    }


# the project file


def test_the_version_is_the_package_s():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    source = (REPOSITORY / TOOLS["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    assert re.search(r'^__version__ = "([^"]+)"$', source, flags=re.MULTILINE)[1] == jpasbatch.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", jpasbatch.__version__)


def test_files_of_the_version_agree():
    citation = REPOSITORY / "CITATION.cff"
    if not citation.exists():
        pytest.skip("no CITATION.cff yet")
    found = re.search(
        r"^version: *\"?([^\"\n]+)\"?$", citation.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert found is not None
    assert found[1].strip() == jpasbatch.__version__


def test_files_that_the_project_names_exist():
    for name in (PROJECT["readme"], *PROJECT["license-files"]):
        assert (REPOSITORY / name).is_file()
    assert [REPOSITORY / name for name in TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"]] == [
        PACKAGE
    ]


def test_the_command_exists():
    module, _, function = PROJECT["scripts"]["jpasbatch"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_this_python_is_supported():
    least, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    assert int(least) <= sys.version_info.minor < int(below)
    listed = [entry.rpartition("3.")[2] for entry in PROJECT["classifiers"] if "Python :: 3." in entry]
    assert [int(minor) for minor in listed] == list(range(int(least), int(below)))


def test_every_dependency_has_a_lower_bound():
    groups = PROJECT["optional-dependencies"]
    for entry in [*PROJECT["dependencies"], *(entry for group in groups.values() for entry in group)]:
        assert ">=" in entry or entry.startswith("jpasbatch["), entry


def test_warnings_are_errors():
    assert TOOLS["pytest"]["ini_options"]["filterwarnings"][0] == "error"


# modules


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_plainly_named(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    assert path.stem not in VAGUE
    assert path.parent.name not in VAGUE
    assert re.fullmatch(r"[a-z0-9_]+", path.stem)
    if source.strip():
        assert ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize(
    "path",
    # the package itself has a public face: tests/interface/test_face.py
    [path for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE],
    ids=lambda path: path.parent.name,
)
def test_rooms_export_nothing(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert not [node for node in body if isinstance(node, ast.Assign)]
    assert not [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_every_folder_of_modules_is_a_package():
    for folder in {path.parent for path in MODULES}:
        assert (folder / "__init__.py").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "stages/demo.toml",
        "stages/demo_training.toml",
        "photometry/surveys/jpas60.toml",
        "photometry/surveys/nepw14.toml",
        "photometry/surveys/nepw44.toml",
        "products/targets/weave_columns.toml",
        "products/report.html.j2",
        "products/confusion.html.j2",
        "products/counts/section.html.j2",
        "products/distributions/section.html.j2",
        "products/examples/section.html.j2",
        "products/reliability.html.j2",
        "products/sky/section.html.j2",
        "products/targets/section.html.j2",
        "mocks/realism/report.html.j2",
        "scoring/evaluation_report.html.j2",
        "scoring/comparison_report.html.j2",
        "pages/style.css",
        "py.typed",
    ],
)
def test_data_files_lie_in_the_package(name):
    assert (PACKAGE / name).is_file()


# dependencies


def test_every_import_is_declared():
    declared = BASE | extras("fetch", "ingest", "maps", "mock", "train", "s3", "deploy", "kubernetes")
    for path in MODULES:
        assert imported(path) <= declared, path


def test_every_base_dependency_is_imported():
    assert set().union(*map(imported, MODULES)) >= BASE - UNSEEN


def test_only_training_and_mocks_and_ingest_and_fetch_need_an_extra():
    extra = (
        extras("fetch", "ingest", "maps", "mock", "train", "s3", "deploy", "kubernetes")
        - BASE
        - {"jpasbatch"}
    )
    places = [path.relative_to(PACKAGE).parts for path in MODULES if imported(path) & extra]
    needing = {"/".join(parts[: 2 if parts[0] == "stages" else 1]) for parts in places}
    assert needing <= {"compute", "footprint", "learning", "mocks", "stages/fetch", "storage"}


def test_workers_need_no_training_framework():
    code = BLOCKED_IMPORTS.format(blocked=set(TRAINING), modules=BASE_MODULES)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_inference_worker_loads_only_what_it_needs():
    code = "import sys, jpasbatch.stages.infer.partition; print(*sorted(sys.modules))"
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    rooms = {".".join(name.split(".")[:2]) for name in done.stdout.split() if name.startswith("jpasbatch.")}
    assert "jpasbatch.learning" in rooms
    assert not rooms & {
        f"jpasbatch.{name}" for name in ("mocks", "job", "compute", "scoring", "pages", "cli")
    }


def test_the_blocker_blocks():
    code = BLOCKED_IMPORTS.format(blocked={"onnxruntime"}, modules=("onnxruntime",))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert "blocked" in done.stderr


# surveys and papers are data


@pytest.mark.parametrize("word", ["nepw", "paper_a"])
def test_no_module_knows_a_survey_or_an_experiment(word):
    # a survey is a file, an experiment a job file: no stage has a special case for one
    knowing = {path.name for path in MODULES if word in _code(path)}
    assert not knowing


def _code(path):
    """Return a module without its docstrings and comments, which may give examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    return ast.unparse(tree)
