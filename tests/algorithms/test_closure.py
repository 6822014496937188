"""What a function reaches, in small made-up packages and in the real one."""

import ast
from dataclasses import replace

import pytest

from jpasbatch.algorithms import load_algorithms
from tests.algorithms.check import MACHINERY, changed_code, closures
from tests.algorithms.closure import Closure
from tests.algorithms.definitions import ON_IMPORT, bound_names
from tests.algorithms.normal_form import normal_form
from tests.algorithms.source import Source

STAGES = [
    "jpasbatch.mocks.stages.mock:run_mock",
    *(
        f"jpasbatch.stages.{name}.stage:run_{name}"
        for name in ("ingest", "train", "evaluate", "infer", "correct", "summarise")
    ),
]
WITH_OWN_FINGERPRINT = (
    "algorithms.toml",
    "photometry/surveys/",
    "products/literature/tables/",
    "stages/demo.toml",
    "stages/demo_training.toml",
    "scoring/comparison_report.html.j2",
)
"""Data files of no algorithm: jobs, surveys and published counts are inputs, and a comparison is made anew whenever it
is asked for."""


def package(**modules: str) -> Source:
    """Return the source of a made-up package; double underscores stand for dots."""
    named = {f"jpasbatch.{name.replace('__', '.')}": text for name, text in modules.items()}
    return Source({"jpasbatch": '__version__ = "1"', **named}, {})


def reached(source: Source, entry: str = "jpasbatch.stage:work", machinery: tuple[str, ...] = ()) -> set[str]:
    return {name.removeprefix("jpasbatch.") for name in Closure(source, [entry], machinery).symbols}


def test_only_what_is_reached_counts():
    source = package(
        stage="from jpasbatch.sums import total\nLIMIT = 2\nOTHER = 3\ndef work(x): return total(x) + LIMIT\n",
        sums="def total(x): return _part(x)\ndef _part(x): return x\ndef mean(x): return x\n",
    )
    assert reached(source) == {"stage:work", "stage:LIMIT", "sums:total", "sums:_part"}


@pytest.mark.parametrize(
    "stage",
    [
        "def work():\n    from jpasbatch.sums import total as found\n    return found()",
        "from jpasbatch import sums\ndef work(): return sums.total()",
        "import jpasbatch.sums\ndef work(): return jpasbatch.sums.total()",
        "from jpasbatch.door import total\ndef work(): return total()",
        "if TYPE_CHECKING:\n    from jpasbatch.sums import total\ndef work(x: total): pass",
        'from jpasbatch.sums import total\ndef work(x) -> "total": pass',
        "from jpasbatch.sums import total\nKINDS = {1: total}\ndef work(x): return KINDS[x]",
        "from jpasbatch.sums import total\nclass Kind:\n    def go(self): return total\ndef work(x: Kind): pass",
        "from jpasbatch import sums\ndef work(): return getattr(sums, 'total')",
    ],
)
def test_every_way_to_reach_is_seen(stage):
    source = package(stage=stage, sums="def total(): return 1", door="from jpasbatch.sums import total")
    assert "sums:total" in reached(source)


def test_what_a_module_does_on_import_counts():
    source = package(
        stage="from jpasbatch.sums import total\ndef work(): return total()",
        sums="import warnings\nwarnings.simplefilter('ignore')\ndef total(): return 1",
    )
    assert f"sums:{ON_IMPORT}" in reached(source)


def test_machinery_and_the_version_are_not_followed():
    source = package(
        stage="import jpasbatch\nfrom jpasbatch.run import go\ndef work(): return go(jpasbatch.__version__)",
        run="def go(x): return x",
    )
    assert reached(source, machinery=("jpasbatch.run",)) == {"stage:work"}


def test_another_target_of_the_same_name_counts():
    stage = "from {} import total\ndef work(): return total()"
    found = [
        Closure(
            package(stage=stage.format(f"jpasbatch.{place}"), one=text, two=text), ["jpasbatch.stage:work"]
        ).digest
        for place in ("one", "two")
        for text in ["def total(): return 1"]
    ]
    assert found[0] != found[1]
    outside = [
        Closure(package(stage=stage.format(place)), ["jpasbatch.stage:work"]).digest
        for place in ("math", "numpy")
    ]
    assert outside[0] != outside[1]


def test_data_files_that_are_named_count():
    stage = 'def work(): return read("page.j2")'
    source = package(stage=stage)
    source.data.update(
        {"page.j2": b'{% include "parts/head.j2" %}', "parts/head.j2": b"1", "parts/foot.j2": b"2"}
    )
    assert {"page.j2", "parts/head.j2"} == {name for name in reached(source) if ":" not in name}


