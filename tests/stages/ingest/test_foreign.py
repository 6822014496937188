"""Tables of others beside the photometry: matched, counted, published, or refused with one clear message."""

import json
import logging
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jpasbatch.cli import main
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from tests.stages.foretold import check, foretell, watched
from tests.stages.tiny_run import workspace_of

pytestmark = pytest.mark.usefixtures("unchanged_process")

BY_ID = """
[[foreign]]
name          = "squeze"
table         = "{table}"
id            = {id}
reference     = "Perez-Rafols et al."
probabilities = {{ {probabilities} }}
"""
ALL = 'star = ["P_STAR"], galaxy = ["P_GAL"], qso_low = ["P_Q1", "P_Q2"], qso_high = ["P_Q3"]'


@pytest.fixture(scope="module")
def sky(snapshots, tmp_path_factory):
    """Return a run with a catalogue, and its objects."""
    folder = tmp_path_factory.mktemp("foreign") / "run"
    shutil.copytree(snapshots / "trained", folder)
    return folder, rows_of(open_catalogue(folder / "sky"), ["object_id", "ra", "dec"])


def rows_of(catalogue, columns=None) -> pa.Table:
    return pa.concat_tables(
        [read_partition(catalogue.partition_path(*pixel), columns) for pixel in catalogue.pixels]
    )


def make_probabilities(rows: int) -> dict[str, np.ndarray]:
    parts = np.random.default_rng(4).dirichlet(np.ones(5), rows)
    return dict(zip(("P_STAR", "P_GAL", "P_Q1", "P_Q2", "P_Q3"), parts.T, strict=True))


@pytest.fixture
def run(sky, tmp_path, capsys):
    """Return a function that runs the stage on a copy of the job with further tables; exit code and messages."""
    folder, _ = sky

    def call(text: str) -> tuple[int, str]:
        job = tmp_path / "tiny.toml"
        job.write_text((folder / "tiny.toml").read_text() + text)
        code = main(["foreign", str(job), "--output", str(folder), "--serial"])
        return code, capsys.readouterr().err

    return call


def by_id(table, identifier='["ID"]', probabilities=ALL, more=""):
    return BY_ID.format(table=table, id=identifier, probabilities=probabilities) + more


def published(folder, name="squeze"):
    return rows_of(open_catalogue(current_extension(folder / "sky", f"foreign_{name}")))


@pytest.mark.parametrize("ending", ["parquet", "fits"])
def test_by_id_in_any_format(sky, run, tmp_path, ending):
    """What is said of an object stands beside it, in the order of its partition; other rows are counted."""
    folder, objects = sky
    kept = np.arange(0, objects.num_rows, 3)
    names = [*objects["object_id"].take(kept).to_pylist(), "nobody-1", "nobody-2"]
    said = make_probabilities(len(names))
    shuffled = np.random.default_rng(1).permutation(len(names))
    path = tmp_path / f"table.{ending}"
    table = Table({"ID": np.array(names)[shuffled]} | {key: one[shuffled] for key, one in said.items()})
    if ending == "parquet":
        pq.write_table(pa.table({name: table[name].tolist() for name in table.colnames}), path)
    else:
        table.write(path, format=ending)
    code, message = run(by_id(path))
    assert code == 0, message
    found = published(folder)
    assert found["object_id"].to_pylist() == names[:-2]
    wanted = said["P_Q1"] + said["P_Q2"]
    np.testing.assert_allclose(found["squeze_probability_qso_low"].to_numpy(), wanted[:-2], rtol=1e-6)
    stacked = np.stack([said["P_STAR"], said["P_GAL"], wanted, said["P_Q3"]], axis=1)[:-2]
    classes = np.array(["star", "galaxy", "qso_low", "qso_high"])
    assert found["squeze_class"].to_pylist() == classes[stacked.argmax(axis=1)].tolist()
    record = json.loads((folder / "work" / "foreign.json").read_bytes())["tables"]["squeze"]
    assert (record["matched"], record["unmatched"], record["rows"]) == (len(kept), 2, len(names))


def test_labels_of_others(sky, run, tmp_path):
    """A label becomes a class of ours; one that stands for none is null, and counted."""
    folder, objects = sky
    labels = (["STAR", "QSO", "GALAXY", "WD", ""] * objects.num_rows)[: objects.num_rows]
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"ID": objects["object_id"], "CLASS": labels}), path)
    text = f"""
[[foreign]]
name = "cbm"
table = "{path}"
id = ["ID"]
label = "CLASS"
labels = {{ star = ["STAR"], galaxy = ["GALAXY"], qso_high = ["QSO"] }}
"""
    code, message = run(text)
    assert code == 0, message
    assert published(folder, "cbm")["cbm_class"].to_pylist()[:5] == ["star", "qso_high", "galaxy", None, None]
    record = json.loads((folder / "work" / "foreign.json").read_bytes())["tables"]["cbm"]
    assert record["unnamed"] == {"WD": labels.count("WD")}
    assert (
        "none of the labels"
        in run(text.replace('"STAR"', '"S"').replace('"GALAXY"', '"G"').replace('"QSO"', '"Q"'))[1]
    )


