"""Rules of the header cards that describe the columns of a target catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from jpasbatch.products.targets.checking.fits_file import Card, Unit
from jpasbatch.products.targets.checking.headers import FORBIDDEN, OF_COLUMN
from jpasbatch.products.targets.checking.violation import Violation, shortened
from jpasbatch.products.targets.weave_template import COLUMN_CARDS

COMPARED = {"TTYPE", *(card for card, _ in COLUMN_CARDS)}
"""Cards that each column is asked for."""


def card_faults(name: str, cards: Mapping[str, Card], wanted: Mapping[str, Card]) -> Iterator[Violation]:
    """Yield the cards of a column that differ from those of the template.

    Parameters
    ----------
    name : str
        Of the column.
    cards, wanted : mapping of str to Card
        Values of its cards, without its number, and those of the template; None: no such card.
    """
    for card, value in wanted.items():
        there = cards.get(card)
        if card == "TFORM":
            same = _plain_form(there) == _plain_form(value)
        elif _is_number(value) and _is_number(there):
            same = float(there) == float(value)
        else:
            same = type(there) is type(value) and str(there).strip() == str(value).strip()
        if not same:
            found = "no such card" if there is None else shortened(there)
            allowed = "no such card" if value is None else shortened(value)
            yield Violation(f"column-{card.lower()}", "table", found, f"{allowed}, as the template", name)


def _is_number(value: Card) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain_form(value: Card) -> str:
    """Return a TFORM without a repeat count of 1, which says nothing, but for texts."""
    text = str(value).strip()
    return text[1:] if len(text) == 2 and text[0] == "1" and text[1] != "A" else text


def further_card_faults(
    table: Unit, names: list[str], wanted: list[str], header: Mapping[str, Card]
) -> Iterator[Violation]:
    """Yield cards that are there twice, of no column, unknown to the template, or in another order.

    Parameters
    ----------
    table : Unit
    names, wanted : list of str
        Columns of the table and of the template.
    header : mapping of str to Card
        Cards of the template.
    """
    found: dict[int, list[str]] = {}
    for card, times in Counter(one for one in table.names if OF_COLUMN.fullmatch(one)).items():
        if times > 1:
            yield Violation("card-twice", "table", f"{times} cards", "once", card)
        match = OF_COLUMN.fullmatch(card)
        assert match is not None  # or it would not be counted
        kind, number = match[1], int(match[2])
        if not 1 <= number <= len(names) or card != f"{kind}{number}":
            yield Violation("card-of-no-column", "table", card, f"cards of columns 1 to {len(names)}", card)
            continue
        found.setdefault(number, []).append(kind)
        column = names[number - 1]
        if kind not in COMPARED and not FORBIDDEN.fullmatch(card) and column in wanted:
            of_template = header.get(f"{kind}{wanted.index(column) + 1}")
            yield from card_faults(column, {kind: table.values[card]}, {kind: of_template})
    for number, kinds in found.items():
        if names[number - 1] in wanted:
            yield from _order_faults(names[number - 1], kinds, wanted.index(names[number - 1]) + 1, header)


def _order_faults(
    column: str, kinds: list[str], number: int, header: Mapping[str, Card]
) -> Iterator[Violation]:
    """Yield a warning where the cards of a column stand in another order than in the template."""
    own = (OF_COLUMN.fullmatch(card) for card in header)
    order = [one[1] for one in own if one and int(one[2]) == number and one[1] in kinds]
    common = [kind for kind in kinds if kind in order]
    if common != order:
        allowed = f"{', '.join(order)}, as the template"
        yield Violation("column-card-order", "table", ", ".join(common), allowed, column, (), "warning")
