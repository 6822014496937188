"""Published keys to one string id, and text columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.photometry.catalogue_format import CatalogueFormat
from jpasbatch.photometry.raw_table import RawTable, as_scalars


def read_identifiers(raw: RawTable, catalogue: CatalogueFormat, matched: dict[str, str]) -> pa.Array:
    """Return the id of each row as a string; null where a part of the key is missing.

    The parts of the key are joined, for example (2406, 15603) to "2406-15603".

    Raises
    ------
    InputError
        If a part has another type than the survey declares: an id that is an integer in one
        file and a float or a string in another would name one object twice.
    """
    parts = []
    for declared in catalogue.id_columns:
        name = matched[declared]
        kind = as_scalars(raw, name).dtype.kind
        wanted = "iu" if catalogue.id_type == "integer" else "USO"
        if kind not in wanted and len(raw):
            found = raw.columns[name].dtype
            hint = " (integers with gaps turn into floats in some tools)" if kind == "f" else ""
            raise InputError(
                f"{raw.source}: id column {name!r} must hold {catalogue.id_type}s, found {found}{hint}"
            )
        parts.append(read_text(raw, name))
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, catalogue.id_separator, null_handling="emit_null")  # type: ignore[call-overload]


def check_identifiers(object_id: pa.Array, longest: int, source: str) -> None:
    """Refuse ids that no target list can hold, before anything is computed for them.

    Parameters
    ----------
    object_id : pyarrow.Array of str
    longest : int
        Letters that an id may have.
    source : str
        For the message.

    Raises
    ------
    InputError
        When an id is longer, or is not ASCII.
    """
    foreign = pc.call_function("invert", [pc.call_function("string_is_ascii", [object_id])])
    long = pc.call_function("greater", [pc.call_function("utf8_length", [object_id]), pa.scalar(longest)])
    for rows, what in ((foreign, "are not ASCII"), (long, f"have more than {longest} letters")):
        bad = object_id.filter(rows.fill_null(False))
        if len(bad):
            raise InputError(
                f"{source}: {len(bad)} ids {what}, for example {bad[0].as_py()[:60]!r}; target lists hold no such ids: "
                "rename them, or take another id column ([catalogue.contract] of the survey file sets their length)"
            )


def read_text(raw: RawTable, name: str | None) -> pa.Array:
    """Return a column as strings without surrounding blanks; null where masked, empty or absent.

    Raises
    ------
    InputError
        If the text is not UTF-8, or the column holds floats.
    """
    if name is None:
        return pa.nulls(len(raw), pa.string())
    column = as_scalars(raw, name)
    values, hidden = np.ma.getdata(column), np.ma.getmaskarray(column)
    if values.dtype.kind in "iu":
        return pa.array(values, mask=hidden).cast(pa.string())
    if values.dtype.kind not in "US" and len(raw) and not hidden.all():
        raise InputError(f"{raw.source}: column {name!r} must hold text or integers, found {values.dtype}")
    if values.dtype.kind not in "US":
        return pa.nulls(len(raw), pa.string())
    try:
        text = pa.array(values, mask=hidden).cast(pa.string())
    except pa.ArrowInvalid:
        raise InputError(f"{raw.source}: column {name!r} holds text that is not UTF-8") from None
    text = pc.call_function("utf8_trim_whitespace", [text])
    empty = pc.call_function("equal", [text, pa.scalar("")])
    return pc.call_function("if_else", [empty, pa.scalar(None, pa.string()), text])


def repeated(object_id: pa.Array) -> np.ndarray:
    """Return where an id occurred in an earlier row; null never does."""
    indices = object_id.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = np.ones(len(object_id), dtype=bool)
    rows[np.unique(indices, return_index=True)[1]] = False
    rows[indices == -1] = False
    return rows


def hash_identifiers(identifiers: Iterable[str]) -> np.ndarray:
    """Return the first eight bytes of each id's BLAKE2b digest, shape (n,), uint64."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in identifiers)
    return np.frombuffer(digests, dtype="<u8")
