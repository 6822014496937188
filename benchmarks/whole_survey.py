"""A survey of any size from nothing to its products, on two workers: time, memory and disk of each stage.

    python benchmarks/whole_survey.py FOLDER --data PACK --committee COMMITTEE [--rows 40_000_000]
    [--precision float32]

The survey is the mock of `jobs/mock_survey.toml` at that many rows; COMMITTEE is the folder of a trained one. All of it
lies in FOLDER afterwards, and a second run does only what is missing. One line runs the whole job again, with nothing
to do; the last ones find class shares by another method, and by another calibration, and make all posteriors anew.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mock_memory import JOB, ROWS_PER_DEG2, watched

MORE = """
[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}

[catalogue]
sample = "survey"

[committee]
artefact = "{committee}"

[inference]
precision = "{precision}"

[counts]
classes       = ["qso_low", "qso_high"]
band_role     = "r"
brighter_than = 23.6

[[targets]]
programme       = "WQ"
trimester       = "2027A1"
classes         = ["qso_high"]
min_probability = 0.5

[prior]
{prior}
"""

STEPS = {
    "mock": ("mock", ""),
    "ingest": ("ingest", ""),
    "infer": ("infer", ""),
    "correct": ("correct", ""),
    "summarise": ("summarise", ""),
    "run, nothing to do": ("run", ""),
    "correct, by unfolding": ("correct", 'method = "unfolding"'),
    "correct, another calibration": ("correct", 'calibration = "temperature"'),
}
"""Verb and options of [prior] of each line of the table."""


def made(output: Path) -> int:
    """Return the rows of the survey, from the record of its mock."""
    return int(json.loads((output / "work" / "mock.json").read_bytes())["rows"]["survey"])


def bytes_below(folder: Path) -> int:
    """Return what the files below a folder hold; a file of several names counts once."""
    found = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        found[facts.st_ino] = 0 if path.is_dir() else facts.st_size
    return sum(found.values())


def main() -> None:
    """Run the stages one by one and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the template pack")
    parser.add_argument("--committee", type=Path, required=True, help="folder of a trained committee")
    parser.add_argument("--rows", type=int, default=40_000_000)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    output, job = options.folder / "output", options.folder / "job.toml"
    text = JOB.format(data=options.data.resolve(), area=options.rows / ROWS_PER_DEG2)
    known = {"committee": options.committee.resolve(), "precision": options.precision}
    print("| stage | rows | seconds | rows/s | driver, MiB | largest worker, MiB | disk of the output, GB |")
    print("|---|---|---|---|---|---|---|")
    for name, (stage, prior) in STEPS.items():
        job.write_text(text + MORE.format(**known, prior=prior))
        command = [sys.executable, "-m", "jpasbatch", stage, str(job), "--output", str(output)]
        seconds, driver, worker = watched(command)
        rows = made(output)
        print(
            f"| {name} | {rows:,} | {seconds:,.0f} | {rows / seconds:,.0f} | {driver:,.0f} | {worker:,.0f} | "
            f"{bytes_below(output) / 1e9:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
