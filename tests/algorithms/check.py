"""Whether the code of each algorithm is the code that its number stands for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from jpasbatch.algorithms import FILE, Algorithm
from tests.algorithms.closure import Closure
from tests.algorithms.source import PACKAGE, Source

BLESSED = Path(__file__).with_name("blessed.json")
"""Hash of each definition when it was last blessed; it tells what changed, and decides nothing."""

MACHINERY = (
    "jpasbatch.algorithms",
    "jpasbatch.compute",
    "jpasbatch.errors",
    "jpasbatch.hosts",
    "jpasbatch.stages.run.changes",
    "jpasbatch.stages.run.installation",
    "jpasbatch.stages.run.mapping",
    "jpasbatch.stages.run.metrics",
    "jpasbatch.stages.run.progress",
)
"""Modules that decide how work is done, and nothing that comes of it."""

COMMAND = "python -m tests.algorithms"

HEADER = f"""\
# The algorithms: what makes the results of each, its number, what changed with that, and the hash of its code. The
# number is part of the fingerprint of all that the algorithm makes, so that raising it makes users compute again.
# `{COMMAND}` writes this file: `bless` when changed code leaves results as they are, and
# `raise NAME "what changed"` when not.
"""


def closures(source: Source, algorithms: Mapping[str, Algorithm]) -> dict[str, Closure]:
    """Return the code that each algorithm reaches."""
    return {name: Closure(source, one.entry, MACHINERY) for name, one in algorithms.items()}


def changed_code(found: Mapping[str, Closure], algorithms: Mapping[str, Algorithm]) -> dict[str, list[str]]:
    """Return the algorithms whose code is not that of their number, with the definitions that differ."""
    blessed = read_blessed()
    gone = blessed.keys() - {symbol for closure in found.values() for symbol in closure.symbols}
    changed = {}
    for name, closure in found.items():
        if closure.digest != algorithms[name].hash:
            new = {symbol for symbol, digest in closure.symbols.items() if blessed.get(symbol) != digest}
            changed[name] = sorted(new | gone) or ["it reaches more, or less"]
    return changed


def complaint(name: str, definitions: Iterable[str]) -> str:
    """Return what to tell of an algorithm whose code changed."""
    listed = list(definitions)
    shown = ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
    return (
        f"algorithm {name}: its code changed ({shown}). Run `make bless`: it keeps the number if golden results are "
        f'the same. If results are meant to change, run `{COMMAND} raise {name} "what changed"`'
    )


def write_file(algorithms: Mapping[str, Algorithm]) -> None:
    """Write the numbers of the algorithms, with the hashes of their code."""
    tables = [
        f"\n[{name}]\nentry = {json.dumps(list(one.entry))}\nnumber = {one.number}\n"
        f"changed = {json.dumps(one.changed, ensure_ascii=False)}\nhash = {json.dumps(one.hash)}\n"
        for name, one in algorithms.items()
    ]
    (PACKAGE / FILE).write_text(HEADER + "".join(tables), encoding="utf-8")


def read_blessed() -> dict[str, str]:
    """Return the hash of each definition when it was last blessed."""
    modules = json.loads(BLESSED.read_text()) if BLESSED.is_file() else {}
    return {f"{module}{name}": digest for module, names in modules.items() for name, digest in names.items()}


def write_blessed(symbols: Mapping[str, str]) -> None:
    """Write the hash of each definition, a line a module."""
    modules: dict[str, dict[str, str]] = {}
    for symbol, digest in sorted(symbols.items()):
        module, colon, name = symbol.partition(":")
        modules.setdefault(module, {})[f"{colon}{name}"] = digest
    lines = [f'"{module}": {json.dumps(names)}' for module, names in modules.items()]
    BLESSED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
