"""What goes wrong in a parser of others becomes the refusal of the file, by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from jpasbatch.errors import InputError, JpasbatchError

Piece = TypeVar("Piece")


@contextmanager
def refusing(path: Path | str) -> Iterator[None]:
    """Turn every error of reading a file into an `InputError` that names it.

    Parsers of FITS, VOTable, Parquet and CSV raise errors of many kinds for damaged or hostile bytes, and new releases
    of them raise others. What the system refuses (no space, no more open files) says nothing of the file, and stays.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    try:
        yield
    except JpasbatchError:
        raise
    except (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); is it readable by you?"
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(f"{path}: is truncated or damaged ({error})") from None  # astropy's and arrow's own
    except MemoryError as error:
        raise InputError(f"{path}: claims more than fits into memory ({error})") from None
    except Exception as error:
        raise InputError(f"{path}: is damaged, or no table ({type(error).__name__}: {error})") from None


def refusing_pieces(pieces: Iterator[Piece], path: Path | str) -> Iterator[Piece]:
    """Yield the pieces of a file; see `refusing`."""
    with refusing(path):
        yield from pieces
