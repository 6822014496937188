"""The source of the package: its modules and its data files, as texts that a test may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import jpasbatch

PACKAGE = Path(jpasbatch.__file__).parent


NO_CODE = ("committees", "py.typed")
"""Folders and files of the package that are no part of any algorithm: inputs, and a mark for type checkers."""


@dataclass(frozen=True, eq=False)
class Source:
    """Texts of a package.

    Attributes
    ----------
    modules : mapping of str to str
        Source by dotted name; of a package, that of its ``__init__``.
    data : mapping of str to bytes
        Other files by their path below the package; not the committees, which runs record by their own hash.
    """

    modules: Mapping[str, str]
    data: Mapping[str, bytes]

    @classmethod
    def read(cls, package: Path = PACKAGE) -> Source:
        """Read a package."""
        modules, data = {}, {}
        for path in sorted(package.rglob("*")):
            if "__pycache__" in path.parts or not path.is_file():
                continue
            name = path.relative_to(package.parent)
            if path.suffix == ".py":
                modules[".".join(name.with_suffix("").parts).removesuffix(".__init__")] = path.read_text(
                    encoding="utf-8"
                )
            elif path.relative_to(package).parts[0] not in NO_CODE:
                data[path.relative_to(package).as_posix()] = path.read_bytes()
        return cls(modules, data)

    @cached_property
    def module_names(self) -> frozenset[str]:
        """The modules, by their dotted names."""
        return frozenset(self.modules)

    @cached_property
    def data_by_end(self) -> dict[str, list[str]]:
        """The data files that each path, or the end of one, names."""
        found: dict[str, list[str]] = {}
        for path in self.data:
            parts = path.split("/")
            for start in range(len(parts)):
                found.setdefault("/".join(parts[start:]), []).append(path)
        return found

    def changed(self, module: str, text: str) -> Source:
        """Return the source with another text of one module."""
        return replace(self, modules={**self.modules, module: text})
