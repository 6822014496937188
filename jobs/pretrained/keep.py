"""Keep a trained committee as one of the package: its version, and a card with its scores and its sources.

python jobs/pretrained/keep.py runs/pretrained-jpas57 jpas57
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from jpasbatch.committees.registry import home
from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.layout import SOURCES
from jpasbatch.storage.stores.artefacts import committee_version, load_committee

MOST_BYTES = 8_000_000
KEPT = ("manifest.json", "committee.onnx", "validation.npz", "ordinary.npz", "curves.ecsv")
HELD_OUT = ("check", "other survey")
"""Roles of sources that no parent comes from."""

SOURCES_TEXT = """
## What its spectra come from

Mock objects descend from published spectra and bases. The committee holds none of them: only weights that were
learnt from their descendants, and what it says of a validation sample. Cite the sources with it.

| source | published | licence of the data | cite |
|---|---|---|---|
{rows}
"""


def main(run: Path, name: str) -> None:
    """Copy the committee of a run aside, then put it in the place of the old one.

    Raises
    ------
    InputError
        When it is damaged, too large, or was not evaluated.
    """
    version = committee_version(run / "committee")
    load_committee(version)
    card = run / "evaluation" / "card.md"
    if not card.is_file():
        raise InputError(f"{card} is missing: evaluate the committee first (jpasbatch evaluate)")
    size = sum((version / file).stat().st_size for file in KEPT)
    if size > MOST_BYTES:
        raise InputError(f"{version}: {size} bytes; a committee of the package has at most {MOST_BYTES}")
    target, aside = home() / name, home() / f".{name}.new"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for file in KEPT:
        shutil.copyfile(version / file, aside / file)
    rows = [
        f"| `{one.key}` | {one.published} | {one.licence} | {one.cite} |"
        for one in SOURCES
        if one.role not in HELD_OUT
    ]
    text = card.read_text(encoding="utf-8").rstrip() + "\n" + SOURCES_TEXT.format(rows="\n".join(rows))
    (aside / "card.md").write_text(text, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except InputError as error:
        sys.exit(str(error))
