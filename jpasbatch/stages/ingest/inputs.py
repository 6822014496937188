"""Which input files came, changed, went or got another name since the catalogue was ingested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jpasbatch.stages.ingest.sources import is_whole
from jpasbatch.stages.run.changes import compare_files
from jpasbatch.stages.run.ingest_facts import IngestFacts, Source

NOT_KNOWN = "an older version ingested it, and did not write down which rows came from which file"


@dataclass(frozen=True)
class InputChanges:
    """What became of the input files, by their names in the input folder.

    Attributes
    ----------
    arrived : tuple of str
        New files and those with other contents: they are read.
    gone : tuple of str
        Former files that are no more, or have other contents: their rows leave the catalogue.
    kept : mapping of str to str
        Files that stay: the name that each had, by its name now. Another name alone is no change.
    sources : mapping of str to Source, optional
        What is known of the former files; None where nothing is, and then nothing is gone.
    whole : str
        Why the catalogue must be ingested as a whole; empty where it need not be.
    """

    arrived: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] | None = None
    whole: str = ""


def compare_inputs(
    record: IngestFacts | None,
    changed: Sequence[str],
    hashes: Mapping[str, str],
    folder: Path,
    overlaps: bool = False,
) -> InputChanges:
    """Return what became of the input files since a catalogue was ingested, or why it must be ingested anew.

    Parameters
    ----------
    record : IngestFacts or None
        Of the last ingest.
    changed : sequence of str
        Parts of its fingerprint that changed besides the files.
    hashes : mapping of str to str
        The files now.
    folder : Path
        The output folder, with the tables of rows that the record names.
    overlaps : bool
        Whether rows of different files may be one object.
    """
    if record is None or record.inputs is None:
        return InputChanges(whole="nothing was ingested before")
    if changed:
        return InputChanges(whole=f"{', '.join(changed)} changed")
    if overlaps:
        return InputChanges(whole="rows of one table may stand for those of another ([catalogue.overlaps])")
    before = record.inputs
    found = compare_files(before, hashes)
    kept = {label: label for label in hashes.keys() & before.keys() if hashes[label] == before[label]}
    kept |= {now: former for former, now in found.renamed.items()}
    gone = sorted([*found.changed, *found.removed])
    sources, trouble = _known(record.sources, before, folder)
    if sources is None and (lost := [*gone, *found.renamed]):
        what = "changed" if lost[0] in hashes else "is gone"
        return InputChanges(whole=f"{lost[0]} {what}, and {trouble}")
    arrived = sorted([*found.added, *found.changed])
    return InputChanges(tuple(arrived), tuple(gone), dict(sorted(kept.items())), sources)


def _known(
    sources: dict[str, Source] | None, inputs: Mapping[str, str], folder: Path
) -> tuple[dict[str, Source] | None, str]:
    """Return what is known of the rows of each file, when all of it is whole; else why nothing is."""
    if sources is None or sources.keys() != inputs.keys():
        return None, NOT_KNOWN
    for source in sources.values():
        if not is_whole(source, folder):
            return None, f"{source.table}, which tells of the rows of {source.path}, is missing or damaged"
    return sources, ""
