"""Two lists that are compared: cut off, of other trimesters or columns, and with a damaged table beside them."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.products.targets.fits_table import write_binary_table
from jpasbatch.products.targets.weave_template import builtin_template, open_template
from jpasbatch.stages.submit.diff import compare_targets

NAME = "WQ_2027A1.fits"


def write(path, identifiers, trimester="2027A1", **values):
    template = builtin_template()
    rows = np.zeros(len(identifiers), template.dtype)
    rows["TARGID"] = identifiers
    rows["TARGSRVY"] = values.pop("programme", b"WQ")
    for name, value in values.items():
        rows[name] = value
    template.primary["TRIMESTE"] = trimester
    template.table["EXTNAME"] = "WQ CATALOGUE"
    file = io.BytesIO()
    write_binary_table(file, template.primary, template.table, [rows])
    path.write_bytes(file.getvalue())
    return path


def told(capsys, old, new):
    assert compare_targets(old, new, as_json=True) == 0
    # no NaN and no Infinity, which JSON does not have
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [([b"b", b"a"], (0, 0)), ([], (0, 2)), ([b"a", b"b", b"c"], (1, 0))],
)
def test_order_says_nothing_and_lists_may_be_empty(tmp_path, capsys, identifiers, expected):
    old, new = write(tmp_path / "old.fits", [b"a", b"b"]), write(tmp_path / "new list.fits", identifiers)
    found = told(capsys, old, new)
    assert (found["added"], found["dropped"], found["changed"]) == (*expected, 0)
    assert found["whole"] == {}


def test_numbers_that_are_none_are_json(tmp_path, capsys):
    old = write(tmp_path / "old.fits", [b"a", b"b"])
    new = write(tmp_path / "new.fits", [b"a", b"b"], TARGPRIO=[np.inf, np.nan])
    values = [one["values"]["TARGPRIO"] for one in told(capsys, old, new)["changes"]]
    assert values == [[0.0, "inf"], [0.0, None]]


def test_what_differs_of_the_whole_list_is_told(tmp_path, capsys):
    old, new = write(tmp_path / "old.fits", [b"a"]), write(tmp_path / "new.fits", [b"a"], "2027B1")
    assert told(capsys, old, new)["whole"] == {"TRIMESTE": ["2027A1", "2027B1"]}
    assert compare_targets(old, new, as_json=False) == 0
    assert "2027A1 -> 2027B1" in capsys.readouterr().out


def test_a_list_that_was_cut_off_drops_nobody(tmp_path):
    old = write(tmp_path / "old.fits", [b"%d" % number for number in range(40)])
    new = tmp_path / "new.fits"
    new.write_bytes(old.read_bytes()[:-2880])
    with pytest.raises(InputError, match="was cut off"):
        compare_targets(old, new, as_json=True)


def test_a_list_that_was_damaged_is_no_other_list(tmp_path):
    """A byte of an identifier would drop a target and add another one."""
    old = write(tmp_path / "old.fits", [b"%d-1" % number for number in range(40)])
    new = tmp_path / "new.fits"
    assert old.read_bytes().count(b"17-1") == 1
    new.write_bytes(old.read_bytes().replace(b"17-1", b"17-3"))
    with pytest.raises(InputError, match=r"new\.fits: was damaged, or changed after it was written"):
        compare_targets(old, new, as_json=True)


def test_a_row_without_a_name_is_no_target(tmp_path):
    old = write(tmp_path / "old.fits", [b"a", b"b"])
    new = write(tmp_path / "new.fits", [b"a", b""])
    with pytest.raises(InputError, match=r"new\.fits: row 2 has no TARGID"):
        compare_targets(old, new, as_json=True)


def test_lists_of_other_programmes_are_told(tmp_path, capsys):
    old = write(tmp_path / "old.fits", [b"a"])
    new = write(tmp_path / "new.fits", [b"a", b"b"], programme=[b"WQ", b"WL-WIDE"])
    assert told(capsys, old, new)["whole"] == {"TARGSRVY": ["WQ", "WL-WIDE, WQ"]}


@pytest.mark.parametrize("content", [b"junk", pa.table({"name": ["a"]})])
def test_a_damaged_table_of_candidates_is_named(tmp_path, content):
    old, new = write(tmp_path / NAME, [b"a"]), write(tmp_path / "new.fits", [b"b"])
    beside = tmp_path / "WQ_2027A1-candidates.parquet"
    if isinstance(content, bytes):
        beside.write_bytes(content)
    else:
        pq.write_table(content, beside)
    with pytest.raises(InputError, match=r"candidates\.parquet: .*move it away"):
        compare_targets(old, new, as_json=True)


@pytest.mark.parametrize("content", [b"", b"hello", b"SIMPLE  =" + bytes(100)])
def test_a_template_that_is_none_is_named_with_its_flag(tmp_path, content):
    path = tmp_path / "template.fits"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"--template .*template\.fits: the WEAVE template"):
        open_template(path, "--template")
