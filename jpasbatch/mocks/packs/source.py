"""One publication of a template pack: where its files lie, what they give, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One publication of the pack.

    Parameters
    ----------
    key : str
        Short name.
    files : tuple of str
        Patterns below the pack; all of them are needed, without their ``.gz``.
    provides : str
        What it gives, in one line.
    role : str
        "quasars", "galaxies", "stars", "enrichment", "instrument", "other survey" (nobody else lacks it) or "check".
    published : str
        Where.
    licence : str
        Of the data, as far as their authors state one.
    cite : str
        What to cite.
    instead : tuple of str
        Other forms of the same data; any one of them can replace `files`.
    optional : tuple of str
        Files that add to it.
    """

    key: str
    files: tuple[str, ...]
    provides: str
    role: str
    published: str
    licence: str
    cite: str
    instead: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
