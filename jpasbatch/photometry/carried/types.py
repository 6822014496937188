"""Types of columns that travel: which there are, and how those of several files agree."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.columns import CarriedColumn

UNIT = b"unit"
UNTYPED = b"untyped"
"""Metadata of a field whose type was guessed from text (CSV): whole numbers may be numbers in the next file."""


def carried_field(column: pa.Field, one: CarriedColumn) -> pa.Field:
    """Return the field that a column of a file has in the catalogue: its type in canonical form, with its notes.

    Raises
    ------
    InputError
        If columns of that type do not travel.
    """
    kind = _canonical_type(column.type)
    if kind is None:
        raise InputError(
            f"the column {one.column!r} of [catalogue] carry holds {column.type}; numbers, texts, truth values and "
            "lists of numbers of one length travel"
        )
    return pa.field(one.published, kind, metadata=column.metadata)


def _canonical_type(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_dictionary(kind):
        return _canonical_type(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_fixed_size_list(kind):
        inner = _canonical_type(kind.value_type)
        numbers = inner is not None and (is_number(inner) or pa.types.is_boolean(inner))
        return pa.list_(inner, kind.list_size) if numbers else None
    if pa.types.is_float16(kind):
        return pa.float32()
    return kind if is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind) else None


def is_number(kind: pa.DataType) -> bool:
    """Return whether a type is that of numbers."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def agree(files: Mapping[str, pa.Schema]) -> tuple[pa.Schema, list[str]]:
    """Return the one schema that the carried columns of all files get, and what was widened, in words.

    Whole numbers may be widened to more bits, and so may numbers; anything else that differs is refused, and so is
    another unit. A column that is empty in a file agrees with all.

    Parameters
    ----------
    files : mapping of str to Schema
        Carried columns of each file, by its name: the same columns in the same order.

    Raises
    ------
    InputError
        Naming the file, the column, what was found and what is wanted.
    """
    (first, schema), *others = files.items()
    fields, notes = list(schema), []
    origin = [first] * len(fields)
    for source, found in others:
        for number, (wanted, field) in enumerate(zip(fields, found, strict=True)):
            kind = _common(wanted, field)
            if kind is None:
                raise _other_type(source, field, f"{origin[number]} holds {wanted.type}")
            _check_units(source, field, wanted, origin[number])
            if kind != wanted.type:
                origin[number] = source
            fields[number] = _merged(wanted, field, kind)
    for source, found in files.items():
        for wanted, field in zip(fields, found, strict=True):
            if field.type != wanted.type and not pa.types.is_null(field.type):
                notes.append(f"{source}: {field.name} is widened from {field.type} to {wanted.type}")
    typed = [
        field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in fields
    ]  # a column that is empty everywhere
    return pa.schema([_without_mark(field) for field in typed]), notes


def fits_into(files: Mapping[str, pa.Schema], wanted: pa.Schema) -> None:
    """Check that the carried columns of new files fit into a catalogue that is there.

    Raises
    ------
    InputError
        When one has another type, which is no narrower one, or another unit.
    """
    for source, found in files.items():
        for field in found:
            there = wanted.field(field.name)
            if _common(there, field) != there.type:
                raise _other_type(source, field, f"the catalogue holds {there.type}")
            _check_units(source, field, there, "the catalogue")


def _other_type(source: str, field: pa.Field, wanted: str) -> InputError:
    return InputError(
        f"{source}: the carried column {field.name!r} holds {field.type}, but {wanted}; give it one type in all "
        "tables (fewer bits of the same kind are widened), or do not carry it"
    )


def _common(one: pa.Field, other: pa.Field) -> pa.DataType | None:
    """Return the type that holds the values of both, or None; of list and scalar alike."""
    kinds = one.type, other.type
    if kinds[0] == kinds[1] or pa.types.is_null(kinds[1]):
        return kinds[0]
    if pa.types.is_null(kinds[0]):
        return kinds[1]
    if all(map(pa.types.is_fixed_size_list, kinds)) and kinds[0].list_size == kinds[1].list_size:
        inner = _wider(kinds[0].value_type, kinds[1].value_type)
        return None if inner is None else pa.list_(inner, kinds[0].list_size)
    guessed = [field.type for field in (one, other) if UNTYPED in (field.metadata or {})]
    if any(map(pa.types.is_integer, guessed)) and any(map(pa.types.is_floating, kinds)):
        return pa.float64()
    return _wider(*kinds)


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    for same in (pa.types.is_signed_integer, pa.types.is_unsigned_integer, pa.types.is_floating):
        if same(one) and same(other):
            return max(one, other, key=lambda kind: kind.bit_width)
    return None


def _check_units(source: str, field: pa.Field, wanted: pa.Field, origin: str) -> None:
    found, there = ((one.metadata or {}).get(UNIT, b"").decode() for one in (field, wanted))
    if found and there and found != there:
        raise InputError(
            f"{source}: the carried column {field.name!r} is in {found!r}, but in {there!r} in {origin}; "
            "bring it to one unit"
        )


def _merged(one: pa.Field, other: pa.Field, kind: pa.DataType) -> pa.Field:
    """Return a field with the notes of both, those of the first where they differ."""
    notes = {**(other.metadata or {}), **(one.metadata or {})}
    if not all(UNTYPED in (field.metadata or {}) for field in (one, other)):
        notes.pop(UNTYPED, None)
    return pa.field(one.name, kind, metadata=notes or None)


def _without_mark(field: pa.Field) -> pa.Field:
    kept = {key: text for key, text in (field.metadata or {}).items() if key != UNTYPED}
    return pa.field(field.name, field.type, metadata=kept or None)