def test_by_position(sky, run, tmp_path, caplog):
    """The nearest within the radius; of two at one object the nearer one; borders of partitions do not matter."""
    folder, objects = sky
    rng = np.random.default_rng(2)
    rows = objects.num_rows
    angle, offset = rng.uniform(0, 2 * np.pi, rows), rng.uniform(0, 0.5, rows) / 3600
    ra = objects["ra"].to_numpy() + offset * np.cos(angle) / np.cos(np.radians(objects["dec"].to_numpy()))
    dec = objects["dec"].to_numpy() + offset * np.sin(angle)
    # a second one at the first object, farther; one in the void; one without a place
    ra, dec = (
        np.append(ra % 360, [objects["ra"][0].as_py(), 10.0, np.nan]),
        np.append(dec, [objects["dec"][0].as_py() + 0.9 / 3600, -80.0, 0.0]),
    )
    path = tmp_path / "table.fits"
    Table({"RA": ra, "DEC": dec} | make_probabilities(len(ra))).write(path)
    text = by_id(path).replace('id            = ["ID"]', 'ra = "RA"\ndec = "DEC"\nradius_arcsec = 1.0')
    with caplog.at_level(logging.INFO, "jpasbatch"):
        code, message = run(text)
    assert code == 0, message
    found = published(folder)
    assert found["object_id"].to_pylist() == objects["object_id"].to_pylist()
    np.testing.assert_allclose(found["squeze_separation"].to_numpy(), offset * 3600, atol=2e-3)
    record = json.loads((folder / "work" / "foreign.json").read_bytes())["tables"]["squeze"]
    assert record["refused"] == {"no position": 1}
    assert (record["matched"], record["second"], record["unmatched"]) == (rows, 1, 1)
    assert f"{rows} matched (100.0 % of the catalogue)" in caplog.text
    wide = run(text.replace("radius_arcsec = 1.0", "radius_arcsec = 30.0"))
    assert wide[0] == 2
    assert "above the margin of the catalogue (5 arcsec)" in wide[1]


def spoiled(objects, change) -> dict:
    columns = {"ID": objects["object_id"].to_pylist()[:50]} | make_probabilities(50)
    change(columns)
    return columns


NONE_USABLE = ("no row of", "50 rows: probabilities of all classes are 0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["ID"].__setitem__(slice(3, 6), ["a", "a", "a"]), ("2 rows", "repeat an id", "(a, a)")),
        (lambda c: c.update(ID=[f"x{row}" for row in range(50)]), ("no id of", "like 'x0'", "ours like '")),
        (lambda c: c.update(P_GAL=c["P_GAL"] * 100), ("'P_GAL'", "allowed is 0 to 1", "per cent")),
        (lambda c: c["P_GAL"].__setitem__(7, -99.0), ("'P_GAL' holds -99 in row 8;",)),
        (lambda c: c.update({name: one * 0 for name, one in c.items() if name != "ID"}), NONE_USABLE),
        (lambda c: c.update(P_GAL=np.full(50, np.nan)), ("no row of", "50 rows: no probability")),
        (lambda c: c.update({name: one[:0] for name, one in c.items()}), ("has no rows",)),
        (lambda c: c.update(P_STAR=np.ones(50)), ("sum to", "at most 1 is allowed")),
        (lambda c: c.pop("P_Q2"), ("'P_Q2'", "is missing")),
        (lambda c: c.update(P_Q2=["a"] * 50), ("'P_Q2' must hold numbers",)),
        (lambda c: c.update(ID=np.arange(50) / 2), ("'ID' of the id holds double",)),
    ],
)
def test_bad_tables_are_refused_by_name(sky, run, tmp_path, change, words):
    """Ids twice, no overlap, numbers that are no probabilities, columns that are missing: nothing is published."""
    folder, objects = sky
    before = (folder / "sky" / "collection.properties").read_bytes()
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(spoiled(objects, change)), path)
    code, message = run(by_id(path))
    assert code == 2
    assert "foreign 'squeze'" in message
    for word in words:
        assert word in message
    assert (folder / "sky" / "collection.properties").read_bytes() == before


def test_an_object_without_any_probability_has_no_class(sky, run, tmp_path, caplog):
    """Zeros for all classes say nothing: the row is counted, and its object is none of the first class."""
    folder, objects = sky
    columns = spoiled(
        objects, lambda c: [c[name].__setitem__(slice(10, 13), 0.0) for name in c if name != "ID"]
    )
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    with caplog.at_level(logging.INFO, "jpasbatch"):
        code, message = run(by_id(path))
    assert code == 0, message
    kept = np.delete(np.arange(50), slice(10, 13))
    assert published(folder)["object_id"].to_pylist() == objects["object_id"].take(kept).to_pylist()
    record = json.loads((folder / "work" / "foreign.json").read_bytes())["tables"]["squeze"]
    assert (record["refused"], record["rows"]) == ({"probabilities of all classes are 0": 3}, 50)
    assert "3 rows: probabilities of all classes are 0" in caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("qso_high =", "quasar ="), "probabilities.quasar is no class of the job"),
        (('id            = ["ID"]', ""), "give id, or ra and dec"),
        (('name          = "squeze"', 'name = "SQUEzE"'), "a lower-case letter"),
        (('reference     = "Perez-Rafols et al."', 'label = "CLASS"'), "label and labels belong together"),
    ],
)
def test_bad_options(run, change, words):
    """What cannot be meant is refused before a table is read."""
    code, message = run(by_id("nowhere.fits").replace(*change))
    assert code == 2
    assert words in message


def test_what_a_plan_says_is_what_then_happens(sky, run, tmp_path):
    folder, objects = sky
    path, job = tmp_path / "table.parquet", tmp_path / "tiny.toml"
    ids = objects["object_id"][5:50]
    pq.write_table(pa.table({"ID": ids, **make_probabilities(len(ids))}), path)
    job.write_text((folder / "tiny.toml").read_text() + by_id(path))
    plans = foretell(("foreign",), workspace_of(folder, job))
    assert plans["foreign"].exact
    with watched() as seen:
        code, message = run(by_id(path))
    assert code == 0, message
    check(plans, seen)
    assert not foretell(("foreign",), workspace_of(folder, job))["foreign"].runs
