"""Bless a change of code that leaves results as they are, or raise the number of an algorithm whose results changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jpasbatch.algorithms import Algorithm
from tests.algorithms.check import COMMAND, changed_code, closures, read_blessed, write_blessed, write_file
from tests.algorithms.comparison import differing
from tests.algorithms.golden import FILE
from tests.algorithms.source import Source


@dataclass(frozen=True)
class Finding:
    """What became of the code and of the golden results of one algorithm.

    Attributes
    ----------
    name : str
    code : list of str
        Definitions that changed; empty when the code is that of the number.
    results : list of str
        Where the golden results differ.
    """

    name: str
    code: list[str]
    results: list[str]


def find(
    algorithms: Mapping[str, Algorithm], results: Mapping[str, Any], source: Source, golden: Mapping[str, Any]
) -> list[Finding]:
    """Return what became of each algorithm, in their order, which is that of the stages."""
    code = changed_code(closures(source, algorithms), algorithms)
    return [
        Finding(name, code.get(name, []), differing(name, golden.get(name), results[name]))
        for name in algorithms
    ]


def settle(
    findings: Collection[Finding], algorithms: Mapping[str, Algorithm], raised: Mapping[str, str]
) -> tuple[dict[str, Algorithm], list[str], list[str]]:
    """Decide what may be written.

    Parameters
    ----------
    findings : collection of Finding
        In the order of the stages.
    algorithms : mapping
        As the file has them.
    raised : mapping of str to str
        What changed, by algorithm that the developer raises.

    Returns
    -------
    dict of str to Algorithm
        Those that may be written with the code and the results that they have now.
    list of str
        What to tell of them.
    list of str
        What is refused, and why.
    """
    settled: dict[str, Algorithm] = {}
    told: list[str] = []
    refused: list[str] = []
    for one in findings:
        now = algorithms[one.name]
        if one.name in raised:
            settled[one.name] = replace(now, number=now.number + 1, changed=raised[one.name])
            told.append(f"{one.name}: raised {now.number} -> {now.number + 1}: {raised[one.name]}")
        elif not one.results:
            settled[one.name] = now
            if one.code:
                told.append(
                    f"{one.name}: blessed, results are the same ({len(one.code)} definitions changed)"
                )
        elif not one.code and any(name in raised for name in settled):
            settled[one.name] = now
            told.append(
                f"{one.name}: its code is the same, its results follow those of an algorithm that was raised"
            )
        else:
            refused.append(_refusal(one))
    return settled, told, refused


def _refusal(one: Finding) -> str:
    shown = "\n    ".join(one.results[:5])
    why = (
        f"its code changed ({', '.join(one.code[:8])})"
        if one.code
        else "its code is the same, so that an earlier algorithm, a library or the golden case itself changed"
    )
    return (
        f"{one.name}: {len(one.results)} golden results differ; {why}:\n    {shown}\n"
        f'  If they are meant to change: {COMMAND} raise {one.name} "what changed"'
    )


def write(
    settled: Mapping[str, Algorithm], algorithms: Mapping[str, Algorithm], results: Mapping[str, Any]
) -> None:
    """Write hashes, numbers and golden results of the settled algorithms; the others stay as they were."""
    found = closures(Source.read(), algorithms)
    write_file(
        {
            name: replace(settled[name], hash=found[name].digest) if name in settled else one
            for name, one in algorithms.items()
        }
    )
    unsettled = {symbol for name, one in found.items() if name not in settled for symbol in one.symbols}
    now = {symbol: digest for one in found.values() for symbol, digest in one.symbols.items()}
    before = read_blessed()
    # what an algorithm that was refused reaches stays as it was, so that it is named again
    write_blessed({**now, **{symbol: before[symbol] for symbol in unsettled & before.keys()}})
    golden = {**read_golden(), **{name: results[name] for name in settled}}
    lines = [f'"{name}": {json.dumps(golden[name], sort_keys=True)}' for name in algorithms if name in golden]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def read_golden() -> dict[str, Any]:
    """Return the golden results by algorithm."""
    return json.loads(FILE.read_bytes()) if FILE.is_file() else {}


def bless(
    algorithms: Mapping[str, Algorithm],
    results: Mapping[str, Any],
    raised: Mapping[str, str],
    say: Callable[[str], None],
) -> int:
    """Bless what may be blessed and raise what is to be raised; return 1 when something was refused, 0 otherwise."""
    findings = find(algorithms, results, Source.read(), read_golden())
    settled, told, refused = settle(findings, algorithms, raised)
    write(settled, algorithms, results)
    for line in [*told, *refused]:
        say(line)
    if not told and not refused:
        say("no code of an algorithm changed")
    return 1 if refused else 0
