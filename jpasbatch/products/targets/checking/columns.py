"""Rules of the columns of a target catalogue: which there are, and what their cards say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.products.targets.checking.column_cards import card_faults, further_card_faults
from jpasbatch.products.targets.checking.fits_file import Card, Unit
from jpasbatch.products.targets.checking.violation import Violation, shortened
from jpasbatch.products.targets.weave_template import COLUMN_CARDS, TemplateColumn, WeaveTemplate

Rows = np.ndarray
MOST_COLUMNS = 999


def found_columns(table: Unit) -> list[tuple[str, dict[str, Card]]]:
    """Return the name of each column and its cards, without their numbers."""
    values, columns = table.values, []
    for number in range(1, min(table.whole("TFIELDS"), MOST_COLUMNS) + 1):
        cards = {card: values[f"{card}{number}"] for card, _ in COLUMN_CARDS if f"{card}{number}" in values}
        columns.append((str(values.get(f"TTYPE{number}", "")).strip(), cards))
    return columns


def column_faults(table: Unit, template: WeaveTemplate) -> Iterator[Violation]:
    """Yield what is wrong with the columns: missing, unknown, in another order, or with other cards."""
    found = found_columns(table)
    if table.whole("TFIELDS", -1) != len(found) or not found:
        text = shortened(table.values.get("TFIELDS"))
        yield Violation("tfields", "table", text, f"1 to {MOST_COLUMNS} columns", "TFIELDS")
    names = [name for name, _ in found]
    wanted = [column.name for column in template.columns]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Violation("column-twice", "table", f"{names.count(name)} columns", "one", name)
    for name in wanted:
        if name not in names:
            yield Violation("column-missing", "table", "no such column", "the columns of the template", name)
    for name in dict.fromkeys(names):
        if name not in wanted:
            yield Violation(
                "column-unknown", "table", "not in the template", "the columns of the template", name
            )
    common, order = (
        [name for name in dict.fromkeys(names) if name in wanted],
        [n for n in wanted if n in names],
    )
    for name, expected in zip(common, order, strict=True):
        if name != expected:
            text = f"{name} where the template has {expected}"
            yield Violation("column-order", "table", text, "the order of the template", name)
            break
    header: dict[str, Card] = dict(template.table.items())
    yield from further_card_faults(table, names, wanted, header)
    for name, cards in found:
        if name in wanted:
            number = wanted.index(name) + 1
            yield from card_faults(
                name, cards, {card: header.get(f"{card}{number}") for card, _ in COLUMN_CARDS}
            )


def read_rows(table: Unit) -> tuple[np.ndarray | None, list[Violation]]:
    """Return the rows of the table as a structured array; None, and why, where its columns do not add up."""
    found = found_columns(table)
    kinds = []
    names: set[str] = set()
    for number, (name, cards) in enumerate(found):
        try:
            kind = TemplateColumn(name, str(cards.get("TFORM", "")), None, None, None).dtype
        except InputError:
            text = shortened(cards.get("TFORM"))
            return None, [Violation("column-tform", "table", text, "texts and single numbers", name)]
        kinds.append((name if name and name not in names else f"#{number}", kind))
        names.add(name)
    dtype = np.dtype(kinds)
    width, rows = table.whole("NAXIS1"), table.whole("NAXIS2")
    if dtype.itemsize != width or not kinds:
        text = f"NAXIS1 = {width}"
        return None, [
            Violation("row-width", "table", text, f"{dtype.itemsize}, as the columns say", "NAXIS1")
        ]
    whole = min(rows, len(table.data) // width)
    return np.frombuffer(table.data, dtype=dtype, count=whole), []
