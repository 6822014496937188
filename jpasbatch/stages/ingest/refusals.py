"""Refused rows that are carried from one version of the catalogue to the next, when files went or have other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.storage.stores.files import written_aside


@dataclass(frozen=True)
class Carrying:
    """What becomes of refused rows; files are called as the quarantine names them so far.

    Attributes
    ----------
    gone : frozenset of str
        Files that are no more: their rows are left out.
    returned : mapping of str to Path
        Tables (``row``) of rows that came back into the catalogue: they are left out.
    names : mapping of str to str
        Files that are called otherwise now.
    """

    gone: frozenset[str] = frozenset()
    returned: Mapping[str, Path] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def touches(self, source: str) -> bool:
        """Return whether the rows of a file do not all stay as they are."""
        return source in self.gone or source in self.returned or source in self.names

    def apply(self, table: pa.Table, source: str, row: str) -> pa.Table:
        """Return the rows that stay.

        Parameters
        ----------
        table : pyarrow.Table
        source, row : str
            Its columns with the file of a row, and with its number there.
        """
        column = pa.chunked_array(table[source].chunks, pa.string()).combine_chunks()
        encoded = column.dictionary_encode()
        found, place = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        keep = np.ones(table.num_rows, dtype=bool)
        for number, name in enumerate(found):
            if name in self.gone:
                keep &= place != number
            elif name in self.returned:
                back = pq.read_table(self.returned[name], columns=["row"])["row"].to_numpy()
                keep &= (place != number) | ~np.isin(table[row].to_numpy(), back)
        names = pa.array([self.names.get(name, name) for name in found], pa.string()).take(encoded.indices)
        at = table.schema.get_field_index(source)
        return table.set_column(at, table.schema.field(at), names).filter(pa.array(keep))

    def rewrite(self, path: Path, target: Path, source: str, row: str) -> int:
        """Write a table again with the rows that stay, and return how many they are; see `apply`."""
        rows = 0
        with (
            pq.ParquetFile(path) as file,
            written_aside(target) as aside,
            pq.ParquetWriter(aside, file.schema_arrow, compression="zstd") as writer,
        ):
            for batch in file.iter_batches(batch_size=100_000):
                left = self.apply(pa.Table.from_batches([batch]), source, row)
                writer.write_table(left)
                rows += left.num_rows
        return rows


NOTHING = Carrying()
"""All rows stay as they are."""
