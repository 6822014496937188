"""The closure of a function: all code of the package that it may reach, found without running anything.

It is made of definitions and not of modules: a function, a constant, or a class as a whole is in it when something in
it reads its name. What is unsure is in: names in type hints (their methods are called), whatever hides a name, and what
a module does when it is imported.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from tests.algorithms.definitions import ON_IMPORT, Definition, Module, Target, read_module
from tests.algorithms.source import Source

ROOT = "jpasbatch"

_QUOTED = re.compile(r"""["']([^"'\n]+)["']""")

DIGITS = 16
"""Of a SHA-256: hashes are compared with one other, never looked for among many."""


class Closure:
    """What entry points reach.

    Parameters
    ----------
    source : Source
    entries : iterable of str
        Functions, as ``"jpasbatch.stages.infer.stage:run_infer"``.
    machinery : iterable of str
        Modules and packages that are not followed: they decide how work is done, and nothing that comes of it.

    Raises
    ------
    ValueError
        When a name is not found.
    """

    def __init__(self, source: Source, entries: Iterable[str], machinery: Iterable[str] = ()) -> None:
        self._source = source
        self._machinery = tuple(machinery)
        self.symbols: dict[str, str] = {}
        """Hash of each definition (``module:name``), and of each data file, by its path."""
        todo = [Target(*entry.split(":")) for entry in entries]
        for target in todo:
            self._find(target)
        seen = set(todo)
        while todo:
            new = set(self._add(todo.pop())) - seen
            seen |= new
            todo.extend(new)

    @property
    def digest(self) -> str:
        """Hash of all that is reached."""
        lines = "".join(f"{name} {digest}\n" for name, digest in sorted(self.symbols.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:DIGITS]

    @property
    def modules(self) -> list[str]:
        """Modules of which something is reached."""
        return sorted({name.partition(":")[0] for name in self.symbols if ":" in name})

    def _add(self, target: Target) -> Iterator[Target]:
        """Add a definition; yield what it uses."""
        found = self._find(target)
        if found is None or f"{found.module}:{found.name}" in self.symbols:
            return
        module = self._module(found.module)
        if found.name is None:
            yield from (Target(found.module, name) for name in module.definitions)
            return
        digest, used = _digest_and_use(
            found.module, self._source.modules[found.module], found.name, self._source.module_names
        )
        self.symbols[f"{found.module}:{found.name}"] = digest
        self._add_data(found.module, module.definitions[found.name].texts)
        yield from used

    def _find(self, target: Target) -> Target | None:
        """Return where a name is defined, or None if the package does not define it, or it is machinery."""
        while True:
            if target.name is not None and _full_name(target) in self._source.modules:
                target = Target(_full_name(target))
            outside = target.module.partition(".")[0] != ROOT or _is_below(target.module, self._machinery)
            if outside or target.module == ROOT:  # which holds the version: of a release, and not of a result
                return None
            module = self._module(target.module)
            if target.name is None or target.name in module.definitions:
                return target
            if target.name not in module.bindings:
                if target.name.startswith("__"):  # what Python defines, such as __file__
                    return None
                raise ValueError(f"{target.module} defines no {target.name}")
            target = module.bindings[target.name]

    def _module(self, name: str) -> Module:
        if name not in self._source.modules:
            raise ValueError(f"no module {name}")
        return read_module(self._source.modules[name])

    def _add_data(self, module: str, texts: Iterable[str]) -> None:
        """Add data files that texts name by their path or the end of it (the nearest ones), and what these name."""
        for text in texts:
            named = self._source.data_by_end.get(text)
            if not named:
                continue
            folder = PurePosixPath(*module.split(".")[1:-1])
            near = [path for path in named if PurePosixPath(path).is_relative_to(folder)]
            for path in near or named:
                if path not in self.symbols:
                    data = self._source.data[path]
                    self.symbols[path] = _digest(data)
                    self._add_data(module, _QUOTED.findall(data.decode(errors="ignore")))


@functools.cache
def _digest_and_use(
    place: str, text: str, name: str, modules: frozenset[str]
) -> tuple[str, tuple[Target, ...]]:
    """Return the hash of a definition, and what it uses: closures share what is the same in all of them."""
    module = read_module(text)
    definition = module.definitions[name]
    imported = _imported(module, definition, modules)
    outside = sorted(f"{name}={target}" for name, target in imported.items())
    own = {name.partition(".")[0] for name in definition.names} & module.definitions.keys()
    if ON_IMPORT in module.definitions:
        own.add(ON_IMPORT)
    used = (*imported.values(), *(Target(place, name) for name in own - definition.bindings.keys()))
    return _digest(definition.form, *outside), used


def _imported(module: Module, definition: Definition, modules: frozenset[str]) -> dict[str, Target]:
    """Return what the imported names are that a definition reads."""
    used = {}
    bindings = {**module.bindings, **definition.bindings}
    for name in definition.names:
        first, *attributes = name.split(".")
        if first not in bindings:
            continue
        target = bindings[first]
        if _full_name(target) in modules:
            used[name] = _attribute(target, attributes, modules)
        else:
            used[first] = target
    return used


def _attribute(target: Target, attributes: list[str], modules: frozenset[str]) -> Target:
    """Return what ``module.name`` is; a module without a name after it is handed on as a whole."""
    place = _full_name(target)
    while attributes and f"{place}.{attributes[0]}" in modules:
        place, attributes = f"{place}.{attributes[0]}", attributes[1:]
    return Target(place, attributes[0] if attributes else None)


@functools.cache
def _full_name(target: Target) -> str:
    return target.module if target.name is None else f"{target.module}.{target.name}"


def _is_below(module: str, places: Iterable[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:DIGITS]
