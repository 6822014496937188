"""The numbers of the algorithms: what of the code decides whether a result is up to date.

A number is raised when a change of the code changes results, and at no other time. It is part of the fingerprint of all
that the algorithm makes. ``algorithms.toml`` holds the numbers, and the hash of the code that each stands for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

FILE = "algorithms.toml"


@dataclass(frozen=True)
class Algorithm:
    """One algorithm, as the file has it.

    Attributes
    ----------
    entry : tuple of str
        Functions that make the results, as ``"module:function"``; all that they reach is the algorithm's code.
    number : int
        From 1; raised when results change.
    changed : str
        What changed with this number.
    hash : str
        Of the code that makes the results of this number.
    """

    entry: tuple[str, ...]
    number: int
    changed: str
    hash: str


@lru_cache(maxsize=1)
def load_algorithms() -> dict[str, Algorithm]:
    """Return the algorithms by name."""
    text = (resources.files("jpasbatch") / FILE).read_text(encoding="utf-8")
    return {
        name: Algorithm(tuple(table["entry"]), table["number"], table["changed"], table["hash"])
        for name, table in tomllib.loads(text).items()
    }


def algorithm_numbers(*names: str) -> dict[str, int]:
    """Return the numbers of some algorithms by name, for a fingerprint and for a record.

    Raises
    ------
    KeyError
        When there is no such algorithm.
    """
    algorithms = load_algorithms()
    return {name: algorithms[name].number for name in names}


def raised(recorded: Mapping[str, int]) -> list[str]:
    """Return what was changed since a record was made, a line for each algorithm: ``algorithm infer 3 -> 4: …``.

    Parameters
    ----------
    recorded : mapping of str to int
        Numbers of the algorithms that made the results, by name.
    """
    algorithms = load_algorithms()
    lines = []
    for name, number in sorted(recorded.items()):
        now = algorithms.get(name)
        if now is None:
            lines.append(f"algorithm {name} {number} is gone")
        elif now.number != number:
            lines.append(f"algorithm {name} {number} -> {now.number}: {now.changed}")
    return lines
