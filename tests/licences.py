"""Which packages come with which extra, and under which licence: the table of docs/dependencies.md.

python -m tests.licences > docs/dependencies.md
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
COPYLEFT = re.compile(r"\bA?L?GPL|General Public License|\bMPL|Mozilla|\bEPL|Eclipse", re.IGNORECASE)
HEAD = """# What jpasbatch stands on

Packages of the tested set (`requirements/tested.txt`), their licences as their own metadata state them, and what
brings them. jpasbatch itself is BSD 3-Clause and holds no code of theirs. Made by `make licences`; a test compares it
with what is installed.

Copyleft licences are named first. `healpy` (GPL-2) is part of the base: whoever distributes jpasbatch together with it
distributes the whole under the GPL. `healsparse` and `hpgeom` (extra `maps`) are GPL-3; a job that reads no maps of
that form does without them. `asyncssh` (extra `ssh`) can be had under EPL-2.0 or GPL-2. The others of this part ask
for changes of their own files only. `namex` (extra `train`, brought by
Keras) states none in its metadata.
"""


def licence_of(found: Distribution) -> str:
    """Return the licence that a distribution states, in a few words."""
    metadata = found.metadata
    if metadata.get("License-Expression"):
        return str(metadata["License-Expression"])
    classifiers = metadata.get_all("Classifier") or []
    named = [text.split(" :: ")[-1] for text in classifiers if text.startswith("License ::")]
    named = [text for text in named if text != "OSI Approved"]
    written = str(metadata.get("License") or "").strip()
    first = written.splitlines()[0].strip() if written else ""
    return ", ".join(named) or (first if len(first) <= 60 else "") or "not stated"


def brought_by(requirements: list[str]) -> set[str]:
    """Return the names of all packages that are needed for some requirements, those among them."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(one.name), frozenset(one.extras)) for one in map(Requirement, requirements)]
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        try:
            needed = distribution(key[0]).requires or []
        except (
            PackageNotFoundError
        ):  # of another system, or jpasbatch[...], whose extras are listed by themselves
            continue
        for one in map(Requirement, needed):
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in key[1] | {""}):
                waiting.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {name for name, _ in seen}


def pinned() -> list[str]:
    """Return the names of the tested set."""
    lines = (REPOSITORY / "requirements" / "tested.txt").read_text(encoding="utf-8").splitlines()
    return sorted({canonicalize_name(line.split("==")[0]) for line in lines if "==" in line})


def rows() -> dict[str, tuple[str, str]]:
    """Return licence, and what brings it, of each package of the tested set that is installed."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = brought_by(project["dependencies"])
    extras = {
        extra: brought_by([text for text in needed if not text.startswith("jpasbatch")])
        for extra, needed in project["optional-dependencies"].items()
    }
    found = {}
    for name in pinned():
        try:
            licence = licence_of(distribution(name))
        except PackageNotFoundError:
            continue
        by = [extra for extra, names in extras.items() if name in names]
        users = [extra for extra in by if extra != "test"] or by
        found[name] = (licence, "base" if name in base else ", ".join(users))
    return found


def document() -> str:
    """Return the text of docs/dependencies.md."""
    listed = rows()
    parts = {
        "Copyleft": {name: row for name, row in listed.items() if COPYLEFT.search(row[0])},
        "Others": {name: row for name, row in listed.items() if not COPYLEFT.search(row[0])},
    }
    text = HEAD
    for title, names in parts.items():
        text += f"\n## {title}\n\n| package | licence | comes with |\n|---|---|---|\n"
        text += "".join(
            f"| {name} | {licence} | {by or 'no extra'} |\n" for name, (licence, by) in names.items()
        )
    return text


if __name__ == "__main__":
    print(document(), end="")
