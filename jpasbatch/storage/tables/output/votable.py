"""VOTable, which is kept in memory until it is written as a whole: the format has no other way in astropy."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.output.columns import as_storable, astropy_table, storable_schema


class VotableFile:
    """A VOTable, binary; what the table is are its INFOs, and the order of bands is a TABLE named FILTER."""

    def __init__(self, path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> None:
        self._path, self._facts = path, facts
        self._schema = storable_schema(schema, "VOTable")
        self._parts: list[pa.Table] = []

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._parts.append(as_storable(rows, self._schema))

    def finish(self) -> None:
        """Write the file."""
        from astropy.io import votable
        from astropy.io.votable import tree
        from astropy.table import Table

        rows = pa.concat_tables(self._parts) if self._parts else self._schema.empty_table()
        table = astropy_table(rows, verbatim=True)
        ucds = {name: table[name].meta.pop("ucd", None) for name in table.colnames}
        document = tree.VOTableFile.from_table(table)
        objects = document.get_first_table()
        objects.name = "objects"
        for item in objects.fields:
            item.ucd = ucds.get(item.name)
        for key, text in self._facts.items():
            objects.infos.append(tree.Info(name=f"jpasbatch_{key}", value=text))
        bands = (self._schema.metadata or {}).get(FILTER_TABLE.encode())
        if bands:
            content = json.loads(bands)
            listed = Table({key: content[key] for key in ("FILTER_ID", "NAME")})
            filters = tree.VOTableFile.from_table(listed).get_first_table()
            filters.name = FILTER_TABLE
            document.resources[0].tables.append(filters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # units that astropy does not know are written as they are
            votable.writeto(document, str(self._path), tabledata_format="binary2")

    def close(self) -> None:
        """Let go of the rows."""
        self._parts.clear()
