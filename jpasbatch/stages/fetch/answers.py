"""What a TAP service answers: a VOTable, read with all the signs that it is not the whole answer.

DALI (IVOA, section 4.4): an INFO ``QUERY_STATUS`` before the table is OK or ERROR; one after it is OVERFLOW when rows
were cut off, or ERROR when the service failed in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.stages.fetch.failures import TemporaryError, bounded_words
from jpasbatch.storage.tables.votable_check import refuse_references


@dataclass(frozen=True)
class Answer:
    """A table as it came.

    Attributes
    ----------
    table : astropy.io.votable.tree.TableElement
        Its ``array`` is a masked structured array (n,), its ``fields`` the columns.
    overflow : bool
        Whether the service says that it cut rows off.
    """

    table: Any
    overflow: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.table.array)

    def column(self, name: str) -> Any:
        """Return the values of a column, found without regard to case, (n,).

        Raises
        ------
        InputError
            When it is missing.
        """
        names = self.table.array.dtype.names or ()
        for item, found in zip(self.table.fields, names, strict=True):
            if item.name.lower() == name:
                return self.table.array[found]
        raise InputError(
            f"the service's answer has no column {name!r}; found {', '.join(item.name for item in self.table.fields)}"
        )


def read_answer(path: Path) -> Answer:
    """Read the answer of a query.

    Raises
    ------
    TemporaryError
        When the file ends in the middle, or the service failed while it was writing.
    InputError
        When the answer is an error document: with the service's own words; or refers to another file or address.
    """
    from astropy.io import votable

    try:
        refuse_references(path)
        document = votable.parse(path, verify="ignore")
        resources = list(document.resources)
        tables = list(document.iter_tables())
    except InputError:
        raise
    except Exception as error:  # the parser raises many kinds
        raise TemporaryError(
            f"the answer is no whole VOTable ({type(error).__name__}: {bounded_words(error)})"
        ) from None
    infos = [info for resource in resources for info in resource.infos]
    infos += [info for table in tables for info in table.infos]
    states = [(str(info.value).upper(), info.content or "") for info in infos if info.name == "QUERY_STATUS"]
    rows = sum(len(table.array) for table in tables)
    failed = next((content for state, content in states if state == "ERROR"), None)
    if failed is not None:
        words = bounded_words(failed) or "no reason given"
        if rows:
            raise TemporaryError(f'the service failed after {rows} rows: "{words}"', InputError)
        raise InputError(f'the service refused the query: "{words}"')
    if len(tables) != 1:
        raise TemporaryError(f"the answer holds {len(tables)} tables instead of one", InputError)
    return Answer(tables[0], any(state == "OVERFLOW" for state, _ in states))
