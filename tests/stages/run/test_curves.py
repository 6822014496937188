"""The table of how members learnt: read by astropy, whole again, and of bounded size."""

from dataclasses import replace

import numpy as np
from astropy.table import Table

from jpasbatch.learning.curves import COLUMNS, Curve
from jpasbatch.learning.machine import Machine
from jpasbatch.stages.run import curves
from jpasbatch.stages.run.curves import Curves, read_curves
from tests.learning.test_curves import curve_of

MACHINE = Machine("one", ("avx2",), "Linux x86_64", 1, {}, {})
OTHER = replace(MACHINE, processor="another")


def test_curves_come_back_from_the_table(tmp_path):
    members = [curve_of(5, 2), Curve(np.full((1, len(COLUMNS)), np.nan), 1), curve_of(3, 3, seed=4)]
    members[1].rows[0, 0] = 1
    whole = Curves.of(members, [MACHINE, OTHER, MACHINE])
    assert read_curves(tmp_path) is None
    (tmp_path / "curves.ecsv").write_bytes(whole.to_ecsv())
    back = read_curves(tmp_path)
    assert back is not None
    assert (back.machines, back.machine_of) == ([MACHINE, OTHER], [0, 1, 0])
    assert [one.best_epoch for one in back.members] == [2, 1, 3]
    for one, other in zip(back.members, members, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
    table = Table.read(tmp_path / "curves.ecsv")
    assert table["seconds"].unit == "s"
    assert table["kept"].sum() == 3


def test_machines_that_were_not_kept_are_none():
    found = Curves.of([curve_of(2, 1), curve_of(2, 1)], [None, MACHINE])
    assert (found.machines, found.machine_of) == ([MACHINE], [None, 0])
    assert Curves.from_ecsv(found.to_ecsv()).machine_of == [None, 0]


def test_many_long_trainings_make_no_large_table(monkeypatch):
    monkeypatch.setattr(curves, "TABLE_ROWS", 600)
    found = Curves.of([curve_of(400, 100) for _ in range(20)], [None] * 20)
    assert [len(one.rows) for one in found.members] == [len(found.members[0].rows)] * 20
    assert sum(len(one.rows) for one in found.members) <= 600
    assert all(100 in one.column("epoch") for one in found.members)
