"""Measures of the house, as decision 22 counts them: ``python -m benchmarks.measures``.

Modules, functions, arguments and circles are from the syntax trees; nothing of the package is imported here. The worker
is a process of its own, which imports what a task of ``infer`` names. Its seconds want an idle machine.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "jpasbatch"
WORKER = (
    "from jpasbatch.compute import runner\n"
    "from jpasbatch.stages.infer.partition import classify_partition\n"
    "from jpasbatch.stages.run.commits import commit_task\n"
    "from jpasbatch.stages.run.installation import call_with_same_code\n"
)
"""What a task of ``infer`` names, and of the runner what calls it."""
RUNS = 7


def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Return every module of the package with its syntax tree, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path, ast.parse(path.read_text(encoding="utf-8"))
    return found


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(trees: dict[str, tuple[Path, ast.Module]]) -> Iterator[tuple[int, int, str]]:
    """Yield lines, arguments without ``self`` and ``cls``, and name of each function."""
    for module, (_, tree) in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(one.arg not in ("self", "cls") for one in arguments)
                yield (node.end_lineno or node.lineno) - node.lineno + 1, count, f"{module}:{node.name}"


def imports(trees: dict[str, tuple[Path, ast.Module]]) -> dict[str, set[str]]:
    """Return which modules each module imports; imports within functions and for type checking count too."""
    found: dict[str, set[str]] = {}
    for name, (_, tree) in trees.items():
        named: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                named |= {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                within = {f"{node.module}.{one.name}" for one in node.names}
                named |= (within & trees.keys()) or {node.module}
        found[name] = (named & trees.keys()) - {name}
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other."""
    reach = {name: _reached(graph, name) for name in graph}
    groups = {tuple(sorted({name, *(one for one in reach[name] if name in reach[one])})) for name in graph}
    return [list(group) for group in groups if len(group) > 1]


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


def worker() -> tuple[int, int, float]:
    """Return the modules of the package that an inference worker loads, their lines, and the median seconds."""
    names = "import sys\n" + WORKER + "print(*(n for n in sys.modules if n.split('.')[0] == 'jpasbatch'))"
    told = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True).stdout
    trees, seconds = modules(), []
    lines = sum(lines_of(trees[name][0]) for name in told.split())
    for _ in range(RUNS):
        bare, whole = (_seconds(code) for code in ("pass", WORKER))
        seconds.append(whole - bare)
    return len(told.split()), lines, statistics.median(seconds)


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    trees = modules()
    own = {name: lines_of(path) for name, (path, _) in trees.items() if path.name != "__init__.py"}
    total = sum(lines_of(path) for path, _ in trees.values())
    longest = max(own, key=lambda name: own[name])
    print(f"modules, those that only make a package left out: {len(own)}")
    print(f"lines of the package: {total:,}")
    print(
        f"lines of a module: median {statistics.median(own.values()):.0f}, longest {own[longest]} ({longest})"
    )
    found = list(functions(trees))
    print("longest functions: {} lines ({})".format(*max((size, name) for size, _, name in found)))
    print("most arguments: {} ({})".format(*max((count, name) for _, count, name in found)))
    untyped = sum(path.read_text(encoding="utf-8").count("dict[str, Any]") for path, _ in trees.values())
    print(f"dict[str, Any]: {untyped}")
    print(f"circles of imports: {circles(imports(trees)) or 0}")
    print("an inference worker loads {} modules of {:,} lines in {:.2f} s".format(*worker()))


if __name__ == "__main__":
    main()
