"""Readers of tables under a coverage-guided fuzzer: atheris (libFuzzer) looks for bytes that reach new lines of ours.

    python -m benchmarks.fuzz_guided CORPUS --seconds 600

CORPUS is a folder for the bytes that were found; it begins with the good tables of `benchmarks.fuzz`. Whatever a
reader raises but an `InputError` that names the file ends the run, and so does a table that takes 20 s or 4 GiB; the
bytes are then in ``crash-*``, ``timeout-*`` or ``oom-*`` of the working folder, and a file among the arguments is read
once more. The first byte says which reader gets the others. Needs atheris (`make fuzz-guided` installs it).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import warnings
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["jpasbatch"]):
    from benchmarks.fuzz import CUTS, good_tables, hand_on
    from jpasbatch.errors import InputError
    from jpasbatch.photometry.examination import examine
    from jpasbatch.photometry.normalisation import normalise
    from jpasbatch.photometry.survey import load_survey
    from jpasbatch.storage.tables.tables import iterate_raw

KINDS = (
    ("table.fits", "jpas60"),
    ("table.vot", "jpas60"),
    ("table.parquet", "jpas60"),
    ("table.csv", "nepw14"),
    ("table.fits.gz", "jpas60"),
)
SURVEYS = {name: load_survey(name) for name in ("jpas60", "nepw14")}


def read(folder: Path, data: bytes) -> None:
    """Read a table in every way; whatever is no refusal by name is raised."""
    if not data:
        return
    name, survey_name = KINDS[data[0] % len(KINDS)]
    path, survey = folder / name, SURVEYS[survey_name]
    path.write_bytes(data[1:])
    try:
        for raw in iterate_raw(path, survey):
            examine(raw, survey, CUTS)
            normalise(raw, survey, CUTS)
    except InputError as error:
        if name not in str(error):
            raise RuntimeError(f"does not name the file: {error}") from error
        return
    with contextlib.suppress(InputError):
        hand_on(path, survey)


def plant(corpus: Path) -> None:
    """Write the good tables into a corpus."""
    corpus.mkdir(parents=True, exist_ok=True)
    endings = [Path(name).suffix for name, _ in KINDS]
    with tempfile.TemporaryDirectory() as folder:
        for name, (path, _) in good_tables(Path(folder)).items():
            (corpus / name).write_bytes(bytes([endings.index(path.suffix)]) + path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("inputs", type=Path, nargs="*", help="files to read once, and nothing else")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.inputs:
            for path in options.inputs:
                read(folder, path.read_bytes())
            return
        plant(options.corpus)
        limits = [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-timeout=20"]
        sizes = ["-rss_limit_mb=4096", "-max_len=40000", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, *sizes, str(options.corpus)], lambda data: read(folder, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
