"""From a clone to a classified table, as somebody does it who has nothing: an empty home, three commands, seconds.

    python benchmarks/clone_to_table.py REPOSITORY [--rows 10000] [--python python3.12]

REPOSITORY is what `git clone` takes. The three commands are those of README.md ("A table, classified"); they run in a
new folder, with a new empty home and none of this environment's variables but PATH and what pip, proxies and
certificates need. The table is of J-PAS, made beforehand with random fluxes: what is measured is the way, and not the
classes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jpasbatch.photometry.survey import load_survey
from jpasbatch.storage.tables.tables import write_published

COMMANDS = (
    "git clone --quiet {repository} jpasbatch",
    "{python} -m venv jpas && jpas/bin/pip install --quiet -c jpasbatch/requirements/tested.txt ./jpasbatch",
    "jpas/bin/jpasbatch classify {table}",
)
KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Variables that stay; and those of pip and of proxies."""
LIMIT_S = 120.0
"""After installation."""


def write_tile(path: Path, rows: int) -> None:
    """Write a tile of J-PAS with random fluxes, as CEFCA publishes it."""
    survey, random = load_survey("jpas57"), np.random.default_rng(1)
    shape = (rows, len(survey.bands))
    flux = random.lognormal(1, 1, (rows, 1)) * random.lognormal(0, 0.2, shape)
    content = {
        "tile_id": np.full(rows, 2241),
        "number": np.arange(rows),
        "ra": random.uniform(214, 215, rows),
        "dec": random.uniform(52, 53, rows),
        "flux": flux.astype(np.float32),
        "flux_err": (0.1 * flux).astype(np.float32),
    }
    write_published(path.parent, path.stem, content, survey)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--python", default=sys.executable, help="which makes the new environment")
    options = parser.parse_args()
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in KEPT or key.startswith("PIP_") or key.lower().endswith("_proxy")
    }
    with tempfile.TemporaryDirectory() as place:
        home, folder = Path(place) / "home", Path(place) / "work"
        home.mkdir()
        folder.mkdir()
        write_tile(folder / "tile.fits", options.rows)
        places = {"repository": options.repository, "python": options.python, "table": "tile.fits"}
        seconds = []
        for command in COMMANDS:
            start = time.monotonic()
            subprocess.run(
                command.format(**places), shell=True, check=True, cwd=folder, env=kept | {"HOME": str(home)}
            )
            seconds.append(time.monotonic() - start)
            print(f"{seconds[-1]:8.1f} s  {command}", flush=True)
        written = folder / "tile-classified.fits"
        print(f"{options.rows:,} rows, {written.name}: {written.stat().st_size / 1e6:.1f} MB")
        if seconds[-1] > LIMIT_S:
            raise SystemExit(f"{seconds[-1]:.0f} s after installation; at most {LIMIT_S:.0f} are wanted")


if __name__ == "__main__":
    main()
