"""Mutated tables through the readers, the contract and the columns that are handed on: what comes of each.

    python -m benchmarks.fuzz --seconds 120 --seed 1                 # the short form
    python -m benchmarks.fuzz --number 100000 --keep findings        # the long one; findings are kept as files

Every table is mutated (bits, bytes, spans, numbers, truncation), read whole, and compared with what the good one gives:

=========  ==============================================================================================
refused    an `InputError` that names the file
same       the canonical rows are those of the good table
changed    rows differ and nothing was said: allowed only where no checksum guards the bytes
quarantined  rows went to quarantine, the others are those of the good table
traceback  another exception: a bug
hang       longer than ``--limit`` seconds: a bug
killed     the process died: a bug
=========  ==============================================================================================

Mutation number n of a seed is always the same, so that a finding can be made again by ``--first n --number 1``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.photometry.examination import examine
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.tables import iterate_raw, write_cefca_tile, write_published

ROWS = 12
MEMORY = 6 << 30
BAD = ("traceback", "hang", "killed")
NUMBERS = (
    b"-1",
    b"0",
    b"2147483648",
    b"-9223372036854775809",
    b"1e999",
    b"NaN",
    b"999",
    b"\x00",
    b"\xff\xff\xff\xff",
)
CUTS = QualityCuts(tolerated_rows=ROWS, duplicates="quarantine")


def plain_rows(survey: Survey, rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return rows of which nothing is wrong, as writers of published tables take them."""
    shape = (rows, len(survey.bands))
    return {
        "tile_id": np.full(rows, 2406),
        "number": np.arange(rows),
        "ra": rng.uniform(214, 215, rows),
        "dec": rng.uniform(52, 53, rows),
        "flux": rng.lognormal(3, 1, shape).astype(np.float32),
        "flux_err": rng.uniform(0.1, 1, shape).astype(np.float32),
        "flags": np.zeros(shape, np.int16),
        "mask_flags": np.zeros(shape, np.int16),
        "class_star": np.ones(rows),
    }


def good_tables(folder: Path) -> dict[str, tuple[Path, Survey]]:
    """Write one good table of each kind; those with ``sums`` in their names are guarded by checksums."""
    from astropy.io import fits
    from astropy.table import Table

    vectors, columns = load_survey("jpas60"), load_survey("nepw14")
    rng = np.random.default_rng(0)

    sums = folder / "sums.fits"
    write_cefca_tile(sums, plain_rows(vectors, ROWS, rng), vectors)
    with fits.open(sums) as hdus:
        bare = [hdus[0], *(fits.BinTableHDU(hdu.data, name=hdu.name) for hdu in hdus[1:])]
        fits.HDUList(bare).writeto(folder / "bare.fits")
    objects, filters = (Table.read(sums, hdu=number) for number in (1, 2))
    _write_votable(objects, filters, folder / "bare.vot")
    fields, arrays = [], []
    for name in objects.colnames:
        values = np.asarray(objects[name])
        values = values.astype(values.dtype.newbyteorder("="))
        unit = {} if objects[name].unit is None else {b"unit": str(objects[name].unit).encode()}
        flat = pa.array(values.reshape(-1))
        array = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        fields.append(pa.field(name, array.type, metadata=unit))
        arrays.append(array)
    told = {"FILTER_ID": list(range(1, 61)), "NAME": list(vectors.band_names)}
    table = pa.table(arrays, schema=pa.schema(fields, metadata={b"FILTER": json.dumps(told).encode()}))
    pq.write_table(table, folder / "sums.parquet", write_page_checksum=True)
    pq.write_table(table, folder / "bare.parquet")
    by_column = write_published(folder, "columns", plain_rows(columns, ROWS, rng), columns)
    flat = pq.read_table(by_column)
    lines = [",".join(flat.column_names)]
    lines += [
        ",".join("" if cell is None else str(cell) for cell in row.values()) for row in flat.to_pylist()
    ]
    (folder / "bare.csv").write_text("\n".join(lines) + "\n")
    by_column.unlink()
    surveys = {"bare.csv": columns}
    return {path.name: (path, surveys.get(path.name, vectors)) for path in sorted(folder.iterdir())}


