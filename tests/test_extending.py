"""What ``docs/extending.md`` shows is tried: its code is added to a copy of the package, and runs there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jpasbatch

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = Path(jpasbatch.__file__).parent


def section(title: str) -> str:
    """Return the text of a section of the document."""
    text = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
    return next(part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(title))


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def patched(text: str, diff: str) -> str:
    """Return a text with a hunk applied; what the hunk shows as there must be there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(before) == 1, before
    return text.replace(before, after)


def test_a_product(tmp_path, snapshots):
    text = section("A product")
    copy = tmp_path / "copy"
    shutil.copytree(PACKAGE, copy / "jpasbatch", ignore=shutil.ignore_patterns("__pycache__"))
    (module,) = blocks(text, "python")
    (copy / "jpasbatch/products/entropy.py").write_text(module, encoding="utf-8")
    registry = copy / "jpasbatch/products/registry.py"
    for diff in blocks(text, "diff"):
        registry.write_text(patched(registry.read_text(encoding="utf-8"), diff), encoding="utf-8")

    run = tmp_path / "run"
    shutil.copytree(snapshots / "finished", run)
    before = json.loads((run / "summary.json").read_text())
    command = [sys.executable, "-m", "jpasbatch", "summarise", run / "tiny.toml", "--output", run, "--serial"]
    subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, check=True)

    after = json.loads((run / "summary.json").read_text())
    assert set(after) == {*before, "entropy"}
    assert after["counts"] == before["counts"]
    assert set(after["entropy"]) == {"star", "galaxy", "qso_low", "qso_high"}
    assert all(median is None or 0 < median < 2 for median in after["entropy"].values())
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<a href="#entropy">Entropy</a>' in page
    order = [page.index(f'<section id="{name}">') for name in ("confusion", "entropy", "examples")]
    assert order == sorted(order)
    assert "Histogram of entropy by predicted class" in page
