"""What products hand over to be published: files, and versions of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import pyarrow as pa

Writer = Callable[[BinaryIO], object]
"""Writes a whole file."""


@dataclass(frozen=True)
class Version:
    """Files that are published together as a version, which is never overwritten; a link points to the current one.

    Attributes
    ----------
    folder : str
        Of the versions, in the output folder.
    identity : str
        Hash of what the version holds: the same contents are the same version.
    files : mapping of str to function
        Writers by file name; each is made for the time when the version was first published.
    link : str
        Path of the link in the output folder.
    linked : str
        The file that it points to.
    catalogues : mapping of str to function
        What is written as a HATS catalogue, by the name of its folder: a function that yields its rows in the order of
        the sky, with ``_healpix_29`` first. One without rows is not written.
    """

    folder: str
    identity: str
    files: Mapping[str, Callable[[str], Writer]]
    link: str
    linked: str
    catalogues: Mapping[str, Callable[[], Iterator[pa.Table]]] = field(default_factory=dict)