def _write_votable(objects: object, filters: object, path: Path) -> None:
    from astropy.io import votable
    from astropy.io.votable.tree import Resource, TableElement, VOTableFile

    document = VOTableFile()
    resource_element = Resource()
    document.resources.append(resource_element)
    for table, name in ((objects, "objects"), (filters, "FILTER")):
        element = votable.from_table(table).get_first_table()
        element.name = name
        assert isinstance(element, TableElement)
        resource_element.tables.append(element)
    document.to_xml(str(path))


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes that differ in one to three places, or end early."""
    found = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(0, max(len(found), 1)))
        span = int(rng.integers(1, 60))
        match int(rng.integers(0, 9)):
            case 0 | 1:
                found[place : place + 1] = (
                    bytes([found[place] ^ (1 << int(rng.integers(0, 8)))]) if found else b""
                )
            case 2:
                found[place : place + 1] = bytes([int(rng.integers(0, 256))])
            case 3:
                del found[place : place + span]
            case 4:
                found[place:place] = found[place : place + span]
            case 5:
                other = int(rng.integers(0, max(len(found), 1)))
                found[place : place + span] = found[other : other + span]
            case 6:
                number = NUMBERS[int(rng.integers(0, len(NUMBERS)))]
                found[place : place + len(number)] = number
            case 7:
                digits = [
                    spot for spot in range(place, min(place + 400, len(found))) if chr(found[spot]).isdigit()
                ]
                for spot in digits[:1]:
                    found[spot] = ord("0") + int(rng.integers(0, 10))
            case _:
                if rng.random() < 0.3:
                    del found[place:]
                else:
                    found[place : place + span] = bytes(span)
    return bytes(found)


def read(path: Path, survey: Survey) -> tuple[pa.Table, int]:
    """Return the accepted rows, and the number of rejected ones, the way ingest reads them."""
    results = []
    for raw in iterate_raw(path, survey):
        examine(raw, survey, CUTS)
        results.append(normalise(raw, survey, CUTS))
    return pa.concat_tables(one.accepted for one in results), sum(one.rejected.num_rows for one in results)


def written(table: pa.Table) -> bytes:
    """Return a table as bytes, in which NaN is equal to NaN."""
    rows = table.combine_chunks()
    with pa.BufferOutputStream() as sink:
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        return sink.getvalue().to_pybytes()


def hand_on(path: Path, survey: Survey) -> None:
    """Read all columns."""
    with open_complete(path, survey, 5) as table:
        for piece in table.pieces:
            piece.validate(full=True)


def judge(path: Path, survey: Survey, good: pa.Table) -> tuple[str, str]:
    """Return what comes of a table, and the words of what went wrong."""
    try:
        accepted, rejected = read(path, survey)
        outcome = "same" if written(accepted) == written(good) else "changed"
        if rejected:
            kept = {row["object_id"]: row for row in good.to_pylist()}
            exact = all(str(kept.get(row["object_id"])) == str(row) for row in accepted.to_pylist())
            outcome = "quarantined" if exact else "changed"
    except InputError as error:
        outcome = "refused" if path.name in str(error) else "traceback"
        if outcome == "traceback":
            return outcome, f"does not name the file: {error}"
    with contextlib.suppress(InputError):
        hand_on(path, survey)
    return outcome, ""


class TooLong(BaseException):
    """A table was not read within the limit."""


def _ring(*_: object) -> None:
    raise TooLong


def work(seed: int, first: int, last: int, limit: int, folder: Path, pipe: object) -> None:
    """Judge some mutations in this process, and send each outcome before the next begins."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _ring)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        (goods := Path(scratch) / "good").mkdir()
        tables = good_tables(goods)
        contents = {name: path.read_bytes() for name, (path, _) in tables.items()}
        wanted = {name: read(path, survey)[0] for name, (path, survey) in tables.items()}
        names = list(tables)
        for number in range(first, last):
            name = names[number % len(names)]
            path = Path(scratch) / name
            content = mutate(contents[name], np.random.default_rng([seed, number]))
            path.write_bytes(content)
            pipe.send((number, name, "begun", "", b""))  # type: ignore[attr-defined]
            signal.alarm(limit)
            try:
                outcome, words = judge(path, tables[name][1], wanted[name])
            except TooLong:
                outcome, words = "hang", traceback.format_exc(limit=-6)
            except BaseException:
                outcome, words = "traceback", traceback.format_exc(limit=-8)
            signal.alarm(0)
            kept = content if outcome in BAD or (outcome == "changed" and name.startswith("sums")) else b""
            pipe.send((number, name, outcome, words, kept))  # type: ignore[attr-defined]
    pipe.send(None)  # type: ignore[attr-defined]


