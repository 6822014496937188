"""VOTable, which is kept in memory until it is written as a whole: the format has no other way in astropy."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.complete.table import UCD, UNIT
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

        rows = pa.concat_tables([self._schema.empty_table(), *self._parts])
        with warnings.catch_warnings():
            # of units that it does not know, and names that cannot be IDs, which are written as they are
            warnings.simplefilter("ignore")
            votable.writeto(self._document(rows), str(self._path), tabledata_format="binary2")

    def _document(self, rows: pa.Table) -> Any:
        from astropy.io.votable import tree
        from astropy.table import Table

        table = astropy_table(rows.replace_schema_metadata(None), units=None)
        document = tree.VOTableFile.from_table(table)
        objects = document.get_first_table()
        objects.name = "objects"
        for item, one in zip(objects.fields, self._schema, strict=True):
            notes = one.metadata or {}
            item.unit, item.ucd = (notes[key].decode() if key in notes else None for key in (UNIT, UCD))
        for key, text in self._facts.items():
            objects.infos.append(tree.Info(name=f"jpasbatch_{key}", value=text))
        bands = (self._schema.metadata or {}).get(FILTER_TABLE.encode())
        if bands:
            content = json.loads(bands)
            listed = Table({key: content[key] for key in ("FILTER_ID", "NAME")})
            filters = tree.VOTableFile.from_table(listed).get_first_table()
            filters.name = FILTER_TABLE
            document.resources[0].tables.append(filters)
        return document

    def close(self) -> None:
        """Let go of the rows."""
        self._parts.clear()
