"""What a VOTable must not hold, seen before astropy reads it: references to elsewhere, and signs that rows are missing.

A parser would fetch a STREAM by its ``href``, from the network or from any file, and no hash of the table would cover
what it got. Entities and included documents are further ways out. A TAP service tells of rows that it cut off, and of
its failures, in INFO elements (DALI 1.1, section 4.4) that a reader of tables need not look at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

from jpasbatch.errors import InputError

HARMLESS_REFERENCES = {"link"}
"""Elements whose ``href`` is for people: nothing fetches it."""

BLOCK = 1 << 20

OnState = Callable[[str, str], None]
"""Called with what a service says of its query, and its words."""


class _Watch:
    """Looks at the elements of a document as they come."""

    def __init__(self, path: Path, on_state: OnState) -> None:
        self.path, self.on_state = path, on_state
        self.rows: list[int | None] = []
        self.state, self.words = "", ""
        self._telling = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Look at the beginning of an element."""
        plain = name.rsplit(":", 1)[-1].lower()
        named = {key.rsplit(":", 1)[-1].lower(): value for key, value in attributes.items()}
        if "href" in named and plain not in HARMLESS_REFERENCES:
            raise InputError(
                f"{self.path}: its element {name} refers to {named['href'][:200]!r}: only what is in the file "
                "itself is read; save the table with its data inside (binary or tabledata)"
            )
        if plain == "include":
            raise InputError(f"{self.path}: includes another document; save the table as one whole file")
        if plain == "table":
            self.rows.append(_number(named.get("nrows")))
        if plain == "info" and named.get("name", "").upper() == "QUERY_STATUS":
            self.state = named.get("value", "").upper()
            self._telling = True

    def end(self, name: str) -> None:
        """Look at the end of an element, where the state of a query is known with its words."""
        if self._telling and name.rsplit(":", 1)[-1].lower() == "info":
            self._telling = False
            self.on_state(self.state, self.words)
            self.words = ""

    def text(self, words: str) -> None:
        """Keep what a service says of its state."""
        if self._telling:
            self.words += words

    def refuse(self, *_: object) -> int:
        """Refuse entities, which may stand for other files or grow without bound."""
        raise InputError(f"{self.path}: declares entities, which a table does not need; save it without")


def refuse_references(path: Path) -> None:
    """Refuse a document that refers to elsewhere, and leave to the caller whether it is whole.

    Raises
    ------
    InputError
        When it does.
    ExpatError, ValueError, LookupError
        When it is no XML, or ends in the middle.
    """
    _watched(path, lambda state, words: None)


def check_votable(path: Path) -> list[int | None]:
    """Return how many rows each table of a document says that it has, in their order; None where it does not say.

    Raises
    ------
    InputError
        When the document refers to elsewhere, is not the whole answer of its query, or is no XML.
    """

    def refuse(state: str, words: str) -> None:
        if state in ("OVERFLOW", "ERROR"):
            cut = "rows were cut off" if state == "OVERFLOW" else "the service failed"
            told = f": {' '.join(words.split())[:200]!r}" if words.strip() else ""
            raise InputError(
                f"{path}: is not the whole answer of its query: QUERY_STATUS is {state} ({cut}{told}); "
                "ask the service again, for fewer rows at once or with a larger MAXREC"
            )

    try:
        return _watched(path, refuse).rows
    except (expat.ExpatError, ValueError, LookupError) as error:  # an unknown encoding is a LookupError
        raise InputError(f"{path}: is not a readable VOTable, or is truncated ({error})") from None


def _watched(path: Path, on_state: OnState) -> _Watch:
    """Read a document, and look at each of its elements."""
    watch = _Watch(path, on_state)
    parser = expat.ParserCreate()
    parser.StartElementHandler = watch.start
    parser.EndElementHandler = watch.end
    parser.CharacterDataHandler = watch.text
    parser.EntityDeclHandler = parser.ExternalEntityRefHandler = watch.refuse
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            parser.Parse(block, False)
        parser.Parse(b"", True)
    return watch


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