def run(options: argparse.Namespace) -> dict[str, Counter[str]]:
    """Judge mutations in child processes, batch by batch, until number or time is reached."""
    counts: dict[str, Counter[str]] = {}
    begun, following = time.monotonic(), options.first
    end = options.first + options.number
    context = multiprocessing.get_context("fork")
    running: list[tuple[object, object, list]] = []
    while True:
        while (
            len(running) < options.processes
            and following < end
            and time.monotonic() - begun < options.seconds
        ):
            last = min(following + options.batch, end)
            here, there = context.Pipe(duplex=False)
            process = context.Process(
                target=work, args=(options.seed, following, last, options.limit, options.scratch, there)
            )
            process.start()
            there.close()
            running.append((process, here, [None, last]))
            following = last
        if not running:
            return counts
        for entry in list(running):
            process, here, state = entry
            ended = False
            try:
                while here.poll(0.05):  # type: ignore[attr-defined]
                    message = here.recv()  # type: ignore[attr-defined]
                    if message is None:
                        ended = True
                        break
                    state[0] = None if message[2] != "begun" else message
                    if message[2] != "begun":
                        _note(counts, message, options.keep)
            except EOFError:
                ended = True
                if state[0] is not None:
                    number, name = state[0][:2]
                    _note(counts, (number, name, "killed", f"exit {process.exitcode}", b""), options.keep)  # type: ignore[attr-defined]
            if ended:
                process.join()  # type: ignore[attr-defined]
                running.remove(entry)


def _note(counts: dict[str, Counter[str]], message: tuple, keep: Path | None) -> None:
    number, name, outcome, words, content = message
    counts.setdefault(name, Counter())[outcome] += 1
    if outcome in BAD:
        print(f"{number} {name} {outcome}\n{words}", flush=True)
    if keep is not None and content:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{outcome}-{number}-{name}").write_bytes(content)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=1 << 60, help="mutations at most")
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="no further batch begins after this time"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--batch", type=int, default=500, help="mutations in a process")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=int, default=20, help="seconds a table may take")
    parser.add_argument("--keep", type=Path, help="folder for tables that are findings")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    begun = time.monotonic()
    counts = run(options)
    seconds = time.monotonic() - begun
    total = sum((number for number in counts.values()), Counter())
    print(
        json.dumps({name: dict(sorted(number.items())) for name, number in sorted(counts.items())}, indent=1)
    )
    silent = sum(number["changed"] for name, number in counts.items() if name.startswith("sums"))
    print(
        f"{total.total()} mutations in {seconds:.0f} s, seed {options.seed}: {dict(sorted(total.items()))}; "
        f"changed in silence where a checksum stands: {silent}"
    )
    return 1 if any(total[outcome] for outcome in BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
