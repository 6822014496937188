"""Names of the commits of partitions: what belongs to the bytes of a partition is found by them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        (record["order"], record["pixel"]): _commit_name(record, record["sha256"])
        for record in published_partitions(catalogue)
        if record["rows"]
    }


def tally_names(
    photometry: Catalogue, predictions: Catalogue, posteriors: Catalogue | None = None
) -> dict[Pixel, str]:
    """Return the name under which each partition is tallied: its pixel, and the bytes of all of its files."""
    known = _hashes(photometry)
    corrected = {} if posteriors is None else _hashes(posteriors)
    names = {}
    for record in published_partitions(predictions):
        pixel = (record["order"], record["pixel"])
        if record["rows"]:
            files = {"photometry": known[pixel], "predictions": record["sha256"]}
            if posteriors is not None:
                files["posteriors"] = corrected[pixel]
            names[pixel] = _commit_name(record, fingerprint(**files))
    return names


def _hashes(catalogue: Catalogue) -> dict[Pixel, str]:
    return {
        (record["order"], record["pixel"]): record["sha256"] for record in published_partitions(catalogue)
    }


def _commit_name(record: Mapping[str, Any], digest: str) -> str:
    return f"{record['order']}_{record['pixel']}-{digest[:SHA_DIGITS]}"
