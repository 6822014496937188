"""Committees of the package: whole, small, and with a card that is theirs."""

from __future__ import annotations

import json

import pytest

from jpasbatch.committees.registry import shipped_committees
from jpasbatch.storage.stores.artefacts import MANIFEST, load_committee

SHIPPED = sorted(shipped_committees())


def test_there_is_one_for_j_pas_mini_j_pas_and_j_plus():
    assert SHIPPED == ["jpas57", "jpas60", "jplus12"]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_byte_is_that_of_the_manifest_and_there_are_few(name):
    folder = shipped_committees()[name]
    load_committee(folder)  # raises for another graph, validation sample or manifest
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_is_that_of_the_committee(name):
    folder = shipped_committees()[name]
    card = (folder / "card.md").read_text(encoding="utf-8")
    digest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["sha256"]
    assert card.startswith(f"# Committee `committee-{digest[:12]}`")
    described, _ = load_committee(folder)
    assert f"`{name}`, {len(described['survey']['bands'])} bands" in card
    for part in (
        "## Scores",
        "## Under stress",
        "## What it must not be used for",
        "## What its spectra come from",
    ):
        assert part in card
