"""The tables of the tiny sky, and the committee that learnt from its mock."""

from pathlib import Path

import pyarrow as pa
import pytest

from jpasbatch.stages.classify.committee import NamedCommittee, name_committee
from jpasbatch.storage.tables.complete.opening import open_complete


@pytest.fixture(scope="session")
def committee_folder(snapshots: Path) -> Path:
    return snapshots / "trained" / "committee"


@pytest.fixture(scope="session")
def named(committee_folder: Path) -> NamedCommittee:
    return name_committee(committee_folder)


@pytest.fixture(scope="session")
def tiles(snapshots: Path) -> list[Path]:
    """Return the survey tables that the tiny catalogue was ingested from."""
    return sorted((snapshots / "trained" / "work" / "mock").glob("*/survey/*.fits"))


@pytest.fixture(scope="session")
def rows(tiles, survey) -> pa.Table:
    """Return 200 rows of a tile, all columns."""
    with open_complete(tiles[0], survey, 1000) as complete:
        return pa.concat_tables(complete.pieces).slice(0, 200).combine_chunks()
