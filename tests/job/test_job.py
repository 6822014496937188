"""Job and cluster files: what is shipped loads, and every mistake names its key."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.compute.clusters.address import AddressCluster
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.errors import InputError
from jpasbatch.job.job import load_cluster, load_job
from jpasbatch.job.paths import resolve_paths
from jpasbatch.job.sections import MockTable
from jpasbatch.mocks.options.table import load_checked_job
from jpasbatch.stages.pipeline import demo_job, open_workspace

HEAD = 'name = "trial"\nsurvey = "jpas60"\n'
DEMO = demo_job(train=True).read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes text (or bytes) as a file and returns its path."""

    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "trial.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def refusal(load, path: Path) -> str:
    """Return the message of the error that a file must raise; it begins with the file."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def load_or_refuse(load, path: Path):
    """Return what a file holds, or None when it is refused; any other error fails the test."""
    with suppress(InputError):
        return load(path)
    return None


# what is right


@pytest.mark.parametrize("table", ["committee", "redshifts"])
def test_a_committee_of_the_package_keeps_its_name_and_a_folder_becomes_absolute(
    table, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    named = {"artefact": "jpas60"}
    assert resolve_paths({table: named})[table] == named
    assert resolve_paths({table: {"artefact": "runs/jpas"}})[table]["artefact"] == str(tmp_path / "runs/jpas")
    (tmp_path / "jpas60").mkdir()  # a folder of the user's comes first
    assert resolve_paths({table: named})[table]["artefact"] == str(tmp_path / "jpas60")


def test_the_demonstration_says_what_paper_a_did():
    job = load_job(demo_job(train=True))
    assert list(job.classes) == ["star", "galaxy", "qso_low", "qso_high"]
    assert job.classes["qso_low"].redshift == (0.0, 2.1)
    assert isinstance(job.mock, MockTable)
    assert job.mock.kind == "builtin"
    assert job.model.hidden == (200,) * 8
    assert job.committee.members == 8
    assert job.products.tables["targets"][0].programme == "WQ"
    assert job.products.seed == job.seed


def test_defaults_need_a_name_and_a_survey_only(write):
    job = load_job(write(HEAD))
    assert job.mock is None
    assert job.classes == {}
    assert job.catalogue.cuts.duplicates == "refuse"


def test_whole_numbers_are_numbers_where_fractions_are_allowed(write):
    job = load_job(write(HEAD + "[counts]\nbrighter_than = 22\n"))
    assert job.counts.brighter_than == 22.0


def test_open_ends_are_allowed_where_they_mean_something(write):
    text = (
        "[classes]\na = {truth = ['a'], redshift = [2.1, inf]}\n[submission]\nunknown_proper_motion = nan\n"
    )
    job = load_job(write(HEAD + text + "[counts]\nclasses = ['a']\n"))
    assert job.classes["a"].redshift == (2.1, float("inf"))


def test_jobs_are_frozen(write):
    job = load_job(write(HEAD))
    with pytest.raises(ValueError, match="frozen"):
        job.name = "other"


def test_cluster_files_of_each_kind(write):
    assert load_cluster(None) == LocalCluster()
    assert load_cluster(write('kind = "serial"')) == SerialCluster()
    local = load_cluster(write('kind = "local"\nworkers = 3\n[resources]\nGPU = 1\n'))
    assert local == LocalCluster(workers=3, resources={"GPU": 1.0})
    text = 'kind = "address"\nscheduler = "tls://scheduler:8786"\n[tls]\n'
    address = load_cluster(write(text + 'ca_file = "a"\ncertificate = "b"\nkey = "c"\n'))
    assert isinstance(address, AddressCluster)
    assert address.tls is not None
    assert address.tls.key == "c"


# {data}


def test_data_comes_from_the_command_line_before_the_environment(write, monkeypatch):
    path = write(HEAD + '[catalogue]\ninput = "{data}/tiles"\n')
    monkeypatch.setenv("JPASBATCH_DATA", "/elsewhere")
    assert load_job(path).catalogue.input == "/elsewhere/tiles"
    assert load_job(path, Path("/here")).catalogue.input == "/here/tiles"


def test_data_is_replaced_at_every_depth(write):
    text = '[mock]\nkind = "spectra"\nspectra = "{data}/s"\nfilters = "{data}/f"\n[samples]\n'
    job = load_job(
        write(HEAD + text + 'training = "{data}/t"\nvalidation = "{data}/v"\n'), Path("/with {braces}")
    )
    assert job.mock is not None
    assert (job.mock.options["filters"], job.samples.training) == ("/with {braces}/f", "/with {braces}/t")


@pytest.mark.parametrize("value", [None, ""])
def test_data_that_nobody_named_is_asked_for(write, monkeypatch, value):
    monkeypatch.delenv("JPASBATCH_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("JPASBATCH_DATA", value)
    message = refusal(load_job, write(HEAD + '[catalogue]\ninput = "{data}/tiles"\n'))
    assert "'{data}/tiles'" in message
    assert "--data" in message
    assert "JPASBATCH_DATA" in message


# misspelt keys


@pytest.mark.parametrize(
    ("text", "key", "table", "meant", "allowed"),
    [
        ("titel = 'x'", "titel", "the top level", "title", "survey"),
        ("[catalog]\n", "catalog", "the top level", "catalogue", "samples"),
        ("[catalogue]\ninptu = 'x'", "inptu", "catalogue", "input", "filter_table"),
        ("[catalogue.cuts]\nmask_flag = 1", "mask_flag", "catalogue.cuts", "mask_flags", "duplicates"),
        ("[catalogue.partitions]\nthreshold = 1", "threshold", "catalogue.partitions", "pixel_threshold", ""),
        ("[classes]\na = {truth = ['a'], redshfit = [0, 1]}", "redshfit", "classes.a", "redshift", "truth"),
        ("[features]\nkinds = 'x'", "kinds", "features", "kind", "kind"),
        ("[samples]\ntrainig = 'x'", "trainig", "samples", "training", "validation"),
        ("[model]\ndrop_out = 0.1", "drop_out", "model", "dropout", "hidden"),
        ("[training]\nepoch = 3", "epoch", "training", "epochs", "batch_size"),
        ("[committee]\nmember = 3", "member", "committee", "members", "artefact"),
        ("[counts]\nn_side = 64", "n_side", "counts", "nside", "threshold"),
        ("[distributions]\ncolor_x = ['g', 'r']", "color_x", "distributions", "colour_x", "colour_y"),
        ("[[targets]]\n[[targets]]\nprogram = 'WQ'", "program", "targets[1]", "programme", "trimester"),
        ("[submission]\nleader_mail = 'x'", "leader_mail", "submission", "leader_email", "copies_to"),
    ],
)
def test_a_misspelt_key_of_a_job(write, text, key, table, meant, allowed):
    message = refusal(load_job, write(f"{HEAD}{text}\n"))
    assert f"unknown key '{key}' in {table} (did you mean '{meant}'?); allowed: " in message
    assert allowed in message


@pytest.mark.parametrize(
    ("text", "key", "table", "meant"),
    [
        ("kind = 'local'\nworker = 3", "worker", "the top level", "workers"),
        ("kind = 'serial'\nkin = 1", "kin", "the top level", "kind"),
        ("kind = 'address'\nscheduler = 'tcp://localhost:1'\nsheduler = 1", "sheduler", "the top level", "scheduler"),
        (
            "kind = 'address'\nscheduler = 'tls://far:1'\n[tls]\nca_fil = 'a'",
            *("ca_fil", "tls", "ca_file"),
        ),
    ],
)  # fmt: skip
def test_a_misspelt_key_of_a_cluster_file(write, text, key, table, meant):
    message = refusal(load_cluster, write(text))
    assert f"unknown key '{key}' in {table} (did you mean '{meant}'?); allowed: " in message


def test_every_mistake_is_named_at_once(write):
    message = refusal(load_job, write('nmae = "x"\nseed = "1"\n[training]\nepoch = 3\n'))
    for part in ("'name' is missing", "'survey' is missing", "'nmae'", "seed: ", "'epoch'"):
        assert part in message


# wrong values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = '1'", ("seed", "whole number", "'1'")),
        ("seed = 1.0", ("seed", "whole number", "1.0")),
        ("seed = true", ("seed", "whole number", "True")),
        ("seed = -1", ("seed", "-1", "allowed is 0 to below 2147483648")),
        ("seed = 99999999999999999999", ("seed", "64 bits")),
        ("title = 3", ("title", "text in quotes", "3")),
        ("title = 2027-01-01", ("title", "dates")),
        ("catalogue = 3", ("catalogue", "must be a table", "3")),
        ("classes = ['star']", ("classes", "must be a table")),
        ("mock = 3", ("mock", "must be a table", "3")),
        ("targets = 3", ("targets", "must be a list", "3")),
        ("[targets]\nprogramme = 'WQ'", ("targets", "must be a list")),
        ("[training]\nepochs = 0", ("training", "epochs", "0", "1 to")),
        ("[training]\nlearning_rate = nan", ("learning_rate", "nan", "finite")),
        ("[counts]\nbrighter_than = inf", ("brighter_than", "inf", "finite")),
        ("[counts]\nbrighter_than = '23'", ("counts.brighter_than", "must be a number", "'23'")),
        ("[counts]\nnside = 48", ("counts", "nside", "48", "power of two")),
        ("[model]\nhidden = 200", ("model.hidden", "must be a list", "200")),
        ("[model]\nhidden = [200, 2.5]", ("model.hidden[1]", "whole number", "2.5")),
        ("[model]\nhidden = []", ("model", "hidden", "1 to")),
        ("[model]\nkind = 'cnm'", ("model", "kind", "'cnm'", "mlp")),
        ("[features]\nmissing = 'zero'", ("features", "'missing' is no option of kind 'relative_flux'")),
        (
            "[features]\nkind = 'magnitudes_and_errors'\nmissing = 'mean'",
            ("features.missing", "'band_median'"),
        ),
        ("[loss]\nkind = 'focal'\n[classes]\na = {truth = ['a']}", ("loss", "two classes, found 1")),
        ("[loss]\nkind = 'hinge'", ("loss.kind", "hinge", "focal")),
        (
            "[loss]\nkind = 'weighted_cross_entropy'\nweights = [1.0, 2.0]\n[classes]\na = {truth = ['a']}",
            ("loss.weights", "found 2 for 1 classes"),
        ),
        (
            "[stop]\nkind = 'weighted_completeness'\nof = 'agn'\n[classes]\na = {truth = ['a']}",
            ("stop.of", "'agn'", "allowed: a"),
        ),
        ("[stop]\nkind = 'patience'", ("stop.kind", "lowest_loss")),
        ("[model]\nkind = 'random_forest'\n[stop]\nkind = 'weighted_completeness'", ("stop", "no epochs")),
        ("[training]\nloss = 'focal'", ("unknown key 'loss' in training",)),
        ("[features]\nkind = 'magnitudes'", ("features.kind", "'magnitudes'", "colours", "relative_flux")),
        ("[samples]\ntraining = 'x'", ("samples", "training", "validation", "both")),
        ("[committee]\nmembers = 0", ("committee.members", "0", "1")),
        ("[catalogue.cuts]\nduplicates = 'keep'", ("catalogue.cuts", "'keep'", "'refuse'", "'quarantine'")),
        ("[catalogue.cuts]\nmaximum_rejected_fraction = 1.5", ("catalogue.cuts", "1.5", "allowed is 0 to 1")),
        ("[catalogue.partitions]\nlowest_order = 9", ("catalogue.partitions", "lowest_order", "9")),
        ("[classes]\na = {redshift = [0, 1]}", ("'classes.a.truth' is missing",)),
        ("[classes]\na = {truth = 'a'}", ("classes.a.truth", "must be a list", "'a'")),
        ("[classes]\na = {truth = ['a'], redshift = [1]}", ("classes.a.redshift[1]", "missing")),
        ("[classes]\na = {truth = ['a'], redshift = [2, 1]}", ("classes.a", "redshift", "low < high")),
        ("[classes]\nBig = {truth = ['a']}", ("classes", "'Big'", "a-z")),
        ("[classes]\na = {truth = ['a']}", ("counts.classes", "'qso_low'", "allowed: a")),
        ("[[targets]]\nprogramme = 'XX'", ("targets[0]", "programme", "'XX'", "WQ")),
        ("[[targets]]\n[[targets]]", ("targets", "same programme and trimester", "description")),
        ("[submission.magnitude_comments]\nz = 'x'", ("submission", "magnitude_comments", "z", "g, r, i")),
        ('[catalogue]\ninput = "a\\u0000b"', ("input", "character 0")),
    ],
)
def test_a_wrong_value_of_a_job(write, text, words):
    message = refusal(load_job, write(f"{HEAD}{text}\n"))
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("'kind' is missing", "serial", "local", "address")),
        ("kind = 'swarm'", ("kind", "'swarm'", "serial", "local", "address")),
        ("kind = 'local'\nworkers = 0", ("workers", "0", "at least 1")),
        ("kind = 'local'\nworkers = '2'", ("workers", "whole number", "'2'")),
        ("kind = 'local'\nmemory_limit = 4", ("memory_limit", "text in quotes", "4")),
        ("kind = 'local'\nresources = {GPU = 'one'}", ("resources.GPU", "number", "'one'")),
        ("kind = 'address'", ("'scheduler' is missing",)),
        ("kind = 'address'\nscheduler = 'localhost'", ("scheduler", "'localhost'", "tls://")),
        ("kind = 'address'\nscheduler = 'tcp://198.51.100.7:8786'", ("not encrypted", "tls://", "[tls]")),
        ("kind = 'address'\nscheduler = 'tls://far:1'", ("[tls]", "ca_file")),
        ("kind = 'address'\nscheduler = 'tls://far:1'\n[tls]\nca_file = 'a'", ("tls.certificate", "tls.key")),
    ],
)
def test_a_wrong_value_of_a_cluster_file(write, text, words):
    message = refusal(load_cluster, write(text))
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    "name", ["../../x", "/x", "a/b", "", ".", "Upper", "a b", "-a", "é", "x" * 41, "a\\n"]
)
def test_names_that_would_leave_the_folder(write, name):
    message = refusal(load_job, write(f'name = "{name}"\nsurvey = "jpas60"\n'))
    assert "name: found" in message
    assert "lower-case" in message


def test_missing_keys(write):
    assert refusal(load_job, write('name = "x"\n')) == "'survey' is missing"


# files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD + "seed = 1\nseed = 2\n", "not valid TOML"),
        (HEAD + "[training]\n[training]\n", "not valid TOML"),
        ("name = ", "not valid TOML"),
        (b'name = "caf\xe9"\n', "cannot be read"),
        (b"\x00\x01\x02", "not valid TOML"),
        (f"seed = {'9' * 5000}", "not valid TOML"),
    ],
)
@pytest.mark.parametrize("load", [load_job, load_cluster])
def test_files_that_are_no_toml(write, load, content, words):
    assert words in refusal(load, write(content))


@pytest.mark.parametrize("depth", [20, 100, 200, 300, 400, 500, 1000, 10_000])
def test_lists_of_any_depth(write, depth):
    refusal(load_job, write(f"{HEAD}seed = {'[' * depth}{']' * depth}\n"))


@pytest.mark.parametrize("load", [load_job, load_cluster])
def test_files_that_are_not_there(tmp_path, load):
    with pytest.raises(InputError, match=r"no such file: .*absent\.toml"):
        load(tmp_path / "absent.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)


# what only the last stage would have seen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("band_role = 'z'", ("counts.band_role", "'z'", "u, g, r, i")),
        ("[[targets]]\nclasses = ['a']\nmin_probability_by_bin = [0.5]", ("min_probability_by_bin", "3")),
        (
            "[catalogue]\nfilter_table = 'absent.csv'",
            ("[catalogue] filter_table", "absent.csv", "no such file"),
        ),
    ],
)
def test_late_mistakes_are_found_early(write, text, words):
    classes = "[classes]\na = {truth = ['a']}\nb = {truth = ['b']}\n[counts]\nclasses = ['a']\n"
    with pytest.raises(InputError) as caught:
        open_workspace(write(HEAD + classes + text), None, None)
    for word in words:
        assert word in str(caught.value)


def test_a_survey_that_does_not_exist(write):
    with pytest.raises(InputError, match=r"jpas61.*jpas60"):
        open_workspace(write('name = "x"\nsurvey = "jpas61"\n'), None, None)


# anything at all

VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="'\n\r"), max_size=8).map(lambda text: f"'{text}'"),
    st.sampled_from(["true", "[]", "{}", "[1, 'a']", "[[]]", "{a = 1}", "1979-05-27", "07:32:00", "inf", "{x"]),
)  # fmt: skip
LINES = DEMO.splitlines()


@st.composite
def damaged_jobs(draw: st.DrawFn) -> str:
    """Return the demonstration's job file after a few mistakes of the hand."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        kind = draw(st.sampled_from(["value", "key", "drop", "twice", "table", "letter", "inner"]))
        if kind == "value" and "=" in line:
            lines[place] = f"{line.split('=')[0]}= {draw(VALUES)}"
        elif kind == "inner":
            lines[place] = re.sub(r"\[[^\]]*\]", lambda _: draw(VALUES), line)
        elif kind == "key" and "=" in line:
            lines[place] = (
                f"{draw(st.sampled_from(['kind', 'name', 'x', 'seed', '[a', 'a.b']))} = {draw(VALUES)}"
            )
        elif kind == "drop" and len(lines) > 1:
            del lines[place]
        elif kind == "twice":
            lines.insert(place, draw(st.sampled_from(lines)))
        elif kind == "table":
            lines.insert(
                place, draw(st.sampled_from(["[mock]", "[[targets]]", "[classes]", "[[mock]]", "[a.b]"]))
            )
        elif line:
            letter = draw(st.integers(0, len(line) - 1))
            lines[place] = line[:letter] + draw(st.characters(codec="utf-8")) + line[letter + 1 :]
    return "\n".join(lines)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=damaged_jobs())
def test_a_damaged_job_loads_or_is_refused(write, text):
    job = load_or_refuse(load_checked_job, write(text))
    if job is not None:
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", job.name)
        tomllib.loads(text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), place=st.integers(0, len(DEMO)))
def test_damaged_bytes_load_or_are_refused(write, content, place):
    whole = DEMO.encode()
    load_or_refuse(load_checked_job, write(whole[:place] + content + whole[place + len(content) :]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(
        st.sampled_from(["kind", "workers", "scheduler", "memory_limit", "resources", "tls", "x"]),
        st.one_of(VALUES, st.sampled_from(["'local'", "'address'", "'serial'", "'tls://a'", "'tcp://[::1'"])),
    )
)
def test_any_cluster_file_loads_or_is_refused(write, values):
    load_or_refuse(load_cluster, write("\n".join(f"{key} = {value}" for key, value in values.items())))
