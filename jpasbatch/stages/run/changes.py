"""What changed since a stage last finished: for the log, for plans, and for those who wonder why it runs again.

The fingerprint of a stage is the hash of named parts. Its record holds them once more, so that "why" can be told: the
hash of each part, and its ingredients, which are single options by their dotted name. Neither is part of a fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jpasbatch.algorithms import raised
from jpasbatch.storage.stores.ledger import canonical_json, fingerprint

FIRST = "first run"
UNKNOWN = "not known: an older version recorded this stage, without what its results are made of"

ALGORITHMS = "algorithms"
"""Name of the part that holds the numbers of algorithms."""

LONGEST = 60
"""Characters of a value that a record holds as it is; of anything longer it holds a hash."""
HASH_DIGITS = 16
NAMED = 3
"""Files of each kind that a line names."""


def digests(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each part of a stage's fingerprint, for its record."""
    return {name: fingerprint(part=value) for name, value in parts.items()}


def ingredients(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return every single value within the parts of a fingerprint, for its record.

    Parameters
    ----------
    parts : mapping
        JSON-able.

    Returns
    -------
    dict of str to str
        By dotted name, such as ``options.cuts.flags``: the value as JSON, or ``sha256:`` and a hash when it is long.
    """
    plain = json.loads(canonical_json(dict(parts)))
    return {name: _short(value) for name, value in _leaves(plain, "")}


def named_parts(parts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return what the record of a stage holds of the parts of its fingerprint."""
    return {"parts": digests(parts), "ingredients": ingredients(parts)}


def _leaves(value: Any, name: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _short(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= LONGEST else f"sha256:{fingerprint(part=value)[:HASH_DIGITS]}"


def changed_parts(record: Mapping[str, Any] | None, parts: Mapping[str, Any]) -> list[str]:
    """Return the names of the parts that differ from a stage's record.

    Parameters
    ----------
    record : mapping or None
        What the stage recorded when it last finished.
    parts : mapping
        What its fingerprint is made of now.

    Returns
    -------
    list of str
        Sorted; ``first run`` alone when there is no record, or one without digests.
    """
    if record is None or "parts" not in record:
        return [FIRST]
    return _differing(record["parts"], digests(parts))


def reasons(
    record: Mapping[str, Any] | None, parts: Mapping[str, Any], apart: Iterable[str] = ()
) -> list[str]:
    """Return why a stage must run again: a line for each part of its fingerprint that differs from its record.

    Parameters
    ----------
    record : mapping or None
        What the stage recorded when it last finished.
    parts : mapping
        What its fingerprint is made of now, under the names that the record has.
    apart : iterable of str
        Parts that are not looked at: a stage that runs before will decide them.

    Returns
    -------
    list of str
        Such as ``algorithm infer 3 -> 4: ...``, ``options.cuts.flags: 0 -> 3`` or ``committee changed``. Empty when
        nothing changed. An old record that does not tell is `UNKNOWN`, after the algorithms, which every record tells.
    """
    return _told(record, named_parts(parts), apart)


def recorded_reasons(
    before: Mapping[str, Any] | None, record: Mapping[str, Any], apart: Iterable[str] = ()
) -> list[str]:
    """Return why a stage ran again, from its record before and after: the lines of `reasons`, and of changed files.

    Parameters
    ----------
    before : mapping or None
        What the stage had recorded before it ran.
    record : mapping
        What it recorded now.
    apart : iterable of str
        Parts that are not looked at, as in `reasons`.
    """
    named = {key: record.get(key, {}) for key in ("parts", "ingredients")}
    lines = _told(before, named, apart)
    if before is not None and "inputs" in record:
        lines += changed_files(before.get("inputs", {}), record["inputs"])
    return lines


def _told(
    record: Mapping[str, Any] | None, named: Mapping[str, dict[str, str]], apart: Iterable[str]
) -> list[str]:
    """Return the lines of `reasons`; ``named`` is what `named_parts` returns."""
    if record is None:
        return [FIRST]
    lines = raised(record.get(ALGORITHMS, {}))
    if "parts" not in record:
        return [*lines, UNKNOWN]
    now, before = named["ingredients"], record.get("ingredients", {})
    changed = _differing(record["parts"], named["parts"])
    for part in (one for one in changed if one not in set(apart)):
        if part == ALGORITHMS and lines:
            continue
        told = [name for name in sorted(now.keys() | before.keys()) if name.partition(".")[0] == part]
        differ = [name for name in told if now.get(name) != before.get(name)]
        # a record that has digests alone tells which part it was, and no more
        lines += [_line(name, before.get(name), now.get(name)) for name in differ] if before else []
        lines += [] if before and differ else [f"{part} changed"]
    return lines


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _line(name: str, before: str | None, now: str | None) -> str:
    if any(value is not None and value.startswith("sha256:") for value in (before, now)):
        return f"{name} {'is new' if before is None else 'is gone' if now is None else 'changed'}"
    return f"{name}: {'nothing' if before is None else before} -> {'nothing' if now is None else now}"


class FileChanges(NamedTuple):
    """What became of the files of a folder, by their names.

    Attributes
    ----------
    added, changed, removed : list of str
        Sorted.
    renamed : dict of str to str
        The new name of each file that has another one, and the same bytes, by the old one.
    """

    added: list[str]
    changed: list[str]
    removed: list[str]
    renamed: dict[str, str]


def compare_files(before: Mapping[str, str], now: Mapping[str, str]) -> FileChanges:
    """Return which files of a folder were added, changed, removed or renamed.

    Parameters
    ----------
    before, now : mapping of str to str
        SHA-256 by name.
    """
    added, removed = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    changed = sorted(name for name in before.keys() & now.keys() if before[name] != now[name])
    new_names: dict[str, list[str]] = {}
    for name in added:
        new_names.setdefault(now[name], []).append(name)
    renamed = {name: new_names[before[name]].pop(0) for name in removed if new_names.get(before[name])}
    taken = set(renamed.values())
    return FileChanges(
        [name for name in added if name not in taken],
        changed,
        [name for name in removed if name not in renamed],
        renamed,
    )


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return which files of a folder are new, changed, gone and renamed, a line for each kind that there is.

    Parameters
    ----------
    before, now : mapping of str to str
        SHA-256 by name.
    """
    found = compare_files(before, now)
    names = [f"{old} to {new}" for old, new in found.renamed.items()]
    kinds = {"new": found.added, "changed": found.changed, "gone": found.removed, "renamed": names}
    return [_files(kind, named) for kind, named in kinds.items() if named]


def _files(kind: str, names: list[str]) -> str:
    return f"{len(names):,} input file{'s' if len(names) > 1 else ''} {kind}: {shortened(names)}"


def shortened(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
