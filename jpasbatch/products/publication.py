"""What products hand over to be published: files, and versions of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

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
    """

    folder: str
    identity: str
    files: Mapping[str, Callable[[str], Writer]]
    link: str
    linked: str
