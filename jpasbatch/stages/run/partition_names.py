"""Names of the commits of partitions. A name holds the hash of the bytes: the same bytes find the same commit."""

from __future__ import annotations

from jpasbatch.storage.catalogue.collection import Catalogue
from jpasbatch.storage.catalogue.primary import published_partitions
from jpasbatch.storage.stores.ledger import fingerprint

PREDICTIONS = "predictions"
"""Name of the extension of the collection that holds the published records."""

POSTERIORS = "posteriors"
"""Name of the extension that holds the probabilities under the class mix of the sky."""

SHA_DIGITS = 16
"""Of a partition's hash in the name of its commit: with a million versions of it, two agree once in 10^7 surveys."""

Pixel = tuple[int, int]


def commit_names(catalogue: Catalogue) -> dict[Pixel, str]:
    """Return the name under which each partition is classified: its pixel and the SHA-256 of its bytes."""
    return {
        record.healpix: commit_name(record.healpix, record.sha256)
        for record in published_partitions(catalogue)
        if record.rows
    }


def tally_names(
    photometry: Catalogue, predictions: Catalogue, posteriors: Catalogue | None = None
) -> dict[Pixel, str]:
    """Return the name under which each partition is tallied: its pixel, and the bytes of all of its files."""
    known = _hashes(photometry)
    corrected = {} if posteriors is None else _hashes(posteriors)
    names = {}
    for record in published_partitions(predictions):
        pixel = record.healpix
        if record.rows:
            digest = tally_digest(known[pixel], record.sha256, corrected[pixel] if posteriors else None)
            names[pixel] = commit_name(pixel, digest)
    return names


def _hashes(catalogue: Catalogue) -> dict[Pixel, str]:
    return {record.healpix: record.sha256 for record in published_partitions(catalogue)}


def pixel_key(pixel: Pixel) -> str:
    """Return the text by which plans, tasks and commits name a partition."""
    return f"{pixel[0]}_{pixel[1]}"


def commit_name(pixel: Pixel, digest: str) -> str:
    """Return the name of the commit of a partition with the SHA-256 of all that it is made from."""
    return f"{pixel_key(pixel)}-{digest[:SHA_DIGITS]}"


def partition_of(name: str) -> str:
    """Return the `pixel_key` of the partition that a commit is of."""
    return name.partition("-")[0]


def tally_digest(photometry: str, predictions: str, posteriors: str | None) -> str:
    """Return what a tally is named after: the fingerprint of the SHA-256 of its files."""
    files = {"photometry": photometry, "predictions": predictions}
    return fingerprint(**files, **({} if posteriors is None else {"posteriors": posteriors}))