def test_a_name_that_is_nowhere_is_an_error():
    with pytest.raises(ValueError, match=r"jpasbatch\.stage defines no play"):
        Closure(package(stage="def work(): pass"), ["jpasbatch.stage:play"])
    with pytest.raises(ValueError, match=r"no module jpasbatch\.desk"):
        Closure(package(stage="def work(): pass"), ["jpasbatch.desk:work"])


@pytest.fixture(scope="module")
def source() -> Source:
    return Source.read()


@pytest.fixture(scope="module")
def found(source) -> dict[str, Closure]:
    return closures(source, load_algorithms())


class OtherWords(ast.NodeTransformer):
    """Change every docstring; comments and layout go when the tree is written again."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value = ast.Constant(node.value.value + " In other words.")
        return node


def test_comments_and_docstrings_of_every_module_change_no_hash(source, found):
    texts = {
        name: "# A comment.\n" + ast.unparse(OtherWords().visit(ast.parse(text)))
        for name, text in source.modules.items()
    }
    assert all("In other words." in texts[name] for name, text in source.modules.items() if '"""' in text)
    again = closures(Source(texts, source.data), load_algorithms())
    assert {name: one.digest for name, one in again.items()} == {
        name: one.digest for name, one in found.items()
    }


def test_a_changed_definition_in_any_module_changes_the_hashes_of_all_that_reach_it(source, found):
    """Every definition gets a statement, or a value, that it did not have."""
    texts = {}
    for name, text in source.modules.items():
        tree = ast.parse(text)
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                statement.body.append(ast.Expr(ast.Constant(1)))
            elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                statement.value = ast.Tuple([statement.value], ast.Load())
        texts[name] = ast.unparse(ast.fix_missing_locations(tree))
    data = {path: content + b" " for path, content in source.data.items()}
    again = closures(Source(texts, data), load_algorithms())
    for name, one in found.items():
        same = [symbol for symbol, digest in one.symbols.items() if again[name].symbols[symbol] == digest]
        assert same == [], name


def with_another_constant(text: str, names: set[str]) -> str:
    """Return the source of a module with another number or text in one of some definitions."""
    tree = ast.parse(text)
    for statement in tree.body:
        if names.isdisjoint(bound_names(statement)):
            continue
        before = normal_form([statement])
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
                kept, node.value = node.value, node.value + (" x" if isinstance(node.value, str) else 1)
                if normal_form([statement]) != before:  # it is no docstring, and no type hint
                    return ast.unparse(tree)
                node.value = kept
    return ""


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_changed_constant_in_any_module_is_told(source, found, step):
    """Of each (or each ninth) module that an algorithm reaches, one number or text is changed, alone."""
    algorithms = load_algorithms()
    without: list[str] = []
    smallest_first = sorted(found, key=lambda name: len(found[name].symbols))
    algorithm_of = {module: name for name in reversed(smallest_first) for module in found[name].modules}
    for module, name in sorted(algorithm_of.items())[::step]:
        one = found[name]
        reached = {symbol.partition(":")[2] for symbol in one.symbols if symbol.startswith(f"{module}:")}
        text = with_another_constant(source.modules[module], reached)
        if not text:
            without.append(module)
            continue
        known = {name: replace(algorithms[name], hash=one.digest)}
        changed = changed_code(closures(source.changed(module, text), known), known)
        assert list(changed) == [name], module
    assert len(without) < 0.1 * len(source.modules), without


def test_all_that_stages_reach_belongs_to_an_algorithm(source, found):
    whole = Closure(source, STAGES, MACHINERY)
    covered = {symbol for one in found.values() for symbol in one.symbols}
    assert [name for name in whole.symbols if name not in covered] == []
    assert [
        path for path in source.data if path not in covered and not path.startswith(WITH_OWN_FINGERPRINT)
    ] == []


def test_closures_are_not_the_whole_package(source, found):
    """An algorithm is told of changes that may concern it, and of few others."""
    strangers = tuple(
        f"jpasbatch.{name}" for name in ("mocks", "products.report", "stages.evaluate", "stages.summarise")
    )
    assert not any(name.startswith(strangers) for name in found["infer"].modules)
    assert len(found["infer"].symbols) < 0.2 * sum(
        len(ast.parse(text).body) for text in source.modules.values()
    )
