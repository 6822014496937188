"""A target list as files: what WEAVE takes, the same for people and programs, and the table of all candidates."""

from __future__ import annotations

import hashlib
import io
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.products.protocol import LookUp
from jpasbatch.products.publication import Version, Writer
from jpasbatch.products.published import ecsv_bytes
from jpasbatch.products.record import HEALPIX_COLUMN
from jpasbatch.products.targets.targets import TargetSummary, chosen_targets, listed_candidates
from jpasbatch.products.targets.weave import Submission, weave_file_name, write_weave_catalogue
from jpasbatch.products.targets.weave_template import open_template, template_bytes

FOLDER = "targets"
TEMPLATE = "submission.template"
"""Key of the job file."""

UNITS = {"ra": "deg", "dec": "deg", **{f"magnitude_{role}": "mag" for role in "gri"}}
UNITS |= {"flux": "uJy", "flux_err": "uJy"}
UNITS |= {f"magnitude_err_{role}": "mag" for role in "gri"}


def candidates_name(stem: str) -> str:
    """Return the name of the table of candidates of a list: ``WQ_2027A1-candidates.parquet``."""
    return f"{stem}-candidates.parquet"


def catalogue_name(stem: str) -> str:
    """Return the name of the folder of a list as a HATS catalogue: ``WQ_2027A1-hats``."""
    return f"{stem}-hats"


def with_photometry(listed: pa.Table, look_up: LookUp) -> pa.Table:
    """Return candidates with all other columns of the photometry: of those on the list, and null for the others.

    Parameters
    ----------
    listed : pyarrow.Table
        See `listed_candidates`; of one partition, so that memory is bounded.
    look_up : LookUp
    """
    selected = listed["selected"].to_numpy()
    chosen = listed.filter(pa.array(selected))
    names, pixels = (chosen[name].to_pylist() for name in ("object_id", HEALPIX_COLUMN))
    found = look_up(dict(zip(names, pixels, strict=True)), None)
    rows = pa.array(np.cumsum(selected) - 1, pa.int64(), mask=~selected)
    for field in found.schema:
        if field.name not in listed.column_names:
            column = found[field.name]
            if pa.types.is_fixed_size_list(field.type):  # Parquet has no nulls of these
                column = column.cast(pa.list_(field.type.value_type))
            listed = listed.append_column(field.name, column.take(rows))
    return listed


IN_MEMORY = 64_000_000
"""Bytes of kept tables above which they are in a file: a list of a large survey has hundreds of megabytes."""


class Kept:
    """Tables that are made once and read again, one at a time, each as it was."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        # closed when nobody reads it any more
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._starts: list[int] = []
        for table in tables:
            self._starts.append(self._file.tell())
            with pa.ipc.new_stream(self._file, table.schema) as stream:
                stream.write_table(table)

    def __iter__(self) -> Iterator[pa.Table]:
        for start in self._starts:
            self._file.seek(start)
            with pa.ipc.open_stream(self._file) as stream:
                yield stream.read_all()


@dataclass(frozen=True)
class PublishedList:
    """One list on its way to the disk.

    Attributes
    ----------
    summary : TargetSummary
    submission : Submission
    candidates : callable
        Reads the candidates of the list, partition by partition in the order of the sky.
    look_up : LookUp
        Reads the photometry of those on the list, and of no others.
    described : mapping of str to str
        What tables say of themselves, but for the time.
    """

    summary: TargetSummary
    submission: Submission
    candidates: Callable[[], Iterator[pa.Table]]
    look_up: LookUp
    described: Mapping[str, str]

    @property
    def name(self) -> str:
        """The file that WEAVE takes."""
        return weave_file_name(self.summary.programme)

    @property
    def stem(self) -> str:
        """Its name without the ending."""
        return self.name.removesuffix(".fits")

    def version(self) -> Version:
        """Return the files of the list as a version: the list, its form for others, and its candidates."""
        stem = self.stem
        files = {
            self.name: self._write_weave,
            candidates_name(stem): self._write_candidates,
            f"{stem}.parquet": self._write_parquet,
            f"{stem}.csv": self._write_csv,
            f"{stem}.vot": self._write_votable,
        }
        makers = {name: _made_at(write) for name, write in files.items()}
        catalogues = {catalogue_name(stem): self._targets} if self.summary.number else {}
        link = f"{FOLDER}/{self.name}"
        return Version(f"{FOLDER}/{stem}", self._identity(), makers, link, self.name, catalogues)

    def _listed(self) -> Iterator[pa.Table]:
        for part in self.candidates():
            yield listed_candidates(part, self.summary)

    @cached_property
    def _measured(self) -> Kept:
        """The candidates with the photometry of those on the list: it is read once, for identity and table."""
        return Kept(with_photometry(part, self.look_up) for part in self._listed())

    def _targets(self) -> Iterator[pa.Table]:
        return map(chosen_targets, self._listed())

    def _identity(self) -> str:
        """Return the hash of all that decides on the list: its candidates, what became of them, and who submits."""
        digest = hashlib.sha256()
        form = hashlib.sha256(self._template).hexdigest() if self._template else ""
        digest.update(repr((self.summary.rules, self.submission, form)).encode())
        for part in self._measured:
            file = io.BytesIO()
            pq.write_table(part.replace_schema_metadata(None), file, compression="none")
            digest.update(file.getvalue())
        return digest.hexdigest()

    @property
    def _template(self) -> bytes:
        """The bytes of the template that the job names; none where it names none."""
        named = self.submission.template
        return template_bytes(Path(named), TEMPLATE) if named else b""

    def _write_weave(self, file: BinaryIO, created: str) -> None:
        template = open_template(Path(named), TEMPLATE) if (named := self.submission.template) else None
        programme = self.summary.programme
        write_weave_catalogue(file, self._targets(), programme, self.submission, created, template)

    def _write_candidates(self, file: BinaryIO, created: str) -> None:
        self._write_chunks(file, iter(self._measured), created)

    def _write_parquet(self, file: BinaryIO, created: str) -> None:
        self._write_chunks(file, self._targets(), created)

    def _write_chunks(self, file: BinaryIO, chunks: Iterator[pa.Table], created: str) -> None:
        first = next(chunks, None)
        if first is None:
            raise ValueError("a catalogue without partitions has no list")
        said = {f"jpasbatch.{key}": text for key, text in {**self.described, "created": created}.items()}
        fields = [
            field.with_metadata({"unit": UNITS[field.name]}) if field.name in UNITS else field
            for field in first.schema
        ]
        schema = pa.schema(fields, metadata=said)
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            for chunk in (first, *chunks):
                writer.write_table(chunk.cast(schema))

    def _write_csv(self, file: BinaryIO, created: str) -> None:
        from pyarrow import csv

        for number, chunk in enumerate(self._targets()):
            csv.write_csv(chunk, file, csv.WriteOptions(include_header=number == 0))

    def _write_votable(self, file: BinaryIO, created: str) -> None:
        from astropy.table import Table

        rows = pa.concat_tables(self._targets())
        text = ecsv_bytes(rows, UNITS, {**self.described, "created": created}).decode()
        Table.read(text, format="ascii.ecsv").write(file, format="votable")


def _made_at(write: Callable[[BinaryIO, str], None]) -> Callable[[str], Writer]:
    return lambda created: lambda file: write(file, created)
