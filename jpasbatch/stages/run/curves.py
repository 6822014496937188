"""How the members of a committee learnt, as a table beside the committee, and on which machines.

The folder of a committee is named after its contents. The table is not among them: it holds seconds and the names of
processors, by which two committees that judge alike would differ.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.learning.curves import COLUMNS, MOST_ROWS, Curve
from jpasbatch.learning.machine import Machine
from jpasbatch.version import __version__

FILE = "curves.ecsv"
PICTURE = "curves.png"
TABLE_ROWS = 20_000
"""Of all members together, about: each keeps its share of them, but 20 epochs at least."""

FEWEST_ROWS = 20
DESCRIPTIONS = {
    "member": "number of the member, from 0",
    "epoch": "from 1; of trees the number of iterations",
    "training_loss": "what training minimises, mean of the epoch, with dropout and penalties",
    "validation_loss": "of the validation sample, after the epoch",
    "validation_f1": "of the validation sample, weighted by the objects of each class",
    "learning_rate": "of the last step of the epoch",
    "seconds": "since the training of the member began",
    "kept": "whether the weights of this epoch are the member's",
}


@dataclass(frozen=True)
class Curves:
    """How the members learnt, in the order of the members.

    Attributes
    ----------
    members : tuple of Curve
    machines : list of Machine
        That they were trained on, each once.
    machine_of : list of int or None
        For each member the position of its machine, or None where that was not kept.
    """

    members: tuple[Curve, ...]
    machines: list[Machine]
    machine_of: list[int | None]

    @classmethod
    def of(cls, members: Sequence[Curve], machines: Sequence[Machine | None]) -> Curves:
        """Return the curves of members and the machine of each, thinned so that all together stay small."""
        most = min(max(TABLE_ROWS // max(len(members), 1), FEWEST_ROWS), MOST_ROWS)
        different: list[Machine] = []
        for one in machines:
            if one is not None and one not in different:
                different.append(one)
        places = [None if one is None else different.index(one) for one in machines]
        return cls(tuple(curve.thinned(most) for curve in members), different, places)

    def to_ecsv(self) -> bytes:
        """Return the table, which ``astropy.table.Table.read`` reads."""
        from astropy.table import Table

        rows = np.concatenate([curve.rows for curve in self.members])
        lengths = [len(curve.rows) for curve in self.members]
        best = np.repeat([curve.best_epoch for curve in self.members], lengths)
        columns = {"member": np.repeat(np.arange(len(lengths)), lengths)}
        columns |= {name: rows[:, number] for number, name in enumerate(COLUMNS)}
        columns["epoch"] = rows[:, 0].astype(np.int64)
        columns["kept"] = columns["epoch"] == best
        meta = {
            "software": f"jpasbatch {__version__}",
            "machines": [_plain(one) for one in self.machines],
            "machine_of_member": self.machine_of,
        }
        table = Table(columns, units={"seconds": "s"}, descriptions=DESCRIPTIONS, meta=meta)
        text = io.StringIO()
        table.write(text, format="ascii.ecsv")
        return text.getvalue().encode()

    @classmethod
    def from_ecsv(cls, data: bytes) -> Curves:
        """Return the curves that `to_ecsv` wrote."""
        from astropy.table import Table

        table = Table.read(data.decode(), format="ascii.ecsv")
        rows = np.stack([np.ma.filled(table[name].astype(np.float64), np.nan) for name in COLUMNS], axis=1)
        member, kept = np.asarray(table["member"]), np.asarray(table["kept"], dtype=bool)
        members = []
        for number in np.unique(member):
            own = rows[member == number]
            best = own[kept[member == number], 0]
            members.append(Curve(own, int(best[0]) if len(best) else 0))
        return cls(
            tuple(members),
            [_machine(one) for one in table.meta["machines"]],
            list(table.meta["machine_of_member"]),
        )


def _plain(machine: Machine) -> Mapping[str, Any]:
    """Return a machine as YAML has it: a list for the tuple, which would be written with a type of Python."""
    return asdict(machine) | {"instruction_sets": list(machine.instruction_sets)}


def _machine(kept: Mapping[str, Any]) -> Machine:
    return Machine(**{**kept, "instruction_sets": tuple(kept["instruction_sets"])})


def read_curves(version: Path) -> Curves | None:
    """Return how the members of a committee learnt, or None where that was not kept with it."""
    file = version / FILE
    return Curves.from_ecsv(file.read_bytes()) if file.is_file() else None
