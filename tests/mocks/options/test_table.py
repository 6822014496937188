"""The table [mock] of a job file: it is checked with all others, and every mistake names its key."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.options.table import load_checked_job, makes_test, mock_options, mock_table
from jpasbatch.mocks.options.templates import BalancedSamples, TemplateSky
from jpasbatch.photometry.noise import NoiseModel
from jpasbatch.stages.pipeline import open_workspace
from jpasbatch.stages.train.prepared import noise_model
from tests.mocks.small_survey import small_mock

HEAD = 'name = "trial"\nsurvey = "jpas60"\n'
KINDS = {
    "builtin": MockSky(seed=3, noise=NoiseModel(outlier_share=0.0)),
    "spectra": ObservedSpectra(spectra="s", filters="f"),
    "templates": TemplateSky(templates="pack", noise=NoiseModel(error_scatter=0.3)),
    "broadband": small_mock(),
}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a job file with a table [mock] and returns its path."""

    def write_file(text: str) -> Path:
        path = tmp_path / "trial.toml"
        path.write_text(f"{HEAD}{text}\n")
        return path

    return write_file


def refusal(path: Path) -> str:
    """Return the message of the error that a file must raise, whoever loads it; it begins with the file."""
    messages = []
    for load in (load_checked_job, lambda path: open_workspace(path, None, None)):
        with pytest.raises(InputError) as caught:
            load(path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{path}: ")
    return messages[0].removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "key", "table", "meant", "allowed"),
    [
        ("[mock]\nkind = 'builtin'\ntile = 3", "tile", "mock", "tiles", "area_deg2"),
        (
            "[mock]\nkind = 'builtin'\n[mock.noise]\noutliers = 1",
            "outliers",
            "mock.noise",
            "outlier_share",
            "",
        ),
        ("[mock]\nkind = 'spectra'\nfilter = 'x'", "filter", "mock", "filters", "survey_noise"),
    ],
)
def test_a_misspelt_key_of_a_mock(write, text, key, table, meant, allowed):
    message = refusal(write(text))
    assert f"unknown key '{key}' in {table} (did you mean '{meant}'?); allowed: " in message
    assert allowed in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mock]\nkind = 'bultin'", ("mock.kind", "'bultin'", "did you mean 'builtin'", "spectra")),
        ("[mock]\ntiles = 4", ("'mock.kind' is missing", "builtin", "spectra")),
        ("[mock]\nkind = 'builtin'\ntiles = 0", ("mock.tiles", "found 0", "1 to 10000")),
        ("[mock]\nkind = 'spectra'\nsurvey_noise = 1", ("mock.survey_noise", "true or false", "1")),
        ("mock = 3", ("mock: must be", "found 3")),
    ],
)
def test_a_wrong_value_of_a_mock(write, text, words):
    message = refusal(write(text))
    for word in words:
        assert word in message, message


def test_mistakes_of_the_mock_and_of_other_tables_are_named_at_once(write):
    message = refusal(write("seed = '1'\n[mock]\nkind = 'builtin'\ntile = 3\n[training]\nepoch = 3"))
    for part in ("seed: ", "'tile' in mock", "'epoch' in training"):
        assert part in message


def test_options_left_out_are_those_written_out(write, tmp_path):
    short = load_checked_job(write("[mock]\nkind = 'builtin'\ntiles = 4\nflagged_share = 0"))
    lines = "".join(
        f"{key} = {value}\n" for key, value in (("seed", 1), ("tiles", 4), ("flagged_share", 0.0))
    )
    path = write(f"[mock]\nkind = 'builtin'\n{lines}[mock.noise]\noutlier_share = 0.01")
    assert load_checked_job(path) == short
    workspaces = []
    for text in ("[mock]\nkind = 'builtin'", "[mock]\nkind = 'builtin'\nseed = 1\n[mock.noise]"):
        workspaces.append(open_workspace(write(text), tmp_path, None))
    assert workspaces[0].options("mock") == workspaces[1].options("mock")


@pytest.mark.parametrize("kind", KINDS)
def test_options_return_from_the_table_as_they_were(write, kind):
    table = pickle.loads(pickle.dumps(mock_table(KINDS[kind])))
    assert table.kind == kind
    job = load_job(write("")).model_copy(update={"mock": table})
    assert mock_options(job) == KINDS[kind]


def test_a_job_without_a_mock_has_no_options(write):
    assert mock_options(load_checked_job(write(""))) is None


def test_a_table_that_nobody_checked_is_refused_when_it_is_used(write):
    job = load_job(write("[mock]\nkind = 'builtin'\ntile = 3"))
    with pytest.raises(InputError, match="job 'trial': unknown key 'tile' in mock"):
        mock_options(job)


def test_mocks_that_make_a_test_set_say_so(write):
    plain = load_job(write(""))
    makes = {
        "builtin": (KINDS["builtin"], False),
        "with": (TemplateSky(templates="pack", samples=BalancedSamples(test=2)), True),
        "without": (TemplateSky(templates="pack", samples=BalancedSamples(test=0)), False),
        "broadband": (KINDS["broadband"], KINDS["broadband"].labelled.test > 0),
    }
    for name, (options, expected) in makes.items():
        assert makes_test(plain.model_copy(update={"mock": mock_table(options)})) == expected, name
    assert not makes_test(plain)


def test_training_takes_the_noise_of_mocks_that_descend_from_template_packs(write):
    plain = load_job(write(""))
    found = {kind: plain.model_copy(update={"mock": mock_table(options)}) for kind, options in KINDS.items()}
    assert noise_model(found["templates"]) == NoiseModel(error_scatter=0.3)
    assert {noise_model(found[kind]) for kind in KINDS if kind != "templates"} == {NoiseModel()}
    assert noise_model(plain) == NoiseModel()


@pytest.mark.parametrize("wing", ["infer", "ingest", "train", "correct", "summarise", "evaluate"])
def test_a_worker_imports_no_module_of_mocks(wing):
    code = f"import sys, jpasbatch.stages.{wing}.stage; print([name for name in sys.modules if '.mocks' in name])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
